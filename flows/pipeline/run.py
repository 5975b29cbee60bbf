"""One run: what its steps share, from the first fetch to the last count.

Prefect passes a ``Run`` to its tasks as it is: a plain class, so that Prefect does not
look inside, copy or hash pages on their way from task to task.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from types import TracebackType
from urllib.parse import urlsplit

from duckdb import DuckDBPyConnection

from flows.archive import ArchiveWriter
from flows.callbacks import Notify, OnProgress, no_progress
from flows.errors import Interrupted, RunFailed
from flows.fetch import Fetcher, FetchFailure, FetchPolicy, FetchRequest, FetchResponse
from flows.pipeline.signals import graceful_shutdown
from flows.pipeline.stats import RunReport, SourceStats, State, run_state
from flows.serving import claims
from flows.settings import FetchSettings, Settings
from parsers.model import Source
from warehouse import db
from warehouse.care import snapshot
from warehouse.errors import WarehouseError
from warehouse.records import alerts, fetches, not_modified, runs, suppression, watermarks
from warehouse.records.alerts import AlertedFailures
from warehouse.records.suppression import SuppressionList
from warehouse.rows import Counters, NewQuarantineEntry, Validators, Watermark

SHUTDOWN_SECONDS = 15.0
"""What a run of a deployment has to end in; ``copydesk serve`` waits a little longer."""

REPEATED = "sync"
"""The flow that reads the same listings again and again."""

_RUN_STATES: Mapping[State, str] = {
    "completed": "completed",
    "needs_attention": "completed",
    "failed": "failed",
    "interrupted": "interrupted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnvironment:
    """What the process around a run gives it.

    Attributes:
        stop: Set when the run shall end after what it is doing.
        progress: Told after each batch.
        notify: Told about waits.
        signals: Entered for as long as the run lasts: it takes SIGINT and SIGTERM, the
            latter back from Prefect, which would end the flow in the middle of a step.
        reports: What runs came to, in case Prefect loses its server before it can say so.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    progress: OnProgress = no_progress
    notify: Notify = lambda _words: None
    signals: Callable[[], AbstractContextManager[None]] = nullcontext
    reports: list[RunReport] = field(default_factory=list)


_SURROUNDINGS: ContextVar[RunEnvironment | None] = ContextVar("surroundings", default=None)


@contextmanager
def use_environment(environment: RunEnvironment) -> Iterator[None]:
    """Runs begun inside use these surroundings."""
    token = _SURROUNDINGS.set(environment)
    try:
        yield
    finally:
        _SURROUNDINGS.reset(token)


def _of_this_process() -> RunEnvironment:
    """Those of a run that nobody here began: of a deployment, its end is asked for by a signal.

    Prefect's own answer to SIGTERM would cut it in the middle of a batch.
    """
    if not claims.is_deployed():
        return RunEnvironment()
    stop = threading.Event()
    return RunEnvironment(
        stop=stop,
        signals=lambda: graceful_shutdown(stop, lambda _words: None, within=SHUTDOWN_SECONDS),
    )


