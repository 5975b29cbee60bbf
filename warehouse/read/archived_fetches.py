"""What was read when: the archived pages in order, and what an article said at a time.

For reading again: pages come in pieces, so that memory holds one piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse.rows import NewQuarantineEntry
from warehouse.times import micros, utc
from warehouse.upsert import stage
from warehouse.upsert.keys import as_uuid, key_of

_COLUMNS = (
    "source, channel, url, final_url, fetched_at, archive_file, archive_offset, entry, run_id"
)
_WHOLE = "status = 200 AND archive_file IS NOT NULL"
_ARCHIVED = f"{_WHOLE} AND list_contains(?::VARCHAR[], source) AND (? IS NULL OR fetched_at >= ?)"

_SAID = """
    WITH held AS (
        SELECT k.i, v.record_key, v.content_key
        FROM _store.versions v JOIN copydesk_asked k
             ON v.article_key = k.article_key::UUID AND v.seen_at <= k.at
        QUALIFY row_number() OVER (PARTITION BY k.i ORDER BY v.seen_at DESC, v.seq DESC) = 1
    )
    SELECT h.i, r.url, r.canonical_url, r.title, r.authors, r.publisher, r.published_at,
           r.published_raw, r.published_precision, r.published_timezone_source, r.updated_at,
           r.categories, r.tags, r.language, r.lead_image,
           coalesce(r.body_html, c.body_html) AS body_html, coalesce(r.text, c.text) AS text,
           c.content_hash, r.parser, r.parser_version, r.original_url
    FROM held h
    JOIN _store.records r ON r.record_key = h.record_key
    JOIN _store.contents c ON c.content_key = h.content_key
