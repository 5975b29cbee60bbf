"""All tests of this folder in processes side by side: most of their time is waiting.

    python -m tests.e2e [options of pytest]

Each process has a home of its own, and a Prefect server of its own where it needs one. What one
says is printed when it has ended, what failed comes last; the exit code is that of the first that
failed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.side_by_side import exit_at_sigterm, run

HERE = Path(__file__).parent
# Files that wait for servers of their own, in processes that take about as long as each other;
# all others share one server in one process.
APART = (
    ("test_serve.py", "test_auth.py", "test_without_server.py"),
    ("test_serve_health.py", "test_serve_surroundings.py", "test_serve_stopping.py",
     "test_processes.py"),
    ("test_foreign_server.py", "test_costs.py"),
    ("test_worker.py", "test_clock_jump.py", "test_clock.py", "test_killed.py",
     "test_lost_runs.py", "test_polling.py"),
    ("test_runbook_followed.py", "test_alert.py", "test_far_server.py"),
)  # fmt: skip
AT_ONCE = 3
"""Each uses half a core. Schedules run on while tests wait for a core, so more are no faster."""


def groups() -> dict[str, list[Path]]:
    """The files of each process; every file is in exactly one."""
    apart = {names[0].removesuffix(".py"): [HERE / name for name in names] for names in APART}
    elsewhere = {file for files in apart.values() for file in files}
    return {**apart, "others": sorted(set(HERE.glob("test_*.py")) - elsewhere)}


def main(options: list[str]) -> int:
    """Run them; the first exit code that is not 0."""
    exit_at_sigterm()
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    commands = {name: [*pytest, *map(str, files)] for name, files in groups().items()}
    return run(commands, AT_ONCE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
