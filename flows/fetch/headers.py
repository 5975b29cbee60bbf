"""Header fields that a fetch acts on: Retry-After, validators, Vary."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_SECONDS = 366 * 86400.0
"""Cap of a Retry-After."""

_MAX_VALIDATOR = 1024


def parse_http_date(value: str) -> datetime | None:
    """Parse an HTTP-date (RFC 9110 5.6.7) to aware UTC; ``None`` if it is none."""
    try:
        found = parsedate_to_datetime(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, IndexError):
        return None


def parse_retry_after(value: str | None, *, now: datetime, date: str | None = None) -> float | None:
    """Parse Retry-After (RFC 9110 10.2.3) to seconds; ``None`` if missing or invalid.

    Args:
        value: The field as received.
        now: Our time, aware.
        date: The response's Date field; a date counts from the server's own clock.
    """
    if value is None:
        return None
    text = value.strip(" \t")
    if re.fullmatch(r"[0-9]+", text, re.ASCII):
        return MAX_SECONDS if len(text) > 9 else min(float(text), MAX_SECONDS)
    at = parse_http_date(text)
    if at is None:
        return None
    base = parse_http_date(date) if date else None
    return min(max(0.0, (at - (base or now)).total_seconds()), MAX_SECONDS)


def is_sendable(validator: str) -> bool:
    """True when a validator fits into a request header unchanged."""
    if len(validator) > _MAX_VALIDATOR:
        return False
    return all(" " <= char <= "\xff" and char != "\x7f" for char in validator)


def is_reusable(vary: str) -> bool:
    """True when validators hold for our requests; only Accept-Encoding never varies here."""
    named = {part.strip().lower() for part in vary.split(",")} - {""}
    return named <= {"accept-encoding"}
