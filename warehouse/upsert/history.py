"""What one more sight of an article means, given its history. Pure: no database.

A history is a chain of versions in the order of time (equal times in the order of
storing); the last is current. Confirmations, sights that say what the version before
them says, are not in the chain. So a version that arrives late, between another and a
confirmation of it, adds two links: itself, and the other one's return.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from warehouse.upsert.observations import Observation


class Version(NamedTuple):
    """The article began to say ``record`` at ``at`` (microseconds since 1970).

    ``seq`` orders what is stored already; what is not yet has none.
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
    """What is known of one article; ``add`` grows it.

    Attributes:
        chain: Its versions in order.
        seen: The stretches that end at or after the first sight to be added.
        records: Every record it ever had.
    """

    chain: list[Version] = field(default_factory=list)
    seen: list[SeenInterval] = field(default_factory=list)
    records: set[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.records = {version.record for version in self.chain}

    @property
    def current(self) -> bytes | None:
        """The content that is current; ``None`` for an article never seen."""
        return self.chain[-1].content if self.chain else None

    def add(self, sight: Observation) -> list[Version]:
        """The versions that a sight adds to the chain: none, itself, or itself and a return."""
        here = bisect_right(self.chain, sight.at, key=attrgetter("at"))
        before = self.chain[here - 1] if here else None
        if self._says_so(sight, before):
            return []
        added = [Version(sight.at, None, sight.content_key, sight.record_key)]
        until = self.chain[here].at if here < len(self.chain) else None
        again = self._confirmed(before, sight.at, until) if before else None
        if before and again is not None:
            added.append(Version(again, None, before.content, before.record))
        self.chain[here:here] = added
        self.records.add(sight.record_key)
        return added

    def note(self, sight: Observation) -> bool:
        """Whether this sighting was not known; it is now."""
        channel = sight.row.channel
        for one in self.seen:
            if (
                one.content == sight.content_key
                and one.channel == channel
                and one.first <= sight.at <= one.last
            ):
                return False
        self.seen.append(SeenInterval(sight.content_key, channel, sight.at, sight.at))
        return True

    def _says_so(self, sight: Observation, before: Version | None) -> bool:
        """Whether the chain says this at this time already, or did and was told better."""
        if before and before.record == sight.record_key:
            return True
        if sight.record_key not in self.records:
            return False
        return any(
            one.content == sight.content_key and sight.at in (one.first, one.last)
            for one in self.seen
        ) or any(
            # Two readings of one moment, and its sighting was merged into a longer stretch.
            one.record == sight.record_key and one.at == sight.at
            for one in self.chain
        )

    def _confirmed(self, version: Version, moment: int, until: int | None) -> int | None:
        """When ``version`` was first seen to hold after ``moment`` and before ``until``."""
        times = [
            one.first if one.first > moment else one.last
            for one in self.seen
            if one.content == version.content and one.last > moment
        ]
        first = min(times, default=None)
        return None if first is None or (until is not None and first >= until) else first
