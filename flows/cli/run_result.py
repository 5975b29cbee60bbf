"""The result of a run on stdout: a table for people, the documented JSON otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli.console import Console
from flows.cli.tables import fits_terminal, table

if TYPE_CHECKING:
    from flows.pipeline.stats import RunReport


_MAX_ERRORS = 40


def print_run(console: Console, report: RunReport) -> int:
    """Print what a run did, one row a source, or a summary of many; return its exit code."""
    from flows.pipeline.stats import COUNTERS

    rows = report.rows()
    names = (*COUNTERS, "seconds")
    text = table(rows, ("source", *names))
    if not fits_terminal(text):
        turned = [{"": name, **{row["source"]: row[name] for row in rows}} for name in names]
        text = table(turned, ("", *(row["source"] for row in rows)))
    lines = [text, *(f"! {error}" for error in report.errors[:_MAX_ERRORS])]
    if len(report.errors) > _MAX_ERRORS:
        lines.append(f"! and {len(report.errors) - _MAX_ERRORS} more; --json lists all")
    if news := report.news():
        lines.append(news)
    lines.append(f"{report.flow} {report.state.replace('_', ' ')} (run {report.run_id})")
    console.print_result(report.as_json(), "\n".join(lines))
    return report.exit_code
