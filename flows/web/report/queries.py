"""What the report shows, as SQL on the views of analysts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar

from duckdb import DuckDBPyConnection

from flows.pipeline.health.messages import subject
from flows.web.report.rows import (
    ACTIVITY_DAYS,
    DELAY_EDGES,
    MAX_DAYS,
    Counts,
    Coverage,
    DayCount,
    Delay,
    Direction,
    FailedSync,
    Failure,
    FetchDay,
    FetchError,
    FetchSource,
    OpenFinding,
    OpenGap,
    Overview,
    Publisher,
    Reason,
    ReportRows,
    RunDay,
    Scope,
    SourceState,
    Story,
)
from warehouse.records.health import Finding

Row = TypeVar("Row")

_MAX_SOURCES = 100
_MAX_ROWS = 20

# Of articles: without texts, so that 100,000 of them are read in a fraction of a second.
_PREPARE = """
CREATE OR REPLACE TEMP TABLE report_articles AS
SELECT article_id, source, publisher, language, published_at, published_on, published_precision,
       first_seen_at, revision_count, duplicate_count, content_hash, state,
       publisher IS NOT NULL AS has_publisher, len(authors) > 0 AS has_authors,
       published_at IS NOT NULL AS has_time, completeness = 'full' AS has_text,
       language IS NOT NULL AS has_language, len(categories) > 0 AS has_categories,
       len(tags) > 0 AS has_tags, lead_image IS NOT NULL AS has_image
FROM articles
"""
_OVERVIEW = """
SELECT count(*), count(DISTINCT content_hash), count(DISTINCT source), count(DISTINCT publisher),
       min(published_on), max(published_on) FILTER (published_on <= $last_day),
       count(*) FILTER (published_on IS NULL), count(*) FILTER (published_on > $last_day),
       count(*) FILTER (first_seen_at > $at - INTERVAL 7 DAY),
       count(*) FILTER (revision_count > 1), count(*) FILTER (state = 'gone')
FROM report_articles
"""
_VOLUME = """
SELECT published_on, source, count(*)
FROM report_articles
WHERE published_on BETWEEN $first_day AND $last_day
GROUP BY ALL ORDER BY ALL
"""
_VOLUME_BY_MONTH = """
SELECT CAST(date_trunc('month', published_on) AS DATE) AS month, source, count(*)
FROM report_articles WHERE published_on <= $last_day
GROUP BY ALL ORDER BY ALL
"""
# Only a sync finds an article because it is new; a day or an unknown time has no delay.
_PREPARE_DELAYS = """
CREATE OR REPLACE TEMP TABLE report_delays AS
SELECT a.source, epoch(a.first_seen_at) - epoch(a.published_at) AS seconds
FROM report_articles a
JOIN revisions f ON f.article_id = a.article_id AND f.revision = 1
SEMI JOIN (SELECT run_id, source FROM runs WHERE flow = 'sync') r
    ON r.run_id = f.run_id AND r.source = a.source
WHERE a.published_precision IN ('second', 'minute') AND a.first_seen_at > $at - to_days($days)
"""
_DELAYS = """
SELECT source, count(*) FILTER (seconds >= 0),
       quantile_cont(seconds, 0.5) FILTER (seconds >= 0),
       quantile_cont(seconds, 0.9) FILTER (seconds >= 0),
       count(*) FILTER (seconds < 0)
FROM report_delays GROUP BY source ORDER BY count(*) DESC, source LIMIT $limit
"""
_DELAY_RANGES = """
SELECT len(list_filter($edges::DOUBLE[], lambda edge: edge <= seconds)) AS place, count(*)
FROM report_delays WHERE seconds >= 0 GROUP BY place ORDER BY place
"""
_RUN_DAYS = """
SELECT CAST(timezone($zone, started_at) AS DATE) AS day, sum(new)::BIGINT, sum(updated)::BIGINT,
       sum(duplicate)::BIGINT
FROM runs
WHERE started_at > (SELECT max(started_at) FROM runs) - to_days($days)
GROUP BY day ORDER BY day
"""
_PUBLISHERS = """
SELECT publisher, mode(language), count(*), count(*) FILTER (duplicate_count > 0),
       list_sort(list(DISTINCT source))
FROM report_articles WHERE publisher IS NOT NULL
GROUP BY publisher ORDER BY count(*) DESC, publisher LIMIT $limit
"""
_COVERAGE = """
SELECT source, [avg(has_publisher::INT), avg(has_authors::INT), avg(has_time::INT),
       avg(has_text::INT), avg(has_language::INT), avg(has_categories::INT), avg(has_tags::INT),
       avg(has_image::INT)]
