"""Add a run to the history of its source: days, states, recent pages, streaks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from math import log
from typing import Any

from flows.pipeline.health.values import (
    ALL_CHANNELS,
    FIELDS,
    PAST_DAYS,
    ChannelRun,
    History,
    PageResult,
    Recent,
    SourceRun,
    load_json,
)
from warehouse.records.health import ChannelDay, ChannelState

KEPT_PAGES = 30
WINDOW = 5
"""Texts in a row whose mean length is compared with the past."""

MAX_ORIGINS = 8
MAX_ORIGIN_LENGTH = 60
_BREAK = timedelta(hours=26)
"""Longer without a read: the listing may have moved meanwhile, so no silence is known."""


def new_pages(run: ChannelRun, recent: Recent) -> tuple[PageResult, ...]:
    """The pages of a run that the recent ones do not have already."""
    known = {one.key: one.signature() for one in recent.pages}
    return tuple(one for one in run.pages if known.get(one.key) != one.signature())


def extend(history: History, run: SourceRun) -> History:
    """The history with one more run; its findings stay as they are."""
    states, days = dict(history.states), dict(history.days)
    for channel in _with_all(history, run):
        state = history.states.get(channel.channel)
        rows = history.days.get(channel.channel, ())
        is_today = bool(rows) and rows[-1].day == run.day
        day = (
            rows[-1]
            if is_today
            else ChannelDay(source=run.source, channel=channel.channel, day=run.day)
        )
        changed = _add(history, run, channel, state, day)
        states[channel.channel] = changed[0]
        kept = rows[:-1] if is_today else rows
        first = run.day - timedelta(days=PAST_DAYS)
        days[channel.channel] = (*(one for one in kept if one.day >= first), changed[1])
    return replace(history, states=states, days=days)


def _with_all(history: History, run: SourceRun) -> Sequence[ChannelRun]:
    """The channels of a run, and all of them together where there are several."""
    if len(run.channels) < 2 and ALL_CHANNELS not in history.states:
        return run.channels
    every = ChannelRun(
        channel=ALL_CHANNELS,
        is_read=any(one.is_read for one in run.channels),
        new_count=run.new_count,
    )
    return (*run.channels, every)


def _add(
    history: History,
    run: SourceRun,
    channel: ChannelRun,
    state: ChannelState | None,
    day: ChannelDay,
) -> tuple[ChannelState, ChannelDay]:
    is_first = state is None
    state = state or ChannelState(source=run.source, channel=channel.channel, since=run.at)
    day = replace(
        day,
        run_count=day.run_count + 1,
        read_count=day.read_count + channel.is_read,
        new_count=day.new_count + channel.new_count,
    )
    if channel.is_read:
        count = state.entry_count if channel.entry_count is None else channel.entry_count
        day = _with_entries(day, count)
        if channel.new_count:
            if not is_first and not history.is_open("not_moving", channel.channel):
                day = _with_silence(day, state, run.at)
            day = replace(day, move_count=day.move_count + 1)
        state = replace(
            state,
            last_read_at=run.at,
            last_new_at=run.at if channel.new_count or is_first else state.last_new_at,
            entry_count=count,
        )
    recent = Recent.load(state.recent)
    if pages := new_pages(channel, recent):
        day = _with_pages(history, day, recent, pages)
        recent = _extended(recent, pages, run.at)
        state = replace(state, recent=recent.dump())
    return state, day


def _with_entries(day: ChannelDay, count: int | None) -> ChannelDay:
    if count is None:
        return day
    low, high = day.min_entry_count, day.max_entry_count
    return replace(
        day,
        min_entry_count=count if low is None else min(low, count),
        max_entry_count=count if high is None else max(high, count),
    )


def _with_silence(day: ChannelDay, state: ChannelState, at: datetime) -> ChannelDay:
    if state.last_new_at is None or state.last_read_at is None:
        return day
    until = at if at - state.last_read_at <= _BREAK else state.last_read_at
    seconds = max(0, int((until - state.last_new_at).total_seconds()))
    return replace(
        day,
        longest_silence_seconds=max(day.longest_silence_seconds, seconds),
        silence_seconds=day.silence_seconds + seconds,
        silence_squares=day.silence_squares + float(seconds) ** 2,
    )


def _extended(recent: Recent, pages: Iterable[PageResult], at: datetime) -> Recent:
    kept = {one.key: one for one in recent.pages}
    streaks = dict(recent.streaks)
    for page in pages:
        kept.pop(page.key, None)
        kept[page.key] = replace(page, provenance={})
        if page.failure:
            continue
        for name in FIELDS:
            if name not in page.missing:
                streaks.pop(name, None)
            else:
                count, last = streaks.get(name, (0, at.isoformat(timespec="seconds")))
                streaks[name] = (count + 1, last)
    return Recent(pages=tuple(kept.values())[-KEPT_PAGES:], streaks=streaks)


# --- fields and lengths of a day ------------------------------------------------------------


def _with_pages(
    history: History, day: ChannelDay, recent: Recent, pages: Sequence[PageResult]
) -> ChannelDay:
    read = [one for one in pages if not one.failure]
    fields = json.loads(day.fields)
    streaks = {name: count for name, (count, _) in recent.streaks.items()}
    for page in read:
        for name in FIELDS:
            value = fields.setdefault(name, {"with": 0, "without": 0, "streak": 0, "from": {}})
            if name in page.missing:
                value["without"] += 1
                streaks[name] = streaks.get(name, 0) + 1
                if history.is_open("field_missing", day.channel, name):
                    value["flagged"] = value.get("flagged", 0) + 1
                else:
                    value["streak"] = max(value["streak"], streaks[name])
            else:
                value["with"] += 1
                streaks[name] = 0
                _count_origin(value["from"], page.provenance.get(name, ""))
    lengths = day.lengths
    if read and not history.is_open("short_bodies", day.channel):
        lengths = _with_lengths(lengths, recent, read)
    return replace(
        day,
        parsed_count=day.parsed_count + len(read),
        failed_count=day.failed_count + len(pages) - len(read),
        fields=json.dumps(fields, ensure_ascii=False, separators=(",", ":")),
        lengths=lengths,
    )


def _count_origin(origins: dict[str, int], origin: str) -> None:
    name = origin[:MAX_ORIGIN_LENGTH]
    if name not in origins and len(origins) >= MAX_ORIGINS:
        name = "other"
    origins[name] = origins.get(name, 0) + 1


def _with_lengths(text: str, recent: Recent, read: Sequence[PageResult]) -> str:
    sums: dict[str, Any] = {
        "count": 0, "sum": 0.0, "squares": 0.0,
        "windows": 0, "window_sum": 0.0, "window_squares": 0.0, "window_min": None,
    } | json.loads(text)  # fmt: skip
    before = [log(1 + one.length) for one in recent.pages if not one.failure]
    logs = before + [log(1 + page.length) for page in read]
    # The last texts wait: they may be the beginning of a drift.
    for place in range(max(0, len(before) - WINDOW), max(0, len(logs) - WINDOW)):
        sums["count"] += 1
        sums["sum"] += logs[place]
        sums["squares"] += logs[place] ** 2
        window = logs[max(0, place - WINDOW + 1) : place + 1]
        if len(window) == WINDOW:
            mean = sum(window) / WINDOW
            sums["windows"] += 1
            sums["window_sum"] += mean
            sums["window_squares"] += mean**2
            low = sums["window_min"]
            sums["window_min"] = mean if low is None else min(low, mean)
    rounded = {name: round(one, 4) if isinstance(one, float) else one for name, one in sums.items()}
    return json.dumps(rounded, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPast:
    """How often a field had a value in the past of a channel, findings left out."""

    present: int = 0
    missing: int = 0
    longest_streak: int = 0

    @property
    def count(self) -> int:
        """The number of articles."""
        return self.present + self.missing

    def __add__(self, other: FieldPast) -> FieldPast:
        return FieldPast(
            present=self.present + other.present,
            missing=self.missing + other.missing,
            longest_streak=self.longest_streak + other.longest_streak,
        )


def field_past(
    days: Iterable[ChannelDay], name: str, streak: int, started: date | None
) -> FieldPast:
    """The past of a field before its present streak of articles without a value.

    Args:
        days: Of one channel.
        name: The field.
        streak: Articles of the present streak; the days count them.
        started: The day the streak began, if there is one.
    """
    present = missing = longest = 0
    for day in days:
        if value := load_json(day.fields).get(name):
            present += value["with"]
            missing += value["without"] - value.get("flagged", 0)
            if started is None or day.day < started:
                longest = max(longest, value["streak"])
    return FieldPast(present=present, missing=max(0, missing - streak), longest_streak=longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthPast:
    """Logarithms of text lengths in the past of a channel.

    Attributes:
        deviation: Standard deviation of one text.
        window_deviation: Standard deviation of the mean of ``WINDOW`` texts in a row.
        window_min: The smallest such mean.
    """

    count: int
    mean: float
    deviation: float
    window_deviation: float
    window_min: float


def length_past(days: Iterable[ChannelDay]) -> LengthPast | None:
    """The past of the text lengths; ``None`` where there is too little."""
    found = [load_json(day.lengths) for day in days if day.lengths != "{}"]
    count = sum(one["count"] for one in found)
    windows = sum(one["windows"] for one in found)
    if count < 2 or windows < 2:
        return None
    lowest = [one["window_min"] for one in found if one["window_min"] is not None]
    mean, deviation = _moments(found, "sum", "squares", count)
    _, window_deviation = _moments(found, "window_sum", "window_squares", windows)
    return LengthPast(
        count=count,
        mean=mean,
        deviation=deviation,
        window_deviation=window_deviation,
        window_min=min(lowest),
    )


def _moments(
    found: Sequence[dict[str, Any]], total: str, squares: str, count: int
) -> tuple[float, float]:
    mean = sum(one[total] for one in found) / count
    variance = sum(one[squares] for one in found) / count - mean**2
    return mean, max(0.0, variance) ** 0.5
