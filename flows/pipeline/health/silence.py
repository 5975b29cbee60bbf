"""How long a source may have no new article before that is a deviation.

The limit comes from the silences of the source's own past: nights and weekends are in them.
Holidays are rare, so they may be missing there. A source that rests on weekends may rest for a
whole holiday; one that never rests has at least a tenth of its articles then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, sqrt

from warehouse.records.health import ChannelDay

HOUR, DAY = 3600.0, 86_400.0
LEARNING_DAYS = 15
"""Two weekends are among them."""

LEARNING_MOVES = 8
HOLIDAY = 10.5 * DAY
REST = 36 * HOUR
"""A source with longer silences every week rests on weekends."""

_RARE = 13.0
"""Standard deviations above the mean silence; an exponential distribution reaches it once in a
million."""

_HOLIDAY_ARTICLES = 160.0
"""A tenth of the daily volume yields 16 articles in ``160 / volume`` days; none is impossible."""

_MARGIN = 1.25
_WEEK = 7
_WEEKS = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """What is known of the silences of a channel.

    Attributes:
        limit: Seconds without a new article that are still normal; ``None`` while unknown.
        needs: What is still needed to know the limit.
        longest: Seconds of the longest silence of the past.
    """

    limit: float | None
    needs: tuple[str, ...] = ()
    longest: float = 0.0


def learn(
    days: Sequence[ChannelDay], first: date, today: date, declared_minimum: int = 0
) -> Silence:
    """What the past of a channel makes of its silences.

    Args:
        days: Of the channel, in order.
        first: The day of its first run.
        today: The day of the run.
        declared_minimum: Articles of a normal day, if the source declares them. They give a
            limit before the past does.
    """
    observed = (today - first).days
    moves = sum(one.move_count for one in days)
    longest = max((one.longest_silence_seconds for one in days), default=0)
    needs = []
    if observed < LEARNING_DAYS:
        needs.append(f"silence: {LEARNING_DAYS - observed} more days")
    if moves < LEARNING_MOVES:
        needs.append(f"silence: {LEARNING_MOVES - moves} more runs with a new article")
    if not needs:
        limit = _limit(days, moves, first, today)
        return Silence(limit=max(limit, longest * _MARGIN), longest=longest)
    provisional = None
    if declared_minimum > 0:
        provisional = max(DAY, min(HOLIDAY + 3 * DAY, DAY * _HOLIDAY_ARTICLES / declared_minimum))
    return Silence(limit=provisional, needs=tuple(needs), longest=longest)


def _limit(days: Sequence[ChannelDay], moves: int, first: date, today: date) -> float:
    usual = _usual_longest(days, today)
    mean = sum(one.silence_seconds for one in days) / moves
    variance = sum(one.silence_squares for one in days) / moves - mean**2
    rare = mean + _RARE * sqrt(max(0.0, variance))
    # The first day has what was published before.
    articles = sum(one.new_count for one in days if one.day > first)
    volume = max(articles / max((today - first).days, 1), 1e-6)
    holiday = usual + HOLIDAY
    if usual < REST:
        holiday = min(holiday, max(4 * usual, DAY * _HOLIDAY_ARTICLES / volume))
    return max(DAY, rare, holiday)


def _usual_longest(days: Sequence[ChannelDay], today: date) -> float:
    """The silence that three of four weeks do not exceed."""
    weeks: dict[int, int] = {}
    for one in days:
        week = (today - one.day).days // _WEEK
        if week < _WEEKS and one.move_count:
            weeks[week] = max(weeks.get(week, 0), one.longest_silence_seconds)
    longest = sorted(weeks.values())
    return float(longest[ceil(0.75 * len(longest)) - 1]) if longest else 0.0


def weekly_volumes(days: Sequence[ChannelDay], first: date, today: date) -> list[int]:
    """New articles in each whole week of the past, without the day of the first run."""
    volumes: dict[int, int] = {}
    weeks = (today - first - timedelta(days=1)).days // _WEEK
    for one in days:
        week = (today - one.day).days // _WEEK
        if one.day > first and 0 < week < weeks:
            volumes[week] = volumes.get(week, 0) + one.new_count
    return [volumes.get(week, 0) for week in range(1, weeks)]
