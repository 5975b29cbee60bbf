"""Measures a year of five-minute runs that find nothing new, from some hundred of them.

    python tests/bench/year.py [--runs N] [--json FILE]

The five sources of the demo, on loopback. After a first run come N scheduled ones without
Prefect. Printed: requests, rows, archive files and bytes of one run, the same of 105,120 runs, and
the CPU seconds of commands at the start and at the end.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from flows import settings as configuration
from flows.archive.files import archive_files
from flows.cli import demo_run
from flows.pipeline.run import RunContext
from flows.pipeline.sync_source import sync_source
from flows.settings import Settings
from tests import site
from warehouse import connect

RUNS_A_YEAR = 365 * 24 * 12
COMMANDS = (
    ["query", "SELECT count(*) FROM articles"],
    ["gaps"],
    ["quarantine", "list"],
    ["doctor"],
)
TABLES = ("fetches", "sightings", "entries", "runs", "quarantine", "article_versions")


def run_once(settings: Settings) -> float:
    """Run a scheduled sync of every source; return its CPU seconds."""
    started = time.process_time()
    slugs = [one.slug for one in settings.selected_sources()]
    with RunContext("sync", settings, slugs, trigger="schedule") as run:
        for slug in slugs:
            sync_source(run, slug)
        run.finish()
        run.mark_alerted(slugs)
        run.publish()
    return time.process_time() - started


def sizes(settings: Settings) -> dict[str, int]:
    """Rows, files and bytes of the project."""
    with connect(settings.warehouse.path) as db:
        rows = {
            name: int(db.execute(f"SELECT count(*) FROM _store.{name}").fetchall()[0][0])
            for name in TABLES
        }
        db.execute("CHECKPOINT")
    names = archive_files(settings.archive.path)
    archive = sum((settings.archive.path / name).stat().st_size for name in names)
    warehouse = settings.warehouse.path.stat().st_size
    return {**rows, "files": len(names), "archive_bytes": archive, "warehouse_bytes": warehouse}


def seconds_of_commands(config: Path) -> dict[str, float]:
    """Wall seconds of each command, in a process of its own."""
    found = {}
    for arguments in COMMANDS:
        started = time.monotonic()
        command = [sys.executable, "-m", "flows.cli", "--config", str(config), *arguments]
        subprocess.run(command, capture_output=True, check=False, cwd=Path(__file__).parents[2])
        found[arguments[0]] = round(time.monotonic() - started, 2)
    return found


def measure(runs: int) -> dict[str, Any]:
    """Make the runs and return the figures."""
    with site.serve() as news_site, tempfile.TemporaryDirectory() as folder:
        config = demo_run.write_config(
            Path(folder), port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        settings = configuration.load(config, {})
        run_once(settings)
        first_requests = len(news_site.requests)
        run_once(settings)
        before, commands = sizes(settings), seconds_of_commands(config)
        requests = len(news_site.requests)
        cpu = [run_once(settings) for _ in range(runs)]
        after = sizes(settings)
        added = {name: (after[name] - before[name]) / runs for name in after}
        return {
            "runs": runs,
            "requests of the first run": first_requests,
            "requests of a run": (len(news_site.requests) - requests) / runs,
            "added by a run": {name: round(value, 2) for name, value in added.items()},
            "added by a year": {name: round(value * RUNS_A_YEAR) for name, value in added.items()},
            "CPU of the first runs": round(sum(cpu[:10]) / len(cpu[:10]), 2),
            "CPU of the last runs": round(sum(cpu[-10:]) / len(cpu[-10:]), 2),
            "commands at the start": commands,
            "commands at the end": seconds_of_commands(config),
        }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    found = measure(arguments.runs)
    for name, value in found.items():
        print(f"{name}: {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
