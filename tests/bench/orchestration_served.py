"""Measures `copydesk serve`: idle, its database as runs go by, and the end of a run without it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests
from orchestration_site import Site

from flows import settings
from flows.cli.demo_run import free_port
from flows.serve.prefect_server import PrefectServer

ROOT = Path(__file__).parents[2]
COPYDESK = [sys.executable, "-c", "from flows.cli import main; main()"]
SMALL, BIG = 50, 1000
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class Served:
    """`copydesk serve` of one folder, and the requests to its server."""

    def __init__(self, config: Path, process: subprocess.Popen[bytes]) -> None:
        self.config = config
        self.process = process
        port = settings.load(config, {}).serve.port
        self.api = f"http://127.0.0.1:{port}/api"
        self.database = config.parent / "prefect" / "prefect.db"

    def everyone(self) -> list[psutil.Process]:
        one = psutil.Process(self.process.pid)
        return [one, *one.children(recursive=True)]

    def cpu_of_ended(self) -> float:
        """Seconds of CPU of the runs' processes that have ended."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.children_user + times.children_system)

    def run(self, deployments: Sequence[str]) -> None:
        """One run of each, side by side as serve allows; back when all have ended well."""
        begun = [self._begin(name) for name in deployments]
        end = time.monotonic() + 900
        while begun:
            if time.monotonic() > end:
                sys.exit("runs did not end within 15 minutes")
            time.sleep(0.5)
            states = {one: self._get(f"flow_runs/{one}")["state"] for one in begun}
            if bad := [s for s in states.values() if s["type"] in ENDED - {"COMPLETED"}]:
                sys.exit(f"runs that did not complete: {bad}\n{self._end_of_log()}")
            begun = [one for one in begun if states[one]["type"] not in ENDED]

    def _end_of_log(self) -> str:
        return self.config.with_name("serve.log").read_text()[-3000:]

    def _begin(self, name: str) -> str:
        deployment = self._get(f"deployments/name/sync/{name}")["id"]
        made = self._ask("POST", f"deployments/{deployment}/create_flow_run", json={})
        return str(made["id"])

    def _get(self, what: str) -> dict[str, Any]:
        return self._ask("GET", what)

    def _ask(self, method: str, what: str, **more: Any) -> dict[str, Any]:
        """The answer; a server that is too busy for a moment is asked again."""
        end = time.monotonic() + 120
        while True:
            answer = requests.request(method, f"{self.api}/{what}", timeout=60, **more)
            if answer.status_code != 503 or time.monotonic() > end:
                break
            time.sleep(1)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def size(self) -> int:
        """Bytes of the database's pages in use, once events have arrived."""
        return settled(lambda: size_of(self.database))


@contextmanager
def serving(config: Path, **more: str) -> Iterator[Served]:
    """`copydesk serve` of a configuration, until the end of the block."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | more
    log = config.with_name("serve.log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*COPYDESK, "--config", str(config), "serve"],
            env=environ, cwd=ROOT, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        end = time.monotonic() + 180
        while b"Prefect UI" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(log.read_text()[-3000:])
            time.sleep(0.5)
        yield Served(config, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def size_of(database: Path) -> int:
    """Bytes of the database's pages in use, those in the write-ahead log among them."""
    with closing(reading(database)) as db:
        total, free, size = (
            db.execute(f"PRAGMA {what}").fetchone()[0]
            for what in ("page_count", "freelist_count", "page_size")
        )
    return int((total - free) * size)


def reading(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)


def count(database: Path, table: str) -> int:
    with closing(reading(database)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def settled(measure: Callable[[], int], *, quiet: float = 8, seconds: float = 90) -> int:
    """A measure once it has not changed for some seconds: events arrive late."""
    value, since, end = measure(), time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end and time.monotonic() - since < quiet:
        time.sleep(0.5)
        if (now := measure()) != value:
            value, since = now, time.monotonic()
    return value


def measure_served(site: Site, folder: Path, *, idle_seconds: float, rounds: int) -> dict[str, Any]:
    """Idle, then the growth by runs with nothing new and by runs of a thousand pages."""
    small = [(f"small{n}", SMALL) for n in range(4)]
    big = [(f"big{n}", BIG) for n in range(3)]
    config = site.write_config(folder, free_port(0), [*small, *big])
    names = [slug for slug, _ in small]
    with serving(config) as served:
        found: dict[str, Any] = _idle(served, idle_seconds)
        served.run(names)  # what is made once, is made now
        before, events, cpu = served.size(), _made(served), served.cpu_of_ended()
        for _ in range(rounds):
            served.run(names)
        after = served.size()
        found["small_run_kb"] = (after - before) / 1000 / (rounds * len(names))
        found |= _per_run("small_run", events, _made(served), rounds * len(names))
        spent = served.cpu_of_ended() - cpu
        found["scheduled_nothing_new_cpu_seconds"] = spent / (rounds * len(names))
        before, made = served.size(), _made(served)
        served.run([slug for slug, _ in big])
        found["thousand_pages_run_kb"] = (served.size() - before) / 1000 / len(big)
        found |= _per_run("thousand_pages_run", made, _made(served), len(big))
    return found


def _made(served: Served) -> dict[str, int]:
    return {
        "task_runs": count(served.database, "task_run"),
        "events": count(served.database, "events"),
    }


def _per_run(
    which: str, before: dict[str, int], after: dict[str, int], runs: int
) -> dict[str, Any]:
    return {f"{which}_{name}": (after[name] - before[name]) / runs for name in before}


def _idle(served: Served, seconds: float) -> dict[str, float]:
    """Memory (PSS, shared pages counted once) and CPU of serve doing nothing."""
    time.sleep(20)  # what a start still has to do
    everyone = served.everyone()
    before = sum(sum(one.cpu_times()[:2]) for one in everyone)
    time.sleep(seconds)
    spent = sum(sum(one.cpu_times()[:2]) for one in everyone) - before
    memory = sum(one.memory_full_info().pss for one in everyone)
    return {"idle_mb": memory / 1e6, "idle_cpu_percent": 100 * spent / seconds}


def measure_end(site: Site, folder: Path) -> dict[str, float]:
    """Seconds from the last request for an article to the end of the process.

    Its server is killed while it reads the articles.
    """
    config = site.write_config(folder, free_port(0), [("end", 8)])
    home, port = folder / "server", free_port(0)
    home.mkdir()
    server = PrefectServer(
        home, host="127.0.0.1", port=port, api_url=f"http://127.0.0.1:{port}/api"
    )
    server.start(os.environ | {"PREFECT_HOME": str(home)}, stop=threading.Event())
    site.slowly, asked = 0.3, site.asked
    environ = os.environ | {
        "PREFECT_API_URL": server.api_url,
        "PREFECT_HOME": str(folder / "client"),
    }
    process = subprocess.Popen(
        [*COPYDESK, "--config", str(config), "sync"],
        env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while site.asked < asked + 3 and process.poll() is None:
        time.sleep(0.05)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    output: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lambda: output.extend(process.stderr or ()), daemon=True)
    reader.start()
    asked, last = site.asked, time.monotonic()
    while process.poll() is None:
        if site.asked > asked:
            asked, last = site.asked, time.monotonic()
        time.sleep(0.02)
    ended = time.monotonic()
    reader.join(10)
    site.slowly = 0.0
    server.stop()
    if "stored all the same" not in "".join(output):
        sys.exit(f"the run did not end as one without a server:\n{''.join(output)}")
    return {"end_seconds": ended - last}
