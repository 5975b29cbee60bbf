"""Send the orders of a run to workers, and wait for their results."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from typing import Any, Generic

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner

from flows.cluster.task_runner import make_task_runner, worker_count
from flows.cluster.worker import release, run_order
from flows.errors import Interrupted, RunFailed
from flows.pipeline.cluster import Order, Result
from flows.pipeline.run import RunContext

_POLL_SECONDS = 0.5


@contextmanager
def use_cluster(run: RunContext) -> Iterator[None]:
    """Let a run use the workers that ``[run] task_runner`` names; threads need none."""
    if run.settings.run.task_runner == "threads":
        yield
        return
    with ExitStack() as stack:
        run.cluster = PrefectCluster(run, make_task_runner(run.settings), stack)
        try:
            yield
        finally:
            run.cluster = None


class PrefectCluster:
    """The workers of one run; safe for threads. They start with the first order.

    Attributes:
        orders_ahead: How many orders keep every worker busy.
    """

    def __init__(self, run: RunContext, runner: TaskRunner[Any], stack: ExitStack) -> None:
        self.orders_ahead = 2 * worker_count(run.settings)
        self._stop = run.environment.stop
        self._notify = run.environment.notify
        self._runner = runner
        self._stack = stack
        self._lock = threading.Lock()
        self._is_started = False
        # Of the flow run. Prefect would send the parameters of a task run to the workers, too.
        self._context = copy_context()
        sources = [run.settings.source(slug) for slug in run.stats]
        self._release = release(
            {f"parser {one.parser.name}": one.parser.version for one in sources}
        )

    def submit(
        self, name: str, function: Callable[[Order], Result], order: Order
    ) -> _Pending[Result]:
        """Send an order as a task run of Prefect.

        Raises:
            RunFailed: The workers cannot be started or reached.
        """
        with self._lock:
            self._start()
            parameters = {
                "expected": self._release,
                "machine": socket.gethostname(),
                "order": pickle.dumps((function, order), protocol=pickle.HIGHEST_PROTOCOL),
            }
            chunk = run_order.with_options(task_run_name=name)
            future = self._context.copy().run(self._runner.submit, chunk, parameters)
            return _Pending(name, future, self._stop)

    def _start(self) -> None:
        if self._is_started:
            return
        try:
            self._stack.enter_context(self._runner)
        except Exception as error:
            raise RunFailed(
                f"the workers of run.task_runner cannot be used ({type(error).__name__}: {error}): "
                "check run.cluster, and that the cluster runs"
            ) from error
        self._is_started = True


class _Pending(Generic[Result]):
    """The result of an order that a worker has."""

    def __init__(self, name: str, future: PrefectFuture[Any], stop: threading.Event) -> None:
        self._name = name
        self._future = future
        self._stop = stop

    def result(self) -> Result:
        """Wait for the result.

        Raises:
            Interrupted: The run was asked to stop.
            RunFailed: The cluster gave the order up.
        """
        found = self._wait()
        if isinstance(found, BaseException):
            raise found
        result: Result = pickle.loads(found)  # noqa: S301 - our own worker wrote it
        return result

    def _wait(self) -> Any:
        while not self._stop.is_set():
            try:
                return self._future.result(timeout=_POLL_SECONDS, raise_on_failure=False)
            except TimeoutError:
                continue
            except Exception as error:
                raise RunFailed(
                    f"the cluster gave up the chunk {self._name!r} "
                    f"({type(error).__name__}: {str(error)[:300]}); what is stored is whole, and "
                    "the next run continues"
                ) from error
        raise Interrupted(f"the run stopped while a worker had the chunk {self._name!r}")
