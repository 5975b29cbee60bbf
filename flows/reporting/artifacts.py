"""What a finished run leaves on its page in Prefect's UI: its table, its failures, its lineage.

The UI takes descriptions for Markdown; what comes from a page (and so from anybody) goes
through ``markdown.code`` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.settings import PREFECT_API_URL

from flows.fetch import redact_url
from flows.pipeline.stats import RunReport
from flows.prefect_api import server_problem
from flows.reporting.markdown import bullet_list, code_span
from flows.reporting.progress import SERVER_ERRORS
from flows.settings import Settings
from flows.text import pluralize
from warehouse import connect_read_only
from warehouse.errors import WarehouseError

COLUMNS = (
    "new", "updated", "unchanged", "duplicate", "quarantined", "failed", "gaps", "seconds",
)  # fmt: skip
"""What fits beside each other on the page; the rest of the counters is in the lineage."""

FAILURES_KEPT = 40
_CHANGES = ("new", "updated", "duplicate")

_FAILURES = """
    SELECT quarantine_id, source, channel, coalesce(article_id, url) AS what, reason, expected,
           found, attempts
    FROM quarantine WHERE run_id = ? AND resolved_at IS NULL
    ORDER BY source, channel, first_failed_at LIMIT ?"""
_ORIGINS = """
    SELECT source, list_sort(list(DISTINCT channel)) AS channels, count(*) AS pages,
           list_sort(list(DISTINCT archive_file)) AS files
    FROM fetches WHERE run_id = ? AND archive_file IS NOT NULL
    GROUP BY source ORDER BY source"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One page or line that a run put into quarantine."""

    quarantine_id: str
    source: str
    channel: str
    what: str
    reason: str
    expected: str
    found: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the articles of a source came from in a run: its channels, its raw pages."""

    source: str
    channels: tuple[str, ...]
    pages: int
    files: tuple[str, ...]


def result_table(report: RunReport) -> list[dict[str, Any]]:
    """One row a source, and one for all of them where there are several."""
    rows = [stats.as_json() for stats in report.stats]
    if len(rows) > 1:
        rows.append({"source": "total", **report.totals()})
    return [
        {"source": row["source"], **{name: row[name] for name in COLUMNS}}
        | {"seconds": round(row["seconds"], 1)}
        for row in rows
    ]


def result_markdown(
    report: RunReport,
    origins: Sequence[Origin],
    settings: Settings,
    *,
    what: str = "",
    notes: Sequence[str] = (),
) -> str:
    """What to know beside the table: what needs attention and what to do, then the lineage."""
    parts = [f"Run {code_span(report.run_id)}: **{report.state.replace('_', ' ')}**"]
    if what:
        parts.append(code_span(what))
    if report.errors:
        parts.append(bullet_list(redact_url(one) for one in report.errors))
    totals = report.totals()
    if any(stats.new_failures for stats in report.stats):
        parts.append("In quarantine: see the artifact **copydesk-quarantine** of this run.")
    if report.known_failures:
        parts.append(bullet_list(report.known_failures))
    if totals["gaps"]:
        parts.append("Gaps: `copydesk gaps` lists them; a backfill of their days closes them.")
    if notes:
        parts.append(bullet_list(redact_url(one) for one in notes))
    if origins:
        parts.append(lineage(report, origins, settings))
    return "\n\n".join(parts)


def lineage(report: RunReport, origins: Iterable[Origin], settings: Settings) -> str:
    """Each source's way: channels, raw pages, tables, snapshot."""
    counts = {stats.source: stats.counts for stats in report.stats}
    known = [one for one in origins if one.source in counts]
    files = dict.fromkeys(file for one in known for file in one.files)
    snapshot = code_span(settings.warehouse.snapshot.name)
    lines = [
        f"Where it came from and went to: pages, raw in {', '.join(map(code_span, files))} → "
        f"articles, revisions, sightings → snapshot {snapshot}",
        "",
    ]
    for one in known:
        found = counts[one.source]
        stored = ", ".join(f"{found[name]} {name}" for name in _CHANGES if found[name])
        channels = ", ".join(map(code_span, one.channels))
        pages = pluralize(one.pages, "page")
        lines.append(f"- {code_span(one.source)}: {channels} → {pages} → {stored or 'nothing new'}")
    return "\n".join(lines)


