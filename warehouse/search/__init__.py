"""Full-text search: a positional index of bigrams in the tables named ``_store.search_*``.

``characters`` has the classes of characters, ``tokens`` makes tokens of texts, ``index`` adds and
removes contents, ``runs`` keeps the postings sorted, ``query`` searches. The macro ``search`` of the
migrations makes the same tokens of a query in SQL.
"""
