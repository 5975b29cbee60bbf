"""Pages about the warehouse for a browser on this machine: ``copydesk browse``.

``app`` has the routes, ``pages`` what each page shows, ``queries`` its SQL, ``response`` its
formats. ``pool`` reads the current snapshot; ``sql_worker`` runs statements of the user in a
process of their own. ``server`` listens and stops.
"""
