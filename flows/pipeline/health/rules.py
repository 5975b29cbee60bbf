"""The rules of health: each finds one kind of deviation, and what makes it normal again.

A rule compares a run with the past of its channel before the run. It needs evidence that ordinary
publishing does not produce: several pages in a row, or a value far outside of the past.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import exp, log, sqrt

from flows.pipeline.health import silence, statistics
from flows.pipeline.health.statistics import WINDOW, FieldPast, LengthPast
from flows.pipeline.health.values import (
    ALL_CHANNELS,
    FIELDS,
    ChannelRun,
    History,
    PageResult,
    Recent,
    SourceRun,
)
from flows.text import pluralize
from warehouse.records.health import ChannelDay, ChannelState, Finding

MIN_READS = 3
"""Reads of a listing after which its number of entries is known."""

MIN_FIELD_PAGES = 10
MIN_LENGTH_PAGES = 20
MIN_STREAK = 3
_UNLIKELY = log(1e-7)
_SHORT_DEVIATIONS = 5.0
_SHORT_SHARE = 0.5
_MIN_DEVIATION = 0.05
_WINDOWS = (WINDOW, 2 * WINDOW, 4 * WINDOW)
_DEPENDENT = 1.25
"""Texts in a row are alike, so that the mean of many deviates more than chance."""

_ONE_DAY = timedelta(days=1)
_TINY = 3
_SOON = timedelta(hours=6)
_KNOWN_DAYS = 8

WRONG_PAGES = frozenset(
    {"soft_404", "consent_page", "login_page", "subscription_page", "challenge_page", "wrong_page"}
)
_OF_THE_SITE = frozenset({"consent_page", "login_page", "challenge_page"})
"""Pages that a site sends in the place of all articles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelView:
    """One channel of a run with its past.

    Attributes:
        state: Before the run; ``None`` in the first one.
        days: The past before the run.
        pages: What the run adds to the recent pages.
        before, after: The recent pages without and with the run.
    """

    run: ChannelRun
    state: ChannelState | None
    days: Sequence[ChannelDay]
    pages: tuple[PageResult, ...]
    before: Recent
    after: Recent

    @property
    def name(self) -> str:
        """The channel."""
        return self.run.channel


def views(before: History, after: History, run: SourceRun) -> list[ChannelView]:
    """The channels of a run."""
    found = []
    for channel in run.channels:
        state = before.states.get(channel.channel)
        recent = Recent.load(state.recent) if state else Recent()
        found.append(
            ChannelView(
                run=channel,
                state=state,
                days=before.past_days(channel.channel),
                pages=statistics.new_pages(channel, recent),
                before=recent,
                after=Recent.load(after.states[channel.channel].recent),
            )
        )
    return found