FROM report_articles GROUP BY source ORDER BY count(*) DESC, source LIMIT $limit
"""
# As in `copydesk health`: after a sync that failed, the findings of an earlier one are no news.
_PREPARE_SOURCES = """
CREATE OR REPLACE TEMP TABLE report_sources AS
WITH last_syncs AS (
    SELECT source, max_by(state, started_at) AS state, max(started_at) AS started_at,
           max_by(messages, started_at) AS messages
    FROM runs WHERE flow = 'sync' AND state <> 'running' GROUP BY source
)
SELECT s.*, CASE WHEN l.state IN ('failed', 'crashed') THEN 'failing' ELSE s.health END AS state,
       l.started_at, l.messages
FROM sources s LEFT JOIN last_syncs l ON l.source = s.source
"""
_SOURCES = """
SELECT source, article_count, state, last_success_at, last_new_article_at, new_articles_7_days,
       normal_articles_7_days, open_finding_count, open_quarantine_count, open_gap_count
FROM report_sources
ORDER BY state IN ('failing', 'warning', 'silent') DESC, article_count DESC, source LIMIT $limit
"""
_FAILED_SYNCS = """
SELECT source, started_at, coalesce(messages[1], 'the process ended without a message')
FROM report_sources WHERE state = 'failing'
ORDER BY started_at DESC, source LIMIT $limit
"""
_FINDINGS = """
SELECT source, channel, kind, field, expected, found, opened_at
FROM health_findings WHERE closed_at IS NULL
ORDER BY opened_at DESC, source, kind, field LIMIT $limit
"""
_ACTIVITY = """
SELECT day, source, CASE WHEN sum(read_count) > 0 THEN sum(new_count)::BIGINT END
FROM channel_days
WHERE day > (SELECT max(day) FROM channel_days) - $days
GROUP BY ALL ORDER BY ALL
"""
_FETCH_DAYS = """
SELECT CAST(timezone($zone, fetched_at) AS DATE) AS day,
       count(*) FILTER (status IN (404, 410)), count(*) FILTER (status >= 500),
       count(*) FILTER (status IS NULL),
       count(*) FILTER (error IS NOT NULL AND status < 500 AND status NOT IN (404, 410)),
       quantile_cont(seconds, 0.5), quantile_cont(seconds, 0.95)
FROM fetches
WHERE fetched_at > (SELECT max(fetched_at) FROM fetches) - to_days($days)
GROUP BY day ORDER BY day
"""
_FETCH_SOURCES = """
SELECT source, count(*), count(*) FILTER (error IS NOT NULL), count(*) FILTER (attempt_count > 1),
       sum(bytes)::BIGINT,
       quantile_cont(seconds, 0.5), quantile_cont(seconds, 0.95)
FROM fetches
WHERE fetched_at > (SELECT max(fetched_at) FROM fetches) - to_days($days)
GROUP BY source ORDER BY count(*) DESC, source LIMIT $limit
"""
_ERRORS = """
SELECT coalesce(attempt_results[-1], 'no request'), count(*), list_sort(list(DISTINCT source)),
       max(fetched_at)
FROM fetches
WHERE error IS NOT NULL
  AND fetched_at > (SELECT max(fetched_at) FROM fetches) - to_days($days)
GROUP BY ALL ORDER BY count(*) DESC, max(fetched_at) DESC LIMIT $limit
"""
_PREPARE_PAIRS = """
CREATE OR REPLACE TEMP TABLE report_pairs AS
SELECT p.article_id, p.other_article_id, p.source, p.other_source, p.kind, p.title, a.language,
       p.publisher, p.other_publisher, p.published_at
FROM syndication p JOIN report_articles a ON a.article_id = p.article_id
"""
# The first article of a story has a pair with each of the others.
_STORIES = """
SELECT article_id, any_value(title), any_value(language), any_value(coalesce(publisher, source)),
       any_value(published_at), count(*),
       list_sort(list(DISTINCT coalesce(other_publisher, other_source)))
