"""The context of a run: its statistics, and the resources that its steps share."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from importlib.metadata import version
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from duckdb import DuckDBPyConnection

from flows.archive import ArchiveWriter, FolderStore, open_store
from flows.callbacks import Notify, OnProgress, no_progress
from flows.errors import Interrupted, RunFailed
from flows.fetch import Fetcher, FetchFailure, FetchPolicy, FetchRequest, FetchResponse
from flows.fetch.client import HttpResponse
from flows.fetch.ssrf import parse_target
from flows.pipeline.archive_upload import upload_closed
from flows.pipeline.cluster import Cluster
from flows.pipeline.combiner import Combiner
from flows.pipeline.health.collect import HealthCollector
from flows.pipeline.host_locks import HostLocks
from flows.pipeline.lanes import HostLanes, hosts_of
from flows.pipeline.lookups import WarehouseLookups
from flows.pipeline.repeated_pages import RepeatedPages
from flows.pipeline.restore import restore_steps
from flows.pipeline.run_log import logger
from flows.pipeline.shared_connection import SharedConnection
from flows.pipeline.signals import graceful_shutdown
from flows.pipeline.stats import Problem, RunReport, SourceStats, run_state
from flows.settings import Settings
from parsers.model import Source
from parsers.sources.rsshub import ANY_INSTANCE
from warehouse import db as warehouse
from warehouse.care import snapshot
from warehouse.errors import (
    WarehouseDamaged,
    WarehouseError,
    WarehouseLost,
    WarehouseMissing,
)
from warehouse.instance import MEMORY
from warehouse.lake.version import exists
from warehouse.records import alerts, fetches, runs, suppression
from warehouse.records.alerts import AlertedFailures
from warehouse.records.suppression import SuppressionList
from warehouse.rows import Counters, NewQuarantineEntry

Request = TypeVar("Request")
Answer = TypeVar("Answer")

Trigger = Literal["schedule", "person"]
"""Who started a run. A run of a deployment is scheduled, so its messages go to the log."""

MAX_PAGE_BATCHES = 8
"""How many sources fetch article pages at once: memory holds a batch of pages of each."""

SHUTDOWN_SECONDS = 15.0
"""How long a scheduled run may take to stop; the worker waits a little longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnvironment:
    """What the process provides to a run.

    Attributes:
        stop: Set when the run must stop after its current batch.
        on_progress: Called after each batch.
        notify: Called with messages about waits.
        signals: Entered while the run lasts. It handles SIGINT and SIGTERM; Prefect's own
            handler would end the flow in the middle of a batch.
        reports: Filled with the report of each run, in case Prefect loses its server at the end.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    on_progress: OnProgress = no_progress
    notify: Notify = logger.info
    signals: Callable[[], AbstractContextManager[None]] = nullcontext
    reports: list[RunReport] = field(default_factory=list)

    @classmethod
    def of_schedule(cls) -> RunEnvironment:
        """The environment of a scheduled run: it logs messages, and stops on SIGTERM."""
        stop = threading.Event()
        return cls(
            stop=stop, signals=lambda: graceful_shutdown(stop, logger.info, within=SHUTDOWN_SECONDS)
        )


_ENVIRONMENT: ContextVar[RunEnvironment | None] = ContextVar("environment", default=None)


@contextmanager
def use_environment(environment: RunEnvironment) -> Iterator[None]:
    """Runs started inside the block use this environment."""
    token = _ENVIRONMENT.set(environment)
    try:
        yield
    finally:
        _ENVIRONMENT.reset(token)


def run_environment(trigger: Trigger) -> RunEnvironment:
    """The environment that the process set, or the default one."""
    default = RunEnvironment.of_schedule if trigger == "schedule" else RunEnvironment
    return _ENVIRONMENT.get() or default()


class RunContext:
    """One run of a flow over some sources; a context manager.

    Attributes:
        id: The run id. Ids sort by time; every stored row has the id of its run.
        stats: The counters of each source.
        suppressed: Articles and sources that were erased on request. They are not fetched.
        known_failures: Of each source, the failures in quarantine that a run has reported.
        open_failures: Of each source, the failures in quarantine.
        dismissed: Of each source, the failures that an operator dismissed.
        repeated: Of each source, the texts of the pages that this run has parsed.
        health: Of each source, what this run found for its health.
        hosts: The hosts that it fetches from, locked for other machines.
        page_batches: Held while the pages of a batch are in memory.
        cluster: Workers that fetch and parse; without one, this process does.
        lanes: With a cluster, the hosts that this process or a worker fetches from now.
        lookups: What is stored of the entries of a batch.
    """

    def __init__(
        self,
        flow: str,
        settings: Settings,
        sources: Sequence[str],
        *,
        trigger: Trigger = "person",
        limit: int | None = None,
        is_dry: bool = False,
    ) -> None:
        self.flow = flow
        self.settings = settings
        self.trigger = trigger
        self.limit = limit
        self.is_dry = is_dry
        self.id = runs.new_run_id()
        self.stats: dict[str, SourceStats] = {}
        self.suppressed = SuppressionList()
        self.known_failures: dict[str, AlertedFailures] = {}
        self.open_failures: dict[str, AlertedFailures] = {}
        self.dismissed: dict[str, AlertedFailures] = {}
        self.repeated: dict[str, RepeatedPages] = defaultdict(RepeatedPages)
        self.health: dict[str, HealthCollector] = defaultdict(HealthCollector)
        self.environment = run_environment(trigger)
        self.cluster: Cluster | None = None
        self.lanes = HostLanes()
        self.hosts = HostLocks(
            settings,
            flow=flow,
            run_id=self.id,
            notify=self.environment.notify,
            stop=self.environment.stop,
        )
        self._resources = ExitStack()
        self._shared = SharedConnection(self._connect)
        self.lookups = WarehouseLookups(self.reading, self.combine)
        self._counting = threading.Lock()
        self.page_batches = threading.BoundedSemaphore(MAX_PAGE_BATCHES)
        self._combiners: dict[object, Combiner[Any, Any]] = {}
        self._archive: ArchiveWriter | None = None  # opened with the fetcher
        self._started: set[str] = set()
        self._batch_count = 0
        self._has_waiting = False
        self._pauses: Mapping[str, datetime] = {}
        self._is_finished = False
        for slug in sources:
            self.stats_of(slug)

    def __enter__(self) -> Self:
        with ExitStack() as on_error:
            on_error.enter_context(self._resources)
            self._resources.enter_context(self.environment.signals())
            if not self.is_dry:
                with self.writing() as db:
                    self._check_clock(runs.last_time(db))
                    self.begin_sources(db)
                    self._pauses = fetches.pauses(db, datetime.now(UTC))
                    self.suppressed = SuppressionList(suppression.list_suppressions(db))
            on_error.pop_all()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            # Threads of other sources must stop before the fetcher closes: they would take
            # entries that they cannot fetch for done.
            self.environment.stop.set()
            self._finish_with_error(error)
            if isinstance(error, Exception) and self.stats and not self.is_dry:
                stored = "; ".join(one.stored_message() for one in self.stats.values())
                logger.error("run %s failed. %s", self.id, stored)
                error.add_note(f"{stored}. The next run continues from there")
        self._resources.close()

    def _check_clock(self, last: datetime | None) -> None:
        """Warn when the clock was set back, or was ahead in an earlier run."""
        now = datetime.now(UTC)
        if last is None or last <= now + fetches.CLOCK_TOLERANCE:
            return
        for stats in self.stats.values():
            stats.warn(
                f"the system clock is behind the last run: it shows {now:%Y-%m-%d %H:%M} UTC, and "
                f"that run ended at {last:%Y-%m-%d %H:%M}. Check it (timedatectl). New articles are "
                "stored; a changed article counts as older than its stored revision until then"
            )

    def stats_of(self, slug: str) -> SourceStats:
        """The counters of a source, made at the first call."""
        return self.stats.setdefault(
            slug, SourceStats(source=slug, alert_only_new=self.alert_only_new)
        )

    @property
    def alert_only_new(self) -> bool:
        """Whether failures that an earlier run reported need no second report."""
        return self.trigger == "schedule"

    @property
    def is_stopping(self) -> bool:
        """Whether the run was asked to stop."""
        return self.environment.stop.is_set()

    def quarantine(self, failure: NewQuarantineEntry, text: str, problem: Problem) -> None:
        """Count a failure; one that an earlier run reported is known, a dismissed one silent."""
        stats, none = self.stats[failure.source], AlertedFailures()
        if alerts.is_alerted(self.dismissed.get(failure.source, none), failure):
            stats.dismiss()
            return
        is_known = alerts.is_alerted(self.known_failures.get(failure.source, none), failure)
        stats.quarantine(text, problem, is_known=is_known)

    def is_reported(self, failure: NewQuarantineEntry) -> bool:
        """Whether a failure is in quarantine and needs no report of this run.

        A scheduled run reports what no alert was sent for; a person's run reports all it meets.
        """
        none = AlertedFailures()
        known = self.known_failures if self.alert_only_new else self.open_failures
        dismissed = self.dismissed.get(failure.source, none)
        return alerts.is_alerted(known.get(failure.source, none) | dismissed, failure)

    # --- the row of the run ---

    def begin_sources(self, db: DuckDBPyConnection) -> None:
        """Insert the row of this run for each source that has none yet."""
        new = [slug for slug in self.stats if slug not in self._started]
        configured = [one for one in self.settings.usable_sources() if one.slug in new]
        runs.start_run(
            db,
            flow=self.flow,
            sources=new,
            code_version=version("copydesk"),
            parsers={one.slug: (one.parser.name, one.parser.version) for one in configured},
            run_id=self.id,
        )
        self._started.update(new)

    def finish(self) -> RunReport:
        """Store the end of the run for each source; check that no entry disappeared."""
        if self.flow != "replay":  # one listing there leads to any number of articles
            for stats in self.stats.values():
                stats.check_accounts()
        self._upload_archive(is_end=True)
        state = run_state(self.stats.values(), interrupted=self.is_stopping)
        if not self.is_dry:
            with self.writing() as db:
                ends = [
                    runs.RunEnd(
                        source=stats.source,
                        state=run_state(
                            [stats], interrupted=self.is_stopping and not stats.is_done
                        ),
                        counters=Counters(**stats.uncounted(), seconds=stats.seconds),
                        messages=(*stats.errors, *stats.health.warnings),
                    )
                    for stats in self.stats.values()
                ]
                runs.finish_all(db, self.id, ends)
        self._is_finished = True
        stats_of_all = tuple(self.stats.values())
        report = RunReport(run_id=self.id, flow=self.flow, state=state, stats=stats_of_all)
        self.environment.reports.append(report)
        # The command line prints the warnings of the report itself.
        messages = report.health_warnings if self.alert_only_new else ()
        for text in (*messages, *report.known_failures):
            self.environment.notify(text)
        return report

    def _finish_with_error(self, error: BaseException) -> None:
        """Store that the run ended by an error, where the warehouse can be written."""
        if self.is_dry or self._is_finished or isinstance(error, WarehouseError):
            return
        has_failed = isinstance(error, Exception) and not isinstance(error, Interrupted)
        text = f"{type(error).__name__}: {error}"
        with suppress(WarehouseError), self.writing() as db:
            for stats in self.stats.values():
                messages = stats.errors
                runs.finish_run(
                    db,
                    self.id,
                    stats.source,
                    state="failed" if has_failed else "interrupted",
                    counters=Counters(seconds=stats.seconds),
                    messages=messages if text in messages else [*messages, text],
                )

    # --- the network and the archive ---

    @cached_property
    def archive_store(self) -> FolderStore:
        """The files of the archive."""
        return open_store(self.settings.archive)

    @cached_property
    def fetcher(self) -> Fetcher:
        """Fetches and archives, politely for all sources of the run."""
        policy = fetch_policy(self.settings, self.settings.usable_sources())
        if not self.is_dry:
            self._archive = ArchiveWriter(self.archive_store)
            self._resources.callback(self._archive.close)
        fetcher = Fetcher(policy, archive=self._archive, stop=self.environment.stop)
        for url, until in self._pauses.items():
            seconds = (until - datetime.now(UTC)).total_seconds()
            fetcher.pause(url, seconds, f"it asked an earlier run to wait until {until:%c} UTC")
        return self._resources.enter_context(fetcher)

    def fetch_all(self, requests: Iterable[FetchRequest]) -> Iterator[FetchResponse | FetchFailure]:
        """Fetch each, whole or not at all; results in the order they are done."""
        requests = list(requests)
        if not requests:
            return iter(())
        if self.cluster is None:
            return self.fetcher.fetch_all(requests)
        hosts = hosts_of((one.url for one in requests), self.fetcher.policy.mirrors)
        with self.lanes.hold(hosts):
            return iter(list(self.fetcher.fetch_all(requests)))

    def write_archive(
        self, response: HttpResponse, known: tuple[str, int] | None
    ) -> tuple[str, int]:
        """Archive a response that a worker fetched; return the file and the offset."""
        self.fetcher  # noqa: B018 - it opens the archive
        assert self._archive is not None  # noqa: S101  # a dry run fetches no page
        return self._archive.write(response, known=known)

    def archive(self, response: FetchResponse) -> FetchResponse:
        """Archive a response that was fetched with ``archive_later``."""
        if self._archive is None or not response.unarchived:
            return response
        file, offset = response.archive_file, response.archive_offset
        for one in response.unarchived:
            known = response.request.archived if one.kind == "page" else None
            file, offset = self._archive.write(one, known=known)
        return replace(response, archive_file=file, archive_offset=offset, unarchived=())

    def sync_archive(self) -> None:
        """Flush the raw pages to disk, before rows that point to them are committed."""
        if self._archive is not None:
            self._archive.sync()

    def _upload_archive(self, *, is_end: bool) -> None:
        """Upload closed files of the archive; where one has to wait, the run needs attention."""
        if self._archive is None or self.is_stopping or (self._has_waiting and not is_end):
            return
        if is_end:
            self._archive.close()
        problem = upload_closed(self.archive_store, is_stopping=lambda: self.is_stopping)
        self._has_waiting = bool(problem)
        if problem and is_end:
            next(iter(self.stats.values())).warn(problem)

    @property
    def trusted_since(self) -> datetime:
        """Validators of pages that were last fetched whole before this time are not used."""
        return datetime.now(UTC) - timedelta(days=self.settings.fetch.revalidate_after_days)

    # --- the warehouse, opened for moments, so that readers and other runs can open it ---

    @contextmanager
    def reading(self) -> Iterator[DuckDBPyConnection]:
        """The warehouse, to read. A dry run without a warehouse reads an empty one in memory."""
        try:
            with self._shared.use() as db:
                yield db
        except (WarehouseMissing, WarehouseDamaged) as error:
            if isinstance(error, WarehouseLost) or not (found := restore_steps(self.settings)):
                raise
            raise type(error)(f"{error}. {found}") from error

    def _connect(self) -> AbstractContextManager[DuckDBPyConnection]:
        config = self.settings.warehouse
        is_missing = self.is_dry and not exists(config.location)
        return warehouse.connect(
            MEMORY if is_missing else config.location,
            wait_seconds=config.lock_timeout_seconds,
            notify=self.environment.notify,
            restore_steps=partial(restore_steps, self.settings),
        )

    def combine(
        self,
        answer: Callable[[DuckDBPyConnection, Sequence[Request]], Sequence[Answer]],
        request: Request,
        *,
        weight: int = 1,
    ) -> Answer:
        """Answer a request, together with those that wait for the warehouse in other threads."""
        with self._counting:
            combiner = self._combiners.get(answer)
            if combiner is None:
                combiner = Combiner(
                    self.reading, answer, max_weight=2 * self.settings.run.batch_size
                )
                self._combiners[answer] = combiner
        found: Answer = combiner.ask(request, weight)
        return found

    @contextmanager
    def writing(self) -> Iterator[DuckDBPyConnection]:
        """The warehouse in one transaction: everything written inside, or nothing."""
        with self.reading() as db, self.transaction(db):
            yield db

    def transaction(self, db: DuckDBPyConnection) -> AbstractContextManager[object]:
        """One transaction of the warehouse."""
        return warehouse.transaction(db, wait_seconds=self.settings.warehouse.lock_timeout_seconds)

    def mark_alerted(self, sources: Sequence[str]) -> None:
        """Store that the failures of this run were sent as events, for some sources."""
        if any(self.stats[slug].unalerted for slug in sources):
            with self.writing() as db:
                alerts.mark_alerted(db, sources, run_id=self.id)

    def publish_periodically(self) -> None:
        """Publish the snapshot after every so many batches, so that readers follow a long run."""
        with self._counting:
            self._batch_count += 1
            is_due = self._batch_count % self.settings.run.snapshot_every_batches == 0
        if is_due:
            self._upload_archive(is_end=False)  # a long run fills several files
            try:
                self.publish()
            except RunFailed as error:
                self.environment.notify(f"{error}. The run continues and tries again")

    def publish(self) -> None:
        """Publish the read snapshot, so that readers see what this run stored.

        Raises:
            RunFailed: It could not be published; the rows of the run are stored.
        """
        try:
            with self.reading() as db:
                snapshot.publish(db, self.settings.warehouse.snapshot)
        except WarehouseError as error:
            reason = str(error).split(". The transaction")[0]
            raise RunFailed(
                f"run {self.id} is stored; only the read snapshot could not be published, so "
                f"readers keep the previous one: {reason}"
            ) from error


def fetch_policy(settings: Settings, sources: Iterable[Source]) -> FetchPolicy:
    """The fetch policy of the settings; redirects may lead to the sources' own hosts, too."""
    fetch, mirrors = settings.fetch, settings.rsshub.instances
    addresses = [value for source in sources for value in source.options.values()]
    hosts = set(fetch.source_hosts) | {
        parse_target(value).origin
        for value in (*addresses, *mirrors)
        if isinstance(value, str) and value.startswith(("http://", "https://"))
    }
    options = fetch.model_dump(
        exclude={"revalidate_after_days", "secret_parameters", "source_hosts"}
    )
    return FetchPolicy(
        **options, source_hosts=tuple(sorted(hosts)), mirrors={ANY_INSTANCE: mirrors}
    )
