"""Runs `copydesk serve` against a test site that misbehaves, with kills; then counts the corpus.

    python -m tests.soak [--minutes N] [--seed N] [--keep DIR]

Schedules are seconds, so minutes stand for days. The test site moves on, edition after
edition: new stories, corrections, rewritten ones, some taken back, lists that scroll by
faster than any schedule. Each edition has a time of faults (answers late, cut or wrong;
`serve`, its server, its runs killed at chosen moments; its database removed) and then a
quiet one, in which every source must be read whole again by its schedule. At the end the
corpus is compared with the test site's oracle: every article exactly once, every revision in
order and at its time, a gap reported wherever the lists dropped something and nowhere else.
Exit code 1 when anything differs. `make soak` runs 30 minutes, CI a sample of two.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests import site
from tests.site import NewsSite, Oracle
from tests.soak.checking import WAYS, Corpus, Window, differences, read_corpus
from tests.soak.faults import Faults
from tests.soak.project import SHARED, Project, Reader, kill, wait

ACTS_EACH = 3
FEWEST_EDITIONS = 4
QUIET_LIMIT_SECONDS = 600.0
DATABASE_MINUTES = 10.0
MOST_EDITIONS = 600


@dataclass(slots=True)
class SoakReport:
    """The counts of a soak, and its problems."""

    windows: list[Window] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def run(project: Project, news_site: NewsSite, faults: Faults, minutes: float) -> SoakReport:
    """Run `serve` and cause faults, edition after edition, until the time is over."""
    reported, end = SoakReport(), time.monotonic() + minutes * 60
    project.start()
    while True:
        began = datetime.now(UTC)
        if reported.windows:
            news_site.advance()
        with faults.misbehave():
            acts = []
            for _ in range(ACTS_EACH):
                acts.append(faults.act())
                time.sleep(faults.chance.uniform(0.5, 3))
        reported.recoveries.append(_quiet(project, news_site.edition, reported))
        reported.windows.append(
            Window(edition=news_site.edition, began=began, ended=datetime.now(UTC))
        )
        _keep(project.folder / "windows.json", reported.windows)
        print(
            f"edition {news_site.edition}: {', '.join(acts)}; all read again after "
            f"{reported.recoveries[-1]:.0f} s",
            flush=True,
        )
        if time.monotonic() > end and len(reported.windows) >= FEWEST_EDITIONS:
            break
    reported.differences += [
        f"the server takes a run for running: {one}"
        for one in project.stuck_runs(datetime.now(UTC) - timedelta(seconds=QUIET_LIMIT_SECONDS))
    ]
    if code := project.end():
        reported.differences.append(f"serve ended with {code} at SIGTERM")
    reported.differences += [f"still running: {one}" for one in project.left_behind()]
    return reported


def _keep(file: Path, windows: list[Window]) -> None:
    """Keep the times of each edition, to check a kept folder again."""
    times = [(one.edition, one.began.isoformat(), one.ended.isoformat()) for one in windows]
    file.write_text(json.dumps(times), encoding="utf-8")


def _quiet(project: Project, edition: int, reported: SoakReport) -> float:
    """Wait until the schedule has read every source whole; how long that took."""
    began, since = time.monotonic(), datetime.now(UTC)

    def is_read() -> bool:
        return project.read_since(since) == WAYS.keys()

    if not wait(f"edition {edition} is read", is_read, QUIET_LIMIT_SECONDS, pause=0.5):
        for slug in sorted(WAYS.keys() - project.read_since(since)):
            reported.differences.append(
                f"{slug}: not read by its schedule within {QUIET_LIMIT_SECONDS:g} s after the "
                f"trouble of edition {edition} ended"
            )
            project.run("sync", slug)
    return time.monotonic() - began


def report(
    reported: SoakReport, corpus: Corpus, oracle: Oracle, requests: int, done: Counter[str]
) -> str:
    """The faults and the results, as a table."""
    lines = [f"editions: {oracle.edition}, requests: {requests}", "", "done:"]
    lines += [f"  {count:>4}  {act}" for act, count in sorted(done.items())]
    lines += ["", f"  {'source':<16}{'articles':>9}{'found':>6}{'revisions':>11}{'found':>6}"
                  f"{'gaps':>6}{'reported':>6}"]  # fmt: skip
    rows = Counter(source for source, _ in corpus.articles)
    revisions = Counter(dict.fromkeys(WAYS, 0))
    for (source, _), found in corpus.revisions.items():
        revisions[source] += len(found)
    gaps = Counter(source for source, _, _ in corpus.gaps)
    for source, (publication, via) in WAYS.items():
        expected = oracle.of(publication, via)
        dropped = sum(whose == publication for whose, _, _ in oracle.gaps)
        lines.append(
            f"  {source:<16}{len(expected):>9}{rows[source]:>6}"
            f"{sum(one.revisions for one in expected.values()):>11}{revisions[source]:>6}"
            f"{dropped:>6}{gaps[source]:>6}"
        )
    slow = sorted(reported.recoveries)
    lines += ["", f"all sources read again after trouble: median {slow[len(slow) // 2]:.0f} s, "
                  f"slowest {slow[-1]:.0f} s"]  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    """Run and report; the exit code is 1 for any difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="Leave warehouse and log in this new folder.")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # by way of finally
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return soak(folder, args.minutes, random.Random(args.seed))  # noqa: S311


def soak(folder: Path, minutes: float, chance: random.Random) -> int:
    """The whole of it in one folder; the exit code."""
    hook: list[Faults] = []
    with site.serve(
        faults=lambda target, turn: hook[0].fault_of(target, turn), last_edition=MOST_EDITIONS
    ) as news_site:
        project = Project(folder, news_site.port)
        faults = Faults(project, chance, loses_database=minutes >= DATABASE_MINUTES)
        hook.append(faults)
        try:
            with Reader(project) as reader:
                reported = run(project, news_site, faults, minutes)
        finally:
            project.end(signal.SIGKILL)
            kill(set(project.marked()))
        oracle = site.oracle(news_site.edition)
        corpus = read_corpus(project.warehouse, leave_out=[SHARED])
        found = [
            *reported.differences,
            *reader.refusals,
            *differences(corpus, oracle, reported.windows),
        ]
        print(report(reported, corpus, oracle, len(news_site.requests), faults.done))
        print(f"a reader read {reader.times} times and was refused {len(reader.refusals)} times\n")
        print(f"{len(found)} differences:" if found else "no difference")
        print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
