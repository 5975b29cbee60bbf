"""What a run reports: counters per source, totals, a state and an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from flows.fetch.errors import FetchError
from flows.fetch.redact import redact_text
from flows.text import pluralize
from warehouse.rows import UpsertCounts

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

MAX_MESSAGES = 20
MAX_NAMES = 6

EXIT_CODES: Mapping[State, int] = {
    "completed": 0,
    "needs_attention": 3,
    "failed": 1,
    "interrupted": 130,
}


Kind = Literal["listing", "line", "page"]
"""What a problem is about, where the same may be wrong with many."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a problem is about: alike ones are told as one, with the names of all.

    Attributes:
        kind: Of the thing.
        name: Of a listing or line its channel, of a page its article.
        alike: What is wrong, as it is alike for several; by default the words themselves.
        host: Which host did not give it; the words about it alone then name its address.
    """

    kind: Kind
    name: str
    alike: str = ""
    host: str = ""

    def one(self, words: str) -> str:
        """The sentence about this thing alone."""
        if self.kind == "listing":
            return f"listing {self.name}: {words}"
        is_named = self.name in words.partition(": ")[0]
        return words if self.host or is_named else f"{self.name}: {words}"


def page_problem(name: str, words: str) -> Problem:
    """About a page that could not be read; some errors begin with its address."""
    head, _, rest = words.partition(": ")
    return Problem("page", name, alike=rest if name in head else words)


def fetch_problem(kind: Kind, name: str, error: FetchError) -> Problem:
    """About something that was not fetched: alike are those that one host fails in one way."""
    host = urlsplit(error.url).netloc.rpartition("@")[2]
    return Problem(kind, name, alike=str(error.args[0]), host=host or error.url)


@dataclass(slots=True)
class _Alike:
    """Several problems of one kind, and where their sentence stands."""

    place: int
    count: int = 0
    names: dict[str, None] = field(default_factory=dict)

    def words(self, about: Problem, alike: str) -> str:
        told, more = list(self.names)[:MAX_NAMES], len(self.names) - MAX_NAMES
        which = ", ".join(told) + (f" and {more} more" if more > 0 else "")
        what = pluralize(self.count, about.kind)
        of = f" of {about.host}" if about.host else ""
        if about.kind == "line" and len(self.names) == 1:
            return f"{what} of {which}: {alike}"
        return f"{what}{of} ({which}): {alike}" if which else f"{what}{of}: {alike}"


@dataclass(slots=True, kw_only=True)
class SourceStats:
    """The counters of one source in one run, counted up while it runs.

    Attributes:
        problems: What needs attention, one sentence for all that is alike; at most
            ``MAX_MESSAGES``, for the counters and the tables hold them all.
        notes: What is worth knowing and needs nobody.
        known: How many of the pages and lines quarantined stood there before, and were
            told then.
        spares_known: These need nobody's attention again. So it is on a schedule, where
            each run would ask for it; who asks for a run hears of all that is open.
        known_listings: How many of the listings quarantined did: what they would lead to
            is still missed, so they are told again.
        is_broken: True when the source could not be read at all.
        is_elsewhere: True when another run was at the source, so that this one left it.
        is_odd: True when somebody should look, though nothing failed.
        is_done: True when everything that was discovered was handled.
    """

    source: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_broken: bool = False
    is_locked: bool = False
    has_warning: bool = False
    is_done: bool = False
    known: int = 0
    alert_only_new: bool = True
    known_listings: int = 0
    _stored: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    _more_problems: int = 0
    _alike: dict[tuple[str, str, str], _Alike] = field(default_factory=dict)

    def add(self, **counts: int) -> None:
        """Count up."""
        for name, count in counts.items():
            self.counts[name] += count

    def fail(self, words: str, about: Problem | None = None) -> None:
        """Count a listing or page that did not arrive, and say why."""
        self.add(failed=1)
        self._tell(words, about)

    def quarantine(
        self, words: str, about: Problem | None = None, *, is_known: bool = False
    ) -> None:
        """Count a page, line or listing that could not be read, and say why.

        What is known stands in quarantine since an earlier run, which told it: it is
        counted, and its number is told. A listing is told as long as it stays unreadable.
        """
        self.add(quarantined=1)
        is_listing = about is not None and about.kind == "listing"
        self.known += is_known and not is_listing
        self.known_listings += is_known and is_listing
        if is_listing or not is_known:
            self._tell(words, about)

    def gap(self, words: str) -> None:
        """Count a stretch that may have been missed, and say how it was noticed."""
        self.add(gaps=1)
        self._tell(words)

    def warn(self, words: str) -> None:
        """Say what somebody should look at, though nothing failed."""
        self.has_warning = True
        self._tell(words)

    def uncounted(self) -> dict[str, int]:
        """What was counted since ``mark_counted``: not yet in the warehouse."""
        return {name: self.counts[name] - self._stored[name] for name in COUNTERS}

    def mark_counted(self) -> None:
        """The warehouse now has these counters."""
        self._stored = dict(self.counts)

    @property
    def fresh(self) -> int:
        """How many were quarantined that somebody has to look at."""
        return self.counts["quarantined"] - (self.known if self.alert_only_new else 0)

    @property
    def unalerted(self) -> int:
        """How many were quarantined that no earlier run told."""
        return self.counts["quarantined"] - self.known - self.known_listings

    def all_problems(self) -> list[str]:
        """The problems kept, how many more there were, and what stands and is not spared."""
        more = [f"and {self._more_problems} more like these"] if self._more_problems else []
        stands = [] if self.alert_only_new or not self.known else [self.standing()]
        return self.problems + more + stands

    def standing(self) -> str:
        """What is known to be in quarantine, in words; empty when nothing is."""
        if not self.known:
            return ""
        return (
            f"{pluralize(self.known, 'known failure')} met again, still in quarantine and told by an "
            f"earlier run: `copydesk quarantine list --source {self.source}`"
        )

    def as_json(self) -> dict[str, Any]:
        """The source's part of the run's JSON."""
        return {"source": self.source, **self.counts, "seconds": round(self.seconds, 3)}

    def _tell(self, words: str, about: Problem | None = None) -> None:
        if about is not None and self._is_told_with_others(words, about):
            return
        if len(self.problems) < MAX_MESSAGES:
            self.problems.append(redact_text(about.one(words) if about else words))
        else:
            self._more_problems += 1

    def _is_told_with_others(self, words: str, about: Problem) -> bool:
        """Whether a sentence about others like it could take it in."""
        alike = about.alike or words
        key = about.kind, about.host, alike
        known = self._alike.setdefault(key, _Alike(len(self.problems)))
        known.count += 1
        if about.name:
            known.names[about.name] = None
        if known.count == 1 or known.place >= MAX_MESSAGES:
            return False
        self.problems[known.place] = redact_text(known.words(about, alike))
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What one run did."""

    run_id: str
    flow: str
    state: State
    stats: tuple[SourceStats, ...]

    @property
    def exit_code(self) -> int:
        """The exit code that tells this state."""
        return EXIT_CODES[self.state]

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that needs attention, source first."""
        return tuple(f"{t.source}: {words}" for t in self.stats for words in t.all_problems())

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing and needs nobody, source first."""
        return self.standing + tuple(
            f"{t.source}: {redact_text(n)}" for t in self.stats for n in t.notes
        )

    @property
    def standing(self) -> tuple[str, ...]:
        """What was in quarantine before and still is, where it needs nobody; source first."""
        return tuple(
            f"{t.source}: {words}"
            for t in self.stats
            if t.alert_only_new and (words := t.standing())
        )

    def totals(self) -> dict[str, Any]:
        """The counters of all sources together."""
        return {name: sum(t.counts[name] for t in self.stats) for name in COUNTERS} | {
            "seconds": round(max((t.seconds for t in self.stats), default=0.0), 3)
        }

    def as_json(self) -> dict[str, Any]:
        """The run's JSON document."""
        return {
            "run_id": self.run_id,
            "flow": self.flow,
            "state": self.state,
            "sources": [tally.as_json() for tally in self.stats],
            "totals": self.totals(),
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


def upsert_counts(done: UpsertCounts) -> dict[str, int]:
    """The counters that an upsert gives."""
    return {
        "new": done.new,
        "modified": done.modified,
        "unmodified": done.unmodified,
        "duplicate": done.duplicate,
    }


def run_state(stats: Iterable[SourceStats], *, interrupted: bool = False) -> State:
    """How a run ended, from its counters."""
    stats = tuple(stats)
    if interrupted:
        return "interrupted"
    if stats and all(tally.is_broken for tally in stats):
        return "failed"
    return "needs_attention" if any(map(_needs_attention, stats)) else "completed"


def _needs_attention(tally: SourceStats) -> bool:
    """Whether something is wrong; on a schedule, whether something is that no run told before."""
    is_wrong = tally.fresh or tally.counts["failed"] or tally.counts["gaps"]
    return bool(tally.is_broken or tally.has_warning or is_wrong)
