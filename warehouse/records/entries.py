"""Entries of listings as a sync last handled them: unchanged, changed, or due for a revisit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.keys import as_uuid, key_of
from warehouse.times import micros

MAX_LATENESS = timedelta(days=30)
"""A revisit that is later than this is left out."""

KNOWN = """
    SELECT k.i, e.article_key, e.digest, e.first_fetched_at, e.last_fetched_at, e.failed_at,
           e.failure_count
    FROM _store.entries e JOIN copydesk_entries k ON e.entry_key = k.key::UUID
"""

# Rows are appended in order of time, so that the first bound skips earlier ones.
PENDING = """
    SELECT source, arg_max(listing_entry, last_fetched_at) AS listing_entry,
           any_value(article_key) AS article_key,
           min(first_fetched_at) AS first_fetched_at, max(last_fetched_at) AS last_fetched_at,
           max(failed_at) AS failed_at, max(failure_count) AS failure_count
    FROM _store.entries
    WHERE first_fetched_at >= ? AND list_contains(?::VARCHAR[], source) AND listing_entry <> ''
    GROUP BY source, coalesce(article_key, entry_key)
    HAVING min(first_fetched_at) <= ? AND max(last_fetched_at) < min(first_fetched_at) + ?
    ORDER BY first_fetched_at
"""

AGAIN = """
    UPDATE _store.entries AS e
    SET article_key = CASE WHEN k.keeps_article THEN e.article_key ELSE k.article::UUID END,
        url = k.url, digest = k.digest::UUID, listing_entry = k.listing_entry,
        last_fetched_at = greatest(e.last_fetched_at, k.at), failed_at = NULL, failure_count = 0,
        run_id = ?
    FROM copydesk_entries k
    WHERE e.entry_key = k.key::UUID
"""

FIRST = """
    INSERT INTO _store.entries
    SELECT k.key::UUID, k.article::UUID, k.source, k.channel, k.url, k.digest::UUID,
           k.listing_entry, k.at, k.at, NULL, 0, ?
    FROM copydesk_entries k
    ANTI JOIN _store.entries e ON e.entry_key = k.key::UUID
"""

FAILED = """
    UPDATE _store.entries AS e SET failed_at = k.at, failure_count = e.failure_count + 1
    FROM copydesk_entries k
    WHERE e.entry_key = k.key::UUID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryName:
    """What identifies an entry.

    Attributes:
        entry_id: ``<source>:<id of the entry>``; its article may have another id.
    """

    entry_id: str
    channel: str

    @property
    def key(self) -> bytes:
        """The key of its row."""
        return key_of(self.entry_id, self.channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitTimes:
    """When an entry was asked for.

    Attributes:
        first_fetched_at, last_fetched_at: The first and the last answer, aware UTC.
        failed_at: The last failure since then.
        failure_count: Failures since then.
    """

    first_fetched_at: datetime
    last_fetched_at: datetime
    failed_at: datetime | None = None
    failure_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry as it was last handled.

    Attributes:
        article_key: The article of its page; ``None`` if the page has none.
        digest: Of the values of the entry.
    """

    article_key: UUID | None
    digest: UUID
    times: VisitTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEntry:
    """An article whose revisits are not over.

    Attributes:
        listing_entry: JSON of the entry that led to it last.
    """

    listing_entry: str
    article_key: UUID | None
    times: VisitTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedEntry:
    """An entry whose page answered.

    Attributes:
        article_id: The article of the page; ``None`` if the page has none.
        keeps_article: The answer has no page (304, 404, 410): a stored
            article stays.
        digest: Of the values of the entry, 16 bytes.
        listing_entry: JSON of the entry; empty when its listing carries the article.
        at: When it was fetched, aware UTC.
    """

    name: EntryName
    source: str
    url: str
    article_id: str | None
    keeps_article: bool = False
    digest: bytes
    listing_entry: str
    at: datetime


def stored_entries(
    db: DuckDBPyConnection, names: Sequence[EntryName]
) -> dict[EntryName, StoredEntry]:
    """Return those of the entries that were handled before."""
    asked = list(dict.fromkeys(names))
    if not asked:
        return {}
    rows = stage.table(
        i=(range(len(asked)), stage.SMALL), key=stage.keys([one.key for one in asked])
    )
    with stage.staged(db, "copydesk_entries", rows):
        found = stage.select(db, KNOWN)
    return {
        asked[row.pop("i")]: StoredEntry(
            article_key=row.pop("article_key"), digest=row.pop("digest"), times=VisitTimes(**row)
        )
        for row in found
    }


def pending_entries(
    db: DuckDBPyConnection,
    sources: Sequence[str],
    *,
    first: timedelta,
    last: timedelta,
    now: datetime,
) -> dict[str, list[PendingEntry]]:
    """Return by source the articles whose last revisit is not done, one row for each.

    Args:
        db: The warehouse.
        sources: Sources with one rule of revisits.
        first: The shortest interval of the rule; younger articles are left out.
        last: The longest interval.
        now: Aware UTC.
    """
    values = [now - last - MAX_LATENESS, list(sources), now - first, last]
    found: dict[str, list[PendingEntry]] = {}
    for row in stage.select(db, PENDING, values):
        found.setdefault(row.pop("source"), []).append(
            PendingEntry(
                listing_entry=row.pop("listing_entry"),
                article_key=row.pop("article_key"),
                times=VisitTimes(**row),
            )
        )
    return found


def record_fetched(db: DuckDBPyConnection, fetched: Sequence[FetchedEntry], *, run_id: str) -> None:
    """Store entries whose pages answered. The caller owns the transaction."""
    last = list({one.name: one for one in fetched}.values())
    if not last:
        return
    articles = [one.article_id and str(as_uuid(key_of(one.article_id))) for one in last]
    rows = stage.table(
        key=stage.keys([one.name.key for one in last]),
        article=(articles, stage.TEXT),
        keeps_article=([one.keeps_article for one in last], stage.FLAG),
        source=([one.source for one in last], stage.TEXT),
        channel=([one.name.channel for one in last], stage.TEXT),
        url=([one.url for one in last], stage.TEXT),
        digest=stage.keys([one.digest for one in last]),
        listing_entry=([one.listing_entry for one in last], stage.TEXT),
        at=([micros(one.at) for one in last], stage.MOMENT),
    )
    with stage.staged(db, "copydesk_entries", rows):
        db.execute(AGAIN, [run_id])
        db.execute(FIRST, [run_id])


def record_failed(db: DuckDBPyConnection, names: Sequence[EntryName], *, at: datetime) -> None:
    """Count a failed request of entries that answered before; ignore others.

    The caller owns the transaction.
    """
    if not names:
        return
    rows = stage.table(
        key=stage.keys([one.key for one in dict.fromkeys(names)]),
        at=([micros(at)] * len(dict.fromkeys(names)), stage.MOMENT),
    )
    with stage.staged(db, "copydesk_entries", rows):
        db.execute(FAILED)
