"""Feeds of articles: Atom (RFC 4287) and JSON Feed 1.1.

``model`` has what a feed is made of; ``atom`` and ``json_feed`` write it, without file, clock or
database: the same feed gives the same bytes. ``selection`` makes feeds of a snapshot.
"""
