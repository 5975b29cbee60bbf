"""Erasure on request, from the archive, the warehouse and its snapshots.

    erase
    ├── archive      the pages of the articles are overwritten in place
    ├── warehouse    rows, imported files and quarantine go, suppressions stay
    ├── file         written again, because deleted rows stay in its free blocks; of a lake,
    │                the files with deleted rows, and older versions expire at once
    └── snapshots    a new one is published, the others are removed

The rows that locate archived pages go after the pages, so a killed erasure finishes when it
is repeated. The result lists what remains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from typing import Any

from duckdb import DuckDBPyConnection

from flows.admin.join_archive import finish_joins
from flows.archive import ArchiveError, FolderStore, open_store
from flows.archive.index import read_response
from flows.archive.redact import overwrite_record
from flows.callbacks import Notify, OnProgress
from flows.errors import ConfigurationError
from flows.fetch import decode_page
from flows.pipeline import locks
from flows.pipeline.next_pages import add_next_pages
from flows.pipeline.restore import require_warehouse
from flows.settings import Settings
from flows.text import pluralize
from parsers.errors import ParseError
from parsers.model import Page
from parsers.text.characters import single_line
from parsers.text.urls import is_http
from warehouse import db
from warehouse.care import compact, snapshot
from warehouse.care import erasure as rows
from warehouse.care.erasure import ArchivedPageLocation, ErasedRows
from warehouse.errors import WarehouseBusy, WarehouseError, WarehouseFull
from warehouse.lake.compact_files import compact_files
from warehouse.location import Lake, Location
from warehouse.read.archived_fetches import nearest_page
from warehouse.records import suppression
from warehouse.records.suppression import Suppression

_COMPACT_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRequest:
    """Some articles, or a whole source."""

    article_ids: tuple[str, ...] = ()
    source: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources whose runs must wait."""
        named = {one.partition(":")[0] for one in self.article_ids}
        return (self.source,) if self.source else tuple(sorted(named))

    @property
    def names(self) -> tuple[str, ...]:
        """The article ids, or the source."""
        return (self.source,) if self.source else self.article_ids

    def without(self, names: Sequence[str]) -> ErasureRequest:
        """The request for the other articles."""
        return replace(self, article_ids=tuple(one for one in self.article_ids if one not in names))

    def message(self) -> str:
        """The source, or the first five articles."""
        if self.source:
            return f"the whole source {self.source}"
        more = len(self.article_ids) - 5
        return ", ".join(self.article_ids[:5]) + (f" and {more} more" if more > 0 else "")


