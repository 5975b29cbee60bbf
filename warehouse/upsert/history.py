"""The rule that decides new, updated and unchanged: an article's history. Pure, no database.

A history is a chain of versions in the order of time (equal times in the order of storing);
the last one is current. A repetition of the version before it is not in the chain. So a late
version, between another and its repetition, adds two versions: itself, and the return of the
other one.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from warehouse.upsert.observations import Observation


class Version(NamedTuple):
    """The article has ``record`` from ``at`` on (microseconds since 1970).

    ``seq`` orders the stored versions; a version not yet stored has none.
    """

    at: int
    seq: int | None
    content: bytes
    record: bytes


class SeenInterval(NamedTuple):
    """The article was seen with ``content`` in ``channel`` at both ends."""

    content: bytes
    channel: str
    first: int
    last: int


@dataclass(slots=True)
class History:
    """What is known of one article.

    Attributes:
        chain: Its versions in order.
        intervals: Where it was seen, if that ends at or after the first new observation.
        records: Every record it ever had.
    """

    chain: list[Version] = field(default_factory=list)
    intervals: list[SeenInterval] = field(default_factory=list)
    records: set[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.records = {version.record for version in self.chain}

    @property
    def current(self) -> bytes | None:
        """The current content; ``None`` for an article never seen."""
        return self.chain[-1].content if self.chain else None

    def place_version(self, seen: Observation) -> list[Version]:
        """Add an observation; return the versions that it adds: none, itself, or also a return."""
        here = bisect_right(self.chain, seen.at, key=attrgetter("at"))
        before = self.chain[here - 1] if here else None
        if self._has_version(seen, before):
            return []
        added = [Version(seen.at, None, seen.content_key, seen.record_key)]
        until = self.chain[here].at if here < len(self.chain) else None
        again = self._first_repetition(before, seen.at, until) if before else None
        if before and again is not None:
            added.append(Version(again, None, before.content, before.record))
        self.chain[here:here] = added
        self.records.add(seen.record_key)
        return added

    def extend_interval(self, seen: Observation) -> bool:
        """Add a sighting; return whether it was new."""
        channel = seen.row.channel
        for one in self.intervals:
            if (
                one.content == seen.content_key
                and one.channel == channel
                and one.first <= seen.at <= one.last
            ):
                return False
        self.intervals.append(SeenInterval(seen.content_key, channel, seen.at, seen.at))
        return True

    def _has_version(self, seen: Observation, before: Version | None) -> bool:
        """Return whether the chain has this record at this time, or had it and was corrected."""
        if before and before.record == seen.record_key:
            return True
        if seen.record_key not in self.records:
            return False
        return any(
            one.content == seen.content_key and seen.at in (one.first, one.last)
            for one in self.intervals
        ) or any(
            # Two parses of one page, whose sighting was merged into a longer interval.
            one.record == seen.record_key and one.at == seen.at
            for one in self.chain
        )

    def _first_repetition(self, version: Version, moment: int, until: int | None) -> int | None:
        """Return when ``version`` was first seen again after ``moment`` and before ``until``."""
        times = [
            one.first if one.first > moment else one.last
            for one in self.intervals
            if one.content == version.content and one.last > moment
        ]
        first = min(times, default=None)
        return None if first is None or (until is not None and first >= until) else first
