"""Times as the warehouse keeps them: aware, UTC, to the microsecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - EPOCH) // MICROSECOND


def utc(moment: datetime | None) -> datetime | None:
    """The same moment with ``datetime.UTC`` as its zone; DuckDB returns pytz's."""
    return None if moment is None else moment.astimezone(UTC)
