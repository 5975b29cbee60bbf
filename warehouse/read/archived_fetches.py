"""Archived fetches in order, and articles as of a time: what reparse and replay read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.keys import as_uuid, key_of
from warehouse.read.articles import media_rows
from warehouse.rows import NewQuarantineEntry
from warehouse.times import micros

_COLUMNS = (
    "source, channel, url, final_url, fetched_at, archive_file, archive_offset, "
    "listing_entry AS entry, run_id"
)
_COMPLETE = "status = 200 AND archive_file IS NOT NULL"
_ARCHIVED = (
    f"{_COMPLETE} AND list_contains(?::VARCHAR[], source) AND (? IS NULL OR fetched_at >= ?)"
)

_AS_OF = """
    WITH held AS (
        SELECT k.i, v.record_key, v.content_key
        FROM _store.article_versions v JOIN copydesk_asked k
             ON v.article_key = k.key::UUID AND v.seen_at <= k.at
        QUALIFY row_number() OVER (PARTITION BY k.i ORDER BY v.seen_at DESC, v.seq DESC) = 1
    )
    SELECT h.i, r.url, r.canonical_url, r.title, r.authors, r.publisher, r.published_at,
           r.published_on, r.published_raw, r.published_precision, r.published_timezone,
           r.published_timezone_source, r.updated_at, r.categories, r.tags, r.language,
           r.lead_image, coalesce(r.media, []) AS media,
           coalesce(r.body_html, c.body_html) AS body_html,
           nullif(coalesce(r.text, c.text), '') AS text, r.completeness, c.content_hash, r.parser,
           r.parser_version, r.provenance, r.original_url
    FROM held h
    JOIN _store.article_records r ON r.record_key = h.record_key
    JOIN _store.contents c ON c.content_key = h.content_key
"""

# A sighting has the time of the page it was parsed from, so it proves the parse, unless that
# very page failed too: for another listing entry, or before the run that resolved it. Merged
# sightings only cover the times between, which proves nothing for an article that failed then
# or later.
_PARSED = """
    WITH held AS (
        SELECT k.i, q.resolved_by, q.fetched_at = k.at AS is_fetch
        FROM _store.quarantine q JOIN copydesk_asked k
             ON q.article_id = k.article_id AND q.fetched_at >= k.at
    )
    SELECT DISTINCT k.i
    FROM _store.sightings s JOIN copydesk_asked k
         ON s.article_key = k.key::UUID AND k.at BETWEEN s.first_seen_at AND s.last_seen_at
    WHERE s.last_seen_at >= ? AND NOT EXISTS (
        SELECT 1 FROM held h
        WHERE h.i = k.i AND (k.at NOT IN (s.first_seen_at, s.last_seen_at)
                             OR h.is_fetch AND h.resolved_by IS DISTINCT FROM s.run_id))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedPage:
    """A fetch whose page is in the archive.

    Attributes:
        entry: JSON of the listing entry that led to it; empty when none did.
    """

    source: str
    channel: str
    url: str
    final_url: str
    fetched_at: datetime
    archive_file: str
    archive_offset: int
    entry: str
    run_id: str

    @property
    def place(self) -> tuple[datetime, str, int]:
        """Its position in the order of ``archived_pages``."""
        return self.fetched_at, self.archive_file, self.archive_offset


def count_archived(
    db: DuckDBPyConnection, sources: Sequence[str], *, since: datetime | None = None
) -> int:
    """Return how many different archived pages there are."""
    sql = "SELECT count(DISTINCT (archive_file, archive_offset)) FROM _store.fetches WHERE "
    return stage.count(db, sql + _ARCHIVED, [list(sources), since, since])


def archived_pages(
    db: DuckDBPyConnection,
    sources: Sequence[str],
    *,
    since: datetime | None = None,
    after: tuple[datetime, str, int] | None = None,
    limit: int,
) -> list[ArchivedPage]:
    """Return a part of the archived pages of some sources, oldest first, each page once.

    Args:
        db: The warehouse.
        sources: Which sources.
        since: Only those fetched then or later.
        after: The ``place`` of the last page of the part before.
        limit: How many at most.
    """
    at, file, offset = after or (datetime.fromtimestamp(0, UTC), "", -1)
    where = (
        f"{_ARCHIVED} AND (fetched_at, archive_file, archive_offset) > (?, ?, ?) "
        "QUALIFY row_number() OVER (PARTITION BY archive_file, archive_offset "
        "ORDER BY length(listing_entry) DESC) = 1 "
        "ORDER BY fetched_at, archive_file, archive_offset LIMIT ?"
    )
    return _pages(db, where, [list(sources), since, since, at, file, offset, limit])


