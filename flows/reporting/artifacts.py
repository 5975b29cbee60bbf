"""Prefect artifacts of a finished run: its counters as a table, its failures as Markdown.

The UI renders descriptions as Markdown, so text of pages and messages goes into code spans.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import httpx
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL

from flows.fetch import redact_url
from flows.pipeline.snapshot import current_snapshot
from flows.pipeline.stats import COUNTERS, RunReport
from flows.prefect_api import server_problem
from flows.reporting.markdown import bullet_list, code_span
from flows.settings import Settings
from warehouse import connect_read_only
from warehouse.errors import WarehouseError

_HIDDEN = {"discovered", "fetched", "not_modified", "suppressed", "skipped"}
COLUMNS = (*(name for name in COUNTERS if name not in _HIDDEN), "seconds")
"""The counters that fit on the page."""

MAX_FAILURES = 40
SERVER_ERRORS = (httpx.HTTPError, PrefectException, OSError, RuntimeError)
"""Errors of a server that is down or has another version."""

_FAILURES = """
    SELECT quarantine_id, source, channel, coalesce(article_id, url) AS what, reason, expected,
           found, attempts
    FROM quarantine WHERE run_id = ? AND resolved_at IS NULL
    ORDER BY source, channel, reason, expected, found, first_failed_at LIMIT ?"""


@dataclass(frozen=True, slots=True)
class Failure:
    """One page or entry that a run put into quarantine."""

    quarantine_id: str
    source: str
    channel: str
    what: str
    reason: str
    expected: str
    found: str
    attempts: int


def create_run_artifacts(
    report: RunReport,
    settings: Settings,
    *,
    key: str = "copydesk-result",
    what: str = "",
    warnings: Sequence[str] = (),
) -> None:
    """Create the artifacts of a run; do nothing when the server does not answer.

    Args:
        report: Of a run that published its snapshot.
        settings: Where the snapshot is.
        key: Of the table: small letters, digits and dashes.
        what: What the run was asked for, where its name does not show it.
        warnings: More lines below the table.
    """
    url = PREFECT_API_URL.value()
    if url and server_problem(url):
        return  # Prefect's client would retry for 15 seconds
    failures = _read_failures(report, settings)
    with suppress(*SERVER_ERRORS):
        create_table_artifact(
            key=key,
            table=result_table(report),
            description=result_markdown(report, what=what, warnings=warnings),
        )
        if failures:
            total = max(report.totals()["quarantined"], len(failures))
            create_markdown_artifact(
                key="copydesk-quarantine", markdown=quarantine_markdown(failures, total)
            )


def create_result_table(
    key: str, table: list[dict[str, Any]], title: str, lines: Iterable[str]
) -> None:
    """Create a table artifact with lines below its title."""
    with suppress(*SERVER_ERRORS):
        create_table_artifact(key=key, table=table, description=f"{title}\n\n{bullet_list(lines)}")


def result_table(report: RunReport) -> list[dict[str, Any]]:
    """One row a source, or a summary of many; and a total where there are several."""
    rows = report.rows()[: None if len(report.stats) > 1 else -1]
    return [
        {"source": row["source"], **{name: row[name] for name in COLUMNS}}
        | {"seconds": round(row["seconds"], 1)}
        for row in rows
    ]


def result_markdown(report: RunReport, *, what: str = "", warnings: Sequence[str] = ()) -> str:
    """The state of a run, its errors, and what to do about them."""
    parts = [f"Run {code_span(report.run_id)}: **{report.state.replace('_', ' ')}**"]
    if what:
        parts.append(code_span(what))
    if news := report.news():
        parts.append(code_span(news))
    if report.errors:
        parts.append(bullet_list(redact_url(error) for error in report.errors))
    if any(stats.new_failures for stats in report.stats):
        parts.append("In quarantine: see the artifact **copydesk-quarantine** of this run.")
    if report.known_failures:
        parts.append(bullet_list(report.known_failures))
    if report.totals()["gaps"]:
        parts.append("Gaps: `copydesk gaps` lists them; a backfill of their days closes them.")
    if warnings:
        parts.append(bullet_list(redact_url(one) for one in warnings))
    return "\n\n".join(parts)


def quarantine_markdown(failures: Sequence[Failure], total: int) -> str:
    """The failures of a run, grouped by kind, with the command that shows each page.

    Args:
        failures: Sorted by source, channel, reason, expected and found.
        total: The number of all failures of the run.
    """
    parts = [
        f"**{total}** pages or entries of this run could not be parsed. Their pages are stored in "
        "quarantine. After a fix, run `copydesk quarantine replay`."
    ]
    for _, group in groupby(
        failures, key=lambda one: (one.source, one.channel, one.reason, one.expected, one.found)
    ):
        parts.append(_group_markdown(list(group)))
    if total > len(failures):
        parts.append(f"and {total - len(failures)} more: `copydesk quarantine list`")
    return "\n\n".join(parts)


def _group_markdown(group: Sequence[Failure]) -> str:
    one = group[0]
    count = f"{len(group)} times, " if len(group) > 1 else ""
    lines = [
        f"**{one.reason.replace('_', ' ')}**, {count}{code_span(one.source)}, "
        f"{code_span(one.channel)}",
        f"- expected: {code_span(one.expected)}",
        f"- found: {code_span(one.found)}",
    ]
    for failure in group:
        what = f": {code_span(redact_url(failure.what))}" if failure.what else ""
        again = f", attempt {failure.attempts}" if failure.attempts > 1 else ""
        lines.append(f"- `copydesk quarantine show {failure.quarantine_id[:8]}`{what}{again}")
    return "\n".join(lines)


def _read_failures(report: RunReport, settings: Settings) -> list[Failure]:
    """The failures that the run added to the quarantine, from the snapshot it published."""
    if not any(stats.new_failures for stats in report.stats):
        return []
    try:
        with connect_read_only(current_snapshot(settings).path) as db:
            rows = db.execute(_FAILURES, [report.run_id, MAX_FAILURES]).fetchall()
    except WarehouseError:
        return []
    return [Failure(*row) for row in rows]