@dataclass(slots=True, kw_only=True)
class ErasureResult:
    """What an erasure removed, and what remains on the disk.

    Attributes:
        removed: Rows of the warehouse.
        redacted: Pages overwritten in the archive.
        absent: Names without stored data; whether each was erased before.
        remaining: Where data remains, and what to do about it.
        warnings: Where data may remain that copydesk cannot see.
    """

    request: ErasureRequest
    removed: ErasedRows
    redacted: int = 0
    absent: dict[str, bool] = field(default_factory=dict)
    remaining: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def not_found(self) -> list[str]:
        """Names that were never stored; they may be misspelled."""
        return [name for name, was_erased in self.absent.items() if not was_erased]

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to remove."""
        return set(self.not_found) == set(self.request.names) and not self.redacted

    @property
    def exit_code(self) -> int:
        """3 when data remains, or a name was not found."""
        return 3 if self.remaining or self.not_found else 0

    def as_json(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "erased": list(self.request.article_ids) or [f"{self.request.source}:*"],
            "removed": asdict(self.removed),
            "archived_pages_erased": self.redacted,
            "not_found": self.not_found,
            "remaining": self.remaining,
            "warnings": self.warnings,
        }

    def message(self) -> str:
        """What was removed, then a line for each name not found and each remaining copy."""
        lines = []
        if not self.is_empty:
            request = self.request.without(self.not_found)
            lines.append(f"erased {request.message()}: {_counts(self.removed, self.redacted)}")
        lines += [f"! {_not_found_message(self.request, name)}" for name in self.not_found]
        lines += [
            f"{name} was erased before; nothing more of it was stored"
            for name, was_erased in self.absent.items()
            if was_erased
        ]
        lines += [f"! remaining: {one}" for one in self.remaining]
        return "\n".join(map(single_line, [*lines, *self.warnings]))


def _not_found_message(request: ErasureRequest, name: str) -> str:
    of, undo, lookup = (
        (f"of the source {name}", f"--source {name}", "`copydesk sources` lists the sources")
        if request.source
        else (f"of {name}", name, "`copydesk query` finds ids by title and URL")
    )
    return (
        f"nothing {of} is stored, so nothing was deleted. It is suppressed from now on; if the "
        f"name is wrong, `copydesk erase --undo {undo}` lifts that, and {lookup}"
    )


def _counts(removed: ErasedRows, archived_pages: int) -> str:
    return (
        f"{pluralize(removed.articles, 'article')}, "
        f"{pluralize(removed.contents, 'content')} that no other article has, "
        f"{pluralize(removed.posts, 'imported file')}, "
        f"{pluralize(removed.quarantine, 'page')} in quarantine, "
        f"{pluralize(removed.fetches, 'fetch', 'fetches')}, "
        f"{pluralize(archived_pages, 'raw page')} in the archive"
    )


# --- checks before -------------------------------------------------------------------------


def require_article_ids(request: ErasureRequest) -> None:
    """Refuse a name that cannot be an article id.

    Raises:
        ConfigurationError: A name has no source, or nothing after the colon.
    """
    for name in request.article_ids:
        source, _, own = name.partition(":")
        if not (source and own):
            raise ConfigurationError(
                "expected an id (<source>:<source_article_id>, such as "
                f"finews:NW202203142308441556), found {name!r}: `copydesk query` finds ids by "
                "title and URL"
            )


def reject_urls(settings: Settings, request: ErasureRequest) -> None:
    """Refuse a URL in place of an id; the message names the articles that have the URL.

    Raises:
        ConfigurationError: A name is a URL.
        WarehouseError: There is no warehouse.
    """
    for url in filter(is_http, request.article_ids):
        with _connect(settings) as store:
            found = rows.articles_at_url(store, url)
        which = f"it is the URL of {', '.join(found)}" if found else "no stored article has it"
        raise ConfigurationError(
            f"expected an id (<source>:<source_article_id>), found the URL {url}: {which}"
        )


def preview(settings: Settings, request: ErasureRequest) -> str:
    """Describe what ``erase`` would delete; change nothing.

    Raises:
        WarehouseError: There is no warehouse, or an id is malformed.
    """
    ids, source = request.article_ids, request.source
    with _connect(settings) as store:
        pages = rows.archived_pages(store, ids, source=source)
        found = rows.preview(store, ids, source=source)
        absent = list(rows.not_stored(store, ids, source=source))
    nothing = f"nothing of {', '.join(absent)} is stored, it would only be suppressed from now on"
    if set(absent) == set(request.names) and not pages:
        return nothing
    counts = f"{request.without(absent).message()}: {_counts(found, len(pages))}"
    return f"{counts} would be deleted for good" + (f"; {nothing}" if absent else "")


# --- erasure -------------------------------------------------------------------------------


def erase(
    settings: Settings,
    request: ErasureRequest,
    *,
    reason: str,
    notify: Notify,
    on_progress: OnProgress,
) -> ErasureResult:
    """Delete articles everywhere, and suppress them from now on.

    Raises:
        SourceLocked: A run holds the lock of one of the sources.
        WarehouseError: There is no warehouse, or it cannot be written.
    """
    ids, source = request.article_ids, request.source
    with locks.acquire_all(settings, request.sources, flow="erase", run_id="on request"):
        finish_joins(settings)  # a page has one copy only
        with _connect(settings) as store:
            pages = rows.archived_pages(store, ids, source=source)
            urls = [] if source else _next_page_urls(settings, store, pages)
            if urls:
                # Next pages go first: only the first page of an article leads to them.
                more = rows.archived_pages(store, ids, urls=urls)
                pages = [page for page in more if page not in pages] + pages
        redacted, left = _redact(settings, pages, on_progress)
        with _connect(settings) as store, db.transaction(store):
            absent = rows.not_stored(store, ids, source=source)
            removed = rows.erase(
                store, ids, source=source, urls=urls, reason=reason,
                left=[(page.file, page.offset) for page, _ in left],
            )  # fmt: skip
        result = ErasureResult(
            request=request,
            removed=removed,
            redacted=redacted,
            absent=absent,
            remaining=[message for _, message in left],
        )
    if not result.is_empty:
        result.remaining += _rewrite(settings, notify)
        path = settings.warehouse.path
        result.remaining += [
            f"{one}, the copy made before an upgrade: delete it"
            for one in sorted(path.parent.glob(f"{path.name}.before-*"))
        ]
        result.warnings += _warnings(settings, source)
        result.warnings += _lake_warnings(settings.warehouse.location)
    return result


def _next_page_urls(
    settings: Settings, store: DuckDBPyConnection, pages: Sequence[ArchivedPageLocation]
) -> list[str]:
    """The URLs of the articles' second and later pages; no row names their article."""
    urls: dict[str, None] = {}
    for one in pages:
        if one.source in settings.sources:
            with suppress(ArchiveError, ParseError, ValueError):
                urls |= dict.fromkeys(_urls_after(settings, store, one))
    return list(urls)


