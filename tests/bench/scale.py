"""Measures what the workers of a cluster save a reparse, and what a chunk costs.

    python tests/bench/scale.py [--pages N] [--workers N] [--rounds N] [--runners dask ray]

Each reparse is the command itself, in a fresh process, of the same archive of generated pages of
24 KB, into a copy of the same warehouse that has the articles:

    threads     [run] task_runner = "threads": one process
    dask, ray   workers that the run starts, the default one for each core
    processes   the floor: concurrent.futures runs the same function on the same orders; nothing is stored

CPU seconds are those of all processes of a command. On a machine that others use, seconds say
little. A run of four chunks of 400 pages has the cost of the start, so the rest is the cost of each
further chunk; "faster by CPU" is what 20,000 pages gain from workers that have a core each.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402

from tests.bench.scale_archive import SLUG, write_project  # noqa: E402

CHUNK_PAGES = 400
WARM_CHUNKS = 4
GOAL_PAGES = 20_000
MIN_SPEEDUP = 1.7
MAX_OVERHEAD = 0.10
LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Cost:
    """What a command cost.

    Attributes:
        cpu: Seconds of CPU by process id, of the command and all that it started.
    """

    seconds: float = 0.0
    cpu: dict[int, float] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        """Of all processes."""
        return sum(self.cpu.values())


@contextmanager
def measured(parent: int) -> Iterator[Cost]:
    """Measure the processes that a process starts inside the block."""
    cost, done, began = Cost(), threading.Event(), time.perf_counter()
    root = psutil.Process(parent)

    def look() -> None:
        while not done.wait(LOOK_SECONDS):
            for one in root.children(recursive=True):
                try:
                    times = one.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                cost.cpu[one.pid] = times.user + times.system

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - began
        done.set()
        watcher.join()


def reparse(project: Path, runner: str, workers: int) -> Cost:
    """Reparse a copy of a project by the command."""
    copy = project.with_name(f"{project.name}-{runner}")
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns("archive"))
    command = [sys.executable, "-m", "flows.cli", "--config", str(copy / "copydesk.toml")]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "COPYDESK_ARCHIVE__PATH": str(project / "data" / "archive"),
        "COPYDESK_RUN__TASK_RUNNER": runner,
        "COPYDESK_RUN__WORKERS": str(workers),
        "PREFECT_HOME": str(project.parent / "prefect"),
    }
    with measured(os.getpid()) as cost:
        done = subprocess.run(
            [*command, "--json", "reparse"], env=environment, capture_output=True, check=False
        )
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    cost_of_run = json.loads(done.stdout)["totals"]
    print(
        f"  {runner}: {cost_of_run['discovered']} pages, {cost_of_run['updated']} updated",
        flush=True,
    )
    shutil.rmtree(copy)
    return cost


def floor(project: Path, workers: int) -> Cost:
    """Run the orders of a reparse in a pool of processes."""
    orders = list(orders_of(project))
    with measured(os.getpid()) as cost, ProcessPoolExecutor(workers) as pool:
        for found in pool.map(run_pickled, orders):
            pickle.loads(found)  # noqa: S301 - made above
    return cost


def run_pickled(order: bytes) -> bytes:
    """Run an order as a worker does."""
    function, given = pickle.loads(order)  # noqa: S301 - made here
    return pickle.dumps(function(given), protocol=pickle.HIGHEST_PROTOCOL)


def orders_of(project: Path) -> Iterator[bytes]:
    """Yield the orders of a reparse, pickled."""
    from flows import settings as configuration
    from flows.pipeline.archived_pages import parse_order
    from flows.pipeline.reparse_steps import Reparser
    from flows.pipeline.run import RunContext

    settings = configuration.load(project / "copydesk.toml", {})
    with RunContext("reparse", settings, [SLUG], is_dry=True) as run:
        reparser = Reparser(run, SLUG, since=None, diff=True)
        for pages in reparser.batches():
            order = parse_order, reparser.order(pages)
            yield pickle.dumps(order, protocol=pickle.HIGHEST_PROTOCOL)


def main() -> int:
    """Measure, print a table, and return 1 if a goal was missed."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="copydesk-scale-") as folder:
        os.environ["PREFECT_HOME"] = str(Path(folder) / "prefect")
        projects = [
            _project(Path(folder) / name, count)
            for name, count in (("start", WARM_CHUNKS * CHUNK_PAGES), ("all", options.pages))
        ]
        costs: dict[str, list[tuple[Cost, Cost]]] = {}
        for _ in range(options.rounds):
            for runner in ("threads", *options.runners):
                one, all_ = (reparse(project, runner, options.workers) for project in projects)
                costs.setdefault(runner, []).append((one, all_))
            one, all_ = (floor(project, options.workers) for project in projects)
            costs.setdefault("processes", []).append((one, all_))
    return _show(costs, options)


def _project(folder: Path, count: int) -> Path:
    """A project with the articles of its pages."""
    write_project(folder, count)
    subprocess.run(
        [sys.executable, "-m", "flows.cli", "--config", str(folder / "copydesk.toml"), "reparse"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    return folder


def _show(costs: dict[str, list[tuple[Cost, Cost]]], options: argparse.Namespace) -> int:
    def middle(runner: str, value: Callable[[Cost, Cost], float]) -> float:
        return median(value(one, all_) for one, all_ in costs[runner])

    def chunk_seconds(one: Cost, all_: Cost) -> float:
        return (all_.cpu_seconds - one.cpu_seconds) / (options.pages / CHUNK_PAGES - WARM_CHUNKS)

    def cpu_of_all(one: Cost, all_: Cost) -> float:
        return one.cpu_seconds + chunk_seconds(one, all_) * (GOAL_PAGES / CHUNK_PAGES - WARM_CHUNKS)

    own, own_chunk = middle("threads", cpu_of_all), middle("threads", chunk_seconds)
    own_seconds = middle("threads", lambda _one, all_: all_.seconds)
    print(f"{options.pages} pages, {options.workers} workers, medians of {options.rounds} rounds")
    print(
        f"{'':10}{'seconds':>9}{'faster':>8}{'CPU s':>8}{'CPU s of one chunk':>20}{'dearer':>8}",
        end="",
    )
    print(f"{f'faster by CPU, {GOAL_PAGES} pages':>30}")
    missed = 0
    for runner in costs:
        seconds = middle(runner, lambda _one, all_: all_.seconds)
        cpu = middle(runner, lambda _one, all_: all_.cpu_seconds)
        chunk = middle(runner, chunk_seconds)
        by_cpu = (1 if runner == "threads" else options.workers) * own / middle(runner, cpu_of_all)
        print(
            f"{runner:10}{seconds:9.1f}{own_seconds / seconds:8.2f}{cpu:8.1f}{chunk:20.3f}"
            f"{chunk / own_chunk - 1:8.1%}{by_cpu:30.2f}"
        )
        if runner in options.runners:
            missed += by_cpu < MIN_SPEEDUP or chunk > (1 + MAX_OVERHEAD) * own_chunk
    print(f"goals: {MIN_SPEEDUP} times faster, a chunk at most {MAX_OVERHEAD:.0%} dearer")
    return 1 if missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--pages", type=int, default=4_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--runners", nargs="*", default=["dask", "ray"], choices=["dask", "ray"])
    found: Any = parser.parse_args()
    return found


if __name__ == "__main__":
    sys.exit(main())