def quarantine_markdown(failures: Sequence[Failure], total: int) -> str:
    """Each failure with what was expected and found, and the command that shows its page."""
    parts = [
        f"**{total}** failed to be read in this run. Nothing is lost: each is kept with its page. "
        "After a fix: `copydesk quarantine replay`."
    ]
    alike: dict[tuple[str, ...], list[Failure]] = {}
    for one in failures:
        key = one.source, one.channel, one.reason, one.expected, one.found
        alike.setdefault(key, []).append(one)
    parts += map(_alike_words, alike.values())
    if total > len(failures):
        parts.append(f"and {total - len(failures)} more: `copydesk quarantine list`")
    return "\n\n".join(parts)


def _alike_words(alike: Sequence[Failure]) -> str:
    """Failures of one channel and kind: what is alike once, and each with its command."""
    one = alike[0]
    count = f"{len(alike)} times, " if len(alike) > 1 else ""
    lines = [
        f"**{one.reason.replace('_', ' ')}**, {count}{code_span(one.source)}, {code_span(one.channel)}",
        f"- expected: {code_span(one.expected)}",
        f"- found: {code_span(one.found)}",
    ]
    for each in alike:
        again = f", attempt {each.attempts}" if each.attempts > 1 else ""
        what = f": {code_span(redact_url(each.what))}" if each.what else ""
        lines.append(
            f"- look at it: `copydesk quarantine show {each.quarantine_id[:8]}`{what}{again}"
        )
    return "\n".join(lines)


def create_run_artifacts(
    report: RunReport,
    settings: Settings,
    *,
    key: str = "copydesk-result",
    what: str = "",
    notes: Sequence[str] = (),
) -> None:
    """Leave the run's artifacts; nothing when the server is away.

    Args:
        report: Of a run that has published its snapshot.
        settings: Where that is.
        key: Of the table: small letters, digits and dashes.
        what: What the run was to do, where its name does not say it.
        notes: What else is worth knowing.
    """
    url = PREFECT_API_URL.value()
    if url and server_problem(url):
        return  # Prefect's client would ask for a quarter of a minute, for each of the two
    failures, origins = _read(report, settings)
    words = result_markdown(report, origins, settings, what=what, notes=notes)
    with suppress(*SERVER_ERRORS):
        create_table_artifact(key=key, table=result_table(report), description=words)
        if failures:
            total = max(report.totals()["quarantined"], len(failures))
            create_markdown_artifact(
                key="copydesk-quarantine", markdown=quarantine_markdown(failures, total)
            )


def _read(report: RunReport, settings: Settings) -> tuple[list[Failure], list[Origin]]:
    """What the snapshot that the run published says of it; nothing of a run without news."""
    totals = report.totals()
    is_news = any(stats.new_failures for stats in report.stats)
    if not is_news and not any(totals[name] for name in _CHANGES):
        return [], []
    try:
        with connect_read_only(settings.warehouse.snapshot) as db:
            about = [report.run_id, FAILURES_KEPT]
            failed = db.execute(_FAILURES, about).fetchall() if is_news else []
            came = db.execute(_ORIGINS, [report.run_id]).fetchall()
    except WarehouseError:
        return [], []
    names = (
        "quarantine_id",
        "source",
        "channel",
        "what",
        "reason",
        "expected",
        "found",
        "attempts",
    )
    return (
        [Failure(**dict(zip(names, row, strict=True))) for row in failed],
        [
            Origin(source=source, channels=tuple(channels), pages=pages, files=tuple(files))
            for source, channels, pages, files in came
        ],
    )
