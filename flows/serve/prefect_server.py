"""The Prefect server: its address, its environment, and the child process that runs it.

Prefect keeps its own data in a folder beside the warehouse. No article is in it.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from collections.abc import MutableMapping
from pathlib import Path
from signal import SIGKILL

from flows.errors import ConfigurationError, RunFailed, ServerNotStarted
from flows.prefect_api import (
    API_URL,
    LOOPBACK,
    SERVER_AUTH,
    TELEMETRY_OFF,
    is_ready,
    prefect_home,
)
from flows.serve.child import Child
from flows.settings import Settings

SERVER_MODULE = "flows.serve.server_app"
ALLOWED_ORIGINS = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"
START_SECONDS = 180.0
STOP_SECONDS = 10.0
CHECK_SECONDS = 5.0
ANSWER_SECONDS = 8.0
MAX_MISSED_ANSWERS = 3
MAX_LOG_BYTES = 5_000_000
_DAY_SECONDS = 86_400

SERVICE_INTERVALS = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "10",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT15S",
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "600",
}
"""By default the services query the database every 5 to 20 seconds each: half of the CPU time of an
idle server. None of these delays a scheduled run."""


# --- its address and its environment ---


def check_exposure(settings: Settings, environ: MutableMapping[str, str]) -> None:
    """Refuse an address beyond loopback without a password.

    Raises:
        ConfigurationError: ``serve.host`` is reachable from other machines and there is no password.
    """
    host = settings.serve.host
    if host not in LOOPBACK and not environ.get(SERVER_AUTH):
        raise ConfigurationError(
            f"serve.host: {host!r} can be reached from other machines, and access to Prefect is "
            f"permission to run any code here. Set {SERVER_AUTH} to 'user:password' in the "
            "environment, or keep 127.0.0.1"
        )


def server_environment(settings: Settings) -> dict[str, str]:
    """Return the settings of our own server; values that the user set in the environment win."""
    serve, home = settings.serve, prefect_home(settings)
    return {
        **SERVICE_INTERVALS,
        **TELEMETRY_OFF,
        "PREFECT_HOME": str(home),
        "MALLOC_ARENA_MAX": "2",  # glibc gives each thread an arena of its own: saves memory
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        # Leases in memory are lost with the server, and their places stay taken for minutes.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P1D",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(
            serve.run_retention_days * _DAY_SECONDS
        ),
    } | dict(os.environ)


# --- the child process ---


class PrefectServer:
    """Prefect's server as a child process; see ``server_app``.

    Args:
        home: Prefect's folder.
        host: Address to listen at.
        port: Port to listen at.
        api_url: Address of its API from here.

    Attributes:
        log: File with its output.
    """

    def __init__(self, home: Path, *, host: str, port: int, api_url: str) -> None:
        self.api_url = api_url
        self.log = home / "server.log"
        self._host, self._port = host, port
        command = [sys.executable, "-m", SERVER_MODULE, host, str(port)]
        # The database survives SIGKILL; an orderly end would wait for open pages of the UI.
        self._child = Child(command, log=self.log, death_signal=SIGKILL)
        self._missed = 0
        self._next_check = 0.0

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        return self._child.pid

    def start(self, environ: dict[str, str], *, stop: threading.Event) -> bool:
        """Start it and wait until it answers; False if ``stop`` was set before.

        Raises:
            RunFailed: The port is taken.
            ServerNotStarted: It ended, or did not answer in three minutes.
        """
        self._check_port()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        before = self.log.stat().st_size if self.log.exists() else 0
        origins = [*self._own_origins(), *filter(None, [environ.get(ALLOWED_ORIGINS)])]
        self._child.start(environ | {ALLOWED_ORIGINS: ",".join(origins)})
        deadline = time.monotonic() + START_SECONDS
        while not is_ready(self.api_url):
            if stop.wait(0.1):
                return False
            if self._child.exit_code is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerNotStarted(self._start_failure(before))
        self._missed, self._next_check = 0, time.monotonic() + CHECK_SECONDS
        return True

    def failure(self) -> str | None:
        """Return why it has to be started again; ``None`` while it works."""
        if (code := self._child.exit_code) is not None:
            return f"the Prefect server ended (exit code {code})"
        if time.monotonic() < self._next_check:
            return None
        self._missed = 0 if is_ready(self.api_url, seconds=ANSWER_SECONDS) else self._missed + 1
        self._next_check = time.monotonic() + CHECK_SECONDS
        if self._missed < MAX_MISSED_ANSWERS:
            return None
        return f"the Prefect server did not answer {MAX_MISSED_ANSWERS} times in a row"

    def stop(self) -> None:
        """End it; by force after ten seconds."""
        self._child.stop(STOP_SECONDS)

    def _own_origins(self) -> list[str]:
        """The names of this server in a browser; its IP addresses need no entry."""
        names = {self._host, "localhost" if self._host in LOOPBACK else socket.gethostname()}
        return [f"http://{name.lower()}:{self._port}" for name in sorted(names)]

    def _check_port(self) -> None:
        try:
            family, kind, _, _, address = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            raise RunFailed(self._bind_failure(error)) from None

    def _bind_failure(self, error: OSError) -> str:
        where = f"{self._host}:{self._port}"
        if error.errno == errno.EADDRINUSE and is_ready(self.api_url):
            return (
                f"{where} is taken by another Prefect server: set {API_URL}={self.api_url} to use "
                "it, or choose another --port (serve.port)"
            )
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return (
                f"cannot listen at {where} ({error.strerror}): choose another --port (serve.port)"
            )
        return (
            f"cannot listen at {where} ({error.strerror}): serve.host must be an address of this "
            "machine, such as 127.0.0.1"
        )

    def _start_failure(self, before: int) -> str:
        from flows.secrets.redact import redact_text

        output = self.log.read_bytes()[before:].decode("utf-8", "replace")
        output = redact_text(output)  # it may hold the address of a database
        if "Can't locate revision identified by" in output:
            return (
                "the Prefect server did not start: another version of Prefect made its database "
                f"({self.log.parent / 'prefect.db'}). Install that version, or move the file away: "
                "it holds the history of runs and no article"
            )
        if "file is not a database" in output or "database disk image is malformed" in output:
            return (
                "the Prefect server did not start: its database cannot be read "
                f"({self.log.parent / 'prefect.db'}). Move the file away: it holds the history of "
                "runs and no article"
            )
        last = "\n".join(output.splitlines()[-12:])
        return f"the Prefect server did not start. The end of its log ({self.log}):\n{last}"
