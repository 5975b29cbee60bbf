"""The checks of ``copydesk doctor --verify``.

    check_blocks     every block of the warehouse, and the rules of its tables; writers wait
    check_snapshot   every block of the snapshot, compared with the warehouse; writers wait
    check_hashes     content hashes and keys, computed again from the stored text
    check_archive    every record of the archive, compared with the fetch that names it

The last two read the snapshot alone, so that no run waits for them. All of them stream: memory does
not grow with the corpus.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from duckdb import DuckDBPyConnection

from flows.admin.check import CheckResult, Status
from flows.archive import ArchiveError, FolderStore, read_record
from flows.archive.scan import CUT, ArchiveRecord, scan_records
from flows.archive.stores import ArchiveLocation, store_of
from flows.callbacks import OnProgress
from flows.text import pluralize
from parsers.content_hash import PREFIX, content_hash
from warehouse import connect_read_only
from warehouse.block_file import UnknownLayout
from warehouse.care.integrity import stored_records, verify
from warehouse.care.snapshot import compare
from warehouse.checkpoint_log import log_file
from warehouse.errors import WarehouseError
from warehouse.location import Lake, Location

_MAX_EXAMPLES = 5
_PROGRESS_RECORDS = 20_000
_MAX_DIGESTS = 200_000
_RESTORE_LAKE = "restore the catalog and the files of one time from a backup (SCALE.md)"
_RESTORE_FILE = "keep the file and its log, restore the snapshot or a backup (RUNBOOK, Restore)"

_FILES = "SELECT DISTINCT archive_file FROM _store.fetches WHERE archive_file IS NOT NULL"
_FETCHES = """
    SELECT archive_offset, url, final_url, body_sha256 FROM _store.fetches WHERE archive_file = ?
"""


@dataclass(frozen=True, slots=True)
class Fetch:
    """The columns of a fetch that its archive record must match."""

    offset: int
    url: str
    final_url: str
    digest: str | None


@dataclass(slots=True)
class Problems:
    """A count of problems of one kind, with a few examples."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str, *, count: int = 1) -> None:
        """Count a problem."""
        self.count += count
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(example)

    def __str__(self) -> str:
        """The examples, and that there are more."""
        more = "; and more" if self.count > len(self.examples) else ""
        return "; ".join(self.examples) + more


def check_blocks(path: Location, db: DuckDBPyConnection) -> Iterator[CheckResult]:
    """Read every block of the warehouse and check the rules of its tables."""
    started = time.monotonic()
    found = verify(db, is_deep=True)
    if found.problems:
        restore = _RESTORE_LAKE if isinstance(path, Lake) else _RESTORE_FILE
        yield CheckResult(
            "blocks",
            "error",
            f"{path}: {'; '.join(found.problems[:_MAX_EXAMPLES])}: {restore}, then run "
            "`copydesk backfill --archive` for the rest",
        )
        return
    rows = sum(found.rows.values())
    yield CheckResult(
        "blocks",
        "ok",
        f"every block of {len(found.rows)} tables is readable, every rule holds: {rows} rows, "
        f"{_speed(rows, started, 'rows')}",
    )


def check_snapshot(link: Path, path: Path) -> Iterator[CheckResult]:
    """Compare every block of the snapshot with the warehouse, except those written since."""
    started = time.monotonic()
    try:
        found = compare(link, of=path)
    except UnknownLayout as error:
        yield CheckResult(
            "snapshot blocks", "ok", f"not compared: {error}; a run copies the whole file"
        )
        return
    except WarehouseError as error:
        yield CheckResult("snapshot blocks", "warning", f"not compared: {error}")
        return
    if found.different:
        yield CheckResult(
            "snapshot blocks",
            "error",
            f"{link}: {pluralize(found.different, 'block differs', 'blocks differ')} from the "
            f"warehouse: delete {log_file(path)}, so that the next run (`copydesk sync`) copies "
            "the whole file",
        )
        return
    speed = _speed(found.compared, started, "blocks")
    yield CheckResult(
        "snapshot blocks", "ok", f"{found.compared} blocks equal the warehouse's, {speed}"
    )


