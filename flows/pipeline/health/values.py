"""Values of health: what one run found in a source, and the history that it extends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from warehouse.records.health import ChannelDay, ChannelState, StoredFinding

FIELDS = (
    "title", "authors", "publisher", "published_at", "updated_at", "categories", "tags",
    "language", "lead_image", "original_url", "full_text",
)  # fmt: skip
"""Fields whose coverage is watched. ``full_text`` is a text that is complete."""

PAST_DAYS = 190
"""Days that count as the past: a half year, which 26 weeks of silences need."""

ALL_CHANNELS = ""
"""The name under which the channels of a source are counted together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageResult:
    """What became of one page, as far as health needs it.

    Attributes:
        key: Digest of its address.
        is_new: The channel had the article for the first time.
        failure: The reason in the quarantine; empty when an article was read.
        length: Characters of the text.
        missing: Fields without a value.
        provenance: How each other field was found.
        text: Digest of the text; empty when there is none.
        canonical: Digest of the canonical URL; empty when there is none.
    """

    key: str
    is_new: bool = False
    failure: str = ""
    length: int = 0
    missing: frozenset[str] = frozenset()
    provenance: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    canonical: str = ""

    def signature(self) -> tuple[object, ...]:
        """What must differ for the page to count as changed."""
        return (self.failure, self.length, self.missing, self.text, self.canonical)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRun:
    """What one run found in one channel.

    Attributes:
        entry_count: Entries of the listing; ``None`` when it was not read, or not modified.
        is_read: The listing arrived and could be read.
        listing_error: Why the listing that arrived could not be read.
        new_count: Articles seen in the channel for the first time.
        pages: The pages of new or changed articles, the newest last.
    """

    channel: str
    entry_count: int | None = None
    is_read: bool = True
    listing_error: str = ""
    new_count: int = 0
    pages: tuple[PageResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRun:
    """What one run found in one source.

    Attributes:
        at: Aware UTC, when its listings were read.
        zone: The time zone of the source's days.
        new_count: Articles that at least one channel had for the first time.
        daily_range: Articles of a normal day by the configuration; ``None`` when it has none.
        parser_range: The same by the parser, which knows the publication and not its holidays.
    """

    source: str
    run_id: str
    at: datetime
    zone: ZoneInfo
    channels: tuple[ChannelRun, ...]
    new_count: int = 0
    daily_range: tuple[int, int] | None = None
    parser_range: range = range(1_000_000)

    @property
    def day(self) -> date:
        """The day of the run in the zone of the source."""
        return self.at.astimezone(self.zone).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The past of a source.

    Attributes:
        states: By channel, with one for all channels together.
        days: By channel, in their order.
        findings: The open ones.
        zone: The time zone of the days.
        coverage: JSON text of ``SourceHealth.coverage`` after the last run.
    """

    states: Mapping[str, ChannelState] = field(default_factory=dict)
    days: Mapping[str, tuple[ChannelDay, ...]] = field(default_factory=dict)
    findings: tuple[StoredFinding, ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    coverage: str = "{}"

    def first_day(self, channel: str) -> date:
        """The day of a channel's first run."""
        return self.states[channel].since.astimezone(self.zone).date()

    def past_days(self, channel: str) -> Sequence[ChannelDay]:
        """The days that count as the past of a channel."""
        if channel not in self.states:
            return ()
        first, days = self.first_day(channel), self.days.get(channel, ())
        if not days or days[0].day >= first:
            return days
        return [one for one in days if one.day >= first]

    def is_open(self, kind: str, channel: str, field_name: str = "") -> bool:
        """Whether such a finding is open for the channel or for all of them."""
        return any(
            (one.row.kind, one.row.field) == (kind, field_name)
            and one.row.channel in (channel, ALL_CHANNELS)
            for one in self.findings
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """The last pages of a channel.

    Attributes:
        pages: Without their provenance, the newest last.
        streaks: Per field, how many articles in a row had no value, and when the last one had.
    """

    pages: tuple[PageResult, ...] = ()
    streaks: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def dump(self) -> str:
        """The JSON text of a stored row."""
        pages = [
            [one.key, one.failure, one.length, sorted(one.missing), one.text, one.canonical]
            for one in self.pages
        ]
        streaks = {name: list(streak) for name, streak in self.streaks.items()}
        return json.dumps({"pages": pages, "streaks": streaks}, separators=(",", ":"))

    @staticmethod
    @lru_cache(maxsize=256)
    def load(text: str) -> Recent:
        """Read what ``dump`` wrote."""
        stored = json.loads(text)
        pages = tuple(
            PageResult(
                key=key, failure=failure, length=length, missing=frozenset(missing), text=digest,
                canonical=canonical,
            )
            for key, failure, length, missing, digest, canonical in stored.get("pages", ())
        )  # fmt: skip
        streaks = {name: (count, at) for name, (count, at) in stored.get("streaks", {}).items()}
        return Recent(pages=pages, streaks=streaks)


@lru_cache(maxsize=4096)
def load_json(text: str) -> dict[str, Any]:
    """Read an object of a stored row; callers do not change it."""
    found: dict[str, Any] = json.loads(text)
    return found
