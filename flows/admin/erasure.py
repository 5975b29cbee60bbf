"""Deletion on request, everywhere we keep words: the work behind ``copydesk erase``.

    forget
    ├── archive      the articles' own pages are overwritten where they lie
    ├── warehouse    rows, imported files and quarantine go, tombstones stay
    ├── file         written anew, because deleted rows stay in its blocks
    └── snapshots    a fresh one is published, the others removed

In this order, so that one that was killed finishes when it is asked for again: the rows
that say where the pages lie go after the pages. What cannot be removed is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from flows.admin.erasure_request import ErasureRequest, ErasureResult, counted
from flows.archive import ArchiveError
from flows.archive.index import read_response
from flows.archive.redact import redact_record
from flows.callbacks import Notify, OnProgress
from flows.errors import ConfigurationError
from flows.fetch import decode_page
from flows.pipeline import locks
from flows.settings import Settings
from flows.text import pluralize
from parsers import registry
from parsers.errors import ParseError
from parsers.text.urls import is_http
from warehouse import db
from warehouse.care import compact, snapshot
from warehouse.care import erasure as store
from warehouse.care.erasure import ArchivedPageLocation
from warehouse.duckdb_errors import missing_error
from warehouse.errors import WarehouseBusy, WarehouseError, WarehouseFull
from warehouse.records import suppression
from warehouse.records.suppression import Suppression

_COMPACT_WAIT_SECONDS = 60.0


def preview(settings: Settings, wish: ErasureRequest) -> str:
    """What ``redact_record`` would do, in words; nothing is changed.

    Raises:
        WarehouseError: There is no warehouse, or an id is malformed.
    """
    with _opened(settings) as one:
        pages = store.archived_pages(one, wish.article_ids, source=wish.source)
        found = store.preview(one, wish.article_ids, source=wish.source)
        absent = list(store.not_stored(one, wish.article_ids, source=wish.source))
    nothing = f"nothing of {', '.join(absent)} is stored, it would only be kept out from now on"
    if set(absent) == set(wish.names) and not pages:
        return nothing
    wish = wish.without(absent)
    some = f"{wish.words()}: {counted(found, len(pages))} would be deleted for good"
    return f"{some}; {nothing}" if absent else some


def require_article_ids(wish: ErasureRequest) -> None:
    """Refuse what cannot be the id of an article.

    Raises:
        ConfigurationError: A name without its source, or without what follows the colon.
    """
    for name in wish.article_ids:
        source, _, own = name.partition(":")
        if not (source and own):
            raise ConfigurationError(
                "expected an id (<source>:<source_article_id>, such as "
                f"finews:NW202203142308441556), found {name!r}: `copydesk query` finds the ids of "
                "articles by their titles and addresses"
            )


def reject_urls(settings: Settings, wish: ErasureRequest) -> None:
    """Refuse an address in place of an id; the message names the articles that have it.

    Raises:
        ConfigurationError: An address was given.
        WarehouseError: There is no warehouse to look in.
    """
    for address in filter(is_http, wish.article_ids):
        with _opened(settings) as one:
            found = store.articles_at_url(one, address)
        which = f"it is the address of {', '.join(found)}" if found else "no stored article has it"
        raise ConfigurationError(
            f"expected an id (<source>:<source_article_id>), found the address {address}: {which}"
        )


def erase(
    settings: Settings, wish: ErasureRequest, *, reason: str, notify: Notify, progress: OnProgress
) -> ErasureResult:
    """Remove what is wished from everywhere, and keep it out from now on.

    Raises:
        SourceBusy: A run works on one of the sources.
        WarehouseError: There is no warehouse, or it cannot be written.
    """
    with ExitStack() as resting:
        for slug in wish.sources:
            resting.enter_context(locks.acquire(settings, slug, flow="forget", run_id="on request"))
        with _opened(settings) as one:
            pages = store.archived_pages(one, wish.article_ids, source=wish.source)
            urls = [] if wish.source else _following(settings, pages)
            if urls:
                # First those that only an article's first page leads to.
                more = store.archived_pages(one, wish.article_ids, urls=urls)
                pages = [page for page in more if page not in pages] + pages
        erased, left = _erase(settings, pages, progress)
        with _opened(settings) as one, db.transaction(one):
            absent = store.not_stored(one, wish.article_ids, source=wish.source)
            removed = store.erase(
                one,
                wish.article_ids,
                source=wish.source,
                urls=urls,
                left=[(page.file, page.offset) for page, _ in left],
                reason=reason,
            )
        remains = [why for _, why in left]
        found = ErasureResult(
            wish=wish, removed=removed, erased=erased, absent=absent, remains=remains
        )
    if found.is_nothing:
        return found
    _write_anew(settings, found, notify)
    _tell_the_rest(settings, found)
    return found


def _following(settings: Settings, pages: Sequence[ArchivedPageLocation]) -> list[str]:
    """The addresses of the second and later pages of articles, which no row names as theirs."""
    urls: dict[str, None] = {}
    for one in pages:
        if one.source in settings.sources:
            with suppress(ArchiveError, ParseError, ValueError):
                fetched = read_response(settings.archive.path, one.file, one.offset, one.url)
                more = registry.next_pages(settings.source(one.source), decode_page(fetched, None))
                urls.update(dict.fromkeys(more))
    return list(urls)


def _erase(
    settings: Settings, pages: Sequence[ArchivedPageLocation], progress: OnProgress
) -> tuple[int, list[tuple[ArchivedPageLocation, str]]]:
    """How many pages of the archive were overwritten, and why others were not."""
    erased, left = 0, []
    for number, one in enumerate(pages, 1):
        place = settings.archive.path / one.file
        if one.is_shared:
            why = (
                f"the raw page of {one.url} at {one.offset} of {place}: another article's page has "
                "the very same bytes and needs it; forget that article too, and both go"
            )
            left.append((one, why))
            continue
        try:
            erased += redact_record(settings.archive.path, one.file, one.offset)
        except ArchiveError as error:
            why = f"the raw page of {one.url}, not erased: {error}: put that right, then ask again"
            left.append((one, why))
        progress("archive", number, len(pages))
    return erased, left


def _write_anew(settings: Settings, found: ErasureResult, notify: Notify) -> None:
    """Write the file without the deleted rows, publish it, remove the older copies."""
    warehouse = settings.warehouse
    notify(f"writing {warehouse.path} anew, because deleted rows stay in its blocks")
    try:
        compact.compact(warehouse.path, wait_seconds=_COMPACT_WAIT_SECONDS, on_wait=notify)
    except (WarehouseBusy, WarehouseFull) as error:
        found.remains.append(
            f"deleted words in free blocks of {warehouse.path} ({error}): run `copydesk compact`"
        )
    try:
        with _opened(settings) as one:
            snapshot.remove_unfinished(warehouse.snapshot)
            published = snapshot.publish(one, warehouse.snapshot)
    except WarehouseError as error:
        found.remains.append(
            f"the read snapshot {warehouse.snapshot}, because no new one could be published "
            f"({error}): put that right, then run `copydesk compact`"
        )
        return
    found.remains += [
        f"the older read snapshot {old}, which a reader has open: run `copydesk compact` when it "
        "has ended, or delete the file"
        for old in snapshot.remove_other_snapshots(warehouse.snapshot, published.path)
    ]


def _tell_the_rest(settings: Settings, found: ErasureResult) -> None:
    path = settings.warehouse.path
    found.remains += [
        f"{one}, the copy made before an upgrade: delete it"
        for one in sorted(path.parent.glob(f"{path.name}.before-*"))
    ]
    slug = found.wish.source
    if slug in settings.sources:
        found.notes.append(
            f"{slug} is still configured; runs pass over it. Remove [sources.{slug}] to be done."
        )
    elif not slug:
        found.notes.append(
            "Listings and feeds that carried a line or the text of it hold other articles too, and "
            f"stay in {settings.archive.path}."
        )
    found.notes.append(
        "Prefect shows words of pages in the artifacts of runs until `serve.run_retention_days`, and pages "
        "that a killed run archived are named by no row: `copydesk doctor --verify` lists those."
    )
    found.notes.append(
        "Backups, exports and files that were imported lie where copydesk does not look: remove "
        "it there yourself."
    )


# --- tombstones ----------------------------------------------------------------------------


def list_suppressed(settings: Settings) -> list[Suppression]:
    """What is kept out, oldest first.

    Raises:
        WarehouseMissing: There is no warehouse.
    """
    with _opened(settings) as one:
        return suppression.list_suppressions(one)


def restore(settings: Settings, wish: ErasureRequest) -> dict[str, bool]:
    """Lift tombstones; by what was named, whether there was one.

    Raises:
        WarehouseMissing: There is no warehouse.
    """
    with _opened(settings) as one, db.transaction(one):
        lifted = {
            name: suppression.lift_suppression(one, article_id=name) for name in wish.article_ids
        }
        if wish.source:
            lifted[wish.source] = suppression.lift_suppression(one, source=wish.source)
    return lifted


# --- compacting ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionResult:
    """What compacting did.

    Attributes:
        left: Older read snapshots that readers still have open.
    """

    path: Path
    done: compact.CompactResult
    left: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """3 when an older copy could not be removed."""
        return 3 if self.left else 0

    def as_json(self) -> dict[str, Any]:
        """The JSON document; sizes in bytes."""
        return {
            "warehouse": str(self.path),
            **asdict(self.done),
            "open_snapshots": [str(one) for one in self.left],
        }

    def words(self) -> str:
        """Sizes and rows, before and after."""
        done = self.done
        lines = [
            f"{self.path}: {done.bytes_before / 1e6:.1f} MB became {done.bytes_after / 1e6:.1f} MB; "
            f"{pluralize(done.sightings_before, 'sighting')} became {done.sightings_after}, "
            f"{pluralize(done.fetches_removed, 'fetch', 'fetches')} removed"
        ]
        lines += [f"! {one} stays: a reader has it open" for one in self.left]
        return "\n".join(lines)


def compact_warehouse(
    settings: Settings, *, fetches_before: datetime | None, notify: Notify
) -> CompactionResult:
    """Write the warehouse anew without its holes, publish it, remove older snapshots.

    Raises:
        WarehouseError: There is none, another process holds it, or there is no room.
    """
    warehouse = settings.warehouse
    if not warehouse.path.exists():
        raise missing_error(warehouse.path)
    notify(f"writing {warehouse.path} anew ({warehouse.path.stat().st_size / 1e6:.0f} MB)")
    done = compact.compact(
        warehouse.path,
        fetches_before=fetches_before,
        wait_seconds=warehouse.lock_timeout_seconds,
        on_wait=notify,
    )
    with _opened(settings) as one:
        published = snapshot.publish(one, warehouse.snapshot)
    left = snapshot.remove_other_snapshots(warehouse.snapshot, published.path)
    return CompactionResult(path=warehouse.path, done=done, left=tuple(left))


@contextmanager
def _opened(settings: Settings) -> Iterator[DuckDBPyConnection]:
    warehouse = settings.warehouse
    if not warehouse.path.exists():
        raise missing_error(warehouse.path)
    with db.connect(warehouse.path, wait_seconds=warehouse.lock_timeout_seconds) as one:
        yield one
