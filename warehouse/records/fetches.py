"""Fetches as they were, and the validators for the next ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from duckdb import DuckDBPyConnection

from warehouse.rows import FetchRow, Validators
from warehouse.upsert import stage
from warehouse.upsert.keys import key_of

CLOCKS_DIFFER = timedelta(minutes=5)
"""Two processes of one warehouse may be apart by so much, and none of their clocks wrong."""

# A 304 has no body of its own: what is sent next are the validators of the page that the
# 200 before it brought.
VALIDATORS = """
    WITH last AS (
        SELECT k.i, p.etag, p.last_modified, p.vary, p.fetched_at, p.archive_file,
               p.archive_offset, p.entry, p.digest, p.final_url
        FROM _store.pages p JOIN copydesk_urls k ON p.url_key = k.url_key::UUID
        WHERE p.status = 200
        QUALIFY row_number() OVER (PARTITION BY k.i ORDER BY p.fetched_at DESC) = 1
    )
    SELECT * FROM last WHERE etag IS NOT NULL OR last_modified IS NOT NULL
"""

_FIELDS = {
    "source": stage.TEXT,
    "channel": stage.TEXT,
    "url": stage.TEXT,
    "final_url": stage.TEXT,
    "status": stage.SMALL,
    "attempts": stage.SMALL,
    "bytes": stage.WHOLE,
    "etag": stage.TEXT,
    "last_modified": stage.TEXT,
    "vary": stage.TEXT,
    "fetched_at": stage.MOMENT,
    "archive_file": stage.TEXT,
    "archive_offset": stage.WHOLE,
    "entry": stage.TEXT,
    "digest": stage.TEXT,
    "tries": stage.TEXTS,
    "retry_at": stage.MOMENT,
    "error": stage.TEXT,
}


def record(db: DuckDBPyConnection, rows: Sequence[FetchRow], *, run_id: str) -> None:
    """Appends one row per fetch."""
    stage.insert(
        db,
        "_store.pages",
        stage.table(
            url_key=stage.keys([key_of(row.url) for row in rows]),
            **{
                name: ([getattr(row, name) for row in rows], kind) for name, kind in _FIELDS.items()
            },
            run_id=([run_id] * len(rows), stage.TEXT),
        ),
    )


def validators(db: DuckDBPyConnection, urls: Iterable[str]) -> dict[str, Validators]:
    """The validators of those addresses whose last whole answer brought any."""
    names = list(dict.fromkeys(urls))
    if not names:
        return {}
    keys = stage.table(
        url_key=stage.keys([key_of(url) for url in names]), i=(range(len(names)), stage.SMALL)
    )
    with stage.staged(db, "copydesk_urls", keys):
        found = db.execute(VALIDATORS).fetchall()
    return {
        names[i]: Validators(
            etag=etag,
            last_modified=last_modified,
            vary=vary,
            fetched_at=fetched_at.astimezone(UTC),
            archive_file=archive_file,
            archive_offset=archive_offset,
            entry=entry,
            digest=digest,
            final_url=final_url,
        )
        for i, etag, last_modified, vary, fetched_at, archive_file, archive_offset, entry, digest, final_url in found
    }


def pauses(db: DuckDBPyConnection, now: datetime) -> dict[str, datetime]:
    """Addresses whose host asked for patience that is not over yet, and until when.

    What was fetched later than now was fetched while the clock was wrong: how much of that
    patience is left nobody knows, and it is not kept, or a source would rest until then.
    """
    found = db.execute(
        "SELECT url, max(retry_at) FROM _store.pages WHERE retry_at > ? AND fetched_at <= ? "
        "GROUP BY url",
        [now, now + CLOCKS_DIFFER],
    ).fetchall()
    return {url: until.astimezone(UTC) for url, until in found}