class Rules:
    """The rules, for one run.

    ``found()`` yields the deviations of the run. ``is_normal`` decides about a finding of an
    earlier run: only evidence closes it, not the lack of evidence.
    """

    def __init__(self, before: History, after: History, run: SourceRun) -> None:
        self.before = before
        self.after = after
        self.run = run
        self.channels = views(before, after, run)

    def found(self) -> Iterator[Finding]:
        """The deviations of the run, each once."""
        for channel in self.channels:
            yield from self._listing(channel)
        yield from self._silence()
        yield from self._volume()
        if not any(channel.pages for channel in self.channels):
            return
        for name in FIELDS:
            yield from self._field(name)
        short = list(self._lengths())
        yield from short if len(short) < 2 else [replace(short[0], channel=ALL_CHANNELS)]
        texts = list(self._same("text", "same_text"))
        yield from texts
        if not texts:
            yield from self._same("canonical", "same_canonical_url")
            yield from self._failures()

    def is_normal(self, finding: Finding) -> bool:
        """Whether the run is evidence that a finding of an earlier one is over."""
        channels = [one for one in self.channels if finding.channel in (one.name, ALL_CHANNELS)]
        match finding.kind:
            case "no_entries":
                return any((one.run.entry_count or 0) > 0 for one in channels)
            case "unreadable_listing":
                return any(one.run.is_read for one in channels)
            case "not_moving":
                new = self.run.new_count if finding.channel == ALL_CHANNELS else 0
                return bool(new or any(one.run.new_count for one in channels))
            case "low_volume" | "high_volume":
                return self._is_volume_normal(finding.kind)
            case "field_missing":
                return self._has_field(channels, finding.field)
            case "short_bodies":
                return self._are_bodies_long(channels)
        return self._are_pages_normal(channels, finding)

    def _finding(
        self, kind: str, channel: str, expected: str, found: str, *, field: str = "",
        since: datetime | None = None,
    ) -> Finding:  # fmt: skip
        return Finding(
            source=self.run.source, channel=channel, kind=kind, field=field, expected=expected,
            found=found, since=since,
        )  # fmt: skip

    # --- listings ---

    def _listing(self, channel: ChannelView) -> Iterator[Finding]:
        reads = sum(day.read_count for day in channel.days)
        if channel.state is None or reads < MIN_READS:
            return
        since = channel.state.last_read_at
        if channel.run.listing_error:
            yield self._finding(
                "unreadable_listing", channel.name, f"a listing that {reads} runs could read",
                channel.run.listing_error, since=since,
            )  # fmt: skip
        elif channel.run.is_read and channel.run.entry_count == 0:
            lows = [one.min_entry_count for one in channel.days if one.min_entry_count is not None]
            if lows and min(lows) > 0 and self._is_abrupt(channel):
                expected = (
                    f"at least {pluralize(min(lows), 'entry', 'entries')}, as in {reads} runs"
                )
                yield self._finding("no_entries", channel.name, expected, "no entries", since=since)

    def _is_abrupt(self, channel: ChannelView) -> bool:
        """Whether a listing lost its entries at once; a calm week empties one step by step."""
        state = channel.state
        if state is None or state.entry_count is None or state.last_read_at is None:
            return False
        highs = [one.max_entry_count for one in channel.days if one.max_entry_count is not None]
        usual = sum(highs) / len(highs)
        if state.entry_count < usual / 2:
            return False
        first = self.before.first_day(channel.name)
        is_known = (self.run.day - first).days >= _KNOWN_DAYS
        return is_known or self.run.at - state.last_read_at <= _SOON

    def _silence(self) -> Iterator[Finding]:
        quiet = list(self._silent(self.after.states))
        names = {one.channel for one in quiet}
        if ALL_CHANNELS in names:
            quiet = [one for one in quiet if one.channel == ALL_CHANNELS]
        yield from quiet

    def _silent(self, names: Iterable[str]) -> Iterator[Finding]:
        configured = {one.name for one in self.channels}
        for name in sorted(names):
            state = self.after.states[name]
            if name != ALL_CHANNELS and name not in configured:
                continue  # no longer configured
            if state.last_read_at is None or state.last_new_at is None:
                continue
            known = self.silence_of(name)
            seconds = (state.last_read_at - state.last_new_at).total_seconds()
            if known.limit is not None and seconds > known.limit:
                yield self._finding(
                    "not_moving", name, f"a new article within {duration(known.limit)}",
                    f"none for {duration(seconds)}", since=state.last_new_at,
                )  # fmt: skip

    def silence_of(self, name: str) -> silence.Silence:
        """What is known of the silences of a channel before the run."""
        is_whole = name == ALL_CHANNELS or len(self.run.channels) == 1
        declared = self.run.daily_range[0] if self.run.daily_range else self.run.parser_range.start
        return silence.learn(
            self.before.past_days(name),
            self.after.first_day(name),
            self.run.day,
            declared if is_whole else 0,
        )

    # --- volume ---

    @property
    def whole(self) -> str:
        """The channel that represents the whole source."""
        is_one = len(self.run.channels) == 1 and ALL_CHANNELS not in self.after.states
        return self.run.channels[0].channel if is_one else ALL_CHANNELS

    def _volume(self) -> Iterator[Finding]:
        if self.whole not in self.after.states:
            return
        first = self.after.first_day(self.whole)
        by_day = {one.day: one for one in self.after.past_days(self.whole) if one.day > first}
        today, yesterday = self.run.day, self.run.day - _ONE_DAY
        low, high = self.run.daily_range or (0, self.run.parser_range.stop - 1)
        last, current = by_day.get(yesterday), by_day.get(today)
        is_continuous = bool(last and last.read_count)
        if current and is_continuous and current.new_count > high:
            yield self._finding(
                "high_volume", ALL_CHANNELS, f"at most {high} new articles a day (declared)",
                f"{current.new_count} on {today}",
            )  # fmt: skip
        is_observed = is_continuous and yesterday - _ONE_DAY in by_day and self.run.daily_range
        if last and is_observed and last.new_count < low:
            yield self._finding(
                "low_volume", ALL_CHANNELS, f"at least {low} new articles a day (declared)",
                f"{last.new_count} on {yesterday}",
            )  # fmt: skip

    def _is_volume_normal(self, kind: str) -> bool:
        rows = {one.day: one.new_count for one in self.after.past_days(self.whole)}
        last = rows.get(self.run.day - _ONE_DAY)
        low, high = self.run.daily_range or (0, self.run.parser_range.stop - 1)
        if last is None:
            return False
        return last >= low if kind == "low_volume" else max(last, rows.get(self.run.day, 0)) <= high

    # --- fields ---

    def _past(self, channel: ChannelView, name: str) -> tuple[int, FieldPast, str]:
        """The streak of a field after the run, its past before the streak, and its start."""
        earlier, _ = channel.before.streaks.get(name, (0, ""))
        streak, since = channel.after.streaks.get(name, (0, ""))
        started = datetime.fromisoformat(since).date() if since else None
        return streak, statistics.field_past(channel.days, name, earlier, started), since

    def _field(self, name: str) -> Iterator[Finding]:
        read = [one for one in self.channels if any(not page.failure for page in one.pages)]
        if sum(one.after.streaks.get(name, (0, ""))[0] for one in read) < MIN_STREAK:
            return
        pasts = {one.name: self._past(one, name) for one in read}
        # A channel where the field is an exception proves nothing.
        pasts = {key: one for key, one in pasts.items() if one[1].present >= one[1].missing}
        affected = {key: one for key, one in pasts.items() if one[0]}
        broken = [key for key, one in affected.items() if _is_unlikely(one[0], one[1])]
        if len(affected) > 1 and len(affected) == len(pasts):
            together = _sum(one[1] for one in affected.values())
            streak = sum(one[0] for one in affected.values())
            if len(broken) > 1 or _is_unlikely(streak, together):
                since = min(one[2] for one in affected.values())
                yield self._missing(name, ALL_CHANNELS, streak, together, since)
                return
        for key in broken:
            streak, past, since = affected[key]
            yield self._missing(name, key, streak, past, since)

    def _missing(
        self, name: str, channel: str, streak: int, past: FieldPast, since: str
    ) -> Finding:
        share = 100 * past.present / max(past.count, 1)
        return self._finding(
            "field_missing", channel,
            f"{share:.0f} % of {pluralize(past.count, 'article')} with {name}",
            f"none of the last {streak}", field=name, since=datetime.fromisoformat(since),
        )  # fmt: skip

    def _has_field(self, channels: Sequence[ChannelView], name: str) -> bool:
        read = [one for one in channels if any(not page.failure for page in one.pages)]
        usual = [one for one in read if _has_usually(self._past(one, name)[1])] or read
        return bool(usual) and all(name not in one.after.streaks for one in usual)

    # --- bodies ---

    def _lengths(self) -> Iterator[Finding]:
        for channel in self.channels:
            past = statistics.length_past(channel.days)
            if past is None or past.count < MIN_LENGTH_PAGES:
                continue
            if all(page.failure for page in channel.pages):
                continue
            read = [log(1 + page.length) for page in channel.after.pages if not page.failure]
            short = next((n for n in _WINDOWS if _is_short(read[-n:], n, past)), 0)
            if not short and _have_shrunk(channel):
                short = min(WINDOW, len(read))
            if short:
                yield self._finding(
                    "short_bodies", channel.name, f"about {exp(past.mean):.0f} characters",
                    f"about {exp(sum(read[-short:]) / short):.0f} in the last {short} articles",
                    since=channel.state.last_new_at if channel.state else None,
                )  # fmt: skip

    def _are_bodies_long(self, channels: Sequence[ChannelView]) -> bool:
        for channel in channels:
            past = statistics.length_past(channel.days)
            read = [page for page in channel.pages if not page.failure]
            if past is None or not read:
                continue
            longest = max(log(1 + page.length) for page in read)
            if longest >= min(past.mean - past.deviation, past.mean + log(_SHORT_SHARE)):
                return True
        return False

    # --- pages ---

    def _same(self, attribute: str, kind: str) -> Iterator[Finding]:
        groups = [(one.name, one.pages, one.before.pages, one.after.pages) for one in self.channels]
        if len(groups) > 1:
            pooled = tuple(page for one in self.channels for page in one.pages)
            past = tuple(page for one in self.channels for page in one.before.pages)
            # Each channel may have one article under an address of its own.
            if _most(pooled, attribute)[1] > len(groups):
                groups = [(ALL_CHANNELS, pooled, past, ())]
        for name, pages, before, after in groups:
            value, count = _most(pages, attribute)
            if count < MIN_STREAK:
                value, count = _streak(after, attribute) if pages else ("", 0)
                if count <= MIN_STREAK:
                    continue
            earlier = [one for one in before if getattr(one, attribute) != value]
            if len(earlier) < MIN_STREAK or _most(earlier, attribute)[1] >= MIN_STREAK:
                continue
            what = "text" if kind == "same_text" else "canonical URL"
            yield self._finding(
                kind, name, f"a {what} of its own for each article",
                f"{pluralize(count, 'article')} with one {what}",
            )  # fmt: skip

    def _failures(self) -> Iterator[Finding]:
        groups = [(one.name, one.pages, one.days, one.after.pages) for one in self.channels]
        if len(groups) > 1:
            pooled = tuple(page for one in self.channels for page in one.pages)
            days = [day for one in self.channels for day in one.days]
            if found := list(self._failing_group(ALL_CHANNELS, pooled, days, ())):
                yield from found
                return
        for group in groups:
            yield from self._failing_group(*group)

    def _failing_group(
        self, name: str, pages: Sequence[PageResult], days: Sequence[ChannelDay],
        recent: Sequence[PageResult],
    ) -> Iterator[Finding]:  # fmt: skip
        failed = [page.failure for page in pages if page.failure]
        past = sum(day.parsed_count for day in days)
        past_failed = sum(day.failed_count for day in days)
        if not failed or past < MIN_FIELD_PAGES or past_failed > past:
            return
        streak = _failing(recent)
        is_many = len(failed) >= MIN_STREAK and 2 * len(failed) >= len(pages)
        is_site = len(failed) == len(pages) and _OF_THE_SITE.issuperset(failed)
        if not (is_many or is_site or streak >= MIN_STREAK):
            return
        reason, _ = Counter(failed).most_common(1)[0]
        kind = "wrong_pages" if reason in WRONG_PAGES else "unreadable_pages"
        count = max(len(failed), streak)
        yield self._finding(
            kind, name, f"articles, as on {pluralize(past, 'page')} before",
            f"{reason.replace('_', ' ')}, {pluralize(count, 'time')}", field=reason,
        )  # fmt: skip

    def _are_pages_normal(self, channels: Sequence[ChannelView], finding: Finding) -> bool:
        pages = [page for one in channels for page in one.pages]
        read = [page for page in pages if not page.failure]
        attributes = {"same_text": "text", "same_canonical_url": "canonical"}
        if attribute := attributes.get(finding.kind):
            recent = [page for one in channels for page in one.after.pages]
            values = {page.key: getattr(page, attribute) for page in recent}
            counts = Counter(values.values())
            return any(counts[getattr(page, attribute)] == 1 for page in read)
        return 2 * len(read) > len(pages)


