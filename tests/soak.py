"""Runs `copydesk serve` against a newsstand that misbehaves, with kills; then counts the corpus.

    python -m tests.soak [--minutes N] [--seed N] [--keep DIR]

Schedules are seconds, so minutes stand for days. While it runs, the newsstand moves through its
editions and answers some requests late, with errors or cut off; `serve`, its server and its runs
are killed in turn, and the server's database is removed once. At the end the newsstand gets well,
every source is read once more, and the corpus is held against the newsstand's truth: every
article exactly once, every revision in order, and a gap told wherever the lists dropped something.
Exit code 1 when it differs. `make soak` runs 30 minutes, CI a sample of two.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from flows import newsstand, settings
from flows.demo import SHARE_LINK, free_port, write_config
from flows.newsstand import Fault, Newsstand
from flows.newsstand.stories import LAST_EDITION
from flows.serving.tidying import is_alive, run_processes
from warehouse import connect_read_only

SCHEDULES = {
    "finews": "every 7 seconds",
    "woshipm": "every 5 seconds",
    "woshipm_direct": "every 11 seconds",
    "ofweek": "FREQ=SECONDLY;INTERVAL=9",
    "ofweek_feed": "every 6 seconds",
}
WAYS = {
    "finews": ("finews", "api"),
    "woshipm": ("woshipm", "feed"),
    "woshipm_direct": ("woshipm", "direct"),
    "ofweek": ("ofweek", "direct"),
    "ofweek_feed": ("ofweek", "feed"),
}
COPYDESK = [sys.executable, "-c", "from flows.cli import main; main()"]
SHARED = "NW202203082300310099"
FAULTS = (
    Fault(status=503, retry_after="1"),
    Fault(status=500),
    Fault(cut_at=100),
    Fault(delay_seconds=1.5),
    Fault(body=b"<html>busy</html>"),
)


class Soak:
    """One newsstand, one warehouse, one `serve` after another."""

    def __init__(self, folder: Path, stand: Newsstand, chance: random.Random) -> None:
        self.folder = folder
        self.stand = stand
        self.chance = chance
        self.done: Counter[str] = Counter()
        self.log = folder / "serve.log"
        self.config = write_config(folder, port=stand.port, share_link=SHARE_LINK)
        text = self.config.read_text(encoding="utf-8").replace(
            "[fetch]", "[fetch]\ndeadline_seconds = 5\ntimeout_seconds = 3"
        )
        for slug, when in SCHEDULES.items():
            text = text.replace(f"[sources.{slug}]\n", f'[sources.{slug}]\nschedule = "{when}"\n')
        text += f"\n[serve]\nport = {free_port(0)}\n"
        self.config.write_text(text, encoding="utf-8")
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "COPYDESK_"))
        }
        self.process: subprocess.Popen[bytes] | None = None

    # --- serve ---

    def start(self) -> None:
        """Start `serve` and wait until it is ready."""
        seen = self._said()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*COPYDESK, "--config", str(self.config), "serve"],
                env=self.environ, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 180
        while self._said() == seen:
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit(f"serve did not start; see {self.log}")
            time.sleep(0.2)
        self.done["starts"] += 1

    def _said(self) -> int:
        return self.log.read_text("utf-8").count("Prefect UI:") if self.log.exists() else 0

    def end(self, number: int = signal.SIGTERM) -> None:
        """End `serve` by a signal; what it leaves behind must end, too."""
        if self.process is None:
            return
        self.process.send_signal(number)
        self.process.wait(90)
        self.process = None

    # --- mischief ---

    def kill_serve(self) -> None:
        """kill -9 of `serve`, and a new one."""
        self.end(signal.SIGKILL)
        self.start()

    def restart(self) -> None:
        """SIGTERM, and a new one."""
        self.end()
        self.start()

    def kill_server(self) -> None:
        """kill -9 of the Prefect server alone."""
        for pid in self._children(b"flows.serving.server"):
            kill(pid)

    def kill_run(self) -> None:
        """kill -9 of one run, wherever it is."""
        if runs := self._children(b"prefect.engine"):
            kill(self.chance.choice(runs))

    def lose_database(self) -> None:
        """The database of the Prefect server is removed."""
        for file in (self.folder / "prefect").glob("prefect.db*"):
            file.unlink(missing_ok=True)

    def _children(self, words: bytes) -> list[int]:
        assert self.process is not None
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, IndexError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.process.pid and words in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def run(soak: Soak, minutes: float, faulty: threading.Event) -> None:
    """Let it work and be bothered, edition after edition."""
    mischief: list[Callable[[], None]] = [
        soak.kill_run, soak.kill_server, soak.kill_run, soak.kill_serve, soak.restart,
    ]  # fmt: skip
    each = minutes * 60 / LAST_EDITION
    soak.start()
    for edition in range(1, LAST_EDITION + 1):
        soak.stand.edition = edition
        print(f"edition {edition} of {LAST_EDITION}", flush=True)
        if edition == 2:
            soak.lose_database()
            soak.done["lose_database"] += 1
        end, number = time.monotonic() + each, 0
        faulty.set()
        # The last third of an edition is quiet: what is listed can be read before it goes.
        while time.monotonic() < end - each / 3:
            time.sleep(min(soak.chance.uniform(4, 12), each / 4))
            act = mischief[number % len(mischief)]
            number += 1
            act()
            soak.done[act.__name__] += 1
        faulty.clear()
        time.sleep(max(end - time.monotonic(), 0))
        read_all(soak)
    soak.end()


def read_all(soak: Soak) -> None:
    """Read every source once, by hand, beside the schedule: the last word of an edition."""
    for slug in SCHEDULES:
        command = [*COPYDESK, "--config", str(soak.config), "--json", "sync", slug]
        done = subprocess.run(
            command, env=soak.environ, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode not in (0, 3):
            print(f"sync {slug}: exit code {done.returncode}: {done.stderr[-500:]}", flush=True)
        soak.done["syncs by hand"] += 1


def differences(config: Path) -> list[str]:
    """What the corpus holds otherwise than a perfect reader, in words."""
    truth, found = newsstand.truth(LAST_EDITION), []
    with connect_read_only(settings.load(config, {}).warehouse.path) as db:
        for source, (publication, via) in WAYS.items():
            held = truth.of(publication, via)
            rows = db.execute(
                "SELECT source_article_id, title, text, revisions, count(*) OVER "
                "(PARTITION BY article_id) FROM articles WHERE source = ?",
                [source],
            ).fetchall()
            by_id = {row[0]: row for row in rows if row[0] != SHARED}
            found += [f"{source}:{one} is missing" for one in sorted(held.keys() - by_id.keys())]
            found += [
                f"{source}:{one} does not exist" for one in sorted(by_id.keys() - held.keys())
            ]
            for one in sorted(held.keys() & by_id.keys()):
                _, title, text, revisions, copies = by_id[one]
                if words := held[one].differs_from(title, text):
                    found.append(f"{source}:{one} {words}")
                if revisions != held[one].revisions or copies != 1:
                    found.append(
                        f"{source}:{one}: {revisions} revisions, {copies} copies; "
                        f"expected {held[one].revisions} and 1"
                    )
        found += _order(db)
        told = {row[0] for row in db.execute("SELECT DISTINCT channel FROM gaps").fetchall()}
    missed = {channel for _, channel, _ in truth.missed}
    return found + [f"no gap was told in {channel}" for channel in sorted(missed - told)]


def _order(db: Any) -> list[str]:
    """Revisions whose times overlap, or that leave a hole."""
    rows = db.execute(
        "SELECT article_id FROM (SELECT article_id, valid_to, lead(valid_from) OVER "
        "(PARTITION BY article_id ORDER BY valid_from) AS following FROM revisions) "
        "WHERE valid_to IS DISTINCT FROM following"
    ).fetchall()
    return [f"{one}: revisions out of order" for (one,) in rows]


def main() -> int:
    """Run, report, and say by the exit code whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="Leave warehouse and log in this new folder.")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # by way of finally
    chance, faulty = random.Random(args.seed), threading.Event()  # noqa: S311

    def fault_of(_target: str, _turn: int) -> Fault | None:
        return chance.choice(FAULTS) if faulty.is_set() and chance.random() < 0.08 else None

    with tempfile.TemporaryDirectory() as scratch, newsstand.serve(faults=fault_of) as stand:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        soak = Soak(folder, stand, chance)
        before = set(run_processes().values())
        try:
            run(soak, args.minutes, faulty)
        finally:
            if soak.process is not None:
                soak.end()
        found = differences(soak.config)
        left = [pid for pid in set(run_processes().values()) - before if is_alive(pid)]
        found += [f"process {pid} is still running" for pid in left]
        with connect_read_only(settings.load(soak.config, {}).warehouse.path) as db:
            runs = dict(db.execute("SELECT state, count(*) FROM runs GROUP BY state").fetchall())
            (articles,) = db.execute("SELECT count(*) FROM articles").fetchone() or (0,)
    print(f"did: {dict(soak.done)}\nrequests: {len(stand.requests)}, runs by state: {runs}")
    print(f"{articles} articles; " + (f"{len(found)} differences:" if found else "no difference"))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
