"""Quarantine: failures with all that a replay needs; none is dropped, none is stored twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.errors import NotFound
from warehouse.keys import key_of
from warehouse.records.suppression import SuppressionList, list_suppressions
from warehouse.rows import NewQuarantineEntry, QuarantineEntry
from warehouse.times import micros

KNOWN = """
    SELECT f.i FROM _store.quarantine q
    JOIN copydesk_failed f ON q.quarantine_key = f.quarantine_key::UUID
"""

DISMISSED = "dismissed"
"""``resolved_by`` of an entry that an operator dismissed, in place of a run id."""

# Of a page that fails again the latest failure is kept, by the time of the fetch. An older
# page, parsed again, only counts as another attempt. A dismissed entry stays dismissed until it
# fails for another reason.
_LATEST = (
    "channel", "reason", "message", "expected", "found", "page", "page_more", "content_type",
    "listing_entry", "parser", "parser_version", "fetched_at",
)  # fmt: skip
_KEPT = ", ".join(
    f"{name} = CASE WHEN f.fetched_at >= q.fetched_at THEN f.{name} ELSE q.{name} END"
    for name in _LATEST
)
_STAYS = f"f.fetched_at < q.fetched_at OR q.resolved_by = '{DISMISSED}' AND f.reason = q.reason"
AGAIN = f"""
    UPDATE _store.quarantine AS q SET
        {_KEPT},
        attempts = q.attempts + f.attempts, last_failed_at = f.last_failed_at, run_id = f.run_id,
        resolved_at = CASE WHEN {_STAYS} THEN q.resolved_at
                           WHEN f.resolved_at IS NULL THEN NULL
                           ELSE coalesce(q.resolved_at, f.resolved_at) END,
        resolved_by = CASE WHEN {_STAYS} THEN q.resolved_by
                           WHEN f.resolved_at IS NULL THEN NULL
                           ELSE coalesce(q.resolved_by, f.resolved_by) END,
        alerted_at = CASE WHEN f.fetched_at < q.fetched_at THEN q.alerted_at
                          WHEN q.resolved_at IS NOT NULL OR f.reason <> q.reason THEN NULL
                          ELSE q.alerted_at END
    FROM copydesk_failed f
    WHERE q.quarantine_key = f.quarantine_key::UUID
"""  # noqa: S608

# Sightings are appended in order of time: for a page fetched now, few have to be read.
SUPERSEDED = """
    SELECT DISTINCT f.i FROM _store.sightings s
    JOIN copydesk_failed f ON s.article_key = f.key::UUID AND s.last_seen_at > f.fetched_at
    WHERE s.last_seen_at > make_timestamptz({since})
"""

NEW = """
    INSERT INTO _store.quarantine BY NAME
    SELECT f.* EXCLUDE (i) FROM copydesk_failed f
    ANTI JOIN _store.quarantine q ON q.quarantine_key = f.quarantine_key::UUID
