"""Failures with all that is needed to try again; none is ever dropped, none is doubled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse.errors import WarehouseError
from warehouse.records import suppression
from warehouse.records.suppression import SuppressionList
from warehouse.rows import NewQuarantineEntry, QuarantineEntry
from warehouse.times import micros, utc
from warehouse.upsert import stage
from warehouse.upsert.keys import key_of

KNOWN = """
    SELECT f.i FROM _store.quarantine q
    JOIN copydesk_failed f ON q.quarantine_key = f.quarantine_key::UUID
"""

# What is kept of a page that fails again is its latest failure, by the time it was fetched:
# an older page, read again, is another attempt and nothing else.
_LATEST = (
    "channel", "reason", "message", "expected", "found", "page", "page_more", "content_type",
    "facts", "parser", "parser_version", "fetched_at",
)  # fmt: skip
_KEPT = ", ".join(
    f"{name} = CASE WHEN f.fetched_at >= q.fetched_at THEN f.{name} ELSE q.{name} END"
    for name in _LATEST
)
AGAIN = f"""
    UPDATE _store.quarantine AS q SET
        {_KEPT},
        attempts = q.attempts + f.attempts, last_failed_at = f.last_failed_at, run_id = f.run_id,
        resolved_at = CASE WHEN f.fetched_at < q.fetched_at THEN q.resolved_at
                           WHEN f.resolved_at IS NULL THEN NULL
                           ELSE coalesce(q.resolved_at, f.resolved_at) END,
        resolved_by = CASE WHEN f.fetched_at < q.fetched_at THEN q.resolved_by
                           WHEN f.resolved_at IS NULL THEN NULL
                           ELSE coalesce(q.resolved_by, f.resolved_by) END,
        told_at = CASE WHEN f.fetched_at < q.fetched_at THEN q.told_at
                       WHEN q.resolved_at IS NOT NULL OR f.reason <> q.reason THEN NULL
                       ELSE q.told_at END
    FROM copydesk_failed f
    WHERE q.quarantine_key = f.quarantine_key::UUID
"""  # noqa: S608

# Sightings are appended in the order of time: of a page fetched now, few have to be read.
OVERTAKEN = """
    SELECT DISTINCT f.i FROM _store.seen s
    JOIN copydesk_asked f ON s.article_key = f.article_key::UUID AND s.last_seen_at > f.fetched_at
    WHERE s.last_seen_at > make_timestamptz({since})
"""

FRESH = """
    INSERT INTO _store.quarantine BY NAME
    SELECT f.* EXCLUDE (i) FROM copydesk_failed f
    ANTI JOIN _store.quarantine q ON q.quarantine_key = f.quarantine_key::UUID
