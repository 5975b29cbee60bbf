"""Statistics of a run: counters and errors of each source, totals, a state and an exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from flows.fetch.errors import FetchError
from flows.pipeline.health.messages import RunHealth
from flows.secrets.redact import redact_text
from flows.text import pluralize
from parsers.text.characters import single_line
from warehouse.rows import UpsertCounts

State = Literal["completed", "completed_with_warnings", "failed", "interrupted"]

OUTCOMES = (
    "not_modified", "new", "updated", "unchanged", "duplicate",
    "quarantined", "failed", "suppressed", "skipped",
)  # fmt: skip
"""What becomes of what was discovered; their sum is ``discovered`` (``check_accounts``)."""

COUNTERS = (
    "discovered", "fetched", "not_modified", "new", "updated", "unchanged", "duplicate",
    "quarantined", "failed", "suppressed", "skipped", "gaps",
)  # fmt: skip
"""In the order of the run's JSON.

``discovered`` counts the entries of listings, and each listing that had no entries to count
because it failed, could not be parsed or was not modified, and each revisit of an article that no
listing has. ``unchanged`` counts entries that are known and not due, too. ``fetched`` counts article pages that
arrived whole, or complete inside a feed. ``skipped`` counts entries beyond ``--limit`` or after an
interruption, entries that are still gone (404, 410), and pages that are no articles.
"""

MAX_MESSAGES = 20
_NO_ARTICLE = "the warehouse does not have its article any more"
MAX_NAMES = 6
MAX_ROWS = 20
"""Of more sources, a summary has rows for those that need attention."""

EXIT_CODES: Mapping[State, int] = {
    "completed": 0,
    "completed_with_warnings": 3,
    "failed": 1,
    "interrupted": 130,
}

Kind = Literal["listing", "line", "page"]


@dataclass(frozen=True, slots=True)
class Problem:
    """The object of an error. Errors of one kind, host and cause share one message.

    Attributes:
        name: The channel of a listing or line, the article id of a page.
        cause: The part of the message that similar errors share; the whole message by default.
        host: The host that did not deliver the object; the message then contains its address.
    """

    kind: Kind
    name: str
    cause: str = ""
    host: str = ""


def page_problem(name: str, text: str) -> Problem:
    """The problem of a page that could not be parsed; some messages start with its address."""
    head, _, rest = text.partition(": ")
    return Problem("page", name, cause=rest if name in head else text)


def fetch_problem(kind: Kind, name: str, error: FetchError) -> Problem:
    """The problem of an object that was not fetched; errors of one host and cause are similar."""
    host = urlsplit(error.url).netloc.rpartition("@")[2]
    return Problem(kind, name, cause=str(error.args[0]), host=host or error.url)


@dataclass(slots=True)
class ProblemGroup:
    """Errors with one cause: the first text, how many there are, the names of their objects."""

    text: str
    problem: Problem | None
    count: int = 0
    names: dict[str, None] = field(default_factory=dict)

    def message(self) -> str:
        """One sentence about all of them."""
        problem = self.problem
        if problem is None:
            return self.text
        if self.count == 1:
            return self._message_of_one(problem)
        names = ", ".join(list(self.names)[:MAX_NAMES])
        if len(self.names) > MAX_NAMES:
            names += f" and {len(self.names) - MAX_NAMES} more"
        what, cause = pluralize(self.count, problem.kind), problem.cause or self.text
        if problem.kind == "line" and len(self.names) == 1:
            return f"{what} of {names}: {cause}"
        host = f" of {problem.host}" if problem.host else ""
        return f"{what}{host} ({names}): {cause}" if names else f"{what}{host}: {cause}"

    def _message_of_one(self, problem: Problem) -> str:
        if problem.kind == "listing":
            return f"listing {problem.name}: {self.text}"
        has_name = problem.host or problem.name in self.text.partition(": ")[0]
        return self.text if has_name else f"{problem.name}: {self.text}"


@dataclass(slots=True, kw_only=True)
class SourceStats:
    """The counters and messages of one source in one run, updated while it runs.

    Attributes:
        warnings: What is worth knowing and needs no action.
        alert_only_new: Known failures need no action again. So it is in scheduled runs, where
            each run would repeat them; a person who starts a run gets every open failure.
        known_failures: Quarantined pages and lines that an earlier run has reported.
        known_listings: Quarantined listings that an earlier run has reported. They are reported
            again, because their entries are still missed.
        dismissed_failures: Quarantined objects that an operator dismissed.
        is_broken: No listing of the source could be read.
        is_locked: Another run has the source, so this run left it alone.
        is_unaccounted: Entries disappeared: the outcomes do not add up to what was discovered.
        has_warning: There is an error that no counter shows.
        has_listed: A listing had entries or was not modified.
        is_done: Everything that was discovered was handled.
        health: Deviations from the source's normal.
        records: Of WARC files: their records, and why most of them are no pages of the source.
    """

    source: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    alert_only_new: bool = True
    known_failures: int = 0
    known_listings: int = 0
    dismissed_failures: int = 0
    is_broken: bool = False
    is_locked: bool = False
    is_unaccounted: bool = False
    has_warning: bool = False
    has_listed: bool = False
    is_done: bool = False
    health: RunHealth = field(default_factory=RunHealth)
    records: Counter[str] = field(default_factory=Counter)
    _stored: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    _groups: dict[object, ProblemGroup] = field(default_factory=dict)

    def add(self, **counts: int) -> None:
        """Increase counters."""
        for name, count in counts.items():
            self.counts[name] += count

    def merge(self, other: SourceStats) -> None:
        """Add the counters and messages of a chunk, which a worker counted by itself."""
        self.add(**other.counts)
        self.warnings += other.warnings
        self.has_warning |= other.has_warning
        for key, group in other._groups.items():
            mine = self._groups.setdefault(key, ProblemGroup(group.text, group.problem))
            mine.count += group.count
            mine.names |= group.names

    def add_error(self, text: str, problem: Problem | None = None) -> None:
        """Add an error without a counter; similar ones are grouped by their problem."""
        key = (problem.kind, problem.host, problem.cause or text) if problem else object()
        group = self._groups.setdefault(key, ProblemGroup(text, problem))
        group.count += 1
        if problem and problem.name:
            group.names[problem.name] = None

    def fail(self, text: str, problem: Problem | None = None) -> None:
        """Count a listing or page that did not arrive."""
        self.add(failed=1)
        self.add_error(text, problem)

    def quarantine(
        self, text: str, problem: Problem | None = None, *, is_known: bool = False
    ) -> None:
        """Count a page, line or listing that could not be parsed.

        Args:
            text: The reason.
            problem: The object.
            is_known: The failure is in quarantine since an earlier run, which reported it. It is
                counted and not reported again, except for a listing.
        """
        self.add(quarantined=1)
        is_listing = problem is not None and problem.kind == "listing"
        if is_known and is_listing:
            self.known_listings += 1
        elif is_known:
            self.known_failures += 1
        if is_listing or not is_known:
            self.add_error(text, problem)

    def dismiss(self) -> None:
        """Count a failure that an operator dismissed; it is not reported."""
        self.add(quarantined=1)
        self.dismissed_failures += 1

    def gap(self, text: str) -> None:
        """Count an interval in which entries may have been missed."""
        self.add(gaps=1)
        self.add_error(text)

    def warn(self, text: str) -> None:
        """Add an error that no counter shows."""
        self.has_warning = True
        self.add_error(text)

    def check_accounts(self) -> None:
        """Add an error when the outcomes do not add up to ``discovered``.

        A source that raised an error has not handled all of its entries.
        """
        found = {name: self.counts[name] for name in OUTCOMES if self.counts[name]}
        if self.is_broken or self.counts["discovered"] == sum(found.values()):
            return
        self.is_unaccounted = True
        outcomes = ", ".join(f"{count} {name}" for name, count in found.items()) or "no outcome"
        self.add_error(
            f"{self.counts['discovered']} entries discovered, but {sum(found.values())} accounted "
            f"for ({outcomes}). This is an error of copydesk: what is stored is whole, and "
            "entries may be missing. Report it with the log of this run"
        )

    def uncounted(self) -> dict[str, int]:
        """What was counted since ``mark_counted``: not yet in the warehouse."""
        return {name: self.counts[name] - self._stored[name] for name in COUNTERS}

    def stored_message(self) -> str:
        """How much of the source the warehouse has; a failed transaction stores nothing."""
        stored, found = sum(self._stored[name] for name in OUTCOMES), self.counts["discovered"]
        if self.is_done:
            return f"{self.source}: stored"
        if not found:
            return f"{self.source}: nothing stored"
        return f"{self.source}: {stored} of {pluralize(found, 'entry', 'entries')} stored"

    def mark_counted(self) -> None:
        """Note that the warehouse has these counters."""
        self._stored = dict(self.counts)

    @property
    def errors(self) -> list[str]:
        """The errors, one message a group; at most ``MAX_MESSAGES``."""
        groups = list(self._groups.values())
        messages = [single_line(redact_text(group.message())) for group in groups[:MAX_MESSAGES]]
        if more := sum(group.count for group in groups[MAX_MESSAGES:]):
            messages.append(f"and {more} more errors")
        if self.known_failures and not self.alert_only_new:
            messages.append(self.known_failures_message())
        return messages

    @property
    def new_failures(self) -> int:
        """How many quarantined objects this run reports."""
        known = self.known_failures if self.alert_only_new else 0
        return self.counts["quarantined"] - self.dismissed_failures - known

    @property
    def unalerted(self) -> int:
        """How many quarantined objects no earlier run has reported."""
        reported = self.known_failures + self.known_listings + self.dismissed_failures
        return self.counts["quarantined"] - reported

    @property
    def is_stale(self) -> bool:
        """Whether the source listed nothing at all, or could not be read."""
        return not self.is_locked and (self.is_broken or not self.has_listed)

    @property
    def has_warnings(self) -> bool:
        """Whether something is wrong; in a scheduled run, something new."""
        is_wrong = self.new_failures or self.counts["failed"] or self.counts["gaps"]
        return bool(self.is_broken or self.has_warning or is_wrong or self.health.needs_attention)

    def known_failures_message(self) -> str:
        """How many known failures were met again; empty when there were none."""
        if not self.known_failures:
            return ""
        return (
            f"{pluralize(self.known_failures, 'known failure')} met again, still in quarantine: "
            f"`copydesk quarantine list --source {self.source}`"
        )

    def as_json(self) -> dict[str, Any]:
        """The source's part of the run's JSON."""
        row = {"source": self.source, **self.counts, "seconds": round(self.seconds, 3)}
        return row | ({"records": dict(sorted(self.records.items()))} if self.records else {})

    def records_message(self) -> str:
        """What the records of WARC files were."""
        others = Counter(self.records)
        count = pluralize(others.pop("records", 0), "record")
        found = ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in others.most_common())
        return f"{count} read: {found or 'nothing else'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Files that an import left out, because they are no posts.

    Attributes:
        folder: Their folder below the imported one; ``.`` is the imported one.
        reason: Why they are no posts.
        files: Their number.
    """

    folder: str
    reason: str
    files: int


