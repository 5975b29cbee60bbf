"""``copydesk gaps``."""

from __future__ import annotations

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK, WARNINGS
from flows.cli.tables import table_or_blocks


@click.command(
    short_help="List the intervals in which entries may have been missed.",
    epilog="Example: copydesk gaps --source finews",
)
@click.option("--source", metavar="SOURCE", help="Only gaps of this source.")
@click.option("--closed", is_flag=True, help="List closed gaps instead of open ones.")
@with_global_options
@click.pass_obj
def gaps(console: Console, source: str | None, *, closed: bool) -> int:
    """List the intervals in which entries may have been missed.

    A backfill of these days closes them, where the source still lists so far back. Exit code 3:
    there are open gaps.
    """
    from flows.admin.quarantine import gap_json, list_gaps

    rows = [gap_json(gap) for gap in list_gaps(console.settings(), source=source, is_closed=closed)]
    columns = ["source", "channel", "from", "to", "detected_by", *(["closed_by"] if closed else [])]
    console.print_result({"gaps": rows}, table_or_blocks(rows, columns) if rows else "no gaps")
    if not rows:
        console.warn_unknown_source(source)
    return WARNINGS if rows and not closed else OK
