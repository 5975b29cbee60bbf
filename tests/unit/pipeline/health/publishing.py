"""A simulator of ordinary publishing: sources with nights, weekends, holidays and slow weeks.

A source publishes articles over months; a run reads its listing at an interval and gives what the
pipeline would count. A drift changes what the listing or the pages give from a day on.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flows.pipeline.health.evaluate import Evaluation, evaluate
from flows.pipeline.health.values import ChannelRun, History, PageResult, SourceRun
from warehouse.records.health import StoredFinding

START = datetime(2026, 1, 5, 3, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """How a source publishes.

    Attributes:
        daily: Articles of a normal working day.
        weekend: Share of them on Saturdays and Sundays.
        night: Share of an hour at night.
        holiday: Share of them on a day of a holiday.
        listed: Entries of the listing; a window in days if it is less than one.
        length: Median characters of a text, and the standard deviation of its logarithm.
        briefs: Share of short notes, a tenth as long.
        bundle: Articles of one kind come together: this many in a row are briefs.
        coverage: Per field, the share of articles with a value.
        every: The interval of the runs.
        outages: Share of the runs whose listing does not arrive.
    """

    name: str
    daily: float
    weekend: float = 0.3
    night: float = 0.02
    holiday: float = 0.2
    listed: int = 20
    window: timedelta | None = None
    length: tuple[float, float] = (2500.0, 0.7)
    briefs: float = 0.1
    bundle: int = 1
    coverage: dict[str, float] = field(
        default_factory=lambda: {
            "title": 1.0, "authors": 0.93, "publisher": 1.0, "published_at": 0.998, "tags": 0.6,
            "lead_image": 0.85, "language": 1.0, "full_text": 0.99,
        }
    )  # fmt: skip
    channels: int = 1
    every: timedelta = timedelta(hours=1)
    outages: float = 0.01
    broken: float = 0.01
    zone: str = "Europe/Berlin"


PUBLISHERS = (
    Publisher(name="news agency read every 5 minutes", daily=250, weekend=0.5, night=0.2, holiday=0.5, every=timedelta(minutes=5)),
    Publisher(name="daily newspaper", daily=60, weekend=0.4, holiday=0.3),
    Publisher(name="newspaper of five sections", daily=60, weekend=0.4, holiday=0.3, channels=5, every=timedelta(hours=2)),
    Publisher(name="trade magazine that rests", daily=8, weekend=0.0, holiday=0.0, every=timedelta(hours=3)),
    Publisher(name="magazine that nearly rests", daily=12, weekend=0.05, holiday=0.1, every=timedelta(hours=3)),
    Publisher(name="blog of some articles a week", daily=0.5, weekend=0.5, holiday=0.0, every=timedelta(hours=12)),
    Publisher(name="one article a month", daily=1 / 30, weekend=1.0, night=1.0, holiday=1.0, every=DAY),
    Publisher(name="read once a day", daily=20, weekend=0.0, holiday=0.0, every=DAY),
    Publisher(name="listing of a day", daily=15, weekend=0.1, holiday=0.1, window=DAY, every=timedelta(hours=6)),
    Publisher(name="listing of a week", daily=6, weekend=0.0, holiday=0.0, window=7 * DAY, every=timedelta(hours=6)),
    Publisher(name="bursts of briefs", daily=40, briefs=0.3, bundle=8, length=(3000.0, 0.9)),
    Publisher(name="half of the fields", daily=20, coverage={"title": 1.0, "authors": 0.5, "tags": 0.5, "lead_image": 0.2, "full_text": 0.8}),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Story:
    """One article as published."""

    number: int
    at: datetime
    channel: int
    page: PageResult


Drift = Callable[[ChannelRun], ChannelRun]


class Simulation:
    """The runs of one source over months, and what health makes of them."""

    def __init__(self, publisher: Publisher, seed: int) -> None:
        self.publisher = publisher
        self.random = random.Random(f"{publisher.name} {seed}")  # noqa: S311  # a simulation
        self.zone = ZoneInfo(publisher.zone)
        self.history = History(zone=self.zone)
        self.at = START + timedelta(minutes=self.random.uniform(0, 1440))
        self.stories: list[list[Story]] = [[] for _ in range(publisher.channels)]
        self.story_count = 0
        self.seen: set[tuple[int, int]] = set()
        self.published_until = self.at - 30 * DAY
        self.holidays = self._holidays()
        self.slow_weeks = {self.random.randrange(200) for _ in range(30)}
        self.briefs_left = 0
        self.runs = 0

    def _holidays(self) -> list[tuple[datetime, datetime]]:
        """Holidays of 7 to 10 days, two or three times a year."""
        found, at = [], self.at + DAY * self.random.uniform(40, 120)
        while at < self.at + 1500 * DAY:
            found.append((at, at + DAY * self.random.randint(7, 10)))
            at += DAY * self.random.uniform(110, 200)
        return found

    def run(self, drift: Drift | None = None) -> Evaluation:
        """One more run; returns what health finds."""
        self.publish(self.at)
        channels = tuple(self._channel_run(one) for one in range(self.publisher.channels))
        new_count = sum(one.new_count for one in channels)
        if drift is not None:
            channels = tuple(map(drift, channels))
            new_count = sum(one.new_count for one in channels)
        run = SourceRun(
            source="simulated", run_id=f"run {self.runs}", at=self.at, zone=self.zone,
            channels=channels, new_count=new_count,
        )  # fmt: skip
        result = evaluate(self.history, run)
        opened = tuple(
            StoredFinding(finding_id=f"{self.runs} {one.key}", row=one, opened_at=self.at, run_id=run.run_id)
            for one in result.opened
        )  # fmt: skip
        self.history = replace(result.history, findings=(*result.known, *opened))
        self.runs += 1
        self.at += self.publisher.every * self.random.uniform(0.98, 1.02)
        return result

    def ordinary(self, runs: int) -> Iterator[Evaluation]:
        """Ordinary runs, some of which do not reach the source."""
        for _ in range(runs):
            is_out = self.random.random() < self.publisher.outages
            yield self.run(_unreachable if is_out else None)

    # --- publishing ---

    def publish(self, until: datetime) -> None:
        at = self.published_until
        while True:
            # Thinning: candidates at the highest rate, kept with the share of their hour.
            at += timedelta(days=self.random.expovariate(self._peak()))
            if at >= until:
                break
            if self.random.random() < self._share(at):
                story = self._story(at)
                self.stories[story.channel].append(story)
        self.published_until = until

    def _peak(self) -> float:
        awake = 15 + 9 * self.publisher.night
        return self.publisher.daily * 24 / awake

    def _share(self, at: datetime) -> float:
        local = at.astimezone(self.zone)
        share = 1.0 if 7 <= local.hour < 22 else self.publisher.night
        if local.weekday() >= 5:
            share *= self.publisher.weekend
        if any(start <= at < end for start, end in self.holidays):
            share *= self.publisher.holiday
        if (at - START).days // 7 in self.slow_weeks:
            share *= 0.4
        return share

    def _story(self, at: datetime) -> Story:
        number = self.story_count
        self.story_count += 1
        key = f"{number:x}"
        if self.random.random() < self.publisher.broken:
            page = PageResult(key=key, is_new=True, failure="layout_changed")
        else:
            page = PageResult(
                key=key, is_new=True, length=self._length(), missing=self._missing(),
                provenance={"title": "css:h1"}, text=f"text {key}", canonical=f"url {key}",
            )  # fmt: skip
        return Story(
            number=number, at=at, channel=self.random.randrange(self.publisher.channels), page=page
        )

    def _length(self) -> int:
        if self.briefs_left:
            self.briefs_left -= 1
        elif self.random.random() < self.publisher.briefs / self.publisher.bundle:
            self.briefs_left = self.publisher.bundle
        median, deviation = self.publisher.length
        length = median * math.exp(self.random.gauss(0, deviation))
        return int(length / 10 if self.briefs_left else length)

    def _missing(self) -> frozenset[str]:
        coverage = self.publisher.coverage
        return frozenset(name for name, share in coverage.items() if self.random.random() > share)

    # --- the listing ---

    def _listed(self, channel: int) -> list[Story]:
        found = self.stories[channel]
        if window := self.publisher.window:
            return [one for one in found[-500:] if one.at > self.at - window]
        return found[-self.publisher.listed :]

    def _channel_run(self, channel: int) -> ChannelRun:
        listed = self._listed(channel)
        new = [one for one in listed if (channel, one.number) not in self.seen]
        self.seen.update((channel, one.number) for one in new)
        return ChannelRun(
            channel=f"channel {channel}",
            entry_count=len(listed),
            new_count=sum(not one.page.failure for one in new),
            pages=tuple(one.page for one in new),
        )


def _unreachable(run: ChannelRun) -> ChannelRun:
    """A listing that does not arrive; its entries stay for the next run or are missed."""
    return ChannelRun(channel=run.channel, is_read=False)