"""

# A sighting bears the time of the page it was read from: it tells, unless that very page
# failed too, for another line or before the run that resolved it. Merged sightings only cover
# the times between: of an article that failed then or later, they tell nothing.
_READ = """
    WITH held AS (
        SELECT k.i, q.resolved_by, q.fetched_at = k.at AS is_fetch
        FROM _store.quarantine q JOIN copydesk_asked k
             ON q.article_id = k.article_id AND q.fetched_at >= k.at
    )
    SELECT DISTINCT k.i
    FROM _store.seen s JOIN copydesk_asked k
         ON s.article_key = k.article_key::UUID AND k.at BETWEEN s.first_seen_at AND s.last_seen_at
    WHERE s.last_seen_at >= ? AND NOT EXISTS (
        SELECT 1 FROM held h
        WHERE h.i = k.i AND (k.at NOT IN (s.first_seen_at, s.last_seen_at)
                             OR h.is_fetch AND h.resolved_by IS DISTINCT FROM s.run_id))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedPage:
    """A fetch whose page lies in the archive.

    Attributes:
        entry: JSON of the listing's line that led to it; empty when none did.
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
        """Where it is in the order of ``archived_pages``."""
        return self.fetched_at, self.archive_file, self.archive_offset


def count_archived(
    db: DuckDBPyConnection, sources: Sequence[str], *, since: datetime | None = None
) -> int:
    """How many different archived pages there are."""
    found = db.execute(
        f"SELECT count(DISTINCT (archive_file, archive_offset)) FROM _store.pages WHERE {_ARCHIVED}",  # noqa: S608
        [list(sources), since, since],
    ).fetchall()
    return int(found[0][0])


def archived_pages(
    db: DuckDBPyConnection,
    sources: Sequence[str],
    *,
    since: datetime | None = None,
    after: tuple[datetime, str, int] | None = None,
    limit: int,
) -> list[ArchivedPage]:
    """The archived pages of some sources, oldest first, each record once.

    Args:
        db: The warehouse.
        sources: Whose.
        since: Only those fetched then or later.
        after: The ``place`` of the last page of the piece before.
        limit: How many at most.
    """
    at, file, offset = after or (datetime.fromtimestamp(0, UTC), "", -1)
    found = db.execute(
        f"SELECT {_COLUMNS} FROM _store.pages WHERE {_ARCHIVED} "  # noqa: S608
        "AND (fetched_at, archive_file, archive_offset) > (?, ?, ?) "
        "QUALIFY row_number() OVER (PARTITION BY archive_file, archive_offset "
        "ORDER BY length(entry) DESC) = 1 "
        "ORDER BY fetched_at, archive_file, archive_offset LIMIT ?",
        [list(sources), since, since, at, file, offset, limit],
    ).fetchall()
    return [_page(one) for one in found]


def page_at(db: DuckDBPyConnection, url: str, at: datetime) -> ArchivedPage | None:
    """The archived page of an address that was fetched at that very time."""
    found = db.execute(
        f"SELECT {_COLUMNS} FROM _store.pages WHERE {_WHOLE} AND url_key = ? AND fetched_at = ?",  # noqa: S608
        [as_uuid(key_of(url)), at],
    ).fetchall()
    return _page(found[0]) if found else None


def following_pages(
    db: DuckDBPyConnection, urls: Iterable[str], *, run_id: str
) -> dict[str, ArchivedPage]:
    """The archived pages of those addresses that a run fetched."""
    found = db.execute(
        f"SELECT {_COLUMNS} FROM _store.pages WHERE {_WHOLE} "  # noqa: S608
        "AND run_id = ? AND list_contains(?::VARCHAR[], url)",
        [run_id, list(urls)],
    ).fetchall()
    return {page.url: page for page in map(_page, found)}


def recorded_locations(
    db: DuckDBPyConnection, places: Sequence[tuple[str, int]]
) -> set[tuple[str, int]]:
    """Those of some places in the archive that a fetch is recorded for."""
    if not places:
        return set()
    rows = stage.table(
        file=([file for file, _ in places], stage.TEXT),
        offset=([offset for _, offset in places], stage.WHOLE),
    )
    with stage.staged(db, "copydesk_places", rows):
        found = db.execute(
            'SELECT DISTINCT k.file, k."offset" FROM copydesk_places k JOIN _store.pages p '
            'ON p.archive_file = k.file AND p.archive_offset = k."offset"'
        ).fetchall()
    return {(file, offset) for file, offset in found}


def last_fetch_errors(db: DuckDBPyConnection, urls: Iterable[str]) -> dict[str, str]:
    """Those of some addresses whose last fetch brought no page, and why."""
    names = list(dict.fromkeys(urls))
    if not names:
        return {}
    rows = stage.table(
        i=(range(len(names)), stage.SMALL),
        url_key=stage.keys([key_of(url) for url in names]),
    )
    with stage.staged(db, "copydesk_urls", rows):
        found = db.execute(
            "SELECT k.i, max_by(coalesce(p.error, ''), p.fetched_at) AS error FROM _store.pages p "
            "JOIN copydesk_urls k ON p.url_key = k.url_key::UUID GROUP BY k.i HAVING error <> '' "
            "ORDER BY k.i"
        ).fetchall()
    return {names[i]: error for i, error in found}


def articles_as_of(
    db: DuckDBPyConnection, asked: Sequence[tuple[str, datetime]]
) -> dict[tuple[str, datetime], dict[str, Any]]:
    """What articles said at a time, by article id and time; columns by name.

    An article that was not known then is not in the answer.
    """
    if not asked:
        return {}
    rows = stage.table(
        i=(range(len(asked)), stage.SMALL),
        article_key=stage.keys([key_of(one) for one, _ in asked]),
        at=([micros(at) for _, at in asked], stage.MOMENT),
    )
    with stage.staged(db, "copydesk_asked", rows):
        found = db.execute(_SAID)
        names = [one[0] for one in found.description][1:]
        lines = found.fetchall()
    return {asked[i]: _clean(dict(zip(names, line, strict=True))) for i, *line in lines}


def parsed_before(db: DuckDBPyConnection, failed: Sequence[NewQuarantineEntry]) -> set[int]:
    """Which failed pages, by number, had been read into their article before.

    That the article was known by then is not enough: of a page that never could be read it
    was not seen to say anything.
    """
    if not failed:
        return set()
    names = [row.article_id or "" for row in failed]
    rows = stage.table(
        i=(range(len(failed)), stage.SMALL),
        article_id=(names, stage.TEXT),
        article_key=stage.keys([key_of(name) for name in names]),
        at=([micros(row.fetched_at) for row in failed], stage.MOMENT),
    )
    with stage.staged(db, "copydesk_asked", rows):
        since = min(row.fetched_at for row in failed)
        return {i for (i,) in db.execute(_READ, [since]).fetchall()}


def _page(row: tuple[Any, ...]) -> ArchivedPage:
    page = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return ArchivedPage(**page | {"fetched_at": page["fetched_at"].astimezone(UTC)})


def _clean(row: dict[str, Any]) -> dict[str, Any]:
    times = {name: utc(row[name]) for name in ("published_at", "updated_at")}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()} | times
