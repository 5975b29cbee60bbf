"""Existing posts into the warehouse: the work behind ``copydesk import``.

    find -> known? -> read (processes) -> store, a transaction a batch -> publish

A file whose bytes today's parser has read before is not read again, good or bad: a killed
import goes on where it was, and a second one only looks. Batches are cut from the list of
files before it is known which of them must be read, so a resumed import makes the very
transactions that were missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from duckdb import DuckDBPyConnection

from flows.pipeline.run import RunContext, Trigger
from flows.pipeline.stats import RunReport, SourceStats, upsert_counts
from flows.publishing.find_posts import (
    PostPath,
    UnreadablePost,
    common_folder,
    find_posts,
    read_bytes,
)
from flows.publishing.read_file import CHANNEL, PostOutcome, PostReader, modified_at, seen_at
from flows.publishing.readers import Readers, processes_here
from flows.settings import Settings
from parsers.frontmatter.read import POST_PARSER
from warehouse import db
from warehouse.records import not_modified, posts, quarantine, runs
from warehouse.records.posts import KnownPost
from warehouse.rows import Counters, UpsertCounts
from warehouse.upsert import articles

__all__ = ["CHANNEL", "import_posts"]

UNKNOWN = "posts"
POSTS_EACH = 1000
"""Files of one transaction."""

FEW = 400
"""So many files are read here sooner than processes are started for them."""

HOLD_SECONDS = 10.0
"""The warehouse stays open from batch to batch for so long: closing writes the unfinished
part of each table anew, and others want to write, too."""

Files = Sequence[PostPath | UnreadablePost]
Known = Mapping[str, Sequence[KnownPost]]


@dataclass(slots=True)
class _Batch:
    """Files of one transaction, as far as they are known, and those to be read."""

    files: Files
    unread: list[PostPath | UnreadablePost] = field(default_factory=list)
    known: list[KnownPost] = field(default_factory=list)


def import_posts(
    settings: Settings,
    paths: Sequence[Path],
    *,
    source: str | None,
    trigger: Trigger = "person",
    processes: int | None = None,
) -> RunReport:
    """Store every post of some files and folders; what cannot be read goes to quarantine.

    Where two files of one name tell of one article at one time, the one in ``_posts`` is
    current, for that is what the site shows.

    Args:
        settings: Where the warehouse is.
        paths: Files and folders.
        source: The source of posts that do not name theirs.
        trigger: Who started the import.
        processes: How many processes read; as many as there are cores by default.

    Raises:
        RunFailed: The processes that read posts cannot run.
        WarehouseError: The warehouse could not be written; earlier batches are whole.
    """
    started = time.monotonic()
    found = sorted(find_posts(paths, below=common_folder(paths)), key=_by_name)
    slug = source or UNKNOWN
    processes = processes_here() if processes is None else processes
    with RunContext("import", settings, (), trigger=trigger) as run:
        with _Held(run) as held:
            run.environment.on_progress("import", 0, len(found))
            known = _known(held.store, found, slug)
            with _reader(len(found) - len(known), processes, slug) as read:
                done = 0
                for batch, outcomes in read(_batches(found, known)):
                    _store(run, batch, outcomes, slug)
                    done += len(batch.files)
                    run.environment.on_progress("import", done, len(found))
                    if run.is_stopping:
                        break
                    held.renew()
        for stats in run.stats.values():
            stats.seconds = time.monotonic() - started
        report = run.finish()
        run.publish()
    return report


def _by_name(found: PostPath | UnreadablePost) -> tuple[str, bool]:
    # Names begin with the day, so this is nearly the order of time; and copies of a file
    # are neighbours, to be read once.
    return found.file.name, "_posts" in found.file.parts


# --- what is known ---------------------------------------------------------------------


def _known(store: DuckDBPyConnection, found: Files, source: str) -> Known:
    return posts.known_posts(
        store,
        [one.relative for one in found if isinstance(one, PostPath)],
        source=source,
        channel=CHANNEL,
        parser=(POST_PARSER.name, POST_PARSER.version),
    )


def _batches(found: Files, known: Known) -> Iterator[_Batch]:
    for start in range(0, len(found), POSTS_EACH):
        batch = _Batch(found[start : start + POSTS_EACH])
        for one in batch.files:
            before = _before(one, known)
            if before is None:
                batch.unread.append(one)
            else:
                batch.known.append(before)
        yield batch


def _before(found: PostPath | UnreadablePost, known: Known) -> KnownPost | None:
    """What an earlier import made of these very bytes, where it would be the same today."""
    if not isinstance(found, PostPath) or not (stored := known.get(found.relative)):
        return None
    data = read_bytes(found)
    try:
        written = modified_at(found)
    except OSError:
        return None  # reading it will tell
    digest = sha256(data).hexdigest() if isinstance(data, bytes) else ""
    same = [one for one in stored if one.digest == digest]
    for one in same:
        # Seen at another time it might be current again.
        if not one.problem and one.seen_at == seen_at(one.published_at, written):
            return one
    return next((one for one in same if one.problem), None)


# --- what is read ----------------------------------------------------------------------

_Read = Callable[[Iterator[_Batch]], Iterator[tuple[_Batch, list[PostOutcome]]]]


@contextmanager
def _reader(files: int, processes: int, source: str) -> Iterator[_Read]:
    """The way to read batches: in processes where that pays."""
    if files < FEW or processes < 2:
        reader = PostReader(source)
        yield lambda batches: (
            (batch, [reader.read(one) for one in batch.unread]) for batch in batches
        )
    else:
        with Readers(processes, source=source) as readers:
            yield lambda batches: readers.read((batch, batch.unread) for batch in batches)


# --- what is stored --------------------------------------------------------------------


class _Held:
    """The warehouse kept open from batch to batch, given up for a moment now and then.

    Transactions open it anew, which costs little while it is open.
    """

    store: DuckDBPyConnection

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._stack = ExitStack()
        self._since = 0.0

    def __enter__(self) -> _Held:
        self._open()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def renew(self) -> None:
        """Let others in, if it is time."""
        if time.monotonic() - self._since > HOLD_SECONDS:
            self._stack.close()
            self._open()

    def _open(self) -> None:
        warehouse, notify = self._run.settings.warehouse, self._run.environment.notify
        self.store = self._stack.enter_context(
            db.connect(warehouse.path, wait_seconds=warehouse.lock_timeout_seconds, notify=notify)
        )
        self._since = time.monotonic()


def _store(run: RunContext, batch: _Batch, outcomes: Sequence[PostOutcome], source: str) -> None:
    """Count a batch, and store in one transaction what is new of it."""
    for known in batch.known:
        _count_known(run.stats_of(known.source), known)
    for outcome in outcomes:
        _count(run.stats_of(outcome.source), outcome)
    imported = [outcome.imported for outcome in outcomes if outcome.imported]
    bad = [outcome.bad for outcome in outcomes if outcome.bad]
    if not outcomes:
        return  # what was counted goes in with the next batch, or the end of the run
    with run.writing() as store:
        run.begin_sources(store)
        done = articles.upsert_articles(store, imported, run_id=run.id)
        quarantine.put(store, bad, run_id=run.id)
        # An article that was complete before is not missing because a worse copy follows.
        complete = not_modified.stored_ids(store, {one.article_id for one in bad if one.article_id})
        mended = posts.resolved_failures(store, [one.row for one in imported], source=source)
        quarantine.resolve(store, run_id=run.id, article_ids=complete, quarantine_ids=mended)
        for slug, stats in run.stats.items():
            stats.add(**upsert_counts(done.get(slug, UpsertCounts())))
            counts = stats.uncounted()
            if any(counts.values()):
                runs.add_counters(store, run.id, slug, Counters(**counts))
    for stats in run.stats.values():
        stats.mark_counted()
    run.publish_periodically()


def _count(stats: SourceStats, outcome: PostOutcome) -> None:
    stats.add(discovered=1)
    if outcome.imported:
        stats.add(fetched=1)
    elif outcome.bad:
        stats.quarantine(outcome.problem)
    else:
        stats.fail(outcome.problem)


def _count_known(stats: SourceStats, known: KnownPost) -> None:
    stats.add(discovered=1)
    if known.problem and not known.is_resolved:
        stats.quarantine(known.problem)
    else:
        # Of a failure that was mended since, another file is the article.
        stats.add(fetched=0 if known.problem else 1, unchanged=1)
