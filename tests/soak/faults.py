"""Faults that the soak causes while `serve` works; each returns whether it took effect."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from json import loads
from pathlib import Path

from tests.site import Fault
from tests.soak.checking import WAYS
from tests.soak.project import Project, kill

LISTINGS = ("/web/webapi", "/newmarket/", "/__api/", "/woshipm/latest", "/CATList", "/ofweek/news")
FAULTS = (
    Fault(status=503, retry_after="1"),
    Fault(status=500),
    Fault(cut_at=100),
    Fault(delay_seconds=1.5),
    Fault(body=b"<html>busy</html>"),
)
FAULTY = 0.08
PATIENCE_SECONDS = 60.0
_TICK_SECONDS = 0.001


class Faults:
    """Every kind of fault, equally often, in random order.

    Args:
        project: The project under test.
        chance: Decides.
        loses_database: Whether Prefect's database is removed, once.
    """

    def __init__(self, project: Project, chance: random.Random, *, loses_database: bool) -> None:
        self.project = project
        self._may_lose_database = loses_database
        self.chance = chance
        self.done: Counter[str] = Counter()
        self._faulty = threading.Event()
        self._started_at = datetime.now(UTC)
        self._awaited: tuple[str, threading.Event] | None = None
        self._deck: list[Callable[[], bool]] = []

    # --- faults of the test site ---

    def fault_of(self, target: str, _turn: int) -> Fault | None:
        """The test site's hook: sees every request, and breaks some."""
        kind = "listing" if target.startswith(LISTINGS) else "article"
        if self._awaited is not None and self._awaited[0] == kind:
            requested, self._awaited = self._awaited[1], None
            requested.set()
            time.sleep(0.05)  # the answer comes after the kill
        if not self._faulty.is_set() or self.chance.random() >= FAULTY:
            return None
        return self.chance.choice(FAULTS)

    @contextmanager
    def misbehave(self) -> Iterator[None]:
        """The test site misbehaves inside."""
        self._started_at = datetime.now(UTC)
        self._faulty.set()
        try:
            yield
        finally:
            self._faulty.clear()
            self._awaited = None

    # --- acts ---

    def act(self) -> str:
        """Cause the next fault of a shuffled list; return its name."""
        if not self._deck:
            self._deck = [
                self.kill_run_at_listing,
                self.kill_run_at_article,
                self.kill_run_storing,
                self.kill_run_storing,
                self.kill_run_publishing,
                self.kill_server,
                self.kill_serve,
                self.kill_everything,
                self.restart,
                self.suspend_run,
                self.sync_beside,
                self.kill_backfill,
                self.maintain,
            ]
            if self._may_lose_database:
                # Once: Prefect's new database needs minutes to get over events of the old one.
                self._may_lose_database = False
                self._deck.append(self.lose_database)
            self.chance.shuffle(self._deck)
        act = self._deck.pop()
        has_hit = act()
        name = act.__name__ + ("" if has_hit else " (nothing was there)")
        self.done[name] += 1
        return name

    def kill_run_at_listing(self) -> bool:
        """kill -9 of the runs while one waits for a listing."""
        return self._wait_for_request("listing") and bool(kill(self.project.runs()))

    def kill_run_at_article(self) -> bool:
        """kill -9 of the runs while one waits for an article."""
        return self._wait_for_request("article") and bool(kill(self.project.runs()))

    def _wait_for_request(self, kind: str, *, of_a_run: bool = True) -> bool:
        """Wait until such a page is asked for.

        Runs ask for no article once they have read the edition whole: nothing would come.
        """
        requested, end = threading.Event(), time.monotonic() + PATIENCE_SECONDS
        self._awaited = (kind, requested)
        while not requested.wait(1.0):
            if time.monotonic() > end:
                return False
            if (
                kind == "article"
                and of_a_run
                and self.project.read_since(self._started_at) == WAYS.keys()
            ):
                return False
        return True

    def kill_run_storing(self) -> bool:
        """kill -9 of a run that has fetched articles and now holds the warehouse."""
        if not self._wait_for_request("article"):
            return False
        lock = self.project.warehouse.with_name(self.project.warehouse.name + ".lock")
        # Most transactions take some 20 ms; the kill comes at a random point of one.
        return self._kill_when(lambda: _holder(lock), self.chance.uniform(0.0, 0.03))

    def kill_run_publishing(self) -> bool:
        """kill -9 of a run that is copying the snapshot."""
        lock = self.project.warehouse.with_name(self.project.warehouse.name + ".lock")
        names = f"{self.project.snapshot.name}.*.part"

        def publisher() -> int | None:
            is_copying = any(self.project.snapshot.parent.glob(names))
            return _holder(lock) if is_copying else None

        return self._kill_when(publisher, 0.0)

    def _kill_when(self, find_pid: Callable[[], int | None], after: float) -> bool:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            if pid := find_pid():
                time.sleep(after)
                return pid in self.project.runs() and bool(kill({pid}))
            time.sleep(_TICK_SECONDS)
        return False

    def kill_server(self) -> bool:
        """kill -9 of the Prefect server alone."""
        return bool(kill(self.project.servers()))

    def kill_serve(self) -> bool:
        """kill -9 of `serve` alone, and a new one; its runs go on for as long as they live."""
        self.project.end(signal.SIGKILL)
        self.project.start()
        return True

    def kill_everything(self) -> bool:
        """The machine goes off and on."""
        kill(set(self.project.marked()))
        self.project.end(signal.SIGKILL)
        self.project.start()
        return True

    def restart(self) -> bool:
        """SIGTERM, and a new one."""
        if code := self.project.end():
            self.done[f"SIGTERM ended with {code}"] += 1
        self.project.start()
        return True

    def lose_database(self) -> bool:
        """The database of the Prefect server is removed."""
        files = list((self.project.folder / "prefect").glob("prefect.db*"))
        for file in files:
            file.unlink(missing_ok=True)
        return bool(files)

    def suspend_run(self) -> bool:
        """The runs sleep for some seconds, as a laptop does."""
        runs = self.project.runs()
        found = kill(runs, signal.SIGSTOP)
        time.sleep(4.0)
        kill(runs, signal.SIGCONT)
        return bool(found)

    def sync_beside(self) -> bool:
        """`copydesk sync` runs for a source that the schedule reads, too."""
        slug = self.chance.choice(("finews", "woshipm_direct", "ofweek"))
        return self._ended(f"sync {slug}", *self._run("sync", slug))

    def kill_backfill(self) -> bool:
        """A backfill of everything, killed in the middle; then it is asked for again."""
        arguments = ("backfill", "woshipm_direct", "--from", "2014-01-01", "--to", "2022-12-31")
        process = self.project.copydesk(*arguments)
        is_under_way = self._wait_for_request("article", of_a_run=False)
        process.kill()
        process.communicate()
        return self._ended("backfill", *self._run(*arguments)) and is_under_way

    def maintain(self) -> bool:
        """Maintenance is asked for: it compacts the warehouse beside everything else."""
        return self.project.start_deployment("maintenance")

    def _run(self, *arguments: str) -> tuple[int, str]:
        found = self.project.run(*arguments)
        return found.code, found.output

    def _ended(self, what: str, code: int, output: str) -> bool:
        # 1 is right if all listings of a source were broken, or another run had its lock.
        if code not in (0, 1, 3):
            print(f"{what}: exit code {code}: {output[-500:]}", flush=True)
            self.done[f"{what} ended with {code}"] += 1
        return True


def _holder(lock: Path) -> int | None:
    """The process that has the warehouse's lock."""
    with suppress(OSError, ValueError):
        found = loads(lock.read_bytes()).get("pid")
        return found if isinstance(found, int) else None
    return None
