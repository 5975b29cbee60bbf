"""The Prefect server as a child process that cannot outlive this one.

The child reads its standard input, which nobody writes to: it ends when this process
ends, even by kill -9, because the pipe then closes. It has a session of its own, so that
Ctrl-C in the terminal reaches this process alone, which ends things in order.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flows.callbacks import Notify
from flows.errors import RunFailed, ServerNotStarted
from flows.serving.health import Pulse
from flows.serving.health import is_answering as is_answering

START_SECONDS = 180.0
STOP_SECONDS = 15.0
MAX_LOG_BYTES = 5_000_000
DATABASE_URL = "PREFECT_API_DATABASE_CONNECTION_URL"
_LOOK_SECONDS = 0.1
_LAST_LINES = 12
_OTHER_VERSION = "Can't locate revision identified by"

QUIET: Mapping[str, str] = {
    # A schedule that was changed is known after this; runs themselves are asked for by the
    # runner, so none of these makes a run late.
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "10",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT15S",
    # Work pools, leases and cancelled runs that nobody answers for: minutes matter there.
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
    # Soon forgotten events go after an hour, not after two.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "600",
}
"""Settings of a server that waits most of the time: how seldom its services look.

By default they look every 5 to 20 seconds each, which was half of what an idle server used.
"""


class PrefectServer:
    """Starts, watches and ends the server.

    Attributes:
        url: Of its API.
        log: What it writes; begun anew when it has grown long, the part before beside it.
    """

    def __init__(self, home: Path, *, url: str, host: str, port: int) -> None:
        self.url = url
        self.log = home / "server.log"
        self._host = host
        self._port = port
        self._database = home / "prefect.db"
        self._seen: tuple[int, int] | None = None
        self._pulse = Pulse(url)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process, while there is one."""
        return self._process.pid if self._process else None

    def start(self, environ: dict[str, str], *, stop: threading.Event, notify: Notify) -> bool:
        """Start it and wait until it answers; False if ``stop`` was set before that.

        Two that start at once would both make the database that is not there yet, and one of
        them would fail at it: the second waits until the first answers.

        Raises:
            RunFailed: Its port is taken.
            ServerNotStarted: It does not start.
        """
        self._refuse_taken_port()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.log.with_name("server.starting"), stop) as is_alone:
            return is_alone and self._start(environ, stop=stop, notify=notify)

    def _start(self, environ: dict[str, str], *, stop: threading.Event, notify: Notify) -> bool:
        if DATABASE_URL not in environ:
            is_suspect = self._pulse.is_database_lost
            set_broken_database_aside(self._database, notify, is_suspect=is_suspect)
        self._rotate_log()
        with self.log.open("ab") as log:
            before = log.tell()
            self._process = subprocess.Popen(  # noqa: S603  # our own module
                [sys.executable, "-m", "flows.serving.server", self._host, str(self._port)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environ,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not is_answering(self.url):
            if stop.wait(_LOOK_SECONDS):
                return False
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerNotStarted(self._why_not(before, environ))
        self._seen = self._identity()
        self._pulse.begin()
        return True

    def _why_not(self, before: int, environ: Mapping[str, str]) -> str:
        """Why it did not start, from what it wrote since."""
        said = _end_of(self.log, before)
        if _OTHER_VERSION in said:
            is_ours = DATABASE_URL not in environ
            database = str(self._database) if is_ours else f"the one of {DATABASE_URL}"
            away = f"move {database} away" if is_ours else "use another one"
            return (
                f"the Prefect server did not start: its database ({database}) was made by another "
                f"version of Prefect than the one installed ({version('prefect')}). Install that "
                f"version, or {away}, and a new one begins: no article is in it, and the "
                "schedules come from the configuration"
            )
        last = "\n".join(said.splitlines()[-_LAST_LINES:])
        return f"the Prefect server did not start; its last words, from {self.log}:\n{last}"

    def trouble(self) -> str | None:
        """Why it must be started again; ``None`` while it is well."""
        if self._process is None or (code := self._process.poll()) is not None:
            ended = "" if self._process is None else f" (exit code {code})"
            return f"the Prefect server ended{ended}"
        if self._seen is not None and self._identity() != self._seen:
            return "the database of the Prefect server was lost"
        self._rotate_log()
        return self._pulse.trouble()

    def _rotate_log(self) -> None:
        """Begin the log anew when it is long; what it held so far is kept beside it.

        Emptied in place: the server writes on, at the end of whatever there is.
        """
        with suppress(OSError):
            if self.log.stat().st_size > MAX_LOG_BYTES:
                shutil.copyfile(self.log, self.log.with_name("server.log.1"))
                os.truncate(self.log, 0)

    def stop(self) -> None:
        """End it: asked first, killed if it does not listen."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.stdin:
            with suppress(OSError):
                process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _refuse_taken_port(self) -> None:
        try:
            found = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except OSError as error:
            raise RunFailed(self._why_not_there(error)) from None
        errors = [trouble for one in found if (trouble := _error_at(one)) is not None]
        taken = [one for one in errors if one.errno == errno.EADDRINUSE]
        if taken or len(errors) == len(found):  # of localhost, one of two families is enough
            raise RunFailed(self._why_not_there((taken or errors)[0]))

    def _why_not_there(self, error: OSError) -> str:
        """Why a server cannot listen at its address, and what to do."""
        if error.errno == errno.EADDRINUSE:
            taken = f"{self._host}:{self._port} is taken"
            if is_answering(self.url):
                return (
                    f"{taken} by another Prefect server: set PREFECT_API_URL={self.url} to use "
                    "that one, or choose another --port (serve.port)"
                )
            return f"{taken} by another program: choose another --port (serve.port), or end that"
        if error.errno == errno.EACCES:
            return (
                f"this user may not listen at {self._host}:{self._port} ({error.strerror}): "
                "choose a --port (serve.port) of 1024 or more"
            )
        return (
            f"no server can listen at {self._host}:{self._port} ({error.strerror}): expected "
            "serve.host to be an address of this machine, such as 127.0.0.1"
        )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._database.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _error_at(where: tuple[Any, ...]) -> OSError | None:
    """Why nobody can listen at one of the answers of getaddrinfo; ``None`` if somebody can."""
    family, kind, _, _, address = where
    try:
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


@contextmanager
def _alone(file: Path, stop: threading.Event) -> Iterator[bool]:
    """Hold a lock while inside; False if ``stop`` was set before it was to be had."""
    with file.open("a") as lock:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if stop.wait(_LOOK_SECONDS):
                    yield False
                    return
                if time.monotonic() > end:
                    raise ServerNotStarted(
                        f"the Prefect server did not start: another one has been starting in "
                        f"{file.parent} for {START_SECONDS:.0f} s; see {file.parent / 'server.log'}"
                    ) from None
            else:
                break
        yield True


def set_broken_database_aside(database: Path, notify: Notify, *, is_suspect: bool = False) -> None:
    """Rename a database that SQLite cannot read; the server then begins a new one.

    It holds schedules, which the configuration has too, and the history of runs, which
    the warehouse has too; nothing of the corpus is in it.

    Args:
        database: The file.
        notify: Told where it went.
        is_suspect: A server could not use it: every page is looked at, not only the first.
    """
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
            found = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            db.execute("PRAGMA schema_version").fetchone()
            if is_suspect:
                (words,) = db.execute("PRAGMA quick_check(1)").fetchone()
                if words != "ok":
                    raise sqlite3.DatabaseError(words)
        if found is not None:
            return
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            return  # locked or out of reach: the server's own words will say more
        aside = database.with_name(f"{database.name}.broken-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        database.rename(aside)
        for suffix in ("-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        notify(
            f"Prefect's database could not be read ({error}); it is now {aside}, "
            "and a new one begins. Articles are not in it."
        )


def _end_of(log: Path, before: int) -> str:
    """What was written since the file had so many bytes."""
    try:
        return log.read_bytes()[before:].decode("utf-8", "replace")
    except OSError as error:
        return str(error)


def _made_application() -> Any:
    """The server's application, made without collecting garbage: that took two fifths of a start."""
    gc.disable()
    from prefect.server.api.server import create_app

    application = create_app()
    gc.collect()  # or what is garbage by now would stay for ever
    gc.freeze()
    gc.enable()
    return application


def _serve(host: str, port: int) -> None:
    """Be the server, until standard input closes."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            _made_application,
            factory=True,
            host=host,
            port=port,
            log_level="error",
            lifespan="on",
            timeout_graceful_shutdown=3,
        )
    )

    def end_with_the_parent() -> None:
        while os.read(sys.stdin.fileno(), 64):
            pass
        server.should_exit = True

    threading.Thread(target=end_with_the_parent, name="parent", daemon=True).start()
    server.run()


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
