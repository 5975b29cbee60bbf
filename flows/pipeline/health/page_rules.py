"""Rules about pages: fields that disappear, short and equal texts, other pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from math import exp, log, sqrt

from flows.pipeline.health import statistics
from flows.pipeline.health.comparison import ChannelView, RunRules
from flows.pipeline.health.statistics import WINDOW, FieldPast, LengthPast
from flows.pipeline.health.values import ALL_CHANNELS, FIELDS, PageResult
from flows.text import pluralize
from warehouse.records.health import ChannelDay, Finding

MIN_FIELD_PAGES = 10
MIN_LENGTH_PAGES = 20
MIN_STREAK = 3
_UNLIKELY = log(1e-7)
_UNLIKELY_WITH_GAPS = log(1e-9)
"""Of a field that some articles lack: they come in groups, which chance underestimates."""

_SHORT_DEVIATIONS = 5.0
_SHORT_SHARE = 0.5
_MIN_DEVIATION = 0.1
_FEW = 200
_WINDOWS = (WINDOW, 2 * WINDOW, 4 * WINDOW)
_DEPENDENT = 1.25
"""Texts in a row are alike, so that the mean of many deviates more than chance."""


WRONG_PAGES = frozenset(
    {"soft_404", "consent_page", "login_page", "subscription_page", "challenge_page", "wrong_page"}
)
_OF_THE_SITE = frozenset({"consent_page", "login_page", "challenge_page"})
"""Pages that a site sends in the place of all articles."""


class PageRules(RunRules):
    """The rules about the pages of a run."""

    def found(self) -> Iterator[Finding]:
        """The deviations, each once."""
        if not any(channel.pages for channel in self.channels):
            return
        for name in FIELDS:
            yield from self._field(name)
        yield from self._lengths()
        texts = list(self._same("text", "same_text"))
        yield from texts
        if not texts:
            yield from self._same("canonical", "same_canonical_url")
            yield from self._failures()

    def is_normal(self, finding: Finding) -> bool:
        """Whether the run is evidence that a finding of an earlier run is over."""
        channels = [one for one in self.channels if finding.channel in (one.name, ALL_CHANNELS)]
        match finding.kind:
            case "field_missing":
                return self._has_field(channels, finding.field)
            case "short_bodies":
                return self._are_bodies_long(channels)
        return self._are_pages_normal(channels, finding)

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
        return self.finding(
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
        found = [
            one
            for channel in self.channels
            for one in self._short(
                channel.name,
                channel.days,
                channel.after.pages,
                channel.pages,
                _WINDOWS,
                has_shrunk=_have_shrunk([channel]),
            )
        ]
        if not found and len(self.channels) > 1:
            days = [day for one in self.channels for day in one.days]
            pages = [page for one in self.channels for page in one.pages]
            count = sum(not page.failure for page in pages)
            windows = (count,) if count >= WINDOW else ()
            found += self._short(
                ALL_CHANNELS, days, pages, pages, windows, has_shrunk=_have_shrunk(self.channels)
            )
        yield from found if len(found) < 2 else [replace(found[0], channel=ALL_CHANNELS)]

    def _short(
        self, name: str, days: Sequence[ChannelDay], recent: Sequence[PageResult],
        pages: Sequence[PageResult], windows: Sequence[int], *, has_shrunk: bool,
    ) -> Iterator[Finding]:  # fmt: skip
        past = statistics.length_past(days)
        if past is None or past.count < MIN_LENGTH_PAGES or all(page.failure for page in pages):
            return
        read = [log(1 + page.length) for page in recent if not page.failure]
        short = next((n for n in windows if _is_short(read[-n:], n, past)), 0)
        if not short and has_shrunk:
            short = min(WINDOW, len(read))
        if short:
            yield self.finding(
                "short_bodies", name, f"about {exp(past.mean):.0f} characters",
                f"about {exp(sum(read[-short:]) / short):.0f} in the last "
                f"{pluralize(short, 'article')}",
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
            yield self.finding(
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
        yield self.finding(
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
    limit = _UNLIKELY_WITH_GAPS if past.missing else _UNLIKELY
    return streak * log(rate) <= limit and streak > 2 * past.longest_streak


def _is_short(last: Sequence[float], count: int, past: LengthPast) -> bool:
    """Whether the logarithms of the last lengths are far below those of the past."""
    if len(last) < count:
        return False
    mean = sum(last) / count
    deviation = max(past.window_deviation, past.deviation / sqrt(WINDOW), _MIN_DEVIATION)
    deviation *= sqrt(WINDOW / count) * (1.0 if count == WINDOW else _DEPENDENT)
    # A short past has not seen all that is ordinary.
    deviations = _SHORT_DEVIATIONS + _FEW / past.count
    is_far = mean < min(past.mean - deviations * deviation, past.mean + log(_SHORT_SHARE))
    return is_far and (count > WINDOW or mean < past.window_min + log(_SHORT_SHARE))


def _has_usually(past: FieldPast) -> bool:
    return past.present > past.missing


def _sum(pasts: Iterable[FieldPast]) -> FieldPast:
    total = FieldPast()
    for one in pasts:
        total += one
    return total


def _have_shrunk(channels: Sequence[ChannelView]) -> bool:
    """Whether most articles that were read again lost half of their text."""
    again = shrunk = 0
    for channel in channels:
        lengths = {one.key: one.length for one in channel.before.pages if not one.failure}
        for page in channel.pages:
            if not page.failure and page.key in lengths:
                again += 1
                shrunk += page.length < _SHORT_SHARE * lengths[page.key]
    return shrunk >= MIN_STREAK and 2 * shrunk > again


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