class RunContext:
    """One run of a flow over some sources; a context manager.

    Attributes:
        id: Sorts by time; also in every row the run stores.
        tallies: The counters of each source, counted up by the steps.
        forbidden: What is to be forgotten: it is not fetched, for its page would be kept.
    """

    def __init__(
        self,
        flow: str,
        settings: Settings,
        sources: Sequence[str],
        *,
        limit: int | None = None,
        is_dry: bool = False,
    ) -> None:
        self.flow = flow
        self.settings = settings
        self.limit = limit
        self.is_dry = is_dry
        self.id = runs.new_run_id()
        self.stats: dict[str, SourceStats] = {}
        for slug in sources:
            self.tally(slug)
        self.environment = _SURROUNDINGS.get() or _of_this_process()
        self._resources = ExitStack()
        self._one_writer = threading.Lock()
        self._begun: set[str] = set()
        self._stored = 0
        self._pauses: Mapping[str, datetime] = {}
        self._standing: dict[str, AlertedFailures] = {}
        self.forbidden = SuppressionList()
        self._is_finished = False

    # --- beginning and end ---

    def __enter__(self) -> RunContext:
        with ExitStack() as undone:
            undone.enter_context(self._resources)
            self._resources.enter_context(self.environment.signals())
            claims.begin(self.settings, self.environment.notify)
            if not self.is_dry:
                with self.writing() as store:
                    self._look_at_the_clock(runs.last_time(store))
                    self.begin_sources(store)
                    self._pauses = fetches.pauses(store, datetime.now(UTC))
                    self.forbidden = SuppressionList(suppression.list_suppressions(store))
            undone.pop_all()
        return self

    def _look_at_the_clock(self, last: datetime | None) -> None:
        """Say that the clock was set back, or that it was wrong before; it cannot be told."""
        now = datetime.now(UTC)
        if last is None or last <= now + fetches.CLOCKS_DIFFER:
            return
        for tally in self.stats.values():
            tally.warn(
                f"the clock says {now:%Y-%m-%d %H:%M} UTC, but a run before was at "
                f"{last:%Y-%m-%d %H:%M}: see that it is right (timedatectl). New articles are "
                "stored as ever; one that changes is taken for older than what was seen at "
                "that later time until it has passed"
            )

    def begin_sources(self, store: DuckDBPyConnection) -> None:
        """Write the row of this run for each source that has none yet."""
        new = [slug for slug in self.stats if slug not in self._begun]
        runs.start_run(
            store,
            flow=self.flow,
            sources=new,
            code_version=version("copydesk"),
            parsers={
                slug: (source.parser.name, source.parser.version)
                for slug in new
                if slug in self.settings.sources
                for source in [self.settings.source(slug)]
            },
            run_id=self.id,
        )
        self._begun.update(new)

    def tally(self, slug: str) -> SourceStats:
        """The counters of a source; begun at the first call."""
        return self.stats.setdefault(
            slug, SourceStats(source=slug, alert_only_new=self.alert_only_new)
        )

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            # Sources may still be at work in threads of their own: without the fetcher they
            # would take what they cannot fetch for done.
            self.environment.stop.set()
            self._end_by(error)
        self._resources.close()

    def _end_by(self, error: BaseException) -> None:
        """Write that the run ended by an error, where it is under way and that can be written."""
        if self.is_dry or self._is_finished or isinstance(error, WarehouseError):
            return
        is_broken = isinstance(error, Exception) and not isinstance(error, Interrupted)
        state = "failed" if is_broken else "interrupted"
        words = f"{type(error).__name__}: {error}"
        # Run's own transaction: what waits to be written along belongs to rows that are not
        # stored, and would say of a piece of work that it was done.
        with suppress(WarehouseError), RunContext.writing(self) as store:
            for tally in self.stats.values():
                told = tally.all_problems()
                runs.finish_run(
                    store,
                    self.id,
                    tally.source,
                    state=state,
                    counters=Counters(seconds=tally.seconds),
                    error="\n".join(told if words in told else [*told, words]),
                )

    def finish(self) -> RunReport:
        """Write the end of the run for each source; what it all came to."""
        state = run_state(self.stats.values(), interrupted=self.is_stopping)
        if not self.is_dry:
            with self.writing() as store:
                for tally in self.stats.values():
                    own = run_state([tally], interrupted=self.is_stopping and not tally.is_done)
                    runs.finish_run(
                        store,
                        self.id,
                        tally.source,
                        state=_RUN_STATES[own],
                        counters=Counters(**tally.uncounted(), seconds=tally.seconds),
                        error="\n".join(tally.all_problems()) or None,
                    )
        self._is_finished = True
        report = RunReport(
            run_id=self.id, flow=self.flow, state=state, stats=tuple(self.stats.values())
        )
        self.environment.reports.append(report)
        for words in report.standing:
            self.environment.notify(words)
        return report

    @property
    def is_stopping(self) -> bool:
        """Whether somebody asked the run to end."""
        return self.environment.stop.is_set()

    # --- the network ---

    @cached_property
    def _archive(self) -> ArchiveWriter:
        archive = ArchiveWriter(self.settings.archive.path)
        self._resources.callback(archive.close)
        return archive

    @cached_property
    def _fetcher(self) -> Fetcher:
        policy = fetch_policy(self.settings.fetch, self.settings.selected_sources())
        archive = None if self.is_dry else self._archive  # a dry run stores nothing
        fetcher = Fetcher(policy, archive=archive, stop=self.environment.stop)
        for url, until in self._pauses.items():
            seconds = (until - datetime.now(UTC)).total_seconds()
            fetcher.pause(url, seconds, f"it asked an earlier run to wait until {until:%c} UTC")
        return self._resources.enter_context(fetcher)

    def fetch_all(self, requests: Iterable[FetchRequest]) -> Iterator[FetchResponse | FetchFailure]:
        """Fetch each, whole or not at all; results in the order they are done."""
        requests = list(requests)
        return self._fetcher.fetch_all(requests) if requests else iter(())

    def sync_archive(self) -> None:
        """Bring the raw pages to the disk, before rows that point to them are committed."""
        if "_archive" in self.__dict__:
            self._archive.sync()

    @property
    def trusted_since(self) -> datetime:
        """Validators of pages last fetched whole before this are not relied on."""
        return datetime.now(UTC) - timedelta(days=self.settings.fetch.trust_validators_days)

    # --- the warehouse: opened for moments, so that readers and other runs get in ---

    @contextmanager
    def _opened(self) -> Iterator[DuckDBPyConnection]:
        warehouse, notify = self.settings.warehouse, self.environment.notify
        with (
            self._one_writer,
            db.connect(
                warehouse.path, wait_seconds=warehouse.wait_seconds, on_wait=notify
            ) as store,
        ):
            yield store

    @contextmanager
    def writing(self) -> Iterator[DuckDBPyConnection]:
        """The warehouse in one transaction: all that is written inside, or nothing."""
        with (
            self._opened() as store,
            db.transaction(store, wait_seconds=self.settings.warehouse.wait_seconds),
        ):
            yield store

    @contextmanager
    def _reading(self) -> Iterator[DuckDBPyConnection | None]:
        """The warehouse for a look; ``None`` when a dry run finds that there is none."""
        if self.is_dry and not self.settings.warehouse.path.exists():
            yield None
            return
        with self._opened() as store:
            yield store

    def validators(self, urls: Iterable[str]) -> dict[str, Validators]:
        """What to send for a conditional request, by address."""
        urls = list(urls)
        if not urls:
            return {}
        with self._reading() as store:
            return fetches.validators(store, urls) if store else {}

    @property
    def alert_only_new(self) -> bool:
        """Whether what an earlier run told needs no telling again: nobody asked for this one."""
        return claims.is_deployed()

    def is_known_failure(self, failed: NewQuarantineEntry) -> bool:
        """Whether a failure stands in quarantine since an earlier run, which told it."""
        if self.flow != REPEATED or self.is_dry:
            return False
        if failed.source not in self._standing:
            with self._reading() as store:
                told = alerts.alerted_failures(store, failed.source) if store else frozenset()
            self._standing[failed.source] = told
        return alerts.is_alerted(self._standing[failed.source], failed)

    def mark_told(self, sources: Sequence[str]) -> None:
        """Note that what this run met of some sources was told where somebody listens."""
        if any(self.stats[slug].unalerted for slug in sources):
            with self.writing() as store:
                alerts.mark_alerted(store, sources, run_id=self.id)

    def known(self, article_ids: Iterable[str]) -> set[str]:
        """Those of the articles that are stored."""
        article_ids = list(article_ids)
        if not article_ids:
            return set()
        with self._reading() as store:
            return not_modified.stored_ids(store, article_ids) if store else set()

    def seen_in(self, article_ids: Iterable[str], *, channel: str) -> set[str]:
        """Those of the articles that were seen in this channel."""
        with self._reading() as store:
            return (
                not_modified.ids_in_channel(store, article_ids, channel=channel) if store else set()
            )

    def seen_elsewhere(self, article_ids: Iterable[str], *, channel: str) -> set[str]:
        """Those of the articles that were seen in any channel but this one."""
        article_ids = list(article_ids)
        if not article_ids:
            return set()
        with self._reading() as store:
            return (
                not_modified.ids_in_other_channels(store, article_ids, channel=channel)
                if store
                else set()
            )

    def watermarks(self, source: str, channels: Iterable[str]) -> dict[str, Watermark]:
        """How far those channels were read before, where they were."""
        with self._reading() as store:
            if store is None:
                return {}
            marks = {channel: watermarks.get(store, source, channel) for channel in channels}
        return {channel: mark for channel, mark in marks.items() if mark is not None}

    def publish_periodically(self) -> None:
        """After each batch: every so many, readers are given what a long run stored so far."""
        with self._one_writer:
            self._stored += 1
            is_due = self._stored % self.settings.run.publish_batches == 0
        if is_due:
            try:
                self.publish()
            except RunFailed as error:
                self.environment.notify(f"{error}. The run goes on and tries again")

    def publish(self) -> None:
        """Publish the read snapshot, so that readers see what this run stored.

        Raises:
            RunFailed: It could not be published; what the run brought is stored.
        """
        try:
            with self._opened() as store:
                snapshot.publish(store, self.settings.warehouse.snapshot)
        except WarehouseError as error:
            why = str(error).split(". The transaction")[0]
            raise RunFailed(
                f"run {self.id} is stored; only the read snapshot could not be published, so "
                f"readers keep the one before: {why}"
            ) from error


def fetch_policy(fetch: FetchSettings, sources: Iterable[Source]) -> FetchPolicy:
    """The fetch policy of the settings; redirects may lead to the sources' own hosts."""
    hosts = {
        urlsplit(value).netloc
        for source in sources
        for value in source.options.values()
        if isinstance(value, str) and value.startswith(("http://", "https://"))
    }
    ours = fetch.model_dump(exclude={"trust_validators_days"})
    return FetchPolicy(**ours, source_hosts=tuple(sorted(hosts)))
