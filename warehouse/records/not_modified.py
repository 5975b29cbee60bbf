"""Articles that are stored already, and what a server answered 304 Not Modified for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.times import micros

STORED = """
    SELECT DISTINCT k.i
    FROM _store.article_versions v JOIN copydesk_ids k ON v.article_key = k.key::UUID
"""

IN_CHANNEL = """
    SELECT DISTINCT k.i
    FROM _store.sightings s JOIN copydesk_ids k ON s.article_key = k.key::UUID
    WHERE s.channel = ?
"""

IN_OTHER_CHANNELS = """
    SELECT DISTINCT k.i
    FROM _store.sightings s JOIN copydesk_ids k ON s.article_key = k.key::UUID
    WHERE s.channel <> ?
"""

# The server confirmed the version that was current at that moment.
RECORD = """
    INSERT INTO _store.sightings
    SELECT v.article_key, max_by(v.content_key, (v.seen_at, v.seq)), k.channel, k.at, k.at, ?
    FROM _store.article_versions v JOIN copydesk_ids k ON v.article_key = k.key::UUID
    WHERE v.seen_at <= k.at
    GROUP BY v.article_key, k.channel, k.at
"""

# The articles seen in the channel when the listing was last sent, or later: they are still in it.
RECORD_LISTING = """
    INSERT INTO _store.sightings
    SELECT DISTINCT s.article_key, s.content_key, s.channel, ?::TIMESTAMPTZ, ?::TIMESTAMPTZ, ?
    FROM _store.sightings s
    SEMI JOIN (SELECT article_key FROM _store.article_records WHERE source = ?) r
           ON r.article_key = s.article_key
    WHERE s.channel = ? AND s.last_seen_at >= ?
    QUALIFY row_number() OVER (
        PARTITION BY s.article_key ORDER BY s.last_seen_at DESC, s.first_seen_at DESC) = 1
"""


@dataclass(frozen=True, slots=True)
class NotModified:
    """A 304 answer for an article.

    Attributes:
        channel: The listing it was seen in.
        at: When the server answered, aware UTC.
    """

    channel: str
    at: datetime


def stored_ids(db: DuckDBPyConnection, article_ids: Iterable[str]) -> set[str]:
    """Return those of the articles that are stored."""
    return _which(db, article_ids, STORED, [])


def ids_in_channel(db: DuckDBPyConnection, article_ids: Iterable[str], *, channel: str) -> set[str]:
    """Return those of the articles that were seen in this channel."""
    return _which(db, article_ids, IN_CHANNEL, [channel])


def ids_in_other_channels(
    db: DuckDBPyConnection, article_ids: Iterable[str], *, channel: str
) -> set[str]:
    """Return those of the articles that were seen in any channel but this one."""
    return _which(db, article_ids, IN_OTHER_CHANNELS, [channel])


def _which(
    db: DuckDBPyConnection, article_ids: Iterable[str], sql: str, parameters: list[str]
) -> set[str]:
    names = list(dict.fromkeys(article_ids))
    if not names:
        return set()
    with stage.staged(db, "copydesk_ids", stage.keyed(names)):
        return {names[i] for (i,) in db.execute(sql, parameters).fetchall()}


def record(db: DuckDBPyConnection, articles: Mapping[str, NotModified], *, run_id: str) -> None:
    """Store a sighting of the current content of each article; ignore unknown articles.

    The caller owns the transaction.
    """
    if not articles:
        return
    answers = articles.values()
    rows = stage.keyed(
        list(articles),
        channel=([one.channel for one in answers], stage.TEXT),
        at=([micros(one.at) for one in answers], stage.MOMENT),
    )
    with stage.staged(db, "copydesk_ids", rows):
        db.execute(RECORD, [run_id])


def record_listing(
    db: DuckDBPyConnection, source: str, listing: NotModified, *, sent_at: datetime, run_id: str
) -> None:
    """Store a sighting of every article of a listing that carries them and was not modified.

    The caller owns the transaction.

    Args:
        db: The warehouse.
        source: The source of the listing.
        listing: The answer.
        sent_at: When the server last sent the listing whole.
        run_id: The run that stores the rows.
    """
    values = [listing.at, listing.at, run_id, source, listing.channel, sent_at]
    db.execute(RECORD_LISTING, values)
