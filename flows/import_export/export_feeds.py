"""Export articles or corrections as a feed: ``copydesk export DIR --format atom``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from flows.atomic_file import replace_if_changed
from flows.import_export.export_posts import (
    NOT_EMPTIED,
    NOT_OURS,
    ExportReport,
    count_selected,
    in_utc,
    no_folder,
)
from flows.import_export.feeds.model import AUTHOR
from flows.import_export.feeds.selection import (
    RENDERERS,
    SUFFIXES,
    articles_feed,
    corrections_feed,
)
from flows.import_export.write_files import ExportResult
from flows.pipeline.snapshot import current_snapshot
from flows.settings import Settings
from warehouse import connect_read_only

_HEAD_BYTES = 4096
_MARKS = (f"<generator>{AUTHOR}</generator>".encode(), f'"name": "{AUTHOR}"'.encode())


def export_feed(
    settings: Settings,
    directory: Path,
    format_: str,
    *,
    source: str | None = None,
    since: datetime | None = None,
    limit: int | None = None,
    has_corrections: bool = False,
    check: bool = False,
    allow_empty: bool = False,
) -> ExportReport:
    """Write a feed into a folder, or with ``check`` compare the file; an unchanged one stays.

    Args:
        settings: Configuration of the warehouse.
        directory: Folder of ``articles.atom``, ``articles.json``, or ``corrections`` of these.
        format_: atom or jsonfeed.
        source: Only articles of this source.
        since: Only articles published, or corrections seen, then or later; without zone it is UTC.
        limit: The newest; ``None`` for all.
        has_corrections: One entry for each correction instead of one for each article.
        check: Compare, write nothing.
        allow_empty: Replace a feed with entries although nothing is selected.

    Raises:
        WarehouseError: There is no snapshot yet, or it cannot be read.
        ConfigurationError: A check of a folder that does not exist, or an unknown source.
    """
    if check and not directory.exists():
        raise no_folder(directory)
    kind = "corrections" if has_corrections else "articles"
    with connect_read_only(current_snapshot(settings).path) as db:
        count_selected(db, settings, source=source, since=None)  # refuses an unknown source
        make = corrections_feed if has_corrections else articles_feed
        feed = make(
            db,
            name=f"{kind} {source or ''}".strip(),
            title=f"{kind.capitalize()} of {source}" if source else kind.capitalize(),
            sources=(source,) if source else (),
            since=in_utc(since),
            limit=limit,
        )
    exported = ExportResult()
    file = directory / f"{kind}{SUFFIXES[format_]}"
    may_replace = bool(feed.entries) or allow_empty
    _put(file, RENDERERS[format_](feed), exported, may_replace=may_replace, check=check)
    return ExportReport(
        articles=len(feed.entries), exported=exported, directory=directory, is_check=check
    )


def is_copydesk_feed(data: bytes) -> bool:
    """Whether copydesk wrote a feed, by its head."""
    return any(mark in data[:_HEAD_BYTES] for mark in _MARKS)


def _put(
    file: Path, data: bytes, exported: ExportResult, *, may_replace: bool, check: bool
) -> None:
    existing = file.read_bytes() if file.exists() else None
    reason = ""
    if existing is None:
        (exported.missing if check else exported.written).append(file.name)
    elif existing == data:
        exported.identical.append(file.name)
        return
    elif not is_copydesk_feed(existing):
        reason = NOT_OURS
    elif check:
        reason = "its entries differ from the snapshot"
    elif not may_replace:
        reason = NOT_EMPTIED
    else:
        exported.updated.append(file.name)
    if reason:
        exported.changed.append(file.name)
        exported.differences[file.name] = reason
    elif not check:
        replace_if_changed(file, data)
