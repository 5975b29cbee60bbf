"""The process of ``copydesk serve``: keeps a Prefect server and a worker running until stopped.

It checks the server every five seconds. It starts what ended again after a pause; runs
continue meanwhile.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from flows import prefect_api
from flows.errors import RunFailed
from flows.prefect_api import ServerInfo
from flows.serve import deployments
from flows.serve.child import Backoff, Child
from flows.serve.lost_runs import find_lost_runs
from flows.serve.prefect_server import PrefectServer, check_exposure, server_environment
from flows.serve.sd_notify import sd_notify
from flows.settings import Settings, resolve_config_file

if TYPE_CHECKING:
    from flows.callbacks import Notify

LOOK_SECONDS = 0.5
LOST_RUNS_SECONDS = 5.0
WORKER_STOP_SECONDS = 10.0
QUERY_SECONDS = "5"


def serve(
    settings: Settings,
    *,
    config: Path | None,
    notify: Notify,
    port: int | None = None,
    verbosity: int = 0,
    stop: threading.Event,
) -> None:
    """Serve until ``stop`` is set, then store what is in progress and end everything.

    Raises:
        ConfigurationError: The address needs a password, or a schedule is invalid.
        RunFailed: Another process serves this warehouse, or the server cannot be started.
    """
    if port is not None:
        serve_settings = settings.serve.model_copy(update={"port": port})
        settings = settings.model_copy(update={"serve": serve_settings})
    foreign = prefect_api.configured_server(os.environ)
    if not foreign:
        check_exposure(settings, os.environ)
    api_url = foreign or prefect_api.own_api_url(settings)
    info = ServerInfo(pid=os.getpid(), api_url=api_url, is_own=not foreign)
    with prefect_api.single_instance(settings, info):
        prefect_api.prepare_client(os.environ, settings, api_url, is_own=info.is_own)
        level = {-1: "CRITICAL", 0: "INFO"}.get(verbosity, "DEBUG")
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", level)
        supervisor = Supervisor(
            settings, resolve_config_file(config), info, notify=notify, stop=stop
        )
        try:
            supervisor.run()
        finally:
            sd_notify("STOPPING=1")
            supervisor.close()
    notify("stopped")


class Supervisor:
    """A Prefect server (unless there is another), a worker and the deployments."""

    def __init__(
        self,
        settings: Settings,
        config: Path | None,
        info: ServerInfo,
        *,
        notify: Notify,
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._config = config
        self._info = info
        self._notify = notify
        self._stop = stop
        self._pool = pool_name(settings, info)
        self._worker_name = f"copydesk-{os.uname().nodename}"
        self._server = PrefectServer(
            prefect_api.prefect_home(settings),
            host=settings.serve.host,
            port=settings.serve.port,
            api_url=info.api_url,
        )
        self._worker = Child(self._worker_command())
        self._backoff = Backoff()
        self._has_worker = False
        self._is_registered = True
        self._is_local = settings.serve.host in prefect_api.LOOPBACK
        self._lost_runs: set[str] = set()
        self._ended_runs: set[str] = set()
        self._next_look_for_lost_runs = 0.0

    def _worker_command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "prefect", "worker", "start", "--type", "process"),
            *("--pool", self._pool, "--name", self._worker_name),
            *("--limit", str(self._settings.serve.max_concurrent_runs)),
            *("--install-policy", "never"),
        ]

    def run(self) -> None:
        """Start everything and keep it running until ``stop`` is set.

        Raises:
            RunFailed: The first start failed.
        """
        self._start_server()
        registration = self._register()
        if self._stop.is_set():
            return
        self._start_worker()
        self._notify(announcement(self._info, registration))
        sd_notify("READY=1")
        while not self._stop.wait(LOOK_SECONDS):
            self._check()
            self._end_lost_runs()

    def _start_server(self) -> None:
        if not self._info.is_own:
            return
        is_new = not (prefect_api.prefect_home(self._settings) / "prefect.db").exists()
        hint = " (the first time takes up to half a minute)" if is_new else ""
        self._notify(f"starting the Prefect server{hint}")
        self._server.start(server_environment(self._settings), stop=self._stop)

    def _start_worker(self) -> None:
        environ = {"PREFECT_WORKER_QUERY_SECONDS": QUERY_SECONDS, "MALLOC_ARENA_MAX": "2"}
        self._worker.start(environ | dict(os.environ))
        self._has_worker = True

    def _register(self) -> deployments.Registration:
        found = deployments.register_in_subprocess(
            self._config,
            self._pool,
            worker=self._worker_name,
            is_worker_running=self._has_worker and self._worker.exit_code is None,
            is_local=self._info.is_own,
            stop=self._stop,
        )
        for text in found.messages():
            self._notify(text)
        return found

    def _check(self) -> None:
        """Start again what ended, and register again: the database may be another one."""
        server_failure = self._server_failure()
        worker_code = self._worker.exit_code
        if server_failure is None and worker_code is None:
            return
        failure = server_failure or f"the worker ended (exit code {worker_code})"
        self._notify(f"{failure}; starting it again; runs continue")
        if server_failure:
            self._server.stop()
        if self._backoff.wait(self._stop):
            return
        try:
            if server_failure:
                self._start_server()
            self._register()
            if worker_code is not None:
                self._start_worker()
            self._is_registered = True
        except RunFailed as error:
            self._is_registered = False
            if not self._stop.is_set():
                self._notify(f"{error}; the next attempt follows")

    def _server_failure(self) -> str | None:
        """Return why our own server has to be started again, if it has.

        A server whose database was removed answers, but fails every request that reads a table.
        """
        if not self._info.is_own:
            return None
        if not self._is_registered:
            return "the deployments could not be registered"
        return self._server.failure()

    def _end_lost_runs(self) -> None:
        """End the runs that another worker or a killed command left at our own server.

        A worker reports the runs of its own that were killed, a moment later. So a run is lost
        when it is found twice, and each is ended once.
        """
        if not self._info.is_own or time.monotonic() < self._next_look_for_lost_runs:
            return
        self._next_look_for_lost_runs = time.monotonic() + LOST_RUNS_SECONDS
        found = find_lost_runs(self._info.api_url, self._worker_name, is_local=self._is_local)
        lost, self._lost_runs = found & self._lost_runs, found
        if lost - self._ended_runs:
            self._ended_runs |= lost
            with suppress(RunFailed):  # the next registration ends them
                self._register()

    def close(self) -> None:
        """End runs, worker and server, in this order."""
        if self._has_worker:
            self._drain()
        self._stop_worker()
        if self._info.is_own:
            self._server.stop()

    def _drain(self) -> None:
        import httpx
        from prefect.client.orchestration import get_client
        from prefect.exceptions import PrefectException
        from prefect.settings import (
            PREFECT_API_REQUEST_TIMEOUT,
            PREFECT_CLIENT_MAX_RETRIES,
            temporary_settings,
        )

        from flows.serve.lost_runs import drain

        short_timeouts = {PREFECT_API_REQUEST_TIMEOUT: 5.0, PREFECT_CLIENT_MAX_RETRIES: 1}
        try:
            with temporary_settings(short_timeouts), get_client(sync_client=True) as client:
                drain(client, self._pool, self._worker_name, self._stop_worker)
        except (httpx.HTTPError, PrefectException) as error:
            self._notify(
                f"the Prefect server does not answer ({type(error).__name__}): runs end without "
                "storing their batch, and the next start sets them to Crashed"
            )

    def _stop_worker(self) -> None:
        self._worker.stop(WORKER_STOP_SECONDS)
        self._has_worker = False


def pool_name(settings: Settings, info: ServerInfo) -> str:
    """Return the work pool: at a server of several installations each has its own."""
    if info.is_own:
        return "copydesk"
    place = f"{os.uname().nodename}:{settings.warehouse.path.absolute()}"
    return f"copydesk-{sha256(place.encode()).hexdigest()[:8]}"


def announcement(info: ServerInfo, registration: deployments.Registration) -> str:
    """Return what is served: the UI, the schedules, and what runs on request."""
    found = registration.deployments
    width = max(len(one.name) for one in found)
    scheduled = [
        f"  {one.name:<{width}}  {one.schedule}{' (paused in the UI)' if one.is_paused else ''}"
        for one in found
        if one.schedule
    ]
    on_request = ", ".join(one.name for one in found if not one.schedule)
    return "\n".join(
        [
            f"Prefect UI: {info.ui_url}",
            "schedules:" if scheduled else "schedules: none (no source has a schedule)",
            *scheduled,
            f"on request, in the UI or with `prefect deployment run NAME`: {on_request}",
            "Ctrl-C stops everything; runs store what they have",
        ]
    )