def _is_unlikely(streak: int, past: FieldPast) -> bool:
    """Whether so many articles in a row without a value do not occur by chance."""
    if streak < MIN_STREAK or past.count < MIN_FIELD_PAGES or past.present < past.missing:
        return False
    rate = (past.missing + 1) / (past.count + 2)
    return streak * log(rate) <= _UNLIKELY and streak > 2 * past.longest_streak


def _is_short(last: Sequence[float], count: int, past: LengthPast) -> bool:
    """Whether the logarithms of the last lengths are far below those of the past."""
    if len(last) < count:
        return False
    mean = sum(last) / count
    deviation = max(past.window_deviation, past.deviation / sqrt(WINDOW), _MIN_DEVIATION)
    deviation *= sqrt(WINDOW / count) * (1.0 if count == WINDOW else _DEPENDENT)
    is_far = mean < min(past.mean - _SHORT_DEVIATIONS * deviation, past.mean + log(_SHORT_SHARE))
    return is_far and (count > WINDOW or mean < past.window_min + log(_SHORT_SHARE))


def _has_usually(past: FieldPast) -> bool:
    return past.present > past.missing


def _sum(pasts: Iterable[FieldPast]) -> FieldPast:
    total = FieldPast()
    for one in pasts:
        total += one
    return total


