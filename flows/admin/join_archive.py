"""Join the archive files of past days, and move the fetches to the new locations."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime

from duckdb import DuckDBPyConnection

from flows.archive.join import JoinedFile, join_files, joinable_files, leftovers
from flows.errors import Interrupted
from flows.settings import Settings
from flows.text import pluralize
from warehouse import db
from warehouse.records import fetches
from warehouse.records.fetches import ArchivePart


def join_archive(
    settings: Settings, *, is_stopping: Callable[[], bool], today: date | None = None
) -> str:
    """Join the closed files of each past day into one; return a summary.

    The parts are deleted after the transaction that moves their fetches. A killed process
    leaves work that ``finish_joins`` ends.

    Raises:
        Interrupted: ``is_stopping`` was true between two days.
    """
    folder = settings.archive.path
    finish_joins(settings)
    parts = days = 0
    for files in list(joinable_files(folder, today=today or datetime.now(UTC).date())):
        if is_stopping():
            raise Interrupted(_summary(parts, days))
        joined = join_files(folder, files)
        if joined is not None:
            _move(settings, joined)
            _delete_parts(settings, joined)
            parts, days = parts + len(joined.members), days + 1
    return _summary(parts, days)


def finish_joins(settings: Settings) -> None:
    """End what a killed process left of a join: its parts go, or its joined file."""
    for joined in leftovers(settings.archive.path):
        with _connect(settings) as store:
            is_named = fetches.names_file(store, joined.name)
        # A part is deleted only after the commit that names the joined file.
        is_committed = is_named or len(joined.remaining(settings.archive.path)) < len(
            joined.members
        )
        if is_committed:
            _move(settings, joined)
            _delete_parts(settings, joined)
        else:
            joined.discard()


def _move(settings: Settings, joined: JoinedFile) -> None:
    parts = [
        ArchivePart(file=one.file, joined=one.joined, offset=one.offset) for one in joined.members
    ]
    with (
        _connect(settings) as store,
        db.transaction(store, wait_seconds=settings.warehouse.lock_timeout_seconds),
    ):
        fetches.move_to_joined(store, parts)


def _delete_parts(settings: Settings, joined: JoinedFile) -> None:
    for path in joined.remaining(settings.archive.path):
        path.unlink()


def _connect(settings: Settings) -> AbstractContextManager[DuckDBPyConnection]:
    warehouse = settings.warehouse
    return db.connect(warehouse.location, wait_seconds=warehouse.lock_timeout_seconds)


def _summary(parts: int, days: int) -> str:
    if not parts:
        return "no closed files of a past day to join"
    return f"{pluralize(parts, 'file')} joined into {pluralize(days, 'file')}"