def check_hashes(snapshot: Location, on_progress: OnProgress) -> Iterator[CheckResult]:
    """Compute every content hash and key again from the stored text."""
    started, count = time.monotonic(), 0
    keys, hashes = Problems(), Problems()
    with connect_read_only(snapshot) as db:
        total = int(db.execute("SELECT count(*) FROM _store.article_records").fetchall()[0][0])
        for count, record in enumerate(stored_records(db), 1):
            row = record.row
            if record.wrong:
                keys.add(f"{row.article_id}: {record.wrong} does not match its columns")
            if row.content_hash.startswith(PREFIX) and row.content_hash != content_hash(
                row.title, row.text, (one.url for one in row.media)
            ):
                hashes.add(f"{row.article_id} ({(row.title or '')[:30]})")
            if count % _PROGRESS_RECORDS == 0:
                on_progress("hashes", count, total)
    if keys.count:
        yield CheckResult(
            "hashes", "error", f"{keys.count} records were changed: {keys}: restore a backup"
        )
    if hashes.count:
        yield CheckResult(
            "hashes",
            "error",
            f"{hashes.count} articles do not match their content hash: {hashes}: run "
            "`copydesk reparse --diff`",
        )
    if not keys.count and not hashes.count:
        speed = _speed(count, started, "records")
        yield CheckResult("hashes", "ok", f"{count} records match their keys and hashes, {speed}")


def check_archive(
    where: ArchiveLocation, snapshot: Location | None, on_progress: OnProgress
) -> Iterator[CheckResult]:
    """Read every record of the archive and compare it with the fetch that names it.

    Args:
        where: The archive.
        snapshot: The snapshot with the fetches; without one the archive is only read.
        on_progress: Receives the number of files read.
    """
    started = time.monotonic()
    archive = store_of(where)
    comparison = _Comparison(archive, _time_of(snapshot))
    for number, (name, total, fetches) in enumerate(_fetches_by_file(archive, snapshot), 1):
        comparison.compare_file(name, fetches)
        on_progress("archive", number, total)
    yield from comparison.problems()
    if not comparison.has_errors:
        yield CheckResult(
            "archive",
            "ok",
            f"{archive}: {comparison.summary(has_fetches=snapshot is not None)}, "
            f"{_speed(comparison.pages, started, 'pages')}",
        )


def _time_of(snapshot: Location | None) -> float:
    """Return when a snapshot was made (POSIX seconds); a lake has all commits."""
    if isinstance(snapshot, Path):
        return snapshot.stat().st_mtime
    return time.time() if snapshot else 0.0


