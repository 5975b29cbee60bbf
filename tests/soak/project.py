"""One warehouse, one `copydesk serve` after another over it, and commands beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from flows import settings
from flows.cli.demo_run import ARTICLE_URL, write_config
from flows.serve.prefect_server import SERVER_MODULE
from tests.ports import lasting_port
from tests.soak.checking import WAYS
from warehouse import connect_read_only
from warehouse.errors import WarehouseError
from warehouse.process import process_exists

# A run costs seconds of CPU: more often than this, two cores do nothing but start runs.
SCHEDULES = {
    "finews": "every 20 seconds",
    "woshipm": "every 15 seconds",
    "woshipm_direct": "every 30 seconds",
    "ofweek": "FREQ=SECONDLY;INTERVAL=25",
    "ofweek_feed": "every 20 seconds",
}
COPYDESK = [sys.executable, "-c", "from flows.cli import main; main()"]
SHARED = "NW202203082300310099"
START_SECONDS = 600.0  # generous: CI machines are slow and shared
END_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a command ended."""

    code: int
    output: str


class Project:
    """Starts, stops and watches; every process of it carries a mark by which it is found."""

    def __init__(self, folder: Path, site_port: int) -> None:
        self.folder = folder
        self.log = folder / "serve.log"
        self.port = lasting_port()
        self.mark = f"SOAK_MARK={uuid4()}"
        self.process: subprocess.Popen[bytes] | None = None
        self.config = write_config(folder, port=site_port, article_url=ARTICLE_URL)
        text = self.config.read_text(encoding="utf-8").replace(
            "[fetch]", "[fetch]\ndeadline_seconds = 5\ntimeout_seconds = 3"
        )
        for slug, when in SCHEDULES.items():
            text = text.replace(f"[sources.{slug}]\n", f'[sources.{slug}]\nschedule = "{when}"\n')
        # Several transactions a run, so that a kill can come between two of them.
        text += f"\n[run]\nbatch_size = 9\n\n[serve]\nport = {self.port}\n"
        # Corrections of a page alone are found by revisits only.
        text += f"\n[defaults]\nrevisit = {[f'{minute}m' for minute in range(1, 91)]}\n"
        self.config.write_text(text, encoding="utf-8")
        name, _, value = self.mark.partition("=")
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "COPYDESK_"))
        } | {name: value}

    @property
    def snapshot(self) -> Path:
        """The published snapshot."""
        return settings.load(self.config, {}).warehouse.snapshot

    @property
    def warehouse(self) -> Path:
        """The warehouse that runs write."""
        return settings.load(self.config, {}).warehouse.path

    # --- serve ---

    def start(self) -> None:
        """Start `serve` and wait until it is ready."""
        seen = self._start_count()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*COPYDESK, "--config", str(self.config), "serve"],
                env=self.environ, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait(
            "serve is ready", lambda: self._start_count() > seen or self._has_ended(), START_SECONDS
        )
        if self._has_ended():
            raise SystemExit(f"serve did not start; see {self.log}")

    def _start_count(self) -> int:
        return self.log.read_text("utf-8").count("Prefect UI:") if self.log.exists() else 0

    def _has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def end(self, number: int = signal.SIGTERM) -> int:
        """End `serve` by a signal; its exit code."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(number)
        return process.wait(END_SECONDS)

    # --- processes ---

    def marked(self) -> Iterator[int]:
        """Every process of this project."""
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self.mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)

    def runs(self) -> set[int]:
        """The processes of runs."""
        return {one for one in self.marked() if b"prefect.engine" in cmdline(one)}

    def servers(self) -> set[int]:
        """The process of the Prefect server."""
        return {one for one in self.marked() if is_server(cmdline(one))}

    def left_behind(self, seconds: float = 20.0) -> list[str]:
        """The processes that are still there although everything was ended, after a while."""
        end = time.monotonic() + seconds
        while (
            left := [one for one in self.marked() if process_exists(one)]
        ) and time.monotonic() < end:
            time.sleep(0.2)
        return [f"{one}: {cmdline(one).replace(bytes(1), b' ').decode()[:200]}" for one in left]

    # --- commands beside serve, and the server's interface ---

    def copydesk(self, *arguments: str) -> subprocess.Popen[str]:
        """A command of the same configuration."""
        return subprocess.Popen(
            [*COPYDESK, "--config", str(self.config), "--json", *arguments],
            env=self.environ, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str, seconds: float = 300.0) -> Exit:
        """Run a command to its end."""
        process = self.copydesk(*arguments)
        _, output = process.communicate(timeout=seconds)
        return Exit(process.returncode, output)

    def ask(self, path: str, document: Any) -> Any:
        """Ask the Prefect server; ``None`` when it does not answer."""
        with requests.Session() as session:
            session.trust_env = False
            try:
                answer = session.post(
                    f"http://127.0.0.1:{self.port}/api{path}", json=document, timeout=60
                )
                answer.raise_for_status()
            except requests.RequestException:
                return None
            return answer.json()

    def start_deployment(self, name: str) -> bool:
        """Press the button of a deployment (``maintenance``)."""
        found = self.ask("/deployments/filter", {"deployments": {"name": {"any_": [name]}}})
        return bool(found) and bool(self.ask(f"/deployments/{found[0]['id']}/create_flow_run", {}))

    def stuck_runs(self, older_than: datetime) -> list[str]:
        """Runs that are running for the server, started before a time."""
        wanted = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "CANCELLING"]}}}}
        found = self.ask("/flow_runs/filter", wanted) or []
        return [
            f"{one['name']} ({one['state_name']} since {one['start_time']})"
            for one in found
            if one["start_time"] and datetime.fromisoformat(one["start_time"]) < older_than
        ]

    # --- results of runs ---

    def read_since(self, began: datetime) -> set[str]:
        """The sources that a run read whole which the schedule began after a time."""
        try:
            with connect_read_only(self.snapshot) as db:
                found = db.execute(
                    "SELECT DISTINCT source FROM runs WHERE flow = 'sync' AND state = 'completed' "
                    "AND failed = 0 AND started_at >= ?",
                    [began],
                ).fetchall()
        except WarehouseError:
            return set()
        return {one for (one,) in found} & WAYS.keys()


class Reader:
    """Reads the snapshot all the time, and must never be refused or see fewer articles."""

    def __init__(self, project: Project) -> None:
        self.times = 0
        self.refusals: list[str] = []
        self._project = project
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)

    def _read(self) -> None:
        before = 0
        while not self._stop.wait(0.25):
            if not self._project.snapshot.exists() and not before:
                continue  # nothing was published yet
            try:
                with connect_read_only(self._project.snapshot) as db:
                    (now,) = db.execute("SELECT count(*) FROM articles").fetchone() or (0,)
            except WarehouseError as error:
                self.refusals.append(f"{datetime.now(UTC):%T} a reader was refused: {error}")
                continue
            self.times += 1
            if now < before:
                self.refusals.append(f"a reader saw {now} articles after {before}")
            before = now

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)


def wait(what: str, until: Callable[[], Any], seconds: float, pause: float = 0.2) -> bool:
    """Wait for something; whether it came."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            print(f"not within {seconds:g} s: {what}", flush=True)
            return False
        time.sleep(pause)
    return True


def kill(pids: set[int], number: int = signal.SIGKILL) -> int:
    """Send a signal to each; how many were there."""
    found = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            found += 1
    return found


def is_server(command: bytes) -> bool:
    """Whether a command line is the one of a Prefect server."""
    return command.split(b"\0")[1:3] == [b"-m", SERVER_MODULE.encode()]


def cmdline(pid: int) -> bytes:
    """The command line of a process; empty when it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