def _urls_after(
    settings: Settings, store: DuckDBPyConnection, location: ArchivedPageLocation
) -> list[str]:
    """The URLs of the pages that follow a page."""
    archive, urls = open_store(settings.archive), []
    first = read_response(archive, location.file, location.offset, location.url)

    def archived(url: str) -> Page | None:
        urls.append(url)
        found = nearest_page(store, url, first.fetched_at)
        if found is None:
            return None
        response = read_response(archive, found.archive_file, found.archive_offset, url)
        return decode_page(response, None)

    add_next_pages(settings.source(location.source), decode_page(first, None), archived)
    return urls


def _redact(
    settings: Settings, pages: Sequence[ArchivedPageLocation], on_progress: OnProgress
) -> tuple[int, list[tuple[ArchivedPageLocation, str]]]:
    """Overwrite pages of the archive; return their number, and the others with a message."""
    archive, redacted, left = open_store(settings.archive), 0, []
    own = []
    for one in pages:
        if one.is_shared:
            message = (
                f"the raw page of {one.url} at {one.offset} of {archive.place(one.file)}: the page of "
                "another article has the same bytes; erase that article too, and both go"
            )
            left.append((one, message))
        else:
            own.append(one)
    done = 0
    for file, group in groupby(own, key=lambda one: archive.locate(one.file, 0)[0]):
        found = list(group)
        count, failed = _redact_file(archive, file, found)
        redacted += count
        left += failed
        done += len(found)
        on_progress("archive", done, len(own))
    return redacted, left


def _redact_file(
    archive: FolderStore, file: str, pages: Sequence[ArchivedPageLocation]
) -> tuple[int, list[tuple[ArchivedPageLocation, str]]]:
    """Overwrite pages of one file; an object of a bucket is written once."""
    count, left = 0, []
    try:
        with archive.editable(file) as path:
            for one in pages:
                try:
                    count += overwrite_record(path, archive.locate(one.file, one.offset)[1])
                except ArchiveError as error:
                    left.append((one, _left(one, error)))
    except ArchiveError as error:  # what was overwritten did not get into the bucket
        return 0, [(one, _left(one, error)) for one in pages]
    return count, left


