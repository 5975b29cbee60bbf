"""Prefect's runner in a thread: asks for runs that are due and starts a process for each.

In a thread, because the main thread watches over everything and is the one that signals
reach. The runner gives up when its server is away for some polls; then it is started
again, which costs nothing.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.schedules import Schedule
from flows.serving.due import PREFETCH_SECONDS, Due, Rules
from flows.serving.health import UNANSWERED
from flows.serving.putting_back import cancel_or_put_back
from flows.serving.tidying import children, end_processes
from flows.serving.turns import Places

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from prefect.client.schemas.objects import FlowRun
    from prefect.runner import Runner

POLL_SECONDS = 10.0
"""Runs are begun ahead of their time, so that seldom asking makes none late."""

POLL_SECONDS_WHEN_HURRIED = 5.0
HURRIED_SECONDS = 60.0
STOP_SECONDS = 20.0
SILENT_POLLS = 3


class RunnerThread:
    """One runner for the given deployments, until it is stopped or ends by itself.

    Attributes:
        error: Why it ended by itself.
        polls: How its questions were answered lately.
    """

    def __init__(
        self,
        deployments: Collection[UUID],
        *,
        runs_at_once: int,
        poll_seconds: float = POLL_SECONDS,
        rules: Rules | None = None,
    ) -> None:
        self.error: BaseException | None = None
        self.polls = Polls()
        self._rules = rules
        self._deployments = deployments
        self._limit = runs_at_once
        self._poll_seconds = poll_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: Runner | None = None
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="copydesk-runner", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether it still polls."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def watch(self, deployments: Collection[UUID]) -> None:
        """Look for runs of these, too."""
        self._deployments = deployments
        if self._runner is not None:
            watch(self._runner, deployments)

    def under_way(self) -> set[UUID]:
        """The runs that it begins, carries out, or whose end it is about to tell."""
        poller = getattr(self._runner, "_scheduled_run_poller", None)
        return set(poller._submitting_flow_run_ids) if poller is not None else set()

    def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """End polling and every run that is under way; what those stored stays stored.

        Runs that have not begun are scheduled as they were.
        """
        deadline = time.monotonic() + seconds
        if self._loop is not None and self._loop.is_running() and self._runner is not None:
            with suppress(NotInTime, RuntimeError, CancelledError):
                asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(seconds)
        while children() and time.monotonic() < deadline and self.is_alive:
            time.sleep(0.05)
        end_processes(children(), seconds=2.0)
        if self._loop is not None and self._main is not None and self.is_alive:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._main.cancel)
        self._thread.join(5.0)

    async def _end(self) -> None:
        if self._runner is not None and self._runner.started:
            await self._runner.astop()

    def _run(self) -> None:
        # Processes inherit the mask: Ctrl-C in the terminal is for us, who end them in order.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            asyncio.run(self._poll())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001  # told by the main thread
            self.error = error

    async def _poll(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        self._runner = patient_runner(
            self._limit, self._poll_seconds, polls=self.polls, rules=self._rules
        )
        # Its words about a server that is away are a page of traceback; ours are a line.
        logging.getLogger("prefect.FlowRunCancellingObserver").setLevel(logging.CRITICAL)
        watch(self._runner, self._deployments)
        await self._runner.start(webserver=False)


def watch(runner: Runner, deployments: Collection[UUID]) -> None:
    """Have the runner look for runs of deployments that another process registered."""
    for one in deployments:
        runner._deployment_registry.register_deployment(one)  # tests hold this name


def look_on(observer: Any) -> None:
    """Have the observer of cancelled runs look on, however often its server is away.

    After three failures in a row Prefect's own never looks again, and the button that
    cancels a run does nothing from then on.
    """
    look: Callable[[], Awaitable[None]] = observer._check_for_cancelled_flow_runs

    async def look_patiently() -> None:
        with suppress(*UNANSWERED):
            await look()

    observer._check_for_cancelled_flow_runs = look_patiently
    # Takes being cancelled at the end for a failure, with a page of traceback.
    observer._handle_polling_task_done = lambda _task: None


def poll_seconds(timetables: Iterable[Schedule]) -> float:
    """How often to ask for runs: seldom, unless a schedule counts in seconds."""
    intervals = [float(one.value) for one in timetables if one.kind == "interval"]
    is_hurried = min(intervals, default=HURRIED_SECONDS) < HURRIED_SECONDS
    return POLL_SECONDS_WHEN_HURRIED if is_hurried else POLL_SECONDS


class Polls:
    """Whether the server answers when it is asked for runs.

    Attributes:
        trouble: What it answers instead; ``None`` while all is well. That it does not answer
            at all is told once it has been so for some times in a row: whoever looks after
            the server says so first.
    """

    def __init__(self) -> None:
        self.trouble: str | None = None
        self._failures = 0

    def answered(self) -> None:
        """It did."""
        self.trouble, self._failures = None, 0

    def failed(self, words: str, *, is_answer: bool) -> None:
        """It did not, or with an error of its own (``is_answer``)."""
        self._failures += 1
        if is_answer or self._failures >= SILENT_POLLS:
            self.trouble = words


def patient_runner(
    limit: int,
    seconds: float = POLL_SECONDS,
    *,
    polls: Polls | None = None,
    rules: Rules | None = None,
) -> Runner:
    """A runner that polls on while its server is away, and lets no runs overlap.

    Prefect's own gives up after three polls, and its end is the end of every run that is
    under way. Prefect's own limits are leases that a run must renew at the server: it is
    killed when it cannot, which is the opposite of going on without it. This is the only
    runner of a warehouse, so it can see by itself what is under way.
    """
    import httpx
    from prefect.exceptions import PrefectException
    from prefect.runner import Runner

    heard, kept_to = polls or Polls(), rules or Rules()
    due = Due(Places.of(limit), kept_to)

    class PatientRunner(Runner):
        async def __aenter__(self) -> PatientRunner:
            await super().__aenter__()
            poller = self._scheduled_run_poller
            poll = poller._get_and_submit_flow_runs

            async def poll_patiently(group: TaskGroup | None = None) -> None:
                try:
                    if await kept_to.may_begin(self._client):
                        await poll(group)
                except httpx.TransportError as error:
                    self._logger.debug("the server is away")
                    heard.failed(type(error).__name__, is_answer=False)
                except httpx.HTTPStatusError as error:
                    heard.failed(f"HTTP {error.response.status_code}", is_answer=True)
                except (PrefectException, *UNANSWERED) as error:
                    # The runner would end with it, and all runs under way with the runner.
                    words = f"{type(error).__name__}: {error}".splitlines()[0]
                    heard.failed(words, is_answer=True)
                else:
                    heard.answered()

            async def ask() -> list[FlowRun]:
                begin = await due.next(
                    self._client,
                    poller._deployment_registry.get_deployment_ids(),
                    poller._submitting_flow_run_ids,
                )
                return [] if poller.stopping else begin  # told so while it asked

            look_on(self._cancelling_observer)
            poller._get_and_submit_flow_runs = poll_patiently  # type: ignore[assignment, method-assign]
            poller._get_scheduled_flow_runs = ask  # type: ignore[method-assign]
            return self

        async def cancel_all(self) -> None:
            """Cancel all at once; one after the other would take three seconds each."""
            ids = self._process_manager.flow_run_ids()
            ids = {*ids, *self._scheduled_run_poller._submitting_flow_run_ids}
            await asyncio.gather(*map(self._cancel, ids), return_exceptions=True)

        async def _cancel(self, run: UUID) -> None:
            """Cancel a run, unless it is over, or has not begun and is put back."""
            await cancel_or_put_back(self, run)

    return PatientRunner(
        name="copydesk",
        query_seconds=seconds,
        prefetch_seconds=PREFETCH_SECONDS,
        limit=due.places.all,
        pause_on_shutdown=False,
    )
