"""Parse many saved pages into articles, in two processes: ``copydesk parse --batch``.

Pages are read and written in groups, so memory does not grow with the manifest. A page that
fails, hangs or ends its process becomes ``{"error"}``; the other pages are not affected.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path

from flows.errors import RunFailed
from flows.pipeline.gunzip import gunzip
from flows.text import pluralize
from parsers import registry
from parsers.errors import LayoutChanged, ParseError, UnknownUrl
from parsers.model import Article, Page, Source
from parsers.text.charset import decode

PROCESSES = 2
GROUP_SIZE = 64
MAX_BYTES = 50_000_000
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The counts of a batch.

    Attributes:
        page_count: Lines of the manifest.
        error_count: Those of them without an article.
        seconds: Wall time.
    """

    page_count: int
    error_count: int
    seconds: float

    def message(self) -> str:
        """One line for people."""
        pages = pluralize(self.page_count, "page")
        return f"{pages} in {self.seconds:.1f} s, {self.error_count} without an article"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestLine:
    """One line of a manifest: a page in a file."""

    id: str
    html: Path
    url: str = ""


class PageTimeoutError(Exception):
    """A page that did not parse in time."""


def parse_manifest(manifest: Path, out: Path, *, processes: int = PROCESSES) -> BatchResult:
    """Parse every page of a manifest into ``{id: article JSON with "ms"}``.

    ``ms`` is the CPU time of decoding and parsing. A built-in parser that knows the URL
    parses the page; the generic one does if the layout is unknown.

    Args:
        manifest: JSON lines with ``id``, ``html`` (a path, relative to the working
            folder or to the manifest) and optionally ``url``.
        out: The JSON file to write; it appears when it is complete.
        processes: How many pages are parsed at once.

    Raises:
        RunFailed: A line of the manifest is no such object, or an id occurs twice.
    """
    started, pages, errors = time.monotonic(), 0, 0
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("w", encoding="utf-8", errors="replace") as file:
            for key, record in _records(_lines(manifest), processes):
                file.write(",\n" if pages else "{\n")
                file.write(f"{json.dumps(key, ensure_ascii=False)}: {record}")
                pages += 1
                errors += record.startswith('{"error"')
            file.write("\n}\n" if pages else "{}\n")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    seconds = time.monotonic() - started
    return BatchResult(page_count=pages, error_count=errors, seconds=seconds)


def _records(lines: Iterator[ManifestLine], processes: int) -> Iterator[tuple[str, str]]:
    """Yield the id and the JSON of each page, in the order of the manifest."""
    pool = _pool(processes)
    try:
        while group := list(islice(lines, GROUP_SIZE)):
            try:
                records = list(pool.map(parse_line, group))
            except BrokenProcessPool:  # one of these pages ended its process
                pool = _pool(processes)
                records = _parse_apart(group)
            yield from zip((line.id for line in group), records, strict=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _parse_apart(lines: Sequence[ManifestLine]) -> list[str]:
    """Parse pages one after the other, so that a page can end only its own process."""
    pool, records = _pool(1), []
    for line in lines:
        try:
            records.append(pool.submit(parse_line, line).result())
        except BrokenProcessPool:
            records.append(json.dumps({"error": "BrokenParser: the page ended its process"}))
            pool = _pool(1)
    pool.shutdown(wait=False)
    return records


def _pool(processes: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_initialize)


def _initialize() -> None:
    # A page makes some 20,000 objects: collecting every 700 costs 5 % of the time.
    gc.set_threshold(50_000, 20, 20)
    # Ctrl-C ends the main process, which ends these.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def parse_line(line: ManifestLine) -> str:
    """Return the record of one page as JSON: an article, or ``error`` and ``ms``.

    ``date`` is the day of publication, else that of the last change.
    """
    started = time.thread_time()
    try:
        with _time_limit(TIMEOUT_SECONDS):
            article = _parse(line)
    except FileNotFoundError:
        record: dict[str, object] = {
            "error": f"{line.html} does not exist: html is the page's path"
        }
    except (ParseError, OSError, PageTimeoutError, MemoryError, ValueError) as error:
        record = {"error": f"{type(error).__name__}: {error}"[:600]}
    else:
        from flows.pipeline.article_json import article_json

        record = article_json(article)
        changed = article.updated_at
        record["date"] = record["published_on"] or (changed and str(changed.date()))
    record["ms"] = round((time.thread_time() - started) * 1000, 2)
    return json.dumps(record, ensure_ascii=False)


def read_page_file(path: Path) -> bytes:
    """Read at most ``MAX_BYTES`` of a page, decompressed.

    Raises:
        ValueError: The gzip file is cut, damaged or too large.
    """
    with path.open("rb") as file:
        return gunzip(file.read(MAX_BYTES), path, max_bytes=MAX_BYTES)


def _parse(line: ManifestLine) -> Article:
    decoded = decode(read_page_file(line.html))
    url = line.url or line.html.resolve().as_uri()
    page = Page(
        url=url,
        text=decoded.text,
        fetched_at=datetime.now(UTC),
        encoding=decoded.encoding,
        replacement_count=decoded.replacement_count,
    )
    if parser := registry.parser_for(url):
        source = _source(parser.name)
        try:
            return registry.parse(source, replace(page, entry=parser.entry_of(source, url)))
        except (LayoutChanged, UnknownUrl):
            pass
    return registry.parse(_source("generic"), page)


@lru_cache(maxsize=16)
def _source(name: str) -> Source:
    return registry.make_source(name, name, {})


def _lines(manifest: Path) -> Iterator[ManifestLine]:
    seen: set[str] = set()
    with manifest.open(encoding="utf-8-sig") as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                line = _line(text, manifest, f"{manifest}:{number}")
                if line.id in seen:
                    raise RunFailed(f"{manifest}:{number}: the id {line.id!r} occurs twice")
                seen.add(line.id)
                yield line


def _line(text: str, manifest: Path, where: str) -> ManifestLine:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise RunFailed(f"{where}: expected a JSON object, found {error}") from error
    if not isinstance(given, Mapping) or not all(
        isinstance(given.get(name), str) and given[name] for name in ("id", "html")
    ):
        raise RunFailed(
            f'{where}: expected {{"id", "html", "url"}} with texts, found {text.strip()[:120]}'
        )
    path = Path(given["html"])
    if not path.is_absolute() and not path.exists():
        path = manifest.parent / path
    return ManifestLine(id=given["id"], html=path, url=given.get("url") or "")


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise ``PageTimeoutError`` after so much wall time, where signals can be used."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def expire(_number: int, _frame: object) -> None:
        raise PageTimeoutError(f"no article after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
