"""A simulation of runs that share the lock of writers of a lake; it checks ``scale_model.py``."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from random import Random

from tests.bench.scale_model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What a simulation of one lake saw.

    Attributes:
        lock_share: Share of the time that the lock was held.
        lock_wait: Mean seconds that a commit waited for the lock.
        slots: Mean number of runs at the same time.
        backlog: Runs that had begun and not ended at the end.
    """

    lock_share: float
    lock_wait: float
    slots: float
    backlog: int


def simulate(model: Model, *, hours: float = 6.0, seed: int = 1) -> Simulated:
    """Play the runs of one lake: phases of deployments and service times are random."""
    chance = Random(seed)  # noqa: S311 - the same on every machine
    end = hours * 3600
    lock = _Lock(chance, model)
    events: list[tuple[float, int, int]] = []  # when, which run, which commit is next
    began: dict[int, float] = {}
    period, number, busy = model.scenario.interval_minutes * 60, 0, 0.0
    for _ in range(max(1, model.deployments // model.scenario.lakes)):
        at = chance.uniform(0, period)
        while at < end:
            heapq.heappush(events, (at, number, -1))
            at, number = at + period, number + 1
    commits = model.batches_per_run + int(model.constants.small_commits_per_run)
    begin = model.constants.run_start_s
    pause = model.work_s / (commits - 1)
    while events and events[0][0] < end:
        at, run, step = heapq.heappop(events)
        if step == -1:
            began[run] = at
            heapq.heappush(events, (at + begin, run, 0))
        elif step == commits:
            busy += at - began.pop(run)
        else:
            done = lock.commit(at, is_small=step in {0, commits - 1})
            # A run fetches between its begin and its first batch, and between batches.
            rest = pause * chance.uniform(0.5, 1.5) if step < commits - 1 else 0.0
            heapq.heappush(events, (done + rest, run, step + 1))
    busy += sum(end - at for at in began.values())
    return Simulated(
        lock_share=min(lock.held, end) / end,
        lock_wait=lock.waited / max(1, lock.commits),
        slots=busy / end * model.scenario.lakes,
        backlog=len(began),
    )


class _Lock:
    """The lock of writers: commits get it in the order in which they ask."""

    def __init__(self, chance: Random, model: Model) -> None:
        self._chance = chance
        self._batches = model.batch_holds()
        self._small = model.small_hold
        self._free_at = 0.0
        self.held = self.waited = 0.0
        self.commits = 0

    def commit(self, at: float, *, is_small: bool) -> float:
        """Return when a commit that asks now is done."""
        hold = self._small if is_small else self._chance.choice(self._batches)
        start = max(at, self._free_at)
        self._free_at = start + hold
        self.held += hold
        self.waited += start - at
        self.commits += 1
        return self._free_at
