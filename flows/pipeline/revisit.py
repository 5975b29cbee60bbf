"""Which entries a sync asks for: new ones, changed ones, and those that a revisit rule makes due.

A rule such as ``["1h", "1d", "7d"]`` counts from the first fetch of an article. Times that were
missed become one revisit. An article in no listing is asked for, too; its sighting has the
channel ``revisit``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from duckdb import DuckDBPyConnection

from flows.pipeline import rows
from flows.pipeline.batch import FetchTarget
from flows.pipeline.entry_names import entry_digest, entry_name
from flows.pipeline.gone import GoneEntries, interval
from flows.pipeline.run import RunContext
from flows.pipeline.stats import page_problem
from flows.schedules import parse_duration
from parsers.model import Entry, Source
from warehouse.keys import as_uuid
from warehouse.records import alerts, entries, quarantine
from warehouse.records.entries import EntryName, PendingEntry, StoredEntry, VisitTimes
from warehouse.records.not_modified import NotModified
from warehouse.rows import QuarantineEntry

MAX_RETRY_INTERVAL = timedelta(days=1)
"""The longest pause after a page failed, or could not be parsed."""


@dataclass(frozen=True, slots=True)
class RevisitRule:
    """The times after its first fetch at which an article is fetched again, ascending."""

    after: tuple[timedelta, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> RevisitRule:
        """The rule of the configuration's texts; they may be in any order."""
        return cls(tuple(sorted({parse_duration(text) for text in texts})))

    def due_at(self, times: VisitTimes, now: datetime) -> datetime | None:
        """Since when an article is due; ``None`` when it is not."""
        passed = (times.first_fetched_at + one for one in self.after)
        due = next((at for at in passed if times.last_fetched_at < at <= now), None)
        if due is None or times.failed_at is None:
            return due
        return due if now >= times.failed_at + retry_interval(times.failure_count) else None


def retry_interval(failure_count: int) -> timedelta:
    """How long after a failure a page is asked for again."""
    return min(interval(failure_count), MAX_RETRY_INTERVAL)


@dataclass(slots=True)
class VisitPlan:
    """What a sync does with the entries of a source.

    Attributes:
        targets: The entries to fetch or to parse now, in the order of their listings; then the
            revisits of articles that no listing has.
        seen: The articles of unchanged entries, by key: nothing is fetched for them.
        unlisted_count: How many of the targets no listing has.
        open_channels: Channels with an entry that waits for another try.
        late_count: Due articles that the limit of the run leaves to the next one.
    """

    targets: list[FetchTarget] = field(default_factory=list)
    seen: list[tuple[bytes, NotModified]] = field(default_factory=list)
    unlisted_count: int = 0
    late_count: int = 0
    open_channels: set[str] = field(default_factory=set)
    _news: set[int] = field(default_factory=set)

    def is_news(self, lines: Iterable[object]) -> bool:
        """Whether a listing has a new or changed entry."""
        return any(id(line) in self._news for line in lines)


def plan_visits(run: RunContext, source: Source, targets: Sequence[FetchTarget]) -> VisitPlan:
    """Decide which entries to ask for; count the others."""
    planner = _Planner(run, source, targets)
    planner.take_listed()
    planner.take_revisits()
    return planner.plan


