"""Read the files of an import, in this process or in several; no database, no counters."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from multiprocessing import get_context, parent_process
from typing import TypeVar
from zoneinfo import ZoneInfo

from flows.errors import RunFailed
from flows.import_export.find_posts import PostPath, UnreadablePost, parse_post, read_bytes
from flows.pipeline import rows
from parsers.errors import ParseError
from parsers.frontmatter import NO_ZONES, Post, Zones
from warehouse.errors import BadRow
from warehouse.rows import NewQuarantineEntry, StoredPost
from warehouse.upsert.observations import Observation, observe

CHANNEL = rows.IMPORT_CHANNEL
MAX_PROCESSES = 8
_FILES_PER_TASK = 40
_BATCHES_AHEAD = 3

Files = Sequence[PostPath | UnreadablePost]
NamedZones = tuple[tuple[str, ZoneInfo], ...]
Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOutcome:
    """The result of one file: an ``imported`` article, a ``bad`` entry, or a ``problem`` alone.

    Attributes:
        source: The source that counts it.
        imported: The article.
        bad: The entry for quarantine.
        problem: Message; without ``bad`` the file could not be read at all.
    """

    source: str
    imported: Observation | None = None
    bad: NewQuarantineEntry | None = None
    problem: str = ""


class PostReader:
    """Reads the files of an import, one after the other.

    A file whose copy in another folder came directly before is not parsed again: half of an
    archive may be copies.

    Args:
        source: The source of posts that name none.
        zones: The declared time zones of the sources; ``""`` is that of all others.
    """

    def __init__(self, source: str, zones: Zones = NO_ZONES) -> None:
        self._source = source
        self._zones = zones
        # Name, digest and post of the last file that may have a copy in another folder.
        self._last: tuple[str, bytes, Post] | None = None

    def read(self, found: PostPath | UnreadablePost) -> PostOutcome:
        """Read and parse a file."""
        post = self._post(found)
        try:
            modified = modified_at(found)
        except OSError as error:
            problem = post.error if isinstance(post, UnreadablePost) else error
            return PostOutcome(source=self._source, problem=str(problem))
        if isinstance(post, UnreadablePost):
            return _failure(post, modified, self._source)
        return _article(post, modified)

    def _post(self, found: PostPath | UnreadablePost) -> Post | UnreadablePost:
        if isinstance(found, UnreadablePost):
            return found
        data = read_bytes(found)
        if not isinstance(data, bytes):
            return data
        name, digest = found.file.name, sha256(data).digest()
        if self._last and self._last[:2] == (name, digest):
            return replace(self._last[2], path=found.relative)
        post = parse_post(found, data, self._source, self._zones)
        if isinstance(post, Post) and post.is_movable:
            self._last = (name, digest, post)
        return post


def modified_at(found: PostPath | UnreadablePost) -> datetime:
    """Modification time of a file, aware UTC."""
    return datetime.fromtimestamp(found.file.stat().st_mtime, UTC)


def seen_at(published: datetime | None, modified: datetime) -> datetime:
    """The time at which a post's content was seen, aware UTC.

    Its own time, or that of the file if it has none or a later one. A second import gets the
    same time and so changes nothing, and an old post is never newer than a fetched page.
    """
    return min(published, modified) if published else modified


def _failure(post: UnreadablePost, modified: datetime, source: str) -> PostOutcome:
    if not isinstance(post.error, ParseError):
        return PostOutcome(source=source, problem=str(post.error))
    if post.error.article_id:
        source = post.error.article_id.partition(":")[0]
    bad = rows.post_failure(source, post.relative, post.data, post.error, modified)
    return PostOutcome(source=source, bad=bad, problem=str(post.error))


def _article(post: Post, modified: datetime) -> PostOutcome:
    own = StoredPost(dialect=post.dialect, path=post.path, data=post.data)
    # copydesk wrote a post with an article_id: later than the publication of its article.
    is_written = "article_id" in post.fields
    at = modified if is_written else seen_at(post.article.published_at, modified)
    row = rows.article_row(post.article, channel=CHANNEL, seen_at=at, post=own)
    try:
        imported = observe(row)
    except BadRow as error:
        bad = rows.post_failure(post.source, post.path, post.data, error, at)
        return PostOutcome(source=post.source, bad=bad, problem=f"{post.path}: {error}")
    return PostOutcome(source=post.source, imported=imported)


# --- several processes -----------------------------------------------------------------


def process_count() -> int:
    """The number of reading processes for this machine."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MAX_PROCESSES)
    return min(os.cpu_count() or 1, MAX_PROCESSES)


def read_batches(
    batches: Iterable[tuple[Batch, Files]], *, source: str, zones: Zones, processes: int
) -> Generator[tuple[Batch, list[PostOutcome]], None, None]:
    """Read the files of each batch, in order.

    With more than one process a few batches are read ahead of the caller.

    Args:
        batches: Any object of the caller, and its files.
        source: The source of posts that name none.
        zones: The declared time zones of the sources; ``""`` is that of all others.
        processes: Number of reading processes; 1 reads in this one.

    Raises:
        RunFailed: A reading process was killed. Batches that were yielded are complete.
    """
    if processes < 2:
        reader = PostReader(source, zones)
        for batch, files in batches:
            yield batch, [reader.read(one) for one in files]
        return
    pool = ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_start_process
    )
    named = tuple(zones.items())
    ahead: deque[tuple[Batch, list[Future[list[PostOutcome]]]]] = deque()
    try:
        for batch, files in batches:
            parts = [
                files[at : at + _FILES_PER_TASK] for at in range(0, len(files), _FILES_PER_TASK)
            ]
            ahead.append((batch, [pool.submit(_read_files, source, named, part) for part in parts]))
            if len(ahead) > _BATCHES_AHEAD:
                yield _results(*ahead.popleft())
        while ahead:
            yield _results(*ahead.popleft())
    except BrokenProcessPool as error:
        raise RunFailed(
            "a process that reads posts was killed; check the memory limits of this machine. "
            "Every stored batch is complete; the same import continues where it stopped"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _results(
    batch: Batch, parts: Iterable[Future[list[PostOutcome]]]
) -> tuple[Batch, list[PostOutcome]]:
    return batch, [outcome for part in parts for outcome in part.result()]


def _read_files(source: str, zones: NamedZones, files: Files) -> list[PostOutcome]:
    reader = _reader(source, zones)
    return [reader.read(one) for one in files]


@lru_cache(maxsize=1)
def _reader(source: str, zones: NamedZones) -> PostReader:
    return PostReader(source, dict(zones))


def _start_process() -> None:
    """Set up a reading process: the import alone ends it, even when the import is killed."""
    os.setsid()  # Ctrl-C in a terminal reaches the import only
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.freeze()
    gc.set_threshold(20_000)  # the trees of pages are many small objects, all freed at once


def _end_with_parent() -> None:
    # The executor's queue keeps its own processes waiting for a parent that was killed.
    if parent := parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
