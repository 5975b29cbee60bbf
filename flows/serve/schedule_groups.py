"""Feeds that share a schedule run in one flow run, and other sources of one schedule not at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from flows.schedules import Schedule
from flows.settings import Settings

MIN_FEEDS = 10
"""Fewer feeds of one schedule have a deployment each, which can be paused in the UI."""

MAX_OFFSET_SECONDS = 300
"""How much later than its schedule a source runs at most, so that not all begin at once."""

_FEED_PARSERS = ("feed", "rsshub")
_EVERY_MINUTES = re.compile(r"\*/(\d{1,2}) \* \* \* \*")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedGroup:
    """Feeds with the same schedule.

    Attributes:
        name: Of its deployment; no source can have it.
    """

    name: str
    schedule: Schedule
    sources: tuple[str, ...]


def feed_groups(settings: Settings, schedules: Mapping[str, Schedule]) -> list[FeedGroup]:
    """Return the feeds of each schedule that has at least ``MIN_FEEDS``, in their order."""
    by_times: dict[tuple[str, str, str], list[str]] = {}
    for slug, schedule in schedules.items():
        if settings.sources[slug].parser in _FEED_PARSERS:
            by_times.setdefault(_times(schedule), []).append(slug)
    return [
        FeedGroup(
            name=f"feeds.{_digest(*times)[:6]}",
            schedule=schedules[slugs[0]],
            sources=tuple(slugs),
        )
        for times, slugs in by_times.items()
        if len(slugs) >= MIN_FEEDS
    ]


def spread(schedules: Mapping[str, Schedule]) -> dict[str, Schedule]:
    """Return schedules of which those with the same times begin one after the other.

    The offset of a source depends on its name alone. A schedule of given times, such as 7 o'clock,
    and one that no other source has stay as they are.
    """
    count = Counter(map(_times, schedules.values()))
    return {
        slug: _later(schedule, slug) if count[_times(schedule)] > 1 else schedule
        for slug, schedule in schedules.items()
    }


def _later(schedule: Schedule, slug: str) -> Schedule:
    number = int(_digest(slug)[:8], 16)
    if schedule.kind == "interval":
        limit = min(int(schedule.value), MAX_OFFSET_SECONDS)
        return replace(schedule, offset_seconds=number % limit)
    if found := _EVERY_MINUTES.fullmatch(schedule.value):
        step = int(found[1])
        minute = number % max(1, min(step, MAX_OFFSET_SECONDS // 60, 60 - step))
        return replace(schedule, value=f"{minute}-59/{step} * * * *")
    return schedule


def _times(schedule: Schedule) -> tuple[str, str, str]:
    return schedule.kind, schedule.value, schedule.prefect_time_zone


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()
