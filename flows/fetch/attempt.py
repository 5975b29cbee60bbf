"""One request, as it went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request that was made, as ``pages`` records it.

    Attributes:
        url: The address of this hop, secrets masked.
        started_at: Aware UTC.
        seconds: How long it took.
        status: The HTTP status, or ``None`` without an answer.
        reason: ``ok``, ``redirect``, ``not_modified`` or the error's short word.
        error: The error in words; empty if there was none.
        wire_bytes: Bytes of the body as they came over the wire.
    """

    url: str
    started_at: datetime
    seconds: float
    status: int | None
    reason: str
    error: str = ""
    wire_bytes: int = 0
