"""What a run reports: counters per source, totals, a state and an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flows.fetch.masks import mask_words
from warehouse.rows import Upserted

State = Literal["completed", "needs_attention", "failed", "interrupted"]

COUNTERS = (
    "discovered",
    "fetched",
    "not_modified",
    "new",
    "modified",
    "unmodified",
    "duplicate",
    "quarantined",
    "failed",
    "gaps",
)
"""In the order of the run's JSON. ``discovered`` counts entries, ``fetched`` article pages
that arrived whole (or came complete inside a feed), ``failed`` listings and pages that did
not; the rest count articles."""

PROBLEMS_KEPT = 20

EXIT_CODES: Mapping[State, int] = {
    "completed": 0,
    "needs_attention": 3,
    "failed": 1,
    "interrupted": 130,
}


@dataclass(slots=True, kw_only=True)
class Tally:
    """The counters of one source in one run, counted up while it runs.

    Attributes:
        problems: What needs attention, one sentence each; at most ``PROBLEMS_KEPT``,
            for the counters and the tables hold them all.
        notes: What is worth knowing and needs nobody.
        is_broken: True when the source could not be read at all.
        is_odd: True when somebody should look, though nothing failed.
        is_done: True when everything that was discovered was handled.
    """

    source: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_broken: bool = False
    is_odd: bool = False
    is_done: bool = False
    _stored: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    _more_problems: int = 0

    def add(self, **counts: int) -> None:
        """Count up."""
        for name, count in counts.items():
            self.counts[name] += count

    def fail(self, words: str) -> None:
        """Count a listing or page that did not arrive, and say why."""
        self.add(failed=1)
        self._tell(words)

    def quarantine(self, words: str) -> None:
        """Count a page, line or listing that could not be read, and say why."""
        self.add(quarantined=1)
        self._tell(words)

    def gap(self, words: str) -> None:
        """Count a stretch that may have been missed, and say how it was noticed."""
        self.add(gaps=1)
        self._tell(words)

    def warn(self, words: str) -> None:
        """Say what somebody should look at, though nothing failed."""
        self.is_odd = True
        self._tell(words)

    def uncounted(self) -> dict[str, int]:
        """What was counted since ``mark_counted``: not yet in the warehouse."""
        return {name: self.counts[name] - self._stored[name] for name in COUNTERS}

    def mark_counted(self) -> None:
        """The warehouse now has these counters."""
        self._stored = dict(self.counts)

    def all_problems(self) -> list[str]:
        """The problems kept, and how many more there were."""
        more = [f"and {self._more_problems} more like these"] if self._more_problems else []
        return self.problems + more

    def as_json(self) -> dict[str, Any]:
        """The source's part of the run's JSON."""
        return {"source": self.source, **self.counts, "seconds": round(self.seconds, 3)}

    def _tell(self, words: str) -> None:
        words = mask_words(words)
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(words)
        else:
            self._more_problems += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one run did."""

    run_id: str
    flow: str
    state: State
    tallies: tuple[Tally, ...]

    @property
    def exit_code(self) -> int:
        """The exit code that tells this state."""
        return EXIT_CODES[self.state]

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that needs attention, source first."""
        return tuple(f"{t.source}: {words}" for t in self.tallies for words in t.all_problems())

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing and needs nobody, source first."""
        return tuple(f"{t.source}: {mask_words(n)}" for t in self.tallies for n in t.notes)

    def totals(self) -> dict[str, Any]:
        """The counters of all sources together."""
        return {name: sum(t.counts[name] for t in self.tallies) for name in COUNTERS} | {
            "seconds": round(max((t.seconds for t in self.tallies), default=0.0), 3)
        }

    def as_json(self) -> dict[str, Any]:
        """The run's JSON document."""
        return {
            "run_id": self.run_id,
            "flow": self.flow,
            "state": self.state,
            "sources": [tally.as_json() for tally in self.tallies],
            "totals": self.totals(),
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


def counts_of(done: Upserted) -> dict[str, int]:
    """The counters that an upsert gives."""
    return {
        "new": done.new,
        "modified": done.modified,
        "unmodified": done.unmodified,
        "duplicate": done.duplicate,
    }


def state_of(tallies: Iterable[Tally], *, interrupted: bool = False) -> State:
    """How a run ended, from its counters."""
    tallies = tuple(tallies)
    if interrupted:
        return "interrupted"
    if tallies and all(tally.is_broken for tally in tallies):
        return "failed"
    troubles = ("quarantined", "failed", "gaps")
    if any(
        tally.is_broken or tally.is_odd or any(tally.counts[t] for t in troubles)
        for tally in tallies
    ):
        return "needs_attention"
    return "completed"
