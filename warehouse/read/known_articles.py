"""What is known of some articles by any of their names: ids and addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.times import utc

Knowledge = Literal["stored", "erased", "gone", "quarantined", "not_an_article", "missing"]

NOT_AN_ARTICLE = "not an article"
"""How the error of a fetch begins whose page is of another kind."""

# Every record counts, so that an earlier address of an article is known, too.
_STORED = """
    SELECT DISTINCT k.i FROM copydesk_names k SEMI JOIN (
        SELECT source_article_id AS name FROM _store.article_records WHERE source = $source
        UNION SELECT url FROM _store.article_records WHERE source = $source
        UNION SELECT canonical_url FROM _store.article_records WHERE source = $source
        UNION SELECT original_url FROM _store.article_records WHERE source = $source
    ) r ON r.name = k.name
"""
_ERASED = """
    SELECT DISTINCT k.i FROM copydesk_names k JOIN _store.suppressions s
        ON s.source = $source AND (s.article_id = $source || ':' || k.name OR s.article_id IS NULL)
"""
_GONE = """
    SELECT DISTINCT k.i FROM copydesk_names k SEMI JOIN (
        SELECT url AS name FROM _store.gone WHERE source = $source AND live_at IS NULL
        UNION SELECT substr(article_id, len($source) + 2) FROM _store.gone
        WHERE source = $source AND live_at IS NULL
    ) g ON g.name = k.name
"""
_QUARANTINED = """
    SELECT DISTINCT k.i FROM copydesk_names k SEMI JOIN (
        SELECT url AS name FROM _store.quarantine WHERE source = $source AND resolved_at IS NULL
        UNION SELECT substr(article_id, len($source) + 2) FROM _store.quarantine
        WHERE source = $source AND resolved_at IS NULL
    ) q ON q.name = k.name
"""
_FETCHED = """
    SELECT k.i, arg_max(f.final_url, f.fetched_at), arg_max(coalesce(f.error, ''), f.fetched_at)
    FROM copydesk_names k JOIN _store.fetches f ON f.source = $source AND f.url = k.name
    GROUP BY k.i
"""
_SYNCED = """
    SELECT max(started_at) FROM _store.runs
    WHERE source = ? AND flow = 'sync' AND state IN ('completed', 'completed_with_warnings')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownArticle:
    """What is known of an article.

    Attributes:
        state: ``stored``; ``erased`` on request; ``gone`` (404 or 410); ``quarantined``;
            ``not_an_article`` when its page is of another kind; else ``missing``.
        error: Why the last fetch brought no article; empty when there was none.
    """

    state: Knowledge
    error: str = ""


def known_articles(
    db: DuckDBPyConnection, source: str, names: Sequence[Iterable[str]]
) -> list[KnownArticle]:
    """Return what is known of each article of a source.

    Args:
        db: The warehouse.
        source: The source.
        names: Of each article, the ids and addresses that it may have.
    """
    named = dict(enumerate(map(frozenset, names)))
    fetched = _fetched(db, source, named)
    moved = {i: {url} for i, (url, _) in fetched.items() if url}
    found: dict[int, Knowledge] = {}
    for state, sql, wanted in (
        ("stored", _STORED, named),
        ("stored", _STORED, moved),
        ("erased", _ERASED, named),
        ("gone", _GONE, named),
        ("quarantined", _QUARANTINED, named),
    ):
        for (i,) in _lookup(db, sql, source, wanted):
            found.setdefault(i, state)  # type: ignore[arg-type]  # mypy widens the literals
    errors = {i: error for i, (_, error) in fetched.items() if error}
    for i, error in errors.items():
        if error.startswith(NOT_AN_ARTICLE):
            found.setdefault(i, "not_an_article")
    return [
        KnownArticle(state=found.get(i, "missing"), error=errors.get(i, ""))
        for i in range(len(names))
    ]


def last_sync_at(db: DuckDBPyConnection, source: str) -> datetime | None:
    """Return when the last completed sync of a source started (UTC)."""
    ((at,),) = db.execute(_SYNCED, [source]).fetchall()
    return utc(at)


def _fetched(
    db: DuckDBPyConnection, source: str, names: Mapping[int, Iterable[str]]
) -> dict[int, tuple[str, str]]:
    """Return the final address and the error of the last fetch, by article."""
    return {i: (url, error) for i, url, error in _lookup(db, _FETCHED, source, names)}


def _lookup(
    db: DuckDBPyConnection, sql: str, source: str, names: Mapping[int, Iterable[str]]
) -> list[tuple[Any, ...]]:
    pairs = [(i, name) for i, own in names.items() for name in own]
    if not pairs:
        return []
    numbers, texts = zip(*pairs, strict=True)
    with stage.staged(
        db, "copydesk_names", stage.table(i=(numbers, stage.SMALL), name=(texts, stage.TEXT))
    ):
        return db.execute(sql, {"source": source}).fetchall()
