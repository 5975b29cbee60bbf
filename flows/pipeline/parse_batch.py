"""Many saved pages to articles: the work behind ``copydesk parse --batch``.

The manifest is read line by line, pages are parsed in two processes, and every result
is written as it arrives, so memory holds a few pages however long the manifest is. A
page that fails, hangs or takes its process down becomes ``{"error"}`` and costs nobody
else. OUT appears whole, under its name, at the end.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from flows.errors import RunFailed
from flows.pipeline.gunzip import gunzip
from flows.text import pluralize
from parsers import registry
from parsers.errors import LayoutChanged, ParseError, UnknownUrl
from parsers.model import Article, Page, Source
from parsers.text.charset import decode
from parsers.text.dates import find_time_text

PROCESSES = 2
WINDOW = 8
"""So many pages are under way at once."""

MAX_BYTES = 50_000_000
PAGE_SECONDS = 30.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class BatchResult:
    """What a batch did.

    Attributes:
        pages: Lines of the manifest.
        failed: Those of them that became an error record.
        seconds: Wall time.
    """

    pages: int = 0
    failed: int = 0
    seconds: float = 0.0

    def words(self) -> str:
        """One line for people."""
        return f"{pluralize(self.pages, 'page')} in {self.seconds:.1f} s, {self.failed} without an article"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestLine:
    """One line of a manifest: a page in a file."""

    id: str
    html: Path
    url: str


class PageTimeoutError(Exception):
    """A page that was given up on."""


def parse_manifest(manifest: Path, out: Path, *, processes: int = PROCESSES) -> BatchResult:
    """Parse every page of a manifest into ``{id: article JSON with "ms"}``.

    ``ms`` is the CPU time of decoding and parsing. An address that belongs to a built-in
    parser is read by it, and by the generic one when its layout is not what that parser
    knows.

    Args:
        manifest: JSON lines with ``id``, ``html`` (a path, relative to the working
            folder or to the manifest) and optionally ``url``.
        out: The JSON file to write.
        processes: How many pages are parsed at once.

    Raises:
        RunFailed: A line of the manifest is not such an object, or an id comes twice.
    """
    started = time.monotonic()
    done = BatchResult()
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("w", encoding="utf-8", errors="replace") as file:
            for key, record in _records(_lines(manifest), processes):
                file.write("{\n" if not done.pages else ",\n")
                file.write(f"{json.dumps(key, ensure_ascii=False)}: {record}")
                done.pages += 1
                done.failed += record.startswith('{"error"')
            file.write("{}\n" if not done.pages else "\n}\n")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    done.seconds = time.monotonic() - started
    return done


def parse_line(line: ManifestLine) -> str:
    """The record of one page as JSON; an error record instead of any exception."""
    started = time.thread_time()
    try:
        with _at_most(PAGE_SECONDS):
            body = read_page_file(line.html)
            article = _article(line, body)
    except (ParseError, OSError, PageTimeoutError, MemoryError, ValueError) as error:
        return json.dumps(
            {
                "error": f"{type(error).__name__}: {error}"[:600],
                "ms": round((time.thread_time() - started) * 1000, 2),
            },
            ensure_ascii=False,
        )
    from flows.pipeline.article_json import article_json

    document = article_json(article)
    document["date"] = printed_day(article)
    document["ms"] = round((time.thread_time() - started) * 1000, 2)
    return json.dumps(document, ensure_ascii=False)


def printed_day(article: Article) -> str | None:
    """The calendar day as the page prints it, before any conversion to UTC."""
    if article.published_at is None:
        return None
    printed = find_time_text(article.published_raw)[:10]
    try:
        return datetime.strptime(printed, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()
    except ValueError:
        return article.published_at.date().isoformat()


def read_page_file(path: Path) -> bytes:
    """The bytes of a page, unpacked when they are gzip, at most ``MAX_BYTES``.

    Raises:
        ValueError: The gzip file is cut or damaged: part of a page is not a page.
    """
    with path.open("rb") as file:
        body = file.read(MAX_BYTES)
    return gunzip(body, path, most=MAX_BYTES)


def _article(line: ManifestLine, body: bytes) -> Article:
    decoded = decode(body)
    url = line.url or line.html.resolve().as_uri()
    source = _source_of(url)
    page = Page(
        url=url,
        text=decoded.text,
        fetched_at=_EPOCH,
        encoding=decoded.encoding,
        replacement_count=decoded.replacement_count,
    )
    if source.parser.name != "generic":
        entry = source.parser.entry_of(source, url)
        known = Page(
            url=url, text=decoded.text, fetched_at=_EPOCH, encoding=decoded.encoding, entry=entry
        )
        try:
            return registry.parse(source, known)
        except (LayoutChanged, UnknownUrl):
            source = _source("generic")
    return registry.parse(source, page)


def _source_of(url: str) -> Source:
    parser = registry.parser_for(url)
    return _source(parser.name if parser is not None else "generic")


@lru_cache(maxsize=16)
def _source(name: str) -> Source:
    return registry.make_source(name, name, {})


def _lines(manifest: Path) -> Iterator[ManifestLine]:
    seen: set[str] = set()
    with manifest.open(encoding="utf-8-sig") as file:
        for number, text in enumerate(file, start=1):
            if not text.strip():
                continue
            line = _line(manifest, number, text)
            if line.id in seen:
                raise RunFailed(f"{manifest}:{number}: the id {line.id!r} comes twice")
            seen.add(line.id)
            yield line


def _line(manifest: Path, number: int, text: str) -> ManifestLine:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise RunFailed(f"{manifest}:{number}: expected a JSON object, found {error}") from error
    if not isinstance(given, Mapping) or not all(
        isinstance(given.get(name), str) and given[name] for name in ("id", "html")
    ):
        raise RunFailed(
            f'{manifest}:{number}: expected {{"id", "html", "url"}} with texts, found {text.strip()[:120]}'
        )
    path = Path(given["html"])
    if not path.is_absolute() and not path.exists():
        path = manifest.parent / path
    return ManifestLine(id=given["id"], html=path, url=given.get("url") or "")


def _records(lines: Iterator[ManifestLine], processes: int) -> Iterator[tuple[str, str]]:
    """Each line's id and record, as they come; pages that killed a process alone again."""
    waiting: list[ManifestLine] = []
    pool = _pool(processes)
    under_way: dict[Future[str], ManifestLine] = {}
    try:
        for line in lines:
            try:
                under_way[pool.submit(parse_line, line)] = line
            except BrokenProcessPool:
                waiting.append(line)
            if len(under_way) < WINDOW and not waiting:
                continue
            yield from _arrived(under_way, waiting, wait_for_all=bool(waiting))
            if waiting:
                pool.shutdown(wait=False, cancel_futures=True)
                yield from _one_at_a_time(waiting)
                waiting.clear()
                pool = _pool(processes)
        while under_way:
            yield from _arrived(under_way, waiting, wait_for_all=True)
        yield from _one_at_a_time(waiting)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _arrived(
    under_way: dict[Future[str], ManifestLine], broken: list[ManifestLine], *, wait_for_all: bool
) -> Iterator[tuple[str, str]]:
    wanted = list(under_way)
    finished = wait(wanted, return_when="ALL_COMPLETED" if wait_for_all else FIRST_COMPLETED).done
    for future in [future for future in wanted if future in finished]:
        line = under_way.pop(future)
        try:
            yield line.id, future.result()
        except BrokenProcessPool:
            broken.append(line)


def _one_at_a_time(lines: list[ManifestLine]) -> Iterator[tuple[str, str]]:
    """Pages that were under way when a process died: any of them may be the one it died of."""
    pool: ProcessPoolExecutor | None = None
    try:
        for line in lines:
            pool = pool or _pool(1)
            try:
                yield line.id, pool.submit(parse_line, line).result()
            except BrokenProcessPool:
                yield line.id, json.dumps({"error": "BrokenParser: the page ended its process"})
                pool = None
    finally:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _pool(processes: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare)


def _prepare() -> None:
    # A page makes some 20,000 objects and drops them all: looking for cycles among them
    # every 700 costs a twentieth of the time.
    gc.set_threshold(50_000, 20, 20)
    # Ctrl-C belongs to the process that started the batch.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Give a page up after so much wall time; only where signals can be had."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def give_up(_number: int, _frame: object) -> None:
        raise PageTimeoutError(f"no article after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