def _left(page: ArchivedPageLocation, error: ArchiveError) -> str:
    return f"the raw page of {page.url}: {error}: repair that, then repeat"


def _rewrite(settings: Settings, notify: Notify) -> list[str]:
    """Write the file without the deleted rows, publish it; return the copies that remain."""
    warehouse, remaining = settings.warehouse, []
    if isinstance(warehouse.location, Lake):
        return _compact_files(warehouse.location, notify)
    notify(f"writing {warehouse.path} again, because deleted rows stay in its blocks")
    try:
        compact.compact(warehouse.path, wait_seconds=_COMPACT_TIMEOUT_SECONDS, notify=notify)
    except (WarehouseBusy, WarehouseFull) as error:
        remaining.append(
            f"deleted text in free blocks of {warehouse.path} ({error}): run `copydesk compact`"
        )
    try:
        with _connect(settings) as store:
            published = snapshot.publish(store, warehouse.snapshot)
    except WarehouseError as error:
        return [
            *remaining,
            f"the snapshot {warehouse.snapshot}, because no new one could be published ({error}): "
            "repair that, then run `copydesk compact`",
        ]
    return remaining + [
        f"the older snapshot {old}, which a reader has open: run `copydesk compact` when the "
        "reader has ended, or delete the file"
        for old in snapshot.remove_other_snapshots(warehouse.snapshot, published.path)
    ]


def _compact_files(lake: Lake, notify: Notify) -> list[str]:
    """Remove the deleted rows from the files and the catalog of a lake, and its older versions."""
    notify(f"writing files of {lake} again, because older versions have the deleted rows")
    try:
        compact_files(lake, retention=None, wait_seconds=_COMPACT_TIMEOUT_SECONDS, notify=notify)
    except WarehouseError as error:
        return [
            f"deleted text in files or the catalog of {lake} ({error}): run the same command again"
        ]
    return []


def _warnings(settings: Settings, source: str) -> Iterator[str]:
    if not source:
        yield (
            "Listings and feeds that carried an entry or the text hold other articles too, and "
            f"stay in {settings.archive.url or settings.archive.path}."
        )
    elif source in settings.sources:
        yield f"{source} is still configured; runs skip it. Remove [sources.{source}] too."
    yield (
        "Prefect shows text of pages in the artifacts of runs until `serve.run_retention_days`. "
        "`copydesk doctor --verify` lists pages that a killed run archived: no row names them."
    )
    yield (
        "copydesk does not search backups, exports and imported files: remove the text there "
        "yourself."
    )


def _lake_warnings(location: Location) -> Iterator[str]:
    if isinstance(location, Lake) and location.is_shared:
        yield (
            "PostgreSQL keeps deleted rows in its write-ahead log until it is recycled, and in its "
            "backups."
        )
    if isinstance(location, Lake) and location.is_in_bucket:
        yield "A bucket with versions of objects keeps deleted files: let it expire them."


# --- suppression ---------------------------------------------------------------------------


def list_suppressed(settings: Settings) -> list[Suppression]:
    """Return the suppressions, oldest first.

    Raises:
        WarehouseMissing: There is no warehouse.
    """
    with _connect(settings) as store:
        return suppression.list_suppressions(store)


def restore(settings: Settings, request: ErasureRequest) -> dict[str, bool]:
    """Remove suppressions; return whether each name had one.

    Raises:
        WarehouseMissing: There is no warehouse.
    """
    key = "source" if request.source else "article_id"
    with _connect(settings) as store, db.transaction(store):
        return {name: suppression.lift_suppression(store, **{key: name}) for name in request.names}


@contextmanager
def _connect(settings: Settings) -> Iterator[DuckDBPyConnection]:
    warehouse = settings.warehouse
    require_warehouse(settings)
    with db.connect(warehouse.location, wait_seconds=warehouse.lock_timeout_seconds) as store:
        yield store
