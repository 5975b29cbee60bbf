"""What the pages show, as SQL on the views of analysts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from flows.web.report.rows import DayCount
from warehouse.stage import select

Row = dict[str, Any]

_VOLUME = """
    SELECT published_on AS day, source, count(*) AS count FROM articles
    WHERE published_on IS NOT NULL
    GROUP BY ALL ORDER BY ALL
"""
_SEARCH = "search($query, source := $source, since := $since, until := $until, top := $top)"
_HITS = f"""
    SELECT rank, article_id, source, title, published_at, url, snippet, score, matched
    FROM {_SEARCH} WHERE rank > $offset ORDER BY rank
"""  # noqa: S608
_ATTENTION = f"""
    SELECT CAST(timezone($zone, published_at) AS DATE) AS day, source, count(*) AS count
    FROM {_SEARCH} GROUP BY ALL ORDER BY ALL
"""  # noqa: S608
_NEWEST_HITS = f"""
    SELECT article_id, source, title, published_at, url FROM {_SEARCH}
    ORDER BY published_at DESC NULLS LAST, article_id LIMIT $limit
"""  # noqa: S608
_ALL = 1_000_000_000

_SOURCES = "FROM sources ORDER BY source"
_CHANNELS = """
    SELECT channel, max(day) FILTER (read_count > 0) AS last_read_on,
           max(day) FILTER (new_count > 0) AS last_new_on, sum(new_count)::BIGINT AS new_count,
           sum(failed_count)::BIGINT AS failed_count
    FROM channel_days
    WHERE source = $source AND day > (SELECT max(day) FROM channel_days) - 30
    GROUP BY channel ORDER BY channel
"""
_QUARANTINE = """
    SELECT quarantine_id, source, channel, url, article_id, reason, message, expected, found,
           attempts, first_failed_at, last_failed_at, resolved_at, resolved_by
    FROM quarantine
    WHERE ($source = '' OR source = $source) AND (resolved_at IS NULL) = $open
    ORDER BY last_failed_at DESC, quarantine_id LIMIT $limit OFFSET $offset
"""
_FAILURE = """
    SELECT * EXCLUDE (page), octet_length(page) AS page_bytes, page[1:$most] AS page
    FROM quarantine WHERE quarantine_id = $id
"""
_GAPS = """
    SELECT gap_id, source, channel, from_at, to_at, detected_by, detected_at, closed_at, closed_by,
           missing_urls
    FROM gaps
    WHERE ($source = '' OR source = $source) AND (closed_at IS NULL) = $open
    ORDER BY detected_at DESC, gap_id LIMIT $limit OFFSET $offset
"""
_RUNS = """
    SELECT run_id, flow, source, state, started_at, ended_at, discovered, fetched, not_modified, new,
           updated, unchanged, duplicate, quarantined, failed, suppressed, skipped, gaps, seconds,
           parser, parser_version, code_version, messages
    FROM runs
    WHERE ($source = '' OR source = $source)
    ORDER BY started_at DESC, run_id, source LIMIT $limit OFFSET $offset
"""


def volume(db: DuckDBPyConnection) -> list[DayCount]:
    """How many articles were published, by day and source."""
    return _counts(db, _VOLUME)


def search_page(
    db: DuckDBPyConnection,
    query: str,
    *,
    source: str,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    offset: int,
) -> list[Row]:
    """A part of what a search finds, best first; texts of this part only are read."""
    values = {"query": query, "source": source, "since": since, "until": until}
    return select(db, _HITS, {**values, "top": offset + limit, "offset": offset})


def attention(
    db: DuckDBPyConnection,
    query: str,
    *,
    source: str,
    since: datetime | None,
    until: datetime | None,
    zone: str,
) -> list[DayCount]:
    """How many articles a search finds, by day of publication and source; all of them."""
    values = {"query": query, "source": source, "since": since, "until": until, "top": _ALL}
    return _counts(db, _ATTENTION, **values, zone=zone)


def newest_hits(
    db: DuckDBPyConnection,
    query: str,
    *,
    source: str,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[Row]:
    """The newest articles that a search finds."""
    values = {"query": query, "source": source, "since": since, "until": until, "top": _ALL}
    return select(db, _NEWEST_HITS, {**values, "limit": limit})


def sources(db: DuckDBPyConnection) -> list[Row]:
    """The rows of the view ``sources``."""
    return select(db, _SOURCES)


def channels(db: DuckDBPyConnection, source: str) -> list[Row]:
    """The channels of a source in its last 30 days."""
    return select(db, _CHANNELS, {"source": source})


def quarantine(
    db: DuckDBPyConnection, *, source: str, is_open: bool, limit: int, offset: int
) -> list[Row]:
    """Failures without their pages, the newest first."""
    return _listed(db, _QUARANTINE, source, is_open, limit, offset)


def failure(db: DuckDBPyConnection, quarantine_id: str, *, page_bytes: int) -> Row | None:
    """One failure with the beginning of its page."""
    found = select(db, _FAILURE, {"id": quarantine_id, "most": page_bytes})
    return found[0] if found else None


def gaps(
    db: DuckDBPyConnection, *, source: str, is_open: bool, limit: int, offset: int
) -> list[Row]:
    """Gaps, the newest first."""
    return _listed(db, _GAPS, source, is_open, limit, offset)


def runs(db: DuckDBPyConnection, *, source: str, limit: int, offset: int) -> list[Row]:
    """Runs, one row per source, the newest first."""
    return select(db, _RUNS, {"source": source, "limit": limit, "offset": offset})


def _listed(
    db: DuckDBPyConnection, sql: str, source: str, is_open: bool, limit: int, offset: int
) -> list[Row]:
    return select(db, sql, {"source": source, "open": is_open, "limit": limit, "offset": offset})


def _counts(db: DuckDBPyConnection, sql: str, **values: object) -> list[DayCount]:
    return [DayCount(**row) for row in select(db, sql, values)]
