"""Whose turn it is to run, of those that are due: no long request holds up a schedule.

Processes are few (``runs_at_once``). Requests that may take hours (a backfill, an import,
a reparse) and maintenance get half of them, and the rest is kept for the sources. Among
those that wait, the deployment that has not run for the longest comes first, so that
none of many that are always due is passed over for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

    from prefect.client.schemas.objects import FlowRun


@dataclass(frozen=True, slots=True)
class Places:
    """How many processes there are, and for what.

    Attributes:
        sources: That runs of sources may take.
        long: That long requests may take.
    """

    sources: int
    long: int

    @classmethod
    def of(cls, runs_at_once: int) -> Places:
        """Half for long requests; where there is only one place, they get one beside it."""
        return cls(sources=runs_at_once, long=max(1, runs_at_once // 2))

    @property
    def all(self) -> int:
        """Processes side by side, at most."""
        return max(self.sources, self.long + 1)


@dataclass(slots=True)
class Turns:
    """Who begins next.

    Attributes:
        places: What there is to share.
        is_long: Whether the runs of a deployment may take hours.
        last: When each deployment's turn was last, in turns.
    """

    places: Places
    is_long: Callable[[UUID], bool]
    last: dict[UUID | None, int] = field(default_factory=dict)
    turn: int = 0

    def choose(
        self, runs: Iterable[FlowRun], under_way: Collection[UUID], now: datetime
    ) -> list[FlowRun]:
        """The runs to begin.

        Args:
            runs: Due now or soon, of each deployment one.
            under_way: The deployments of the runs that have a place.
            now: Aware.
        """
        long = sum(map(self.is_long, under_way))
        sources = len(under_way) - long
        begin: list[FlowRun] = []
        for run in sorted(runs, key=lambda run: self._rank(run, now)):
            is_long = run.deployment_id is not None and self.is_long(run.deployment_id)
            is_room = long < self.places.long if is_long else sources < self.places.sources
            if is_room and long + sources < self.places.all:
                begin.append(run)
                long, sources = long + is_long, sources + (not is_long)
                self.turn += 1
                self.last[run.deployment_id] = self.turn
        return begin

    def _rank(self, run: FlowRun, now: datetime) -> tuple[bool, int, datetime]:
        at = run.expected_start_time or now
        return at > now, self.last.get(run.deployment_id, 0), at
