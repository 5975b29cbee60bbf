"""The deep examination: every block, every stored word, every archived page.

    deep
    ├── blocks     of the warehouse itself, and its rules; writers wait for this
    ├── words      hashes and keys computed anew from what is stored
    └── archive    every record read once, and compared with the fetch that names it

Words and archive are compared with the read snapshot, so that no run waits for them: what
was stored since is looked at the next time. Everything streams; memory does not grow with
the corpus.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from duckdb import DuckDBPyConnection

from flows.admin.check import CheckResult, Level
from flows.archive import ArchiveError, read_record
from flows.archive.scan import CUT, ArchiveRecord, scan_records
from flows.callbacks import OnProgress
from flows.text import pluralize
from parsers.content_hash import PREFIX, content_hash
from warehouse import connect_read_only
from warehouse.care.integrity import stored_records, verify

_TOLD = 5
_EACH = 20_000
_REMEMBERED = 200_000

_FETCHES = """
    SELECT archive_file, archive_offset, url, final_url, digest
    FROM _store.pages WHERE archive_file IS NOT NULL
    ORDER BY archive_file, archive_offset
"""


@dataclass(frozen=True, slots=True)
class Fetch:
    """A row of a fetch, as far as the archive has to agree with it."""

    file: str
    offset: int
    url: str
    final_url: str
    digest: str | None


@dataclass(slots=True)
class Problems:
    """What is wrong: the first few in words, all of them counted."""

    count: int = 0
    told: list[str] = field(default_factory=list)

    def add(self, words: str, *, count: int = 1) -> None:
        """One more (or several at once)."""
        self.count += count
        if len(self.told) < _TOLD:
            self.told.append(words)

    def words(self) -> str:
        """All that was kept, and that there is more."""
        more = "; and more like these" if self.count > len(self.told) else ""
        return "; ".join(self.told) + more


def check_blocks(path: Path, db: DuckDBPyConnection) -> Iterator[CheckResult]:
    """Every block of the warehouse read, every rule of its tables held against them."""
    started = time.monotonic()
    found = verify(db, is_deep=True)
    if found.problems:
        yield CheckResult(
            "blocks",
            "broken",
            f"{path}: {'; '.join(found.problems[:_TOLD])}: keep the file and its log as they are, "
            "and go back to the snapshot or a backup (RUNBOOK, restore); `copydesk backfill "
            "--archive` brings the rest back",
        )
        return
    rows = sum(found.rows.values())
    yield CheckResult(
        "blocks",
        "ok",
        f"every block of {len(found.rows)} tables is readable, every rule holds: {rows} rows, "
        f"{_speed(rows, started, 'rows')}",
    )


def check_hashes(snapshot: Path, progress: OnProgress) -> Iterator[CheckResult]:
    """Every content hash and every key computed anew from the stored words."""
    started, count = time.monotonic(), 0
    keys, hashes = Problems(), Problems()
    with connect_read_only(snapshot) as db:
        total = int(db.execute("SELECT count(*) FROM _store.records").fetchall()[0][0])
        for count, one in enumerate(stored_records(db), 1):
            row = one.row
            if one.wrong:
                keys.add(f"{row.article_id}: its {one.wrong} is not that of its columns")
            if row.content_hash.startswith(PREFIX) and row.content_hash != content_hash(
                row.title, row.text
            ):
                hashes.add(f"{row.article_id} ({row.title[:30]})")
            if count % _EACH == 0:
                progress("words", count, total)
    if keys.count:
        yield CheckResult(
            "words", "broken", f"{keys.count} records are not what they were: {keys.words()}: "
            "restore a backup"
        )  # fmt: skip
    if hashes.count:
        yield CheckResult(
            "words",
            "broken",
            f"{hashes.count} articles do not have the hash of their words: {hashes.words()}: see "
            "what `copydesk reparse --diff` says of them",
        )
    if not keys.count and not hashes.count:
        yield CheckResult(
            "words",
            "ok",
            f"{count} records have the keys and the hash of their words, "
            f"{_speed(count, started, 'articles')}",
        )


# --- the archive ---------------------------------------------------------------------------


class _Comparison:
    """One pass over the archive beside the rows of fetches, both in the order of place."""

    def __init__(self, folder: Path, since: float) -> None:
        self._folder = folder
        self._since = since
        self._known: OrderedDict[tuple[str, int], str] = OrderedDict()
        self.damaged, self.wrong, self.gone = Problems(), Problems(), Problems()
        self.cut, self.unnamed = Problems(), Problems()
        self.files = self.records = self.pages = self.compared = self.loose = 0

    def file(self, name: str, fetches: Mapping[int, list[Fetch]]) -> None:
        """Read one file to its end, and look at all that was fetched into it."""
        path = self._folder / name
        if not path.exists():
            count = sum(map(len, fetches.values()))
            first = next(iter(fetches.values()))[0]
            self.gone.add(
                f"{path} ({pluralize(count, 'fetch', 'fetches')}, {first.url} the first)",
                count=count,
            )
            return
        self.files += 1
        left = dict(fetches)
        pages = 0
        for record in scan_records(path):
            pages += self._record(path, record, left.pop(record.offset, []))
        for offset, missing in left.items():
            self.wrong.add(f"{missing[0].url}: {path} holds no record that begins at {offset}")
        self.pages += pages
        if pages and not fetches and path.stat().st_mtime < self._since:
            self.unnamed.add(f"{path} ({pluralize(pages, 'page')})")

    def _record(self, path: Path, record: ArchiveRecord, fetches: list[Fetch]) -> int:
        """Look at one record and the fetches that name it; 1 when it is a page."""
        if record.kind == CUT:
            self.cut.add(f"{path} at {record.offset}")
        elif record.wrong:
            self.damaged.add(f"{path} at {record.offset}: {record.wrong}")
        else:
            self.records += 1
        if record.digest is not None:
            self._known[path.name, record.offset] = record.digest
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        for fetch in fetches:
            self._compare(path, record, fetch)
        is_page = record.kind == "response" and record.status == 200
        self.loose += is_page and not fetches
        return is_page

    def _compare(self, path: Path, record: ArchiveRecord, fetch: Fetch) -> None:
        where = f"{path} at {record.offset}"
        if record.kind == CUT or record.wrong:
            self.wrong.add(f"{fetch.url}: its page cannot be read ({where})")
        elif record.kind == "metadata":
            self.wrong.add(
                f"{fetch.url}: its page was erased on request, its row was not: ask "
                "`copydesk forget` again"
            )
        elif fetch.final_url and record.url != fetch.final_url:
            self.wrong.add(f"{fetch.url}: the record there ({where}) is of {record.url}")
        elif fetch.digest and fetch.digest != self._digest(record):
            self.wrong.add(f"{fetch.url}: the page there ({where}) is not the one that was fetched")
        else:
            self.compared += 1

    def _digest(self, record: ArchiveRecord) -> str | None:
        if record.origin is None:
            return record.digest
        if found := self._known.get(record.origin):
            return found
        with suppress(ArchiveError):
            return sha256(read_record(self._folder, *record.origin).body).hexdigest()
        return None


def check_archive(
    folder: Path, snapshot: Path | None, progress: OnProgress
) -> Iterator[CheckResult]:
    """Every record of the archive, and whether fetches and archive agree.

    Args:
        folder: The archive.
        snapshot: The read snapshot; without one the archive is only read.
        progress: Told after each file.
    """
    started = time.monotonic()
    since = snapshot.stat().st_mtime if snapshot else 0.0
    found = _Comparison(folder, since)
    files = sorted(one.name for one in folder.glob("*.warc.gz"))
    for number, (name, fetches) in enumerate(_by_file(files, snapshot), 1):
        found.file(name, fetches)
        progress("archive", number, max(len(files), number))
    yield from _told(folder, found, has_rows=snapshot is not None, started=started)


def _by_file(
    files: list[str], snapshot: Path | None
) -> Iterator[tuple[str, dict[int, list[Fetch]]]]:
    """Each file that there is or that a fetch names, with those fetches by their place."""
    rest = iter(files)
    waiting = next(rest, None)
    for name, group in groupby(_fetches(snapshot), key=lambda one: one.file):
        while waiting is not None and waiting < name:
            yield waiting, {}
            waiting = next(rest, None)
        fetches = {
            offset: list(some) for offset, some in groupby(group, key=lambda one: one.offset)
        }
        yield name, fetches
        if waiting == name:
            waiting = next(rest, None)
    while waiting is not None:
        yield waiting, {}
        waiting = next(rest, None)


def _fetches(snapshot: Path | None) -> Iterator[Fetch]:
    if snapshot is None:
        return
    with connect_read_only(snapshot) as db:
        cursor = db.execute(_FETCHES)
        while found := cursor.fetchmany(1000):
            for row in found:
                yield Fetch(*row)


def _told(
    folder: Path, found: _Comparison, *, has_rows: bool, started: float
) -> Iterator[CheckResult]:
    bad: list[tuple[Problems, Level, str, str]] = [
        (found.damaged, "broken",
         pluralize(found.damaged.count, "record is", "records are") + " not as written",
         "put the file back from a backup"),
        (found.gone, "broken",
         f"files that {pluralize(found.gone.count, 'fetch names', 'fetches name')} are gone",
         "put them back from a backup; until then those pages cannot be read again"),
        (found.wrong, "broken",
         pluralize(found.wrong.count, "fetch does", "fetches do") + " not agree with the archive",
         "put the archive back from the backup that goes with the warehouse"),
        (found.cut, "attention",
         pluralize(found.cut.count, "file ends", "files end") + " in the middle of a record",
         "a killed process left them so, and nothing that was reported as kept is missing"),
        (found.unnamed, "attention",
         pluralize(found.unnamed.count, "file holds", "files hold") + " pages that no fetch names",
         "a run was killed before it stored them, or they belong to another warehouse: "
         "`copydesk backfill SOURCE --archive` reads such files"),
    ]  # fmt: skip
    for problems, level, what, to_do in bad:
        if problems.count:
            yield CheckResult("archive", level, f"{what}: {problems.words()}: {to_do}")
    if not (found.damaged.count or found.wrong.count or found.gone.count):
        loose = f", {pluralize(found.loose, 'page')} that no fetch names" if found.loose else ""
        agree = pluralize(found.compared, "fetch agrees", "fetches agree")
        compared = f", {agree} with it{loose}" if has_rows else ""
        yield CheckResult(
            "archive",
            "ok",
            f"{folder}: {pluralize(found.records, 'record')} in {pluralize(found.files, 'file')} whole{compared}, "
            f"{_speed(found.pages, started, 'pages')}",
        )


def _speed(count: int, started: float, what: str) -> str:
    seconds = time.monotonic() - started
    return f"in {seconds:.1f} s ({count / max(seconds, 0.001):.0f} {what} a second)"
