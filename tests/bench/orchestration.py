"""Measures the costs of Prefect against its goals; all on loopback.

    python tests/bench/orchestration.py [--only PART ...] [--pages N] [--rounds N]
                                        [--idle SECONDS] [--runs N] [--json FILE]

Parts:
    compare  a sync of N new pages by a fresh process into a fresh warehouse, through
             Prefect and by the same steps called plainly, in turn; read the ratios
    nothing  `copydesk sync` that finds nothing new: the five sources of the demo, a feed
             of N pages; the CPU of its process from its start to its end
    served   `copydesk serve` idle; its database after runs of both sizes, before anything
             is pruned; and once as much is pruned as comes
    end      how long the process of a run stays when its server was killed meanwhile

CPU seconds are of this machine, and higher when others use it, too; ratios hold better.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import orchestration_site  # noqa: E402
from orchestration_served import COPYDESK, count, measure_end, measure_served  # noqa: E402
from orchestration_site import Site  # noqa: E402

from flows import settings  # noqa: E402
from flows.cli import demo_run  # noqa: E402
from flows.cli.demo_run import free_port  # noqa: E402
from flows.serve.prefect_server import PrefectServer, server_environment  # noqa: E402
from tests import site as test_site  # noqa: E402

CHILD = """
import json, resource, sys, time
from pathlib import Path
way, config = sys.argv[1], Path(sys.argv[2])
from flows import settings
from flows.serve import run_local
import flows.sync  # import before the clock starts, as for the plain way
chosen = settings.load(config, {})
ignore = lambda _message: None
def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
began, before = time.perf_counter(), used()
if way == "prefect":
    report = run_local.run_sync(chosen, (), config=config, notify=ignore, progress=lambda *_: None)
else:
    from flows.pipeline import discover, load, steps
    from flows.pipeline.run import RunContext
    with RunContext("sync", chosen, ["bench"]) as run:
        source = chosen.source("bench")
        for batch in discover.discover(run, source).batches(chosen.run.batch_size):
            load.load(run, source, steps.parse(run, source, steps.fetch(run, source, batch)))
        report = run.finish()
        run.publish()
print(json.dumps({"seconds": time.perf_counter() - began, "cpu": used() - before,
                  "new": report.totals()["new"]}))