"""

_COLUMNS = stage.columns(NewQuarantineEntry)


def put(
    db: DuckDBPyConnection,
    rows: Sequence[NewQuarantineEntry],
    *,
    run_id: str,
    at: datetime | None = None,
) -> int:
    """Store failures; return how many are new. A known one counts another attempt.

    A failure is known by its source, URL and article; an entry without them by its bytes.
    Suppressed articles are left out. A page older than the last sighting of its article is
    stored as resolved.
    """
    if rows:
        suppressed = SuppressionList(list_suppressions(db))
        rows = [
            row
            for row in rows
            if not suppressed.has_source(row.source) and (row.article_id or "") not in suppressed
        ]
    if not rows:
        return 0
    at = at or datetime.now(UTC)
    failed: dict[bytes, tuple[NewQuarantineEntry, int]] = {}
    for row in rows:
        key = failure_key(row)
        before, attempts = failed.get(key, (row, 0))
        failed[key] = (row if row.fetched_at >= before.fetched_at else before, attempts + 1)
    old = superseded(db, [row for row, _ in failed.values()])
    with stage.staged(db, "copydesk_failed", _table(failed, old, run_id, at)):
        known = len(db.execute(KNOWN).fetchall())
        if known:
            db.execute(AGAIN)
        if known < len(failed):
            db.execute(NEW)
    return len(failed) - known


def superseded(db: DuckDBPyConnection, rows: Sequence[NewQuarantineEntry]) -> set[int]:
    """Return which of the rows, by number, are older than the last sighting of their article."""
    if not rows:
        return set()
    failed = stage.keyed(
        [row.article_id or "" for row in rows],
        fetched_at=([row.fetched_at for row in rows], stage.MOMENT),
    )
    with stage.staged(db, "copydesk_failed", failed):
        since = micros(min(row.fetched_at for row in rows))
        return {i for (i,) in db.execute(SUPERSEDED.format(since=since)).fetchall()}


def open_failures(
    db: DuckDBPyConnection,
    *,
    reason: str | None = None,
    source: str | None = None,
    is_resolved: bool = False,
) -> list[QuarantineEntry]:
    """Return the open entries (or the resolved ones), oldest first, with their pages."""
    return _select(
        db,
        "(? IS NULL OR reason = ?) AND (? IS NULL OR source = ?) AND (resolved_at IS NOT NULL) = ?",
        [reason, reason, source, source, is_resolved],
    )


def failures_of(db: DuckDBPyConnection, article_ids: Iterable[str]) -> list[QuarantineEntry]:
    """Return the open and the dismissed entries of some articles, without their pages."""
    names = list(article_ids)
    if not names:
        return []
    return _select(
        db,
        "(resolved_at IS NULL OR resolved_by = ?) AND list_contains(?::VARCHAR[], article_id)",
        [DISMISSED, names],
        without_pages=True,
    )


def get(db: DuckDBPyConnection, quarantine_id: str) -> QuarantineEntry:
    """Return one entry by its id or the beginning of it.

    Raises:
        NotFound: No id or several ids begin so.
    """
    found = _select(db, "starts_with(CAST(quarantine_key AS VARCHAR), ?)", [quarantine_id])
    if len(found) != 1:
        raise NotFound(
            f"expected one quarantine entry with id {quarantine_id!r}, found {len(found)}: "
            "`copydesk quarantine list` shows the ids"
        )
    return found[0]


def resolve(
    db: DuckDBPyConnection,
    *,
    run_id: str,
    article_ids: Iterable[str] = (),
    listings: Iterable[tuple[str, str]] = (),
    quarantine_ids: Iterable[str] = (),
    at: datetime | None = None,
) -> int:
    """Mark open entries as resolved; return how many.

    Args:
        db: The warehouse, in the caller's transaction.
        run_id: The run that resolves them.
        article_ids: All entries of these articles.
        listings: All entries of these addresses, each with its source.
        quarantine_ids: These entries.
        at: When, aware UTC; now by default.
    """
    places = [f"{source} {url}" for source, url in listings]
    names = [list(article_ids), places, list(quarantine_ids)]
    if not any(names):
        return 0
    where = (
        "resolved_at IS NULL AND (list_contains(?::VARCHAR[], article_id) "
        "OR list_contains(?::VARCHAR[], source || ' ' || url) "
        "OR list_contains(?::VARCHAR[], CAST(quarantine_key AS VARCHAR)))"
    )
    count = stage.count(db, f"SELECT count(*) FROM _store.quarantine WHERE {where}", names)  # noqa: S608
    if count:
        db.execute(
            f"UPDATE _store.quarantine SET resolved_at = ?, resolved_by = ? WHERE {where}",  # noqa: S608
            [at or datetime.now(UTC), run_id, *names],
        )
    return count


def resolve_parsed(
    db: DuckDBPyConnection,
    parsed: Mapping[str, datetime],
    *,
    run_id: str,
    at: datetime | None = None,
) -> int:
    """Mark entries as resolved that are no newer than the parsed page of their article.

    Args:
        db: The warehouse, in the caller's transaction.
        parsed: By article, when the parsed page was fetched (aware UTC). A page that was
            fetched later and failed stays open.
        run_id: The run that parsed them.
        at: Now, if not given.

    Returns:
        How many.
    """
    if not parsed:
        return 0
    unresolved = db.execute(
        "SELECT CAST(quarantine_key AS VARCHAR), article_id, fetched_at FROM _store.quarantine "
        "WHERE resolved_at IS NULL AND list_contains(?::VARCHAR[], article_id)",
        [list(parsed)],
    ).fetchall()
    ids = [key for key, article, fetched_at in unresolved if fetched_at <= parsed[article]]
    return resolve(db, run_id=run_id, quarantine_ids=ids, at=at)


def open_ids(db: DuckDBPyConnection, quarantine_ids: Iterable[str]) -> set[str]:
    """Return those of some entries that are open."""
    found = db.execute(
        "SELECT CAST(quarantine_key AS VARCHAR) FROM _store.quarantine WHERE resolved_at IS NULL "
        "AND list_contains(?::VARCHAR[], CAST(quarantine_key AS VARCHAR))",
        [list(quarantine_ids)],
    ).fetchall()
    return {key for (key,) in found}


def resolved_listings(
    db: DuckDBPyConnection, source: str, urls: Iterable[str]
) -> dict[str, datetime]:
    """Return the resolved listings by URL, with the fetch time of their latest failure."""
    found = db.execute(
        "SELECT url, max(fetched_at) FROM _store.quarantine "
        "WHERE source = ? AND article_id IS NULL AND list_contains(?::VARCHAR[], url) "
        "GROUP BY url HAVING count(*) FILTER (WHERE resolved_at IS NULL) = 0",
        [source, list(urls)],
    ).fetchall()
    return {url: at.astimezone(UTC) for url, at in found}


def failure_key(row: NewQuarantineEntry) -> bytes:
    """Return the key under which every failure of the same article, page or entry is stored."""
    is_named = bool(row.url or row.article_id)
    which = "" if is_named else sha256(row.page).hexdigest()
    return key_of(row.source, row.url, row.article_id or "", which)


def _table(
    failed: dict[bytes, tuple[NewQuarantineEntry, int]], old: set[int], run_id: str, at: datetime
) -> Any:
    rows = [_with_valid_unicode(row) for row, _ in failed.values()]
    count = len(rows)
    now = ([at] * count, stage.MOMENT)
    return stage.table(
        i=(range(count), stage.SMALL),
        quarantine_key=stage.keys(list(failed)),
        **stage.values(rows, _COLUMNS),
        attempts=([attempts for _, attempts in failed.values()], stage.SMALL),
        first_failed_at=now,
        last_failed_at=now,
        resolved_at=([at if i in old else None for i in range(count)], stage.MOMENT),
        resolved_by=([run_id if i in old else None for i in range(count)], stage.TEXT),
        run_id=stage.same(run_id, count),
    )


def _with_valid_unicode(row: NewQuarantineEntry) -> NewQuarantineEntry:
    """Escape lone surrogates in the texts; ``page`` keeps the bytes."""
    texts = {name: getattr(row, name) for name, kind in _COLUMNS.items() if kind is stage.TEXT}
    return replace(
        row,
        **{
            name: text.encode(errors="backslashreplace").decode()
            for name, text in texts.items()
            if text is not None
        },
    )


def _select(
    db: DuckDBPyConnection, where: str, values: list[Any], *, without_pages: bool = False
) -> list[QuarantineEntry]:
    columns = dict.fromkeys(_COLUMNS, "")
    if without_pages:
        columns |= {"page": "''::BLOB AS ", "page_more": "[]::BLOB[] AS "}
    names = ", ".join(f"{value}{name}" for name, value in columns.items())
    found = stage.select(
        db,
        f"SELECT CAST(quarantine_key AS VARCHAR) AS quarantine_id, {names}, attempts, "  # noqa: S608
        "first_failed_at, last_failed_at, resolved_at, resolved_by, run_id "
        f"FROM _store.quarantine WHERE {where} ORDER BY first_failed_at, quarantine_key",
        values,
    )
    return [
        QuarantineEntry(row=NewQuarantineEntry(**{name: one.pop(name) for name in _COLUMNS}), **one)
        for one in found
    ]
