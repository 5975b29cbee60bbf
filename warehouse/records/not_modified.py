"""Articles that are stored already, and sightings of unchanged ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.keys import key_of
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
    WHERE s.channel NOT IN (?, 'revisit')
"""

# The article has the version that was current at that moment, or the one last seen in its channel
# where its listing carries it. A sighting of it that is not old is extended, so that a listing
# that is read every few minutes adds no rows.
SEEN = """
    CREATE OR REPLACE TEMP TABLE copydesk_seen AS
    WITH head AS (
        SELECT k.i, max_by(v.content_key, (v.seen_at, v.seq)) AS content_key,
               max(v.seen_at) AS seen_at
        FROM _store.article_versions v JOIN copydesk_ids k
             ON v.article_tag = k.tag AND v.article_key = k.key::UUID
        WHERE v.seen_at <= k.at
        GROUP BY k.i
    ), last AS (
        SELECT k.i, s.content_key, s.first_seen_at, s.last_seen_at
        FROM _store.sightings s JOIN copydesk_ids k
             ON s.article_key = k.key::UUID AND s.channel = k.channel
        WHERE s.last_seen_at >= make_timestamptz({since})
        QUALIFY row_number() OVER (
            PARTITION BY k.i ORDER BY s.last_seen_at DESC, s.first_seen_at DESC) = 1
    )
    SELECT k.key::UUID AS article_key, coalesce(l.content_key, h.content_key) AS content_key,
           k.channel, k.at, l.first_seen_at, l.last_seen_at
    FROM copydesk_ids k JOIN head h ON h.i = k.i
    LEFT JOIN last l ON l.i = k.i
         AND (k.is_carried OR (l.content_key = h.content_key AND l.last_seen_at >= h.seen_at))
"""

# The articles seen in the channel when the listing was last sent, or later: they are still in it.
SEEN_IN_LISTING = """
    CREATE OR REPLACE TEMP TABLE copydesk_seen AS
    SELECT s.article_key, s.content_key, s.channel, k.at, s.first_seen_at, s.last_seen_at
    FROM _store.sightings s
    JOIN (SELECT DISTINCT article_key, source FROM _store.article_records
          WHERE source IN (SELECT source FROM copydesk_listings)) r
         ON r.article_key = s.article_key
    JOIN copydesk_listings k
         ON k.source = r.source AND k.channel = s.channel AND s.last_seen_at >= k.sent_at
    WHERE s.last_seen_at >= make_timestamptz({since})
    QUALIFY row_number() OVER (
        PARTITION BY s.article_key, s.channel ORDER BY s.last_seen_at DESC, s.first_seen_at DESC) = 1
"""

EXTEND = """
    UPDATE _store.sightings AS s SET last_seen_at = k.at
    FROM copydesk_seen k
    WHERE s.article_key = k.article_key AND s.content_key = k.content_key
      AND s.channel = k.channel AND s.first_seen_at = k.first_seen_at
      AND s.last_seen_at = k.last_seen_at AND s.last_seen_at < k.at
"""

APPEND = """
    INSERT INTO _store.sightings
    SELECT DISTINCT k.article_key, k.content_key, k.channel, k.at, k.at, ?
    FROM copydesk_seen k WHERE k.last_seen_at IS NULL
"""

_RECENT = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class NotModified:
    """A 304 answer, or a listing whose entry is unchanged, for an article.

    Attributes:
        channel: The listing it was seen in.
        at: When the server answered, aware UTC.
        is_carried: The listing carries the article.
    """

    channel: str
    at: datetime
    is_carried: bool = False


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
    """Store that the current content of each article was seen, by id; ignore unknown articles.

    The caller owns the transaction.
    """
    keys = [key_of(article_id) for article_id in articles]
    record_keys(db, list(zip(keys, articles.values(), strict=True)), run_id=run_id)


def record_keys(
    db: DuckDBPyConnection, seen: Sequence[tuple[bytes, NotModified]], *, run_id: str
) -> None:
    """Store the same of articles by their keys; a key may occur once in each channel."""
    if not seen:
        return
    keys, answers = [key for key, _ in seen], [one for _, one in seen]
    rows = stage.table(
        i=(range(len(seen)), stage.SMALL),
        key=stage.keys(keys),
        tag=stage.tags(keys),
        channel=([one.channel for one in answers], stage.TEXT),
        at=([micros(one.at) for one in answers], stage.MOMENT),
        is_carried=([one.is_carried for one in answers], stage.FLAG),
    )
    since = micros(min(one.at for one in answers) - _RECENT)
    with stage.staged(db, "copydesk_ids", rows):
        db.execute(SEEN.format(since=since))
    _store_seen(db, run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnchangedListing:
    """A listing that was not modified.

    Attributes:
        answer: The answer.
        sent_at: When the server last sent the listing whole, aware UTC.
    """

    source: str
    answer: NotModified
    sent_at: datetime


def record_listings(
    db: DuckDBPyConnection, listings: Sequence[UnchangedListing], *, run_id: str
) -> None:
    """Store that every article of listings that were not modified was seen.

    The caller owns the transaction.
    """
    last = {(one.source, one.answer.channel): one for one in listings}.values()
    if not last:
        return
    rows = stage.table(
        source=([one.source for one in last], stage.TEXT),
        channel=([one.answer.channel for one in last], stage.TEXT),
        at=([micros(one.answer.at) for one in last], stage.MOMENT),
        sent_at=([micros(one.sent_at) for one in last], stage.MOMENT),
    )
    since = micros(min(one.sent_at for one in last))
    with stage.staged(db, "copydesk_listings", rows):
        db.execute(SEEN_IN_LISTING.format(since=since))
    _store_seen(db, run_id)


def _store_seen(db: DuckDBPyConnection, run_id: str) -> None:
    db.execute(EXTEND)
    db.execute(APPEND, [run_id])
    db.execute("DROP TABLE copydesk_seen")
