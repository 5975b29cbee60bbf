"""Measures the import and export of an archive like finews', and checks the result.

    python tests/bench/importing.py [--posts N] [--seed N] [--keep DIR] [--json FILE]

Each step is the command itself, in a fresh process:
    import   the archive into a new warehouse (reads in as many processes as there are cores)
    again    the same import: nothing is new
    resume   an import killed (-9) half way, and again: the second run alone
    export   every article to a fresh folder, as Jekyll posts
    check    `export --check` against the folder that was imported

CPU seconds are those of all processes of a step; memory is their peak sum
(what two of them share counts twice). Both are truer than seconds when others use the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402

from tests.integration.import_export.archive import Oracle, write_archive  # noqa: E402

GOALS = {"import": 60.0, "again": 15.0}
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One run of the command.

    Attributes:
        posts: What it went through.
        answer: Its JSON document.
    """

    name: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    posts: int
    code: int
    answer: dict[str, Any]


class Project:
    """A configuration, and the command run with it."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        self.root = root
        self.warehouse = root / "a.duckdb"
        self._config = root / "copydesk.toml"
        self._config.write_text(
            f'[warehouse]\npath = "{self.warehouse}"\nsnapshot = "{root / "a.read.duckdb"}"\n'
        )

    def run(
        self, name: str, posts: int, *command: str, until: Callable[[str], bool] | None = None
    ) -> Step:
        """Run a command to its end, or kill it at the first line of progress that is enough."""
        answer, output_file = self.root / f"{name}.json", self.root / f"{name}.txt"
        before, began = os.times(), time.perf_counter()
        with answer.open("wb") as out, output_file.open("wb") as output:
            child = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "flows.cli",
                    "--config",
                    str(self._config),
                    "--json",
                    *command,
                ],
                stdout=out,
                stderr=output,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, held_mb(child.pid))
            if until and until(output_file.read_text()):
                child.send_signal(signal.SIGKILL)
            time.sleep(LOOK_SECONDS)
        seconds, after = time.perf_counter() - began, os.times()
        return Step(
            name=name,
            seconds=seconds,
            cpu_seconds=sum(after[2:4]) - sum(before[2:4]),
            peak_mb=peak,
            posts=posts,
            code=child.returncode,
            answer=json.loads(answer.read_text() or "{}"),
        )


def held_mb(pid: int) -> float:
    """The memory of a process and its children."""
    try:
        process = psutil.Process(pid)
        tree = [process, *process.children(recursive=True)]
        return sum(one.memory_info().rss for one in tree) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def measure(site: Path, oracle: Oracle, root: Path) -> tuple[list[Step], Project]:
    files, failures = len(oracle.files), len(oracle.reasons)
    project, killed = Project(root / "project"), Project(root / "killed")
    first = project.run("import", files, "import", str(site))
    totals = first.answer["totals"]
    check("every article", totals["new"] + totals["duplicate"], len(oracle.revisions))
    check("every failure", totals["quarantined"], failures)
    again = project.run("again", files, "import", str(site))
    totals = again.answer["totals"]
    check("nothing new", totals["new"] + totals["updated"] + totals["duplicate"], 0)
    check("all known", totals["unchanged"] + totals["quarantined"], files)

    def is_half(output: str) -> bool:
        done = [line.split() for line in output.splitlines() if line.startswith("import: ")]
        return any(int(fields[1]) >= files / 2 for fields in done)

    killed.run("killed", files, "import", str(site), until=is_half)
    resume = killed.run("resume", files, "import", str(site))
    totals = resume.answer["totals"]
    check("whole after the kill", totals["discovered"] - totals["failed"], files)

    out = root / "out"
    export = project.run("export", files, "export", str(out), "--format", "jekyll")
    check("nothing in the way", export.code, 0)
    own = [
        path for path in oracle.files if oracle.files[path] and path.startswith(("_posts", "old"))
    ]
    same = sum((out / path).read_bytes() == (site / path).read_bytes() for path in own)
    check("Jekyll files byte for byte", same, len(own))
    compare = project.run("check", files, "export", str(site), "--format", "jekyll", "--check")
    check("files byte for byte", compare.answer["identical"], files - failures)
    check("no difference", compare.code, 0)
    return [first, again, resume, export, compare], project


def check(what: str, found: int, expected: int) -> None:
    if found != expected:
        sys.exit(f"{what}: expected {expected}, found {found}")


def show(steps: list[Step], sizes: dict[str, float]) -> None:
    print(f"\n{'':<10}{'seconds':>9}{'CPU s':>9}{'posts/s':>10}{'peak MB':>10}  goal")
    for step in steps:
        goal = GOALS.get(step.name)
        verdict = ""
        if goal and step.posts >= 37_000:
            verdict = f"under {goal:.0f} s: {'held' if step.seconds < goal else 'NOT HELD'}"
        rate = step.posts / step.seconds
        print(
            f"{step.name:<10}{step.seconds:>9.1f}{step.cpu_seconds:>9.1f}{rate:>10.0f}"
            f"{step.peak_mb:>10.0f}  {verdict}"
        )
    for name, value in sizes.items():
        print(f"{name:<32}{value:>12,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--posts", type=int, default=37_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="make everything here, and leave it")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = args.keep or Path(scratch)
        oracle = write_archive(root / "site", posts=args.posts, seed=args.seed)
        steps, project = measure(root / "site", oracle, root)
        size = project.warehouse.stat().st_size
        posts = sum(file.stat().st_size for file in (root / "site").rglob("*") if file.is_file())
        sizes = {
            "files": len(oracle.files),
            "articles": len(oracle.revisions),
            "contents": len(oracle.contents),
            "bytes of the files": posts,
            "bytes of the warehouse": size,
            "bytes a file, in the archive": posts / len(oracle.files),
            "bytes a file, in the warehouse": size / len(oracle.files),
            "bytes an article": size / len(oracle.revisions),
        }
    show(steps, sizes)
    if args.json:
        found = {"steps": [asdict(step) | {"answer": None} for step in steps], "sizes": sizes}
        args.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