def _left_alone(publication: Mapping[str, Any]) -> str:
    """How many files a publication left alone, with the reason for one; else empty."""
    reasons = dict.fromkeys(publication.get("vanished_files", ()), _NO_ARTICLE)
    reasons |= publication.get("left_alone_files", {})
    if not reasons:
        return ""
    path, why = next(reversed(reasons.items()))
    count = pluralize(len(reasons), "file")
    return f"{count} left alone, such as {single_line(path)}: {single_line(why)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The result of one run.

    Attributes:
        publications: What followed a sync, as JSON: publications that did something or failed.
        left_out_files: What an import left out; only of an import.
    """

    run_id: str
    flow: str
    state: State
    stats: tuple[SourceStats, ...]
    publications: tuple[Mapping[str, Any], ...] = ()
    left_out_files: tuple[LeftOut, ...] | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of this state."""
        return EXIT_CODES[self.state]

    @property
    def errors(self) -> tuple[str, ...]:
        """The errors, each with its source or publication."""
        published = tuple(
            f"publish {one['name']}: {text}"
            for one in self.publications
            if (text := one["error"] or _left_alone(one))
        )
        return (
            tuple(f"{one.source}: {text}" for one in self.stats for text in one.errors) + published
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Deviations from the normal, and what needs no action; with their source."""
        others = tuple(
            f"{one.source}: {single_line(redact_text(text))}"
            for one in self.stats
            for text in one.warnings
        )
        return self.health_warnings + self.known_failures + others

    @property
    def health_warnings(self) -> tuple[str, ...]:
        """Deviations of the sources from their normal, each with its source."""
        return tuple(
            f"{one.source}: {single_line(redact_text(text))}"
            for one in self.stats
            for text in one.health.warnings
        )

    @property
    def known_failures(self) -> tuple[str, ...]:
        """Failures that an earlier run reported, where they need no action; with their source."""
        return tuple(
            f"{one.source}: {text}"
            for one in self.stats
            if one.alert_only_new and (text := one.known_failures_message())
        )

    def totals(self) -> dict[str, Any]:
        """The counters of all sources together."""
        row = _sum(self.stats, "total")
        del row["source"]
        return row

    def rows(self) -> list[dict[str, Any]]:
        """The counters as rows: each source, and the total.

        Of more than ``MAX_ROWS`` sources, those that need attention have rows, and all others
        are one row.
        """
        shown, others = list(self.stats), list[SourceStats]()
        if len(shown) > MAX_ROWS:
            urgent = [one for one in shown if one.has_warnings or one.is_locked or one.errors]
            shown = urgent[:MAX_ROWS]
            others = [one for one in self.stats if one not in shown]
        rows = [one.as_json() for one in shown]
        if others:
            rows.append(_sum(others, f"{len(others)} others"))
        return [*rows, _sum(self.stats, "total")]

    def news(self) -> str:
        """Which sources have new articles, where not each source has a row; else empty."""
        if len(self.stats) <= MAX_ROWS:
            return ""
        found = sorted(
            ((one.counts["new"], one.source) for one in self.stats if one.counts["new"]),
            key=lambda one: (-one[0], one[1]),
        )
        if not found:
            return "no source has new articles"
        names = ", ".join(f"{source} {count}" for count, source in found[:MAX_NAMES])
        more = len(found) - MAX_NAMES
        return f"new articles: {names}{f' and {more} more sources' if more > 0 else ''}"

    def as_json(self) -> dict[str, Any]:
        """The run's JSON document."""
        document = {
            "run_id": self.run_id,
            "flow": self.flow,
            "state": self.state,
            "sources": [one.as_json() for one in self.stats],
            "totals": self.totals(),
            "errors": list(self.errors),
            "warnings": list(self.warnings),
            **(
                {}
                if self.left_out_files is None
                else {"left_out": [*map(asdict, self.left_out_files)]}
            ),
        }
        return document | ({"publications": list(self.publications)} if self.publications else {})


def _sum(stats: Iterable[SourceStats], name: str) -> dict[str, Any]:
    found = list(stats)
    counts = {name: sum(one.counts[name] for one in found) for name in COUNTERS}
    seconds = round(max((one.seconds for one in found), default=0.0), 3)
    return {"source": name, **counts, "seconds": seconds}


def upsert_counts(counts: UpsertCounts) -> dict[str, int]:
    """The counters that an upsert gives."""
    return {
        "new": counts.new,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "duplicate": counts.duplicate,
        "suppressed": counts.suppressed,
    }


def run_state(stats: Iterable[SourceStats], *, interrupted: bool = False) -> State:
    """The state of a run, from its counters."""
    stats = tuple(stats)
    if interrupted:
        return "interrupted"
    if any(one.is_unaccounted for one in stats):
        return "failed"
    if stats and all(one.is_broken for one in stats):
        return "failed"
    return "completed_with_warnings" if any(one.has_warnings for one in stats) else "completed"
