"""``copydesk query``."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.parameters import OutFile
from flows.cli.tables import table, table_or_blocks
from flows.json_text import dump
from flows.text import pluralize

FORMATS = ("table", "json", "csv", "parquet", "atom", "jsonfeed")


@click.command(
    short_help="Run one read-only SQL statement.",
    epilog='Example: copydesk query "select source, count(*) from articles group by source"',
)
@click.argument("sql")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default=None,
    help="table (default), json (same as --json), csv, parquet (needs --output), or a feed of the "
    "articles that the column article_id names: atom, jsonfeed.",
)  # fmt: skip
@click.option("--output", type=OutFile(), help="Write to this file.")
@click.option("--live", is_flag=True, help="Query the warehouse itself instead of the snapshot.")
@with_global_options
@click.pass_obj
def query(
    console: Console,
    sql: str,
    format_: str | None,
    output: Path | None,
    *,
    live: bool,
) -> int:
    """Run one read-only SQL statement on the snapshot, which never blocks a run.

    The views are articles, revisions, sightings, fetches, runs, quarantine, gaps and
    sources; "describe articles" lists columns. On a terminal too narrow for the table, each row is a
    block of lines.

    csv holds the exact values: a spreadsheet may read a title that begins with = as a formula.
    For spreadsheets use: copydesk export DIR --format csv.
    """
    from flows.admin import query as queries

    settings, format_ = console.settings(), "json" if console.json else format_ or "table"
    if format_ == "parquet":
        if output is None:
            usage_error("--format parquet needs --output FILE")
        count = queries.query_to_parquet(settings, sql, output, live=live, notify=console.notify)
        console.notify(f"{pluralize(count, 'row')} written to {output}")
        return OK
    if format_ in ("atom", "jsonfeed"):
        from flows.admin.query_feed import query_feed
        from flows.atomic_file import replace_if_changed

        feed = query_feed(settings, sql, format_, live=live, notify=console.notify)
        if output is None:
            click.echo(feed, nl=False)
        else:
            state = "written" if replace_if_changed(output, feed) else "unchanged"
            console.notify(f"{output} {state}")
        return OK
    result = queries.query(settings, sql, live=live, notify=console.notify)
    if format_ == "json":
        text = dump(result.as_json()) + "\n"
    elif format_ == "csv":
        text = result.as_csv()
    else:
        write = table_or_blocks if output is None else table
        text = write(result.as_json(), result.columns) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8", newline="")
        console.notify(f"{pluralize(len(result.rows), 'row')} written to {output}")
    return OK
