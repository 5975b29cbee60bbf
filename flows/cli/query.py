"""Commands that ask and look: query, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from flows.cli.console import (
    ATTENTION,
    FAILED,
    OK,
    Console,
    dump,
    fitted,
    table,
    usage,
    with_globals,
)
from flows.cli.parameters import OutFile
from flows.cli.progress import showing_progress
from flows.text import pluralize


@click.command(
    short_help="Ask one read-only SQL question.",
    epilog='Example: copydesk query "select source, count(*) from articles group by source"',
)
@click.argument("sql")
@click.option(
    "--format", "format_", type=click.Choice(("table", "json", "csv", "parquet")), default=None,
    help="table (default), json (same as --json), csv, or parquet (needs --output).",
)  # fmt: skip
@click.option("--output", type=OutFile(), help="Write to this file.")
@click.option("--live", is_flag=True, help="Ask the writer's own file instead of the snapshot.")
@with_globals
@click.pass_obj
def query(
    console: Console,
    sql: str,
    format_: Literal["table", "json", "csv", "parquet"] | None,
    output: Path | None,
    *,
    live: bool,
) -> int:
    """Ask one read-only SQL question.

    The views are articles, revisions, sightings, runs, quarantine, pages and gaps;
    "describe articles" shows columns. On a terminal too narrow for the table, each row is a
    block of lines. The answer comes from the read snapshot that each
    run publishes, so it never blocks a run.

    csv holds the exact values: a spreadsheet may take a title that begins with = for a
    formula. For spreadsheets: copydesk export DIR --format csv.
    """
    from flows.admin.query import query, query_to_parquet

    settings, format_ = console.settings(), "json" if console.json else format_ or "table"
    if format_ == "parquet":
        if output is None:
            usage("--format parquet needs --output FILE")
        rows = query_to_parquet(settings, sql, output, live=live, notify=console.note)
        console.note(f"{pluralize(rows, 'row')} written to {output}")
        return OK
    answer = query(settings, sql, live=live, notify=console.note)
    if format_ == "json":
        words = dump(answer.as_json()) + "\n"
    elif format_ == "csv":
        words = answer.as_csv()
    else:
        show = fitted if output is None else table
        words = show(answer.as_json(), answer.columns) + "\n"
    if output is None:
        click.echo(words, nl=False)
    else:
        output.write_text(words, encoding="utf-8", newline="")
        console.note(f"{pluralize(len(answer.rows), 'row')} written to {output}")
    return OK


@click.command(
    short_help="Check versions, files, locks, disk and server; say what to do.",
    epilog="Example: copydesk doctor --deep",
)
@click.option(
    "--deep", is_flag=True, help="Also read every block and archived page, and compare them."
)
@with_globals
@click.pass_obj
def doctor(console: Console, *, deep: bool) -> int:
    """Check versions, configuration, files, locks, disk and server; say what to do."""
    from flows.admin.doctor import check_installation

    with showing_progress(console) as progress:
        findings = check_installation(console.settings(), deep=deep, progress=progress)
    console.document(
        {"findings": [finding.as_json() for finding in findings]},
        "\n".join(finding.words() for finding in findings),
    )
    codes = {finding.exit_code for finding in findings}
    return next((code for code in (FAILED, ATTENTION) if code in codes), OK)


COMMANDS = (query, doctor)