FROM report_pairs
WHERE article_id NOT IN (SELECT other_article_id FROM report_pairs)
GROUP BY article_id ORDER BY count(*) DESC, any_value(published_at) DESC, article_id LIMIT $limit
"""
_DIRECTIONS = """
SELECT source, other_source, count(*), count(*) FILTER (kind = 'same')
FROM report_pairs WHERE source <> other_source
GROUP BY ALL ORDER BY count(*) DESC, source, other_source LIMIT $limit
"""
_OPEN_GAPS = """
SELECT source, channel, from_at, to_at, detected_by, len(missing_urls)
FROM gaps WHERE closed_at IS NULL
ORDER BY detected_at DESC, source, channel LIMIT $limit
"""
_GAP_COUNTS = """
SELECT count(*) FILTER (closed_at IS NULL), count(closed_at) FROM gaps
"""
_QUARANTINE_COUNTS = """
SELECT count(*) FILTER (resolved_at IS NULL), count(resolved_at) FROM quarantine
"""
_REASONS = """
SELECT source, reason, count(*) FILTER (resolved_at IS NULL), count(resolved_at),
       max(last_failed_at)
FROM quarantine GROUP BY ALL
ORDER BY count(*) FILTER (resolved_at IS NULL) DESC, source, reason LIMIT $limit
"""
_FAILURES = """
SELECT source, url, reason, expected, found, last_failed_at
FROM quarantine WHERE resolved_at IS NULL
ORDER BY last_failed_at DESC, source, url LIMIT $limit
"""


def read_rows(db: DuckDBPyConnection, scope: Scope) -> ReportRows:
    """Run every query of a report.

    Args:
        db: The snapshot; temporary tables are made on this connection.
        scope: What the report is about.
    """

    def rows(kind: type[Row], sql: str, **values: object) -> list[Row]:
        return [kind(*row) for row in db.execute(sql, values).fetchall()]

    db.execute(_PREPARE)
    db.execute(_PREPARE_DELAYS, {"at": scope.at, "days": MAX_DAYS})
    db.execute(_PREPARE_SOURCES)
    db.execute(_PREPARE_PAIRS)
    at, zone, last_day = scope.at, scope.zone, scope.last_day
    (overview,) = rows(Overview, _OVERVIEW, at=at, last_day=last_day)
    newest = overview.last_day or last_day
    (gap_counts,) = rows(Counts, _GAP_COUNTS)
    (quarantine_counts,) = rows(Counts, _QUARANTINE_COUNTS)
    return ReportRows(
        overview=overview,
        volume=rows(
            DayCount, _VOLUME, first_day=newest - timedelta(days=MAX_DAYS - 1), last_day=newest
        ),
        volume_by_month=rows(DayCount, _VOLUME_BY_MONTH, last_day=last_day),
        delays=rows(Delay, _DELAYS, limit=_MAX_SOURCES),
        delay_ranges=dict(db.execute(_DELAY_RANGES, {"edges": list(DELAY_EDGES)}).fetchall()),
        run_days=rows(RunDay, _RUN_DAYS, zone=zone, days=MAX_DAYS),
        publishers=rows(Publisher, _PUBLISHERS, limit=_MAX_ROWS),
        coverage=rows(Coverage, _COVERAGE, limit=_MAX_SOURCES),
        sources=rows(SourceState, _SOURCES, limit=_MAX_SOURCES),
        failed_syncs=rows(FailedSync, _FAILED_SYNCS, limit=_MAX_ROWS),
        findings=[_finding(*row) for row in db.execute(_FINDINGS, {"limit": _MAX_ROWS}).fetchall()],
        activity=rows(DayCount, _ACTIVITY, days=ACTIVITY_DAYS),
        fetch_days=rows(FetchDay, _FETCH_DAYS, zone=zone, days=MAX_DAYS),
        fetch_sources=rows(FetchSource, _FETCH_SOURCES, days=MAX_DAYS, limit=_MAX_SOURCES),
        errors=rows(FetchError, _ERRORS, days=MAX_DAYS, limit=_MAX_ROWS),
        stories=rows(Story, _STORIES, limit=_MAX_ROWS),
        directions=rows(Direction, _DIRECTIONS, limit=_MAX_ROWS),
        open_gaps=rows(OpenGap, _OPEN_GAPS, limit=_MAX_ROWS),
        gap_counts=gap_counts,
        quarantine_counts=quarantine_counts,
        reasons=rows(Reason, _REASONS, limit=_MAX_ROWS),
        failures=rows(Failure, _FAILURES, limit=_MAX_ROWS),
    )


def _finding(source: str, channel: str, kind: str, field: str, *rest: Any) -> OpenFinding:
    expected, found, opened_at = rest
    row = Finding(
        source=source, channel=channel, kind=kind, field=field, expected=expected, found=found
    )
    return OpenFinding(source, subject(row), expected, found, opened_at)
