"""Load: store the batches of one or several sources in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from flows.pipeline.batch import Batch
from flows.pipeline.entry_names import entry_name, fetched_entries
from flows.pipeline.health import record
from flows.pipeline.health.collect import HealthCollector
from flows.pipeline.health.messages import RunHealth
from flows.pipeline.identity import settle_ids
from flows.pipeline.run import RunContext
from flows.pipeline.stats import upsert_counts
from flows.text import pluralize
from parsers.model import Source
from warehouse.records import (
    entries,
    fetches,
    gaps,
    gone,
    not_modified,
    quarantine,
    runs,
    watermarks,
)
from warehouse.records.not_modified import UnchangedListing
from warehouse.rows import Counters, UpsertCounts
from warehouse.upsert import articles
from warehouse.upsert.observations import Observation


@dataclass(slots=True, kw_only=True)
class _Job:
    """A batch to store, and what its transaction gives.

    Attributes:
        parsed: The articles as they were parsed, before their ids are settled.
        is_last: The health of the source is evaluated with it.
        counts: What the upsert did.
        superseded: Failures that are older than the stored revision.
    """

    source: Source
    batch: Batch
    parsed: list[Observation]
    on_commit: Callable[[DuckDBPyConnection], object] | None
    is_last: bool
    collector: HealthCollector = field(default_factory=HealthCollector)
    counts: UpsertCounts = field(default_factory=UpsertCounts)
    superseded: int = 0
    health: RunHealth | None = None

    @property
    def slug(self) -> str:
        """The source."""
        return self.source.slug

    @property
    def weight(self) -> int:
        """About how many rows it has."""
        return len(self.parsed) + len(self.batch.seen) // 10 + 1


def load(
    run: RunContext,
    source: Source,
    batch: Batch,
    *,
    on_commit: Callable[[DuckDBPyConnection], object] | None = None,
    is_last: bool = False,
) -> None:
    """Store a batch in one transaction, with its fetches, failures, watermarks and counters.

    Batches of other sources that wait at the same time are in the same transaction.

    Args:
        run: Under way.
        source: Of the batch.
        batch: What to store.
        on_commit: Called at the end of the transaction, to write in it.
        is_last: The sync of the source ends with it: its health is stored, too.
    """
    stats = run.stats[source.slug]
    run.sync_archive()
    job = _Job(
        source=source, batch=batch, parsed=batch.observations, on_commit=on_commit, is_last=is_last
    )
    job = run.combine(_store_all, (run, job), weight=job.weight)
    stats.add(**upsert_counts(job.counts))
    stats.mark_counted()
    if job.health is not None:
        stats.health = job.health
    run.publish_periodically()
    if job.superseded:
        stats.warnings.append(
            f"{pluralize(job.superseded, 'unreadable page')} older than the stored revision, kept in "
            "quarantine as resolved"
        )


def _store_all(db: DuckDBPyConnection, requests: Sequence[tuple[RunContext, _Job]]) -> list[_Job]:
    """Store the batches of some sources; a second call for a batch begins anew."""
    run, jobs = requests[0][0], [job for _, job in requests]
    with run.transaction(db):
        _store_articles(db, run, jobs)
        _store_fetches(db, run, jobs)
        _store_failures(db, run, jobs)
        for job in jobs:
            for gap in job.batch.gaps:
                gaps.open_gap(db, gap, run_id=run.id)
        if not run.is_stopping:  # entries of these batches may have been left unfetched
            marks = {
                (job.slug, channel): mark
                for job in jobs
                for channel, mark in job.batch.watermarks.items()
            }
            watermarks.advance(db, marks, run_id=run.id)
        runs.add_all_counters(db, run.id, {job.slug: _counters(run, job) for job in jobs})
        _store_health(db, run, [job for job in jobs if job.is_last])
        for job in jobs:
            if job.on_commit is not None:
                job.on_commit(db)
    for job in jobs:
        run.health[job.slug] = job.collector
    return jobs


def _store_articles(db: DuckDBPyConnection, run: RunContext, jobs: Sequence[_Job]) -> None:
    settled = iter(settle_ids(db, [seen for job in jobs for seen in job.parsed]))
    for job in jobs:
        job.batch.observations = [next(settled) for _ in job.parsed]
    if run.flow == "sync":
        _collect_health(db, run, jobs)
    observations = [seen for job in jobs for seen in job.batch.observations]
    upserted = articles.upsert_articles(db, observations, run_id=run.id)
    for job in jobs:
        job.counts = upserted.get(job.slug, UpsertCounts())


def _collect_health(db: DuckDBPyConnection, run: RunContext, jobs: Sequence[_Job]) -> None:
    listed: dict[str, set[str]] = defaultdict(set)
    for job in jobs:
        for channel, ids in HealthCollector.listed(job.batch).items():
            listed[channel] |= ids
    known = {
        channel: not_modified.ids_in_channel(db, ids, channel=channel)
        for channel, ids in listed.items()
    }
    for job in jobs:
        job.collector = run.health[job.slug].copy()
        job.collector.batch(known, job.batch, job.parsed)


def _store_fetches(db: DuckDBPyConnection, run: RunContext, jobs: Sequence[_Job]) -> None:
    batches = [job.batch for job in jobs]
    if run.flow == "sync":
        for job in jobs:
            fetches.forget_listing_validators(db, job.slug, job.batch.open_channels)
    fetches.record(db, [row for one in batches for row in one.fetches.values()], run_id=run.id)
    unmodified = {name: answer for one in batches for name, answer in one.not_modified.items()}
    not_modified.record(db, unmodified, run_id=run.id)
    unchanged = [
        UnchangedListing(source=job.slug, answer=answer, sent_at=sent_at)
        for job in jobs
        for answer, sent_at in job.batch.listings_not_modified
    ]
    not_modified.record_listings(db, unchanged, run_id=run.id)
    not_modified.record_keys(db, [seen for one in batches for seen in one.seen], run_id=run.id)
    if run.flow == "sync":
        answered = [entry for job in jobs for entry in _answered(job)]
        entries.record_fetched(db, answered, run_id=run.id)
        failed = [entry_name(job.source, one) for job in jobs for one in job.batch.failed_entries]
        entries.record_failed(db, failed, at=datetime.now(UTC))
    gone.record_live(db, {name: at for one in batches for name, at in one.live.items()})
    answers = [answer for one in batches for answer in one.gone.values()]
    gone.record_gone(db, answers, run_id=run.id)


def _answered(job: _Job) -> list[entries.FetchedEntry]:
    pairs = zip(job.parsed, job.batch.observations, strict=True)
    ids = {id(one): new.row.article_id for one, new in pairs}
    return fetched_entries(job.source, job.batch.answers, ids)


def _store_failures(db: DuckDBPyConnection, run: RunContext, jobs: Sequence[_Job]) -> None:
    failures = [(job, one) for job in jobs for one in job.batch.failures]
    for job in jobs:
        job.superseded = 0
    for place in quarantine.superseded(db, [one for _, one in failures]):
        failures[place][0].superseded += 1
    quarantine.put(db, [one for _, one in failures], run_id=run.id)
    parsed = {name: at for job in jobs for name, at in _parsed_at(job.batch).items()}
    quarantine.resolve_parsed(db, parsed, run_id=run.id)
    listings = [(job.slug, url) for job in jobs for url in job.batch.listings_read]
    quarantine.resolve(db, run_id=run.id, listings=listings)


def _counters(run: RunContext, job: _Job) -> Counters:
    counts = run.stats[job.slug].uncounted()
    for name, count in upsert_counts(job.counts).items():
        counts[name] += count
    return Counters(**counts)


def _store_health(db: DuckDBPyConnection, run: RunContext, jobs: Sequence[_Job]) -> None:
    """Store the health of sources whose sync ends; an interrupted run has not seen all of them."""
    for job in jobs:
        job.health = None
    if run.is_stopping or not jobs:
        return
    found = record.record_all(
        db,
        [
            record.SourceResult(
                source=job.source,
                collector=job.collector,
                zone=run.settings.sources[job.slug].time_zone,
                new_count=_new_count(run, job),
                daily_range=run.settings.sources[job.slug].daily_range,
                alert_only_new=run.stats[job.slug].alert_only_new,
            )
            for job in jobs
        ],
        run_id=run.id,
    )
    for job, health in zip(jobs, found, strict=True):
        job.health = health


def _new_count(run: RunContext, job: _Job) -> int:
    counts = run.stats[job.slug].counts
    return counts["new"] + counts["duplicate"] + job.counts.new + job.counts.duplicate


def _parsed_at(batch: Batch) -> dict[str, datetime]:
    """When the latest readable page of each article was fetched.

    A page that failed for another entry at the same time does not count: its failure is open.
    """
    failed = {(failure.article_id, failure.fetched_at) for failure in batch.failures}
    parsed: dict[str, datetime] = {}
    for row in batch.articles:
        if (row.article_id, row.fetched_at) not in failed:
            parsed[row.article_id] = max(row.fetched_at, parsed.get(row.article_id, row.fetched_at))
    return parsed
