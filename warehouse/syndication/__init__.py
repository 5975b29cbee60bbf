"""Syndication: contents with the same or nearly the same text, in the tables ``_store.syndication_*``.

shingles     runs of five characters of a text
sample       the fingerprints that are stored
similarity   compare two texts exactly
candidates   find which texts to compare
pairs        store new contents
index        add missing contents, remove others
query        read the view ``syndication``
"""