class _Planner:
    """The entries of one source in one sync."""

    def __init__(self, run: RunContext, source: Source, targets: Sequence[FetchTarget]) -> None:
        self.run = run
        self.source = source
        self.stats = run.stats[source.slug]
        self.listed = targets
        self.plan = VisitPlan()
        self.now = datetime.now(UTC)
        self.rule = RevisitRule.of(run.settings.sources[source.slug].revisit)
        self.names = {id(one.entry): entry_name(source, one.entry) for one in targets}
        self.due: list[tuple[datetime, FetchTarget, StoredEntry | None]] = []
        rule = self.rule if run.limit is None else RevisitRule(())
        asked = _Asked(source.slug, tuple(self.names.values()), rule)
        self.stored, self.failures, self.pending = run.combine(_read, asked)
        self.gone = GoneEntries(run, source, targets)
        self.due_again = {id(one) for one in self.gone.due}

    def take_listed(self) -> None:
        """Sort the listed entries into targets, due, unchanged and waiting ones."""
        changed_pages = {
            id(one.listing)
            for one in self.listed
            if one.entry.content is not None and self._unchanged(one.entry) is None
        }
        for target in self.listed:
            entry, is_carried = target.entry, target.entry.content is not None
            if id(target) not in self.due_again:
                self.stats.add(skipped=1)  # still gone
                self.plan.open_channels.add(entry.channel)
            elif self.gone.is_known(entry):
                self._take(target, is_news=True)
            elif failure := self._waiting_failure(entry):
                text = failure.row.message.partition("\n")[0]
                problem = page_problem(entry.source_article_id, text)
                self.run.quarantine(failure.row, text, problem)
                self.plan.open_channels.add(entry.channel)
            elif is_carried and id(target.listing) in changed_pages:
                # Entries of one listing decide together which ids they have.
                self._take(target, is_news=True)
            elif (known := self._unchanged(entry)) is None:
                self._take(target, is_news=True)
            elif self._has_failure(entry):
                self._take(target, is_news=False)
            elif not is_carried and (due := self.rule.due_at(known.times, self.now)):
                self.due.append((due, target, known))
            else:
                self._see(target, known)

    def take_revisits(self) -> None:
        """Take the articles that are due, the longest overdue first, up to the limit."""
        self.due += self._unlisted()
        self.due.sort(key=lambda one: one[0])
        limit = self.run.settings.run.max_revisits
        chosen, late = self.due[:limit], self.due[limit:]
        self.plan.late_count = len(late)
        for _, target, known in late:
            if known is not None:
                self._see(target, known)
        is_chosen = {id(target) for _, target, _ in chosen} | {id(one) for one in self.plan.targets}
        # In the order of the listings.
        listed = [one for one in self.listed if id(one) in is_chosen]
        unlisted = [target for _, target, known in chosen if known is None]
        self.plan.targets = listed + unlisted
        self.plan.unlisted_count = len(unlisted)
        self.stats.add(discovered=len(unlisted))

    def _unlisted(self) -> Iterator[tuple[datetime, FetchTarget, None]]:
        ids = {one.entry_id for one in self.names.values()}
        articles = {one.article_key for one in self.stored.values()} - {None}
        for one in self.pending:
            entry = rows.entry_from_json(one.listing_entry)
            if entry is None or one.article_key in articles:
                continue
            if f"{self.source.slug}:{entry.source_article_id}" in ids:
                continue
            if due := self.rule.due_at(one.times, self.now):
                yield due, FetchTarget(entry, None, is_revisit=True), None

    def _unchanged(self, entry: Entry) -> StoredEntry | None:
        """The stored state of an entry, if the entry has not changed since."""
        known = self.stored.get(self.names[id(entry)])
        is_same = known and known.digest == as_uuid(entry_digest(self.source, entry))
        return known if is_same else None

    def _take(self, target: FetchTarget, *, is_news: bool) -> None:
        self.plan.targets.append(target)
        if is_news:
            self.plan._news.add(id(target.entry))

    def _see(self, target: FetchTarget, known: StoredEntry) -> None:
        """Count an unchanged entry; its article was seen if a listing has it."""
        if known.article_key is None:
            self.stats.add(skipped=1)  # its page is no article
            return
        self.stats.add(unchanged=1)
        if target.listing is not None:
            seen = NotModified(
                channel=target.entry.channel,
                at=target.listing.fetched_at,
                is_carried=target.entry.content is not None,
            )
            self.plan.seen.append((known.article_key.bytes, seen))

    def _has_failure(self, entry: Entry) -> bool:
        failure = self.failures.get(self.names[id(entry)].entry_id)
        return failure is not None and failure.resolved_at is None

    def _waiting_failure(self, entry: Entry) -> QuarantineEntry | None:
        """The reported failure of an entry that waits; a person's run waits for none."""
        found = self.failures.get(self.names[id(entry)].entry_id)
        if found is None or self.run.trigger != "schedule":
            return None
        slug, none = self.source.slug, alerts.AlertedFailures()
        reported = self.run.known_failures.get(slug, none) | self.run.dismissed.get(slug, none)
        if not alerts.is_alerted(reported, found.row):
            return None
        if not rows.is_same_entry(found.row.listing_entry, entry):
            return None
        until = found.last_failed_at + retry_interval(found.attempts)
        return found if self.now < until else None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a plan needs of a source; without a rule it needs no revisits."""

    source: str
    names: tuple[EntryName, ...]
    rule: RevisitRule


_Stored = tuple[dict[EntryName, StoredEntry], dict[str, QuarantineEntry], Sequence[PendingEntry]]


def _read(db: DuckDBPyConnection, requests: Sequence[_Asked]) -> list[_Stored]:
    names = [name for one in requests for name in one.names]
    stored = entries.stored_entries(db, names)
    failures = _failures_by_article(quarantine.failures_of(db, {name.entry_id for name in names}))
    pending: dict[str, list[PendingEntry]] = {}
    now = datetime.now(UTC)
    for rule in {one.rule for one in requests if one.rule.after}:
        pending |= entries.pending_entries(
            db,
            [one.source for one in requests if one.rule == rule],
            first=rule.after[0],
            last=rule.after[-1],
            now=now,
        )
    return [
        (
            {name: stored[name] for name in one.names if name in stored},
            {
                name.entry_id: failures[name.entry_id]
                for name in one.names
                if name.entry_id in failures
            },
            pending.get(one.source, ()),
        )
        for one in requests
    ]


def _failures_by_article(found: Iterable[QuarantineEntry]) -> dict[str, QuarantineEntry]:
    return {one.row.article_id: one for one in found if one.row.article_id is not None}