"""
GOALS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "pages/s, through Prefect / plain": ("at least 0.9", lambda x: x >= 0.9),
    "CPU, plain / through Prefect": ("", lambda x: True),
    "task runs of 1,000 pages": ("at most 20", lambda x: x <= 20),
    "events of 1,000 pages": ("", lambda x: True),
    "task runs of a small run": ("", lambda x: True),
    "events of a small run": ("", lambda x: True),
    "database, KB a run of 1,000 pages": ("under 100", lambda x: x < 100),
    "database, KB a run, nothing new": ("under 100", lambda x: x < 100),
    "serve idle, MB": ("under 400", lambda x: x < 400),
    "serve idle, % of a CPU": ("under 2", lambda x: x < 2),
    "nothing new, CPU s: demo's five": ("under 3", lambda x: x < 3),
    "nothing new, CPU s: feed of 1,000": ("under 3", lambda x: x < 3),
    "nothing new, CPU s: under serve": ("under 3", lambda x: x < 3),
    "end without a server, s": ("some seconds", lambda x: x < 10),
}
NAMES = dict(
    zip(
        GOALS,
        (
            "ratio", "cpu_ratio", "thousand_pages_run_task_runs", "thousand_pages_run_events",
            "small_run_task_runs", "small_run_events", "thousand_pages_run_kb", "small_run_kb",
            "idle_mb", "idle_cpu_percent", "demo_cpu_seconds",
            "feed_cpu_seconds", "scheduled_nothing_new_cpu_seconds", "end_seconds",
        ),
        strict=True,
    )
)  # fmt: skip


class Server:
    """A Prefect server as `copydesk serve` starts it."""

    def __init__(self, home: Path, config: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        port = free_port(0)
        url = f"http://127.0.0.1:{port}/api"
        self.database = home / "prefect.db"
        self._server = PrefectServer(home, host="127.0.0.1", port=port, api_url=url)
        self._reported = (
            os.environ | server_environment(settings.load(config, {})) | {"PREFECT_HOME": str(home)}
        )
        self.client = os.environ | {
            "PREFECT_API_URL": url, "PREFECT_HOME": str(home), "PREFECT_LOGGING_LEVEL": "INFO",
        }  # fmt: skip

    def __enter__(self) -> Server:
        self._server.start(dict(self._reported), stop=threading.Event())
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


def child(way: str, config: Path, environ: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, way, str(config)],
        env=environ, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(args: argparse.Namespace, root: Path, site: Site) -> dict[str, Any]:
    rates: dict[str, list[float]] = {"plain": [], "prefect": []}
    spent: dict[str, list[float]] = {"plain": [], "prefect": []}
    sources = [("bench", args.pages)]
    first = site.write_config(root / "compare", 1, sources)
    with Server(root / "compare" / "prefect", first) as server:
        for number in range(args.rounds):
            for way, some in rates.items():
                config = site.write_config(root / f"{way}-{number}", 1, sources)
                done = child(way, config, server.client)
                if done["new"] != args.pages:
                    sys.exit(f"{way} stored {done['new']} of {args.pages} pages")
                some.append(args.pages / done["seconds"])
                spent[way].append(done["cpu"])
        tasks = count(server.database, "task_run") / args.rounds
    pairs = list(zip(rates["plain"], rates["prefect"], strict=True))
    cpus = list(zip(spent["plain"], spent["prefect"], strict=True))
    return {
        "pages_per_second": {way: statistics.median(some) for way, some in rates.items()},
        "cpu_seconds": {way: statistics.median(some) for way, some in spent.items()},
        "ratio": statistics.median(ours / plain for plain, ours in pairs),
        "cpu_ratio": statistics.median(plain / ours for plain, ours in cpus),
        "compared_task_runs": tasks,
    }


def nothing_new(args: argparse.Namespace, root: Path, site: Site) -> dict[str, float]:
    feed = site.write_config(root / "feed", 1, [("wire", args.pages)])
    found: dict[str, float] = {}
    with test_site.serve(free_port(0)) as news_site, Server(root / "server", feed) as server:
        (root / "demo").mkdir()
        five = demo_run.write_config(
            root / "demo", port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        for name, config in (("demo", five), ("feed", feed)):
            seconds = [cpu_of_sync(config, server.client) for _ in range(1 + args.rounds)]
            found[f"{name}_cpu_seconds"] = statistics.median(seconds[1:])
            found[f"{name}_cpu_seconds_least"] = min(seconds[1:])
    return found


def cpu_of_sync(config: Path, environ: dict[str, str]) -> float:
    """CPU seconds of `copydesk sync`, imports and all."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*COPYDESK, "--config", str(config), "sync"],
        env=environ, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 3):
        sys.exit(done.stderr[-3000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def show(found: dict[str, Any]) -> None:
    print(f"\n{'':<36}{'measured':>10}  {'goal':<14}")
    for label, (goal, holds) in GOALS.items():
        if (value := found.get(NAMES[label])) is None:
            continue
        verdict = "" if not goal else "held" if holds(value) else "NOT HELD"
        print(f"{label:<36}{value:>10.2f}  {goal:<14}{verdict}")
    for way, rate in found.get("pages_per_second", {}).items():
        print(f"{way:<36}{rate:>10.1f}  pages/s, {found['cpu_seconds'][way]:.2f} s of CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("compare", "nothing", "served", "end")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=float, default=60)
    parser.add_argument("--runs", type=int, default=40, help="of each size of served's three")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch, orchestration_site.served() as site:
        root = Path(scratch)
        if "compare" in args.only:
            found |= compare(args, root, site)
        if "nothing" in args.only:
            found |= nothing_new(args, root, site)
        if "served" in args.only:
            rounds = max(1, args.runs // 4)
            found |= measure_served(site, root / "served", idle_seconds=args.idle, rounds=rounds)
        if "end" in args.only:
            found |= measure_end(site, root / "end")
    show(found)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
