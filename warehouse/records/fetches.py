"""Fetches as they were, and the validators for the next ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.keys import key_of
from warehouse.rows import FetchRow, Validators

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the clocks of two processes may differ."""

# A 304 has no body of its own: the next validators are those of the 200 before it.
VALIDATORS = """
    WITH last AS (
        SELECT k.i, f.etag, f.last_modified, f.vary, f.fetched_at, f.archive_file,
               f.archive_offset, f.listing_entry, f.body_sha256, f.final_url
        FROM _store.fetches f JOIN copydesk_urls k ON f.url_key = k.key::UUID
        WHERE f.status = 200 AND f.source = coalesce(k.source, f.source)
        QUALIFY row_number() OVER (PARTITION BY k.i ORDER BY f.fetched_at DESC) = 1
    )
    SELECT * FROM last WHERE etag IS NOT NULL OR last_modified IS NOT NULL
"""

MOVE = """
    UPDATE _store.fetches AS f
    SET archive_file = k.joined, archive_offset = f.archive_offset + k."offset"
    FROM copydesk_parts k WHERE f.archive_file = k.file
"""

FORGET = """
    UPDATE _store.fetches SET etag = NULL, last_modified = NULL
    WHERE source = ? AND list_contains(?::VARCHAR[], channel) AND listing_entry = ''
      AND (etag IS NOT NULL OR last_modified IS NOT NULL)
"""

LAST_ENTRIES = """
    SELECT k.i, max_by(f.listing_entry, f.fetched_at) AS listing_entry,
           max(f.fetched_at) AS fetched_at
    FROM _store.fetches f JOIN copydesk_urls k ON f.url_key = k.key::UUID
    WHERE list_contains(?::INTEGER[], f.status) AND f.source = coalesce(?, f.source)
    GROUP BY k.i
"""

_COLUMNS = stage.columns(FetchRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePart:
    """An archive file that became a part of another one.

    Attributes:
        offset: Where it begins in the joined file.
    """

    file: str
    joined: str
    offset: int


def move_to_joined(db: DuckDBPyConnection, parts: Sequence[ArchivePart]) -> None:
    """Let the fetches of archive files name the joined file. The caller owns the transaction."""
    rows = stage.table(
        file=([one.file for one in parts], stage.TEXT),
        joined=([one.joined for one in parts], stage.TEXT),
        offset=([one.offset for one in parts], stage.WHOLE),
    )
    with stage.staged(db, "copydesk_parts", rows):
        db.execute(MOVE)


def names_file(db: DuckDBPyConnection, file: str) -> bool:
    """Whether a fetch names an archive file."""
    sql = "SELECT 1 FROM _store.fetches WHERE archive_file = ? LIMIT 1"
    return bool(db.execute(sql, [file]).fetchall())


def record(db: DuckDBPyConnection, rows: Sequence[FetchRow], *, run_id: str) -> None:
    """Append one row per fetch."""
    if rows:
        table = stage.table(
            url_key=stage.keys([key_of(row.url) for row in rows]),
            **stage.values(rows, _COLUMNS),
            run_id=stage.same(run_id, len(rows)),
        )
        stage.insert(db, "_store.fetches", table)


def validators(
    db: DuckDBPyConnection, urls: Iterable[str], *, source: str | None = None
) -> dict[str, Validators]:
    """Return the validators of those URLs whose last complete answer had any.

    Args:
        db: The warehouse.
        urls: The URLs.
        source: Only answers to this source: another one may have stored the page.
    """
    found = validators_of(db, [(source, url) for url in urls])
    return {url: one for (_, url), one in found.items()}


def validators_of(
    db: DuckDBPyConnection, pages: Iterable[tuple[str | None, str]]
) -> dict[tuple[str | None, str], Validators]:
    """Return the same for URLs of several sources, by source and URL."""
    names = list(dict.fromkeys(pages))
    if not names:
        return {}
    rows = stage.keyed(
        [url for _, url in names], source=([source for source, _ in names], stage.TEXT)
    )
    with stage.staged(db, "copydesk_urls", rows):
        found = stage.select(db, VALIDATORS)
    return {names[row.pop("i")]: Validators(**row) for row in found}


def forget_listing_validators(db: DuckDBPyConnection, source: str, channels: Iterable[str]) -> None:
    """Let the next run fetch the listings of some channels whole. The caller owns the transaction."""
    if names := list(channels):
        db.execute(FORGET, [source, names])


def last_entries(
    db: DuckDBPyConnection, urls: Iterable[str], *, statuses: Sequence[int]
) -> dict[str, str]:
    """Return the JSON of the entry that led to the last fetch of each URL with such a status."""
    answers = last_answers(db, urls, statuses=statuses)
    return {url: entry for url, (entry, _) in answers.items()}


def last_answers(
    db: DuckDBPyConnection,
    urls: Iterable[str],
    *,
    statuses: Sequence[int],
    source: str | None = None,
) -> dict[str, tuple[str, datetime]]:
    """Return the entry (JSON) and the time of the last fetch of each URL with such a status.

    Args:
        db: The warehouse.
        urls: The URLs.
        statuses: HTTP statuses.
        source: Only answers to this source.
    """
    names = list(dict.fromkeys(urls))
    if not names:
        return {}
    with stage.staged(db, "copydesk_urls", stage.keyed(names)):
        found = stage.select(db, LAST_ENTRIES, [list(statuses), source])
    return {names[row["i"]]: (row["listing_entry"], row["fetched_at"]) for row in found}


def pauses(db: DuckDBPyConnection, now: datetime) -> dict[str, datetime]:
    """Return the URLs whose host's Retry-After is not over, and when it is.

    A fetch in the future was made while the clock was wrong. Its Retry-After is ignored, or
    the source would pause until then.
    """
    found = db.execute(
        "SELECT coalesce(nullif(final_url, ''), url), max(retry_after_at) FROM _store.fetches "
        "WHERE retry_after_at > ? AND fetched_at <= ? GROUP BY ALL",
        [now, now + CLOCK_TOLERANCE],
    ).fetchall()
    return {url: until.astimezone(UTC) for url, until in found}
