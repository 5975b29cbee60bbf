"""Feeds of articles: Atom (RFC 4287) and JSON Feed 1.1.

``model`` has what a feed is made of, ``atom`` and ``json_feed`` write it. These modules read
neither a file nor a clock nor a database: the same feed gives the same bytes.
"""
