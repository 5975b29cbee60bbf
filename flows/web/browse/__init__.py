"""Pages about the warehouse for a browser on this machine: ``copydesk browse``.

``app`` has the routes, ``pages`` what each page shows, ``queries`` its SQL, ``response`` its
formats. ``pool`` reads the current snapshot. ``server`` listens and stops.
"""
