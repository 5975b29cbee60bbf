"""What the index costs an import of posts: the same import with it and without it, alternating.

Each runs in a fresh process, with its reading processes; a figure is the CPU of all of them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROUNDS = 3


def measure(documents: list[tuple[str, str, str]]) -> tuple[float, float]:
    """Return the median CPU seconds with the index and without it.

    Args:
        documents: Day, title and text of each post.
    """
    found: dict[str, list[float]] = {"with": [], "without": []}
    with tempfile.TemporaryDirectory() as temporary:
        site = Path(temporary, "site", "_posts")
        site.mkdir(parents=True)
        for number, (day, title, text) in enumerate(documents):
            head = f'---\nlayout: post\ntitle: "{title}"\ndate: {day} 08:00:00\n---\n\n'
            (site / f"{day}-post-{number}.md").write_text(head + text, encoding="utf-8")
        for i in range(ROUNDS):
            for mode in sorted(found, reverse=bool(i % 2)):
                found[mode].append(_import(mode, site.parent, Path(temporary, f"{mode}{i}")))
    return statistics.median(found["with"]), statistics.median(found["without"])


def _import(mode: str, site: Path, folder: Path) -> float:
    folder.mkdir()
    config = folder / "copydesk.toml"
    config.write_text(
        f'[warehouse]\npath = "{folder / "a.duckdb"}"\nsnapshot = "{folder / "a.read.duckdb"}"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.search_import", mode, str(config), str(site)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return float(done.stdout)


def _run(mode: str, config: str, site: str) -> None:
    """Import in this process, and print the CPU seconds of it and its children."""
    from flows import settings
    from flows.import_export.import_files import import_posts
    from tests.bench.search_own import no_index

    with nullcontext() if mode == "with" else no_index():
        import_posts(settings.load(Path(config)), [Path(site)], source=None)
    print(sum(os.times()[:4]))


if __name__ == "__main__":
    _run(*sys.argv[1:])
