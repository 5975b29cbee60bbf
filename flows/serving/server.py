"""The Prefect server as a child process that cannot outlive this one.

The child reads its standard input, which nobody writes to: it ends when this process
ends, even by kill -9, because the pipe then closes. It has a session of its own, so that
Ctrl-C in the terminal reaches this process alone, which ends things in order.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import requests

from flows.errors import RunFailed
from flows.progress import Say

START_SECONDS = 180.0
STOP_SECONDS = 15.0
MAX_LOG_BYTES = 5_000_000
_LOOK_SECONDS = 0.1


class PrefectServer:
    """Starts, watches and ends the server.

    Attributes:
        url: Of its API.
        log: What it writes; begun anew when it has grown long.
    """

    def __init__(self, home: Path, *, url: str, host: str, port: int) -> None:
        self.url = url
        self.log = home / "server.log"
        self._host = host
        self._port = port
        self._database = home / "prefect.db"
        self._seen: tuple[int, int] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process, while there is one."""
        return self._process.pid if self._process else None

    def start(self, environ: dict[str, str], *, stop: threading.Event, say: Say) -> bool:
        """Start it and wait until it answers; False if ``stop`` was set before that.

        Raises:
            RunFailed: It does not start; the message holds its last words.
        """
        self._refuse_taken_port()
        if "PREFECT_API_DATABASE_CONNECTION_URL" not in environ:
            set_broken_database_aside(self._database, say)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        is_long = self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES
        with self.log.open("wb" if is_long else "ab") as log:
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
                raise RunFailed(
                    f"the Prefect server did not start; its last words, from {self.log}:\n"
                    f"{_end_of(self.log)}"
                )
        self._seen = self._identity()
        return True

    def trouble(self) -> str | None:
        """Why it must be started again; ``None`` while it is well."""
        if self._process is None or (code := self._process.poll()) is not None:
            ended = "" if self._process is None else f" (exit code {code})"
            return f"the Prefect server ended{ended}"
        if self._seen is not None and self._identity() != self._seen:
            return "the database of the Prefect server was lost"
        return None

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
        import socket

        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._host, self._port))
            except OSError as error:
                whose = " by another Prefect server" if is_answering(self.url) else ""
                raise RunFailed(
                    f"{self._host}:{self._port} is taken{whose} ({error.strerror}): "
                    f"set PREFECT_API_URL={self.url} to use the server that is there, "
                    "or choose another --port"
                ) from None

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._database.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def is_answering(api_url: str, *, seconds: float = 3.0) -> bool:
    """Whether a Prefect API answers there; it needs no password for that."""
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy stands between us and our own server
            answer = session.get(f"{api_url}/health", timeout=seconds)
    except requests.RequestException:
        return False
    return answer.ok and answer.text.strip() == "true"


def set_broken_database_aside(database: Path, say: Say) -> None:
    """Rename a database that SQLite cannot read; the server then begins a new one.

    It holds schedules, which the configuration has too, and the history of runs, which
    the warehouse has too; nothing of the corpus is in it.
    """
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
            found = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            db.execute("PRAGMA schema_version").fetchone()
        if found is not None:
            return
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            return  # locked or out of reach: the server's own words will say more
        aside = database.with_name(f"{database.name}.broken-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        database.rename(aside)
        for suffix in ("-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        say(
            f"Prefect's database could not be read ({error}); it is now {aside}, "
            "and a new one begins. Articles are not in it."
        )


def _end_of(log: Path, lines: int = 12) -> str:
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError as error:
        return str(error)


def _serve(host: str, port: int) -> None:
    """Be the server, until standard input closes."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            "prefect.server.api.server:create_app",
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