"""

_COLUMNS = (
    "quarantine_key", "source", "channel", "url", "article_id", "reason", "message", "expected",
    "found", "page", "page_more", "content_type", "facts", "fetched_at", "parser",
    "parser_version", "attempts", "first_failed_at", "last_failed_at", "resolved_at",
    "resolved_by", "run_id",
)  # fmt: skip


def put(
    db: DuckDBPyConnection,
    rows: Sequence[NewQuarantineEntry],
    *,
    run_id: str,
    at: datetime | None = None,
) -> int:
    """Stores failures and says how many are new; a known one counts another attempt.

    The same failing page is the one with the same source, address and article; a line
    without an address or article is told by its bytes. What is to be forgotten is passed over.
    A page older than what its article was last seen to say is kept as resolved: what came
    later stands.
    """
    if rows:
        forbidden = SuppressionList(suppression.list_suppressions(db))
        rows = [
            row
            for row in rows
            if not forbidden.source(row.source) and (row.article_id or "") not in forbidden
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
            db.execute(FRESH)
    return len(failed) - known


def superseded(db: DuckDBPyConnection, rows: Sequence[NewQuarantineEntry]) -> set[int]:
    """Which of the rows, by number, are older than what their article was last seen to say."""
    if not rows:
        return set()
    asked = stage.table(
        i=(range(len(rows)), stage.SMALL),
        article_key=stage.keys([key_of(row.article_id or "") for row in rows]),
        fetched_at=([row.fetched_at for row in rows], stage.MOMENT),
    )
    with stage.staged(db, "copydesk_asked", asked):
        since = micros(min(row.fetched_at for row in rows))
        return {i for (i,) in db.execute(OVERTAKEN.format(since=since)).fetchall()}


def open_failures(
    db: DuckDBPyConnection,
    *,
    reason: str | None = None,
    source: str | None = None,
    is_resolved: bool = False,
) -> list[QuarantineEntry]:
    """The failures that stand (or those resolved), oldest first, with their pages."""
    return _select(
        db,
        "(? IS NULL OR reason = ?) AND (? IS NULL OR source = ?) AND (resolved_at IS NOT NULL) = ?",
        [reason, reason, source, source, is_resolved],
    )


def get(db: DuckDBPyConnection, quarantine_id: str) -> QuarantineEntry:
    """One failure by its id or the beginning of it.

    Raises:
        WarehouseError: None or several begin so.
    """
    found = _select(db, "starts_with(CAST(quarantine_key AS VARCHAR), ?)", [quarantine_id])
    if len(found) != 1:
        raise WarehouseError(
            f"expected one quarantined page with id {quarantine_id!r}, found {len(found)}: "
            "`copydesk quarantine list` shows the ids"
        )
    return found[0]


def resolve(
    db: DuckDBPyConnection,
    *,
    run_id: str,
    article_ids: Iterable[str] = (),
    urls: Iterable[str] = (),
    quarantine_ids: Iterable[str] = (),
    at: datetime | None = None,
) -> int:
    """Marks as resolved what stands under an article, an address or an id; how many."""
    names = [list(article_ids), list(urls), list(quarantine_ids)]
    if not any(names):
        return 0
    where = (
        "resolved_at IS NULL AND (list_contains(?::VARCHAR[], article_id) "
        "OR list_contains(?::VARCHAR[], url) "
        "OR list_contains(?::VARCHAR[], CAST(quarantine_key AS VARCHAR)))"
    )
    sql = f"SELECT count(*) FROM _store.quarantine WHERE {where}"  # noqa: S608
    count = int(db.execute(sql, names).fetchall()[0][0])
    if count:
        db.execute(
            f"UPDATE _store.quarantine SET resolved_at = ?, resolved_by = ? WHERE {where}",  # noqa: S608
            [at or datetime.now(UTC), run_id, *names],
        )
    return count


def resolve_parsed(
    db: DuckDBPyConnection,
    read: Mapping[str, datetime],
    *,
    run_id: str,
    at: datetime | None = None,
) -> int:
    """Marks as resolved what failed no later than its article was read; how many.

    Args:
        db: The warehouse, in the caller's transaction.
        read: By article, when the page that could be read was fetched (aware UTC). A page
            that was fetched after it and failed stands: it is what the article says now.
        run_id: The run that read them.
        at: Now, if not given.
    """
    if not read:
        return 0
    standing = db.execute(
        "SELECT CAST(quarantine_key AS VARCHAR), article_id, fetched_at FROM _store.quarantine "
        "WHERE resolved_at IS NULL AND list_contains(?::VARCHAR[], article_id)",
        [list(read)],
    ).fetchall()
    ids = [key for key, article, fetched_at in standing if fetched_at <= read[article]]
    return resolve(db, run_id=run_id, quarantine_ids=ids, at=at)


def open_ids(db: DuckDBPyConnection, quarantine_ids: Iterable[str]) -> set[str]:
    """Those of some failures that stand."""
    found = db.execute(
        "SELECT CAST(quarantine_key AS VARCHAR) FROM _store.quarantine WHERE resolved_at IS NULL "
        "AND list_contains(?::VARCHAR[], CAST(quarantine_key AS VARCHAR))",
        [list(quarantine_ids)],
    ).fetchall()
    return {key for (key,) in found}


def resolved_listings(
    db: DuckDBPyConnection, source: str, urls: Iterable[str]
) -> dict[str, datetime]:
    """By address, when the latest failure of a listing was fetched, where that is resolved."""
    found = db.execute(
        "SELECT url, max(fetched_at) FROM _store.quarantine "
        "WHERE source = ? AND article_id IS NULL AND list_contains(?::VARCHAR[], url) "
        "GROUP BY url HAVING count(*) FILTER (WHERE resolved_at IS NULL) = 0",
        [source, list(urls)],
    ).fetchall()
    return {url: at.astimezone(UTC) for url, at in found}


def failure_key(row: NewQuarantineEntry) -> bytes:
    """What stands for a failure, however often it is met: its article, page or line."""
    is_named = bool(row.url or row.article_id)
    which = "" if is_named else sha256(row.page).hexdigest()
    return key_of(row.source, row.url, row.article_id or "", which)


def _table(
    failed: dict[bytes, tuple[NewQuarantineEntry, int]], old: set[int], run_id: str, at: datetime
) -> Any:
    rows = [row for row, _ in failed.values()]
    count = len(rows)

    def text(name: str) -> tuple[list[str | None], Any]:
        # What a page holds may be no Unicode; the bytes in `page` are the truth.
        values = (getattr(row, name) for row in rows)
        clean = [v if v is None else v.encode(errors="backslashreplace").decode() for v in values]
        return clean, stage.TEXT

    names = ("source", "channel", "url", "article_id", "reason", "message", "expected", "found")
    more = ("content_type", "facts", "parser", "parser_version")
    return stage.table(
        i=(range(count), stage.SMALL),
        quarantine_key=stage.keys(list(failed)),
        **{name: text(name) for name in names + more},
        page=([row.page for row in rows], stage.BYTES),
        page_more=([row.page_more for row in rows], stage.BYTES_LIST),
        fetched_at=([row.fetched_at for row in rows], stage.MOMENT),
        attempts=([attempts for _, attempts in failed.values()], stage.SMALL),
        first_failed_at=([at] * count, stage.MOMENT),
        last_failed_at=([at] * count, stage.MOMENT),
        resolved_at=([at if i in old else None for i in range(count)], stage.MOMENT),
        resolved_by=([run_id if i in old else None for i in range(count)], stage.TEXT),
        run_id=([run_id] * count, stage.TEXT),
    )


def _select(db: DuckDBPyConnection, where: str, values: list[Any]) -> list[QuarantineEntry]:
    found = db.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM _store.quarantine WHERE {where} "  # noqa: S608
        "ORDER BY first_failed_at, quarantine_key",
        values,
    ).fetchall()
    return [_quarantined(dict(zip(_COLUMNS, one, strict=True))) for one in found]


def _quarantined(one: dict[str, Any]) -> QuarantineEntry:
    return QuarantineEntry(
        quarantine_id=str(one["quarantine_key"]),
        attempts=one["attempts"],
        first_failed_at=one["first_failed_at"].astimezone(UTC),
        last_failed_at=one["last_failed_at"].astimezone(UTC),
        resolved_at=utc(one["resolved_at"]),
        resolved_by=one["resolved_by"],
        run_id=one["run_id"],
        row=NewQuarantineEntry(
            page_more=tuple(one["page_more"]),
            fetched_at=one["fetched_at"].astimezone(UTC),
            **{
                name: one[name]
                for name in (
                    "source", "channel", "url", "article_id", "reason", "message", "expected",
                    "found", "page", "content_type", "facts", "parser", "parser_version",
                )
            },
        ),
    )  # fmt: skip
