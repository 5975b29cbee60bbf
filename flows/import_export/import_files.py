"""Import existing posts: the work of ``copydesk import``.

    find -> skip known -> read (processes) -> store, one transaction a batch -> publish

A file whose bytes the current parser has read before is not read again, good or bad. So a
killed import continues where it stopped, and a second one only compares. The batches do not
depend on what is known: a resumed import makes exactly the missing transactions.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from flows.import_export.find_posts import (
    PostPath,
    Search,
    UnreadablePost,
    common_folder,
    find_posts,
)
from flows.import_export.known_posts import Known
from flows.import_export.moved_posts import with_known_ids
from flows.import_export.own_posts import known_outcomes
from flows.import_export.read_posts import (
    CHANNEL,
    Files,
    PostOutcome,
    process_count,
    read_batches,
)
from flows.pipeline import locks
from flows.pipeline.run import RunContext, Trigger
from flows.pipeline.stats import LeftOut, RunReport, SourceStats, upsert_counts
from flows.settings import Settings
from flows.text import pluralize
from parsers.frontmatter import PostDefaults
from parsers.model import Extracted
from parsers.text.characters import single_line
from warehouse.records import not_modified, posts, quarantine, runs
from warehouse.records.posts import KnownPost
from warehouse.rows import Counters, UpsertCounts
from warehouse.upsert import articles
from warehouse.upsert.observations import observe

__all__ = ["CHANNEL", "import_posts"]

_DEFAULT_SOURCE = "posts"
BATCH_SIZE = 1000
MIN_FILES_FOR_PROCESSES = 400
# Closing the warehouse rewrites the last part of each table, so it stays open from batch to
# batch, but not longer than this: other processes want to write, too.
_MAX_OPEN_SECONDS = 10.0
_MAX_LINES = 12


@dataclass(slots=True)
class _Batch:
    """Files of one transaction: the known ones and those to be parsed."""

    files: Files
    unparsed: list[PostPath | UnreadablePost] = field(default_factory=list)
    known: list[KnownPost] = field(default_factory=list)


def import_posts(
    settings: Settings,
    paths: Sequence[Path],
    *,
    source: str | None,
    language: str | None = None,
    time_zone: str | None = None,
    trigger: Trigger = "person",
    processes: int | None = None,
) -> RunReport:
    """Store every post of some files and folders; an unreadable one goes to quarantine.

    If two files of one name hold one article at one time, the one in ``_posts`` is current,
    because the site shows that one.

    Args:
        settings: Configuration of the warehouse.
        paths: Files and folders.
        source: The source of posts that name none.
        language: The language of posts that name none, before that of the site.
        time_zone: The time zone of dates without one, before those of sources and site.
        trigger: Who started the import.
        processes: Number of reading processes; by default that of the cores.

    Raises:
        RunFailed: A reading process was killed; stored batches are complete.
        WarehouseError: The warehouse could not be written; stored batches are complete.
    """
    started = time.monotonic()
    search = Search(defaults=_defaults(language, time_zone))
    below = common_folder(paths)
    found: Files = sorted(find_posts(paths, below=below, search=search), key=_by_name)
    slug = source or _DEFAULT_SOURCE
    # The option is for all sources.
    zones = {} if time_zone else settings.time_zones()
    with RunContext("import", settings, (), trigger=trigger) as run:
        with _OpenWarehouse(run) as warehouse:
            run.environment.on_progress("import", 0, len(found))
            _notify_sites(run, search)
            found = with_known_ids(warehouse.connection, found, slug)
            known = Known(warehouse.connection, found, slug, zones)
            is_small = len(found) - known.count < MIN_FILES_FOR_PROCESSES
            count = 1 if is_small else processes or process_count()
            batches = ((batch, batch.unparsed) for batch in _batches(found, known))
            done = 0
            with closing(
                read_batches(batches, source=slug, zones=zones, processes=count)
            ) as results:
                for batch, outcomes in results:
                    warehouse.hold({outcome.source for outcome in outcomes})
                    _store(run, batch, outcomes, slug, known.changed)
                    done += len(batch.files)
                    run.environment.on_progress("import", done, len(found))
                    if run.is_stopping:
                        break
        for stats in run.stats.values():
            stats.seconds = time.monotonic() - started
        report = run.finish()
        run.publish()
    left_out = _left_out(search)
    _notify_left_out(run, left_out)
    return replace(report, left_out_files=left_out)


def _defaults(language: str | None, time_zone: str | None) -> PostDefaults:
    return PostDefaults(
        language=Extracted(language, "option: --language") if language else None,
        zone=ZoneInfo(time_zone) if time_zone else None,
        zone_how="option: --time-zone" if time_zone else "",
    )


def _notify_sites(run: RunContext, search: Search) -> None:
    for root, site in search.sites.items():
        folders = sorted(site.folders)
        names = ", ".join(folders[:_MAX_LINES])
        if len(folders) > _MAX_LINES:
            names += f" and {len(folders) - _MAX_LINES} more folders"
        run.environment.notify(
            single_line(f"{root} is a site of Jekyll or Hexo: its posts are those in {names}")
        )


def _left_out(search: Search) -> tuple[LeftOut, ...]:
    return tuple(
        LeftOut(folder=folder, reason=reason, files=files)
        for (folder, reason), files in sorted(search.left_out.items())
    )


def _by_name(found: PostPath | UnreadablePost) -> tuple[str, bool]:
    # Names begin with the day, so this is nearly the order of time. Copies of a file become
    # neighbours, which are parsed once.
    return found.file.name, "_posts" in found.file.parts


def _batches(found: Files, known: Known) -> Iterator[_Batch]:
    for start in range(0, len(found), BATCH_SIZE):
        batch = _Batch(found[start : start + BATCH_SIZE])
        for one in batch.files:
            before = known.result_of(one)
            if before is None:
                batch.unparsed.append(one)
            else:
                batch.known.append(before)
        yield batch


def _notify_left_out(run: RunContext, left_out: Iterable[LeftOut]) -> None:
    most = sorted(left_out, key=lambda one: -one.files)
    for one in most[:_MAX_LINES]:
        where = "" if one.folder == "." else f" in {one.folder}"
        files = pluralize(one.files, "file")
        run.environment.notify(single_line(f"left out: {files}{where}: {one.reason}"))
    if more := sum(one.files for one in most[_MAX_LINES:]):
        run.environment.notify(f"left out: {pluralize(more, 'more file')} (--json names all)")


class _OpenWarehouse:
    """The warehouse, open from batch to batch, which makes each transaction cheaper.

    Meanwhile the locks of the sources are held. They are acquired while the warehouse is closed:
    a sync that has a lock may wait for the warehouse.
    """

    connection: DuckDBPyConnection

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._stack = ExitStack()
        self._opened = 0.0
        self._sources: frozenset[str] = frozenset()

    def __enter__(self) -> _OpenWarehouse:
        self._open()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def hold(self, sources: Iterable[str]) -> None:
        """Hold the locks of some sources; let other processes write every few seconds."""
        wanted = frozenset(sources)
        is_due = time.monotonic() - self._opened > _MAX_OPEN_SECONDS
        if is_due or not wanted <= self._sources:
            self._stack.close()
            self._sources = wanted if is_due else wanted | self._sources
            self._open()

    def _open(self) -> None:
        run = self._run
        self._stack.enter_context(
            locks.acquire_all(
                run.settings,
                self._sources,
                flow="import",
                run_id=run.id,
                wait_seconds=locks.LONG_WAIT_SECONDS,
                notify=run.environment.notify,
                stop=run.environment.stop,
            )
        )
        self.connection = self._stack.enter_context(run.reading())
        self._opened = time.monotonic()


def _store(
    run: RunContext,
    batch: _Batch,
    outcomes: Sequence[PostOutcome],
    source: str,
    changed: Mapping[str, datetime],
) -> None:
    """Count a batch and store its new articles and failures in one transaction."""
    for known in batch.known:
        _count_known(run.stats_of(known.source), known)
    if not outcomes:
        return  # the next batch or the end of the run stores the counters
    outcomes = [_seen_after(one, changed) for one in outcomes]
    with run.writing() as store:
        outcomes = _without_known(run, store, outcomes, changed)
        run.begin_sources(store)
        imported = [outcome.imported for outcome in outcomes if outcome.imported]
        bad = [outcome.bad for outcome in outcomes if outcome.bad]
        done = articles.upsert_articles(store, imported, run_id=run.id)
        quarantine.put(store, bad, run_id=run.id)
        # A bad copy of an article that is stored is no failure.
        complete = not_modified.stored_ids(store, {one.article_id for one in bad if one.article_id})
        resolved = posts.resolved_failures(store, [one.row for one in imported], source=source)
        quarantine.resolve(store, run_id=run.id, article_ids=complete, quarantine_ids=resolved)
        for slug, stats in run.stats.items():
            stats.add(**upsert_counts(done.get(slug, UpsertCounts())))
            counts = stats.uncounted()
            if any(counts.values()):
                runs.add_counters(store, run.id, slug, Counters(**counts))
    for stats in run.stats.values():
        stats.mark_counted()
    run.publish_periodically()


def _seen_after(outcome: PostOutcome, changed: Mapping[str, datetime]) -> PostOutcome:
    """Let the values of today's options follow those that are stored."""
    row = outcome.imported.row if outcome.imported else None
    at = changed.get(row.post.path) if row and row.post else None
    if row is None or at is None:
        return outcome
    seen = replace(row, fetched_at=max(row.fetched_at, at + timedelta.resolution))
    return replace(outcome, imported=observe(seen))


def _without_known(
    run: RunContext,
    store: DuckDBPyConnection,
    outcomes: Sequence[PostOutcome],
    changed: Mapping[str, datetime],
) -> list[PostOutcome]:
    """Count the outcomes; return those that the warehouse neither wrote nor has."""
    known = known_outcomes(store, outcomes, changed=changed)
    kept = []
    for number, outcome in enumerate(outcomes):
        stats = run.stats_of(outcome.source)
        if number in known:
            stats.add(discovered=1, fetched=1, unchanged=1)
        else:
            _count(stats, outcome)
            kept.append(outcome)
    return kept


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
        # Another file holds the article of a resolved failure.
        stats.add(fetched=0 if known.problem else 1, unchanged=1)
