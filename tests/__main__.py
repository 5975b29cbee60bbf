"""All tests but those of `tests.e2e`, in processes side by side.

    python -m tests [options of pytest]

Each process has a home and a Prefect server of its own. What one says is printed when it has
ended, what failed comes last; the exit code is that of the first that failed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.side_by_side import exit_at_sigterm, run

HERE = Path(__file__).parent
OWN_COMMANDS = {"operations"}


def groups() -> dict[str, list[Path]]:
    """What each process tests: every file of tests is in exactly one, wherever it is put.

    What takes longest comes first, the rest fills the gap; flows and the top level use Prefect.
    """
    found = {file.relative_to(HERE).parts[0] for file in HERE.glob("*/**/test_*.py")}
    return {
        "flows, top level": [HERE / "flows", *sorted(HERE.glob("test_*.py"))],
        "warehouse": [HERE / "warehouse"],
        "others": [HERE / name for name in sorted(found - {"flows", "warehouse"} - OWN_COMMANDS)],
    }


def main(options: list[str]) -> int:
    """Run them; the first exit code that is not 0."""
    exit_at_sigterm()
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    commands = {name: [*pytest, *map(str, where)] for name, where in groups().items()}
    return run(commands, max(2, os.cpu_count() or 2))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
