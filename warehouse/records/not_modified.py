"""Articles that are known, and those a server said have not changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from warehouse.times import micros
from warehouse.upsert import stage
from warehouse.upsert.keys import key_of

KNOWN = """
    SELECT DISTINCT k.i
    FROM _store.versions v JOIN copydesk_known k ON v.article_key = k.article_key::UUID
"""

SEEN_IN = """
    SELECT DISTINCT k.i
    FROM _store.seen s JOIN copydesk_known k ON s.article_key = k.article_key::UUID
    WHERE s.channel = ?
"""

SEEN_ELSEWHERE = """
    SELECT DISTINCT k.i
    FROM _store.seen s JOIN copydesk_known k ON s.article_key = k.article_key::UUID
    WHERE s.channel <> ?
"""

# What was current at that moment is what the server confirmed.
CONFIRM = """
    INSERT INTO _store.seen
    SELECT v.article_key, max_by(v.content_key, (v.seen_at, v.seq)), k.channel, k.at, k.at, ?
    FROM _store.versions v JOIN copydesk_confirmed k ON v.article_key = k.article_key::UUID
    WHERE v.seen_at <= k.at
    GROUP BY v.article_key, k.channel, k.at
"""


@dataclass(frozen=True, slots=True)
class NotModified:
    """An article that a server says is as it was.

    Attributes:
        channel: The listing it was seen in.
        at: When the server said so, aware UTC.
    """

    channel: str
    at: datetime


def stored_ids(db: DuckDBPyConnection, article_ids: Iterable[str]) -> set[str]:
    """Those of the articles that were stored before, whatever they say now."""
    return _which(db, article_ids, KNOWN, [])


def ids_in_channel(db: DuckDBPyConnection, article_ids: Iterable[str], *, channel: str) -> set[str]:
    """Those of the articles that were seen in this channel."""
    return _which(db, article_ids, SEEN_IN, [channel])


def ids_in_other_channels(
    db: DuckDBPyConnection, article_ids: Iterable[str], *, channel: str
) -> set[str]:
    """Those of the articles that were seen in any channel but this one."""
    return _which(db, article_ids, SEEN_ELSEWHERE, [channel])


def _which(
    db: DuckDBPyConnection, article_ids: Iterable[str], sql: str, parameters: list[str]
) -> set[str]:
    names = list(dict.fromkeys(article_ids))
    if not names:
        return set()
    keys = stage.table(
        article_key=stage.keys([key_of(name) for name in names]),
        i=(range(len(names)), stage.SMALL),
    )
    with stage.staged(db, "copydesk_known", keys):
        return {names[i] for (i,) in db.execute(sql, parameters).fetchall()}


def record(db: DuckDBPyConnection, articles: Mapping[str, NotModified], *, run_id: str) -> None:
    """Moves ``last_seen_at`` of what those articles say; unknown articles are passed over.

    The caller owns the transaction.
    """
    if not articles:
        return
    rows = stage.table(
        article_key=stage.keys([key_of(name) for name in articles]),
        channel=([one.channel for one in articles.values()], stage.TEXT),
        at=([micros(one.at) for one in articles.values()], stage.MOMENT),
    )
    with stage.staged(db, "copydesk_confirmed", rows):
        db.execute(CONFIRM, [run_id])
