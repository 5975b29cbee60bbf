"""Rules about listings: what they list, how long nothing is new, and the volume of a day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from flows.pipeline.health import silence
from flows.pipeline.health.comparison import ChannelView, RunRules
from flows.pipeline.health.values import ALL_CHANNELS
from flows.text import pluralize
from warehouse.records.health import Finding

MIN_READS = 3
"""Reads of a listing after which its number of entries is known."""

_ONE_DAY = timedelta(days=1)
_SOON = timedelta(hours=6)
_KNOWN_DAYS = 8


class ListingRules(RunRules):
    """The rules about the listings of a run."""

    def found(self) -> Iterator[Finding]:
        """The deviations, each once."""
        for channel in self.channels:
            yield from self._listing(channel)
        yield from self._silence()
        yield from self._volume()

    def is_normal(self, finding: Finding) -> bool:
        """Whether the run is evidence that a finding of an earlier run is over."""
        channels = [one for one in self.channels if finding.channel in (one.name, ALL_CHANNELS)]
        match finding.kind:
            case "no_entries":
                return any((one.run.entry_count or 0) > 0 for one in channels)
            case "unreadable_listing":
                return any(one.run.is_read for one in channels)
            case "not_moving":
                new = self.run.new_count if finding.channel == ALL_CHANNELS else 0
                return bool(new or any(one.run.new_count for one in channels))
        return self._is_volume_normal(finding.kind)

    # --- listings ---

    def _listing(self, channel: ChannelView) -> Iterator[Finding]:
        reads = sum(day.read_count for day in channel.days)
        if channel.state is None or reads < MIN_READS:
            return
        since = channel.state.last_read_at
        if channel.run.listing_error:
            yield self.finding(
                "unreadable_listing", channel.name, f"a listing that {reads} runs could read",
                channel.run.listing_error, since=since,
            )  # fmt: skip
        elif channel.run.is_read and channel.run.entry_count == 0:
            lows = [one.min_entry_count for one in channel.days if one.min_entry_count is not None]
            if lows and min(lows) > 0 and self._is_abrupt(channel):
                expected = (
                    f"at least {pluralize(min(lows), 'entry', 'entries')}, as in {reads} runs"
                )
                yield self.finding("no_entries", channel.name, expected, "no entries", since=since)

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
                yield self.finding(
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
            yield self.finding(
                "high_volume", ALL_CHANNELS, f"at most {high} new articles a day (declared)",
                f"{current.new_count} on {today}",
            )  # fmt: skip
        is_observed = is_continuous and yesterday - _ONE_DAY in by_day and self.run.daily_range
        if last and is_observed and last.new_count < low:
            yield self.finding(
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


def duration(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 2 * silence.DAY:
        return pluralize(round(seconds / silence.HOUR), "hour")
    return pluralize(round(seconds / silence.DAY), "day")