def _have_shrunk(channel: ChannelView) -> bool:
    """Whether most articles that were read again lost half of their text."""
    lengths = {one.key: one.length for one in channel.before.pages if not one.failure}
    again = [page for page in channel.pages if not page.failure and page.key in lengths]
    shrunk = [page for page in again if page.length < _SHORT_SHARE * lengths[page.key]]
    return len(shrunk) >= MIN_STREAK and 2 * len(shrunk) > len(again)


def _most(pages: Iterable[PageResult], attribute: str) -> tuple[str, int]:
    """The value that most of the pages share, and how many do; no value if there is none."""
    values = {one.key: value for one in pages if (value := getattr(one, attribute))}
    if not values:
        return "", 0
    value, count = Counter(values.values()).most_common(1)[0]
    return (value, count) if 2 * count > len(values) else ("", 0)


def _streak(pages: Sequence[PageResult], attribute: str) -> tuple[str, int]:
    """The value of the last page, and how many of the last pages have it."""
    values = [value for one in pages if (value := getattr(one, attribute))]
    last = values[-1] if values else ""
    different = (place for place, value in enumerate(reversed(values)) if value != last)
    return last, next(different, len(values))


def _failing(pages: Sequence[PageResult]) -> int:
    """How many of the last pages could not be read."""
    count = 0
    for one in reversed(pages):
        if not one.failure:
            break
        count += 1
    return count


def duration(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 2 * silence.DAY:
        return pluralize(round(seconds / silence.HOUR), "hour")
    return pluralize(round(seconds / silence.DAY), "day")
