"""Search the corpus: the macro ``search``, from Python."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb
from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.errors import BadQuery, WarehouseTooOld

DEFAULTS = {"source": "''", "since": "''", "until": "''", "top": "10"}
"""The optional parameters of the macro, except ``home``; DuckDB's catalog has no defaults."""

_SEARCH = """
    SELECT rank, article_id, source, title, published_at, url, snippet, score, matched
    FROM search(?, source := ?, since := ?, until := ?, top := ?)
    ORDER BY rank
"""
_INDEX = "SELECT content_count, indexed_count FROM search_index"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """One article that a search found.

    Attributes:
        rank: From 1.
        snippet: The text around the first match; the beginning if only the title matches.
        score: BM25; comparable within one search.
        matched: ``all`` if the article holds every term, else ``partial``.
    """

    rank: int
    article_id: str
    source: str
    title: str | None
    published_at: datetime | None
    url: str
    snippet: str
    score: float
    matched: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search found, and how much of the corpus it read.

    Attributes:
        hits: Best first.
        content_count: How many contents are stored.
        indexed_count: How many of them the index holds.
    """

    hits: tuple[SearchHit, ...]
    content_count: int
    indexed_count: int


def search(
    db: DuckDBPyConnection,
    query: str,
    *,
    source: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 10,
) -> SearchResult:
    """Return the articles whose current text matches, best first.

    Args:
        db: A snapshot or a warehouse.
        query: Terms with spaces between them; a term, or words in quotes, is a phrase.
        source: Only this source.
        since: Only articles published at this time or later.
        until: Only articles published before this time.
        limit: How many.

    Raises:
        BadQuery: The query is not valid Unicode.
        WarehouseTooOld: The file has no search index.
    """
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise BadQuery(f"the query is no valid text: {error.reason} at {error.start}") from error
    try:
        found = stage.select(db, _SEARCH, [query, source, since, until, limit])
    except duckdb.CatalogException as error:
        raise WarehouseTooOld(
            "the file has no search index: an earlier copydesk wrote it. The next run "
            "(`copydesk sync`) upgrades the warehouse and publishes a new snapshot"
        ) from error
    content_count, indexed_count = index_counts(db)
    return SearchResult(
        hits=tuple(SearchHit(**one) for one in found),
        content_count=content_count,
        indexed_count=indexed_count,
    )


def index_counts(db: DuckDBPyConnection) -> tuple[int, int]:
    """Return how many contents are stored, and how many of them the index holds."""
    ((content_count, indexed_count),) = db.execute(_INDEX).fetchall()
    return content_count, indexed_count