def page_at(db: DuckDBPyConnection, url: str, at: datetime) -> ArchivedPage | None:
    """Return the archived page of a URL that was fetched at that very time."""
    where = f"{_COMPLETE} AND url_key = ? AND fetched_at = ?"
    found = _pages(db, where, [as_uuid(key_of(url)), at])
    return found[0] if found else None


def nearest_page(
    db: DuckDBPyConnection, url: str, at: datetime, *, run_id: str = ""
) -> ArchivedPage | None:
    """Return the archived page of a URL that a run fetched, else the one nearest to a time."""
    where = (
        f"{_COMPLETE} AND url_key = ? ORDER BY run_id = ? DESC, "
        "abs(epoch_us(fetched_at) - epoch_us(?::TIMESTAMPTZ)) LIMIT 1"
    )
    found = _pages(db, where, [as_uuid(key_of(url)), run_id, at])
    return found[0] if found else None


def recorded_locations(
    db: DuckDBPyConnection, places: Sequence[tuple[str, int]]
) -> set[tuple[str, int]]:
    """Return those locations in the archive that a fetch is recorded for."""
    if not places:
        return set()
    rows = stage.table(
        file=([file for file, _ in places], stage.TEXT),
        offset=([offset for _, offset in places], stage.WHOLE),
    )
    with stage.staged(db, "copydesk_places", rows):
        found = db.execute(
            'SELECT DISTINCT k.file, k."offset" FROM copydesk_places k JOIN _store.fetches f '
            'ON f.archive_file = k.file AND f.archive_offset = k."offset"'
        ).fetchall()
    return set(found)


def last_fetch_errors(db: DuckDBPyConnection, urls: Iterable[str]) -> dict[str, str]:
    """Return those URLs whose last fetch got no page, with the error."""
    names = list(dict.fromkeys(urls))
    if not names:
        return {}
    with stage.staged(db, "copydesk_urls", stage.keyed(names)):
        found = db.execute(
            "SELECT k.i, max_by(coalesce(f.error, ''), f.fetched_at) AS error "
            "FROM _store.fetches f JOIN copydesk_urls k ON f.url_key = k.key::UUID "
            "GROUP BY k.i HAVING error <> '' ORDER BY k.i"
        ).fetchall()
    return {names[i]: error for i, error in found}


def articles_as_of(
    db: DuckDBPyConnection, asked: Sequence[tuple[str, datetime]]
) -> dict[tuple[str, datetime], dict[str, Any]]:
    """Return articles as of a time, by article id and time; columns by name.

    An article that was not known then is left out.
    """
    if not asked:
        return {}
    rows = stage.keyed(
        [article_id for article_id, _ in asked],
        at=([micros(at) for _, at in asked], stage.MOMENT),
    )
    with stage.staged(db, "copydesk_asked", rows):
        found = {asked[row.pop("i")]: row for row in stage.select(db, _AS_OF)}
    for row in found.values():
        row["media"] = media_rows(row["media"])
    return found


def parsed_before(db: DuckDBPyConnection, failed: Sequence[NewQuarantineEntry]) -> set[int]:
    """Return which failed pages, by number, an earlier parse read into their article.

    A sighting of the article at that time does not prove it: a page that was never parsed was
    not seen to have any content.
    """
    if not failed:
        return set()
    names = [row.article_id or "" for row in failed]
    rows = stage.keyed(
        names,
        article_id=(names, stage.TEXT),
        at=([micros(row.fetched_at) for row in failed], stage.MOMENT),
    )
    with stage.staged(db, "copydesk_asked", rows):
        since = min(row.fetched_at for row in failed)
        return {i for (i,) in db.execute(_PARSED, [since]).fetchall()}


def _pages(db: DuckDBPyConnection, where: str, parameters: list[object]) -> list[ArchivedPage]:
    sql = f"SELECT {_COLUMNS} FROM _store.fetches WHERE {where}"  # noqa: S608
    return [ArchivedPage(**one) for one in stage.select(db, sql, parameters)]
