"""Syndication: contents with the same or nearly the same text, in the tables ``_store.syndication_*``.

``shingles`` makes the runs of five characters of texts, ``sample`` the fingerprints that are stored,
``similarity`` compares two texts exactly, ``candidates`` finds which texts to compare, ``pairs`` stores new
contents, ``index`` adds missing ones and removes others, ``query`` reads the view ``syndication``.
"""
