"""Evaluate a run: the findings it opens and closes, and the health of its source."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import median

from flows.pipeline.health import silence, statistics
from flows.pipeline.health.listing_rules import MIN_READS
from flows.pipeline.health.page_rules import MIN_FIELD_PAGES, MIN_LENGTH_PAGES
from flows.pipeline.health.rules import Rules
from flows.pipeline.health.values import ALL_CHANNELS, FIELDS, History, SourceRun, load_json
from warehouse.records.health import Finding, SourceHealth, StoredFinding

_COVERAGE_DAYS = 30
_PAGE_KINDS = frozenset({"wrong_pages", "unreadable_pages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The result of a run for the health of its source.

    Attributes:
        history: With the run; its findings are those before the run.
        opened: New deviations.
        known: Deviations that are open since an earlier run.
        closed: Deviations that this run ended.
    """

    history: History
    opened: tuple[Finding, ...]
    known: tuple[StoredFinding, ...]
    closed: tuple[StoredFinding, ...]
    health: SourceHealth


def evaluate(before: History, run: SourceRun) -> Evaluation:
    """Add a run to the history of its source, and compare it with the past."""
    after = statistics.extend(before, run)
    if any(channel.pages for channel in run.channels):
        coverage = json.dumps(_coverage(after, run), separators=(",", ":"))
        after = replace(after, coverage=coverage)
    rules = Rules(before, after, run)
    found = list(rules.found())
    again = {one.finding_id for one in before.findings if any(_covers(one.row, f) for f in found)}
    closed = tuple(
        one for one in before.findings if one.finding_id not in again and rules.is_normal(one.row)
    )
    after = _without_drift(after, rules, closed)
    known = tuple(one for one in before.findings if one not in closed)
    opened = tuple(one for one in found if not any(_covers(old.row, one) for old in known))
    return Evaluation(
        history=after,
        opened=opened,
        known=known,
        closed=closed,
        health=_health(after, run, rules, [*opened, *(one.row for one in known)]),
    )


def _without_drift(after: History, rules: Rules, closed: tuple[StoredFinding, ...]) -> History:
    """The history without the last pages of a drift that is over: they are no past."""
    over = {one.row.channel for one in closed if one.row.kind == "short_bodies"}
    states = dict(after.states)
    for channel in rules.pages.channels:
        if over & {channel.name, ALL_CHANNELS}:
            recent = replace(channel.after, pages=channel.pages)
            states[channel.name] = replace(states[channel.name], recent=recent.dump())
    return replace(after, states=states)


def _covers(known: Finding, found: Finding) -> bool:
    """Whether an open finding is about the same deviation."""
    if known.kind != found.kind or (known.field != found.field and known.kind not in _PAGE_KINDS):
        return False
    return known.channel == found.channel or ALL_CHANNELS in (known.channel, found.channel)


def _health(after: History, run: SourceRun, rules: Rules, findings: list[Finding]) -> SourceHealth:
    kinds = {one.kind for one in findings}
    whole = rules.listings.whole
    known = rules.listings.silence_of(whole)
    needs = (*known.needs, *_needs(after, run))
    state = "learning" if needs else "ok"
    if kinds:
        state = "silent" if kinds == {"not_moving"} else "warning"
    days, first = after.past_days(whole), after.first_day(whole)
    start = run.day - timedelta(days=7)
    weeks = silence.weekly_volumes(days, first, run.day)
    return SourceHealth(
        source=run.source,
        state=state,
        learning=needs,
        evaluated_at=run.at,
        run_id=run.run_id,
        last_new_at=after.states[whole].last_new_at,
        silence_limit_seconds=None if known.limit is None else int(known.limit),
        new_in_7_days=sum(one.new_count for one in days if one.day > start),
        normal_in_7_days=float(median(weeks)) if len(weeks) > 1 else None,
        coverage=after.coverage,
    )


def _needs(after: History, run: SourceRun) -> tuple[str, ...]:
    """What the normal values of listings, fields and texts still need."""
    reads = pages = 0
    for channel in run.channels:
        days = after.past_days(channel.channel)
        reads = max(reads, sum(one.read_count for one in days))
        pages = max(pages, sum(one.parsed_count for one in days))
    wanted = (
        ("listings", MIN_READS - reads, "more reads"),
        ("fields", MIN_FIELD_PAGES - pages, "more articles"),
        ("texts", MIN_LENGTH_PAGES - pages, "more articles"),
    )
    return tuple(f"{name}: {count} {what}" for name, count, what in wanted if count > 0)


def _coverage(after: History, run: SourceRun) -> dict[str, float]:
    """The share of the articles of the last days that have each field."""
    start = run.day - timedelta(days=_COVERAGE_DAYS)
    present, total = dict.fromkeys(FIELDS, 0), 0
    for channel in run.channels:
        for day in reversed(after.past_days(channel.channel)):
            if day.day <= start:
                break
            if day.parsed_count:
                total += day.parsed_count
                for name, value in load_json(day.fields).items():
                    present[name] = present.get(name, 0) + value["with"]
    return {name: round(count / total, 3) for name, count in present.items()} if total else {}