class _Comparison:
    """One pass over the archive and its fetches, both in the order of file and offset."""

    def __init__(self, archive: FolderStore, snapshot_time: float) -> None:
        self._archive = archive
        self._snapshot_time = snapshot_time
        self._digests: OrderedDict[tuple[str, int], str] = OrderedDict()
        self.damaged, self.mismatched, self.missing = Problems(), Problems(), Problems()
        self.cut, self.unnamed = Problems(), Problems()
        self.files = self.records = self.pages = self.matched = self.unnamed_pages = 0

    @property
    def has_errors(self) -> bool:
        return bool(self.damaged.count or self.mismatched.count or self.missing.count)

    def compare_file(self, name: str, fetches: Mapping[int, list[Fetch]]) -> None:
        """Read one file to its end and compare the fetches that name it."""
        path = self._archive.place(name)
        if not self._archive.exists(name):
            count = sum(map(len, fetches.values()))
            first = next(iter(fetches.values()))[0]
            self.missing.add(
                f"{path} ({pluralize(count, 'fetch', 'fetches')}, the first of {first.url})",
                count=count,
            )
            return
        self.files += 1
        left = dict(fetches)
        pages = 0
        for record in scan_records(self._archive, name):
            pages += self._compare_record(name, record, left.pop(record.offset, []))
        for offset, missing in left.items():
            self.mismatched.add(f"{missing[0].url}: {path} has no record at offset {offset}")
        self.pages += pages
        if pages and not fetches and self._archive.modified_at(name) < self._snapshot_time:
            self.unnamed.add(f"{path} ({pluralize(pages, 'page')})")

    def _compare_record(self, name: str, record: ArchiveRecord, fetches: list[Fetch]) -> bool:
        """Compare one record with the fetches that name it; return whether it is a page."""
        path = self._archive.place(name)
        if record.kind == CUT:
            self.cut.add(f"{path} at offset {record.offset}")
        elif record.wrong:
            self.damaged.add(f"{path} at offset {record.offset}: {record.wrong}")
        else:
            self.records += 1
        if record.digest is not None:
            self._digests[name, record.offset] = record.digest
            if len(self._digests) > _MAX_DIGESTS:
                self._digests.popitem(last=False)
        for fetch in fetches:
            if mismatch := self._mismatch(record, fetch):
                self.mismatched.add(f"{fetch.url}: {mismatch} ({path} at offset {record.offset})")
            else:
                self.matched += 1
        is_page = record.kind == "response" and record.status == 200
        self.unnamed_pages += is_page and not fetches
        return is_page

    def _mismatch(self, record: ArchiveRecord, fetch: Fetch) -> str:
        if record.kind == CUT or record.wrong:
            return "its page cannot be read"
        if record.kind == "metadata":
            return "its page was erased, its row was not: run `copydesk erase` again"
        if fetch.final_url and record.url != fetch.final_url:
            return f"its record belongs to {record.url}"
        if fetch.digest and fetch.digest != self._digest(record):
            return "its record holds another page"
        return ""

    def _digest(self, record: ArchiveRecord) -> str | None:
        if record.origin is None:
            return record.digest
        if found := self._digests.get(self._archive.locate(*record.origin)):
            return found
        with suppress(ArchiveError):
            return sha256(read_record(self._archive, *record.origin).body).hexdigest()
        return None

    def summary(self, *, has_fetches: bool) -> str:
        text = f"{pluralize(self.records, 'record')} in {pluralize(self.files, 'file')} complete"
        if has_fetches:
            text += f", {pluralize(self.matched, 'fetch matches', 'fetches match')}"
            if self.unnamed_pages:
                text += f", {pluralize(self.unnamed_pages, 'page')} without a fetch"
        return text

    def problems(self) -> Iterator[CheckResult]:
        """A result for each kind of problem."""
        kinds: list[tuple[Problems, Status, str, str]] = [
            (self.damaged, "error", pluralize(self.damaged.count, "damaged record"),
             "restore the file from a backup"),
            (self.missing, "error",
             f"missing files of {pluralize(self.missing.count, 'fetch', 'fetches')}",
             "restore them from a backup; until then these pages cannot be parsed again"),
            (self.mismatched, "error",
             pluralize(self.mismatched.count, "fetch does", "fetches do") + " not match the archive",
             "restore the archive from the backup of this warehouse"),
            (self.cut, "warning",
             pluralize(self.cut.count, "file ends", "files end") + " inside a record",
             "a process was killed while it wrote"
             + ("" if self.mismatched.count else "; no stored page is missing")),
            (self.unnamed, "warning", pluralize(self.unnamed.count, "file") + " without a fetch",
             "a run was killed before it stored these pages, or they belong to another warehouse: "
             "`copydesk backfill SOURCE --archive` reads such files"),
        ]  # fmt: skip
        for problems, status, what, to_do in kinds:
            if problems.count:
                yield CheckResult("archive", status, f"{what}: {problems}: {to_do}")


def _fetches_by_file(
    archive: FolderStore, snapshot: Location | None
) -> Iterator[tuple[str, int, dict[int, list[Fetch]]]]:
    """Each file that exists or that a fetch names, the number of files, and its fetches by offset."""
    names = set(archive.names())
    if snapshot is None:
        yield from ((name, len(names), {}) for name in sorted(names))
        return
    with connect_read_only(snapshot) as db:
        named = [name for (name,) in db.execute(_FILES).fetchall()]
        # An older snapshot names the parts of a joined file.
        places = {name: archive.locate(name, 0) for name in named}
        names.update(name for name, _ in places.values())
        for name in sorted(names):
            fetches: dict[int, list[Fetch]] = {}
            for part, (joined, begin) in places.items():
                for row in db.execute(_FETCHES, [part]).fetchall() if joined == name else ():
                    fetches.setdefault(row[0] + begin, []).append(Fetch(*row))
            yield name, len(names), fetches


def _speed(count: int, started: float, what: str) -> str:
    seconds = time.monotonic() - started
    return f"in {seconds:.1f} s ({count / max(seconds, 0.001):.0f} {what} a second)"
