"""A static site of the articles: ``copydesk site``.

``build`` makes it: ``articles`` reads the snapshot, ``lists`` divides the articles into pages,
``pages`` renders them, ``search_index`` makes the files of the search. ``files`` writes what changed.
"""
