"""``copydesk compact``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from flows.cli.console import Console, with_global_options
from flows.cli.parameters import Number


@click.command(
    short_help="Free the disk space of deleted rows.",
    epilog="Example: copydesk compact",
)
@click.option(
    "--fetch-retention-days",
    type=Number(1, 36_500),
    metavar="DAYS",
    help="Delete older rows of fetches, except the last complete one of each URL.",
)
@with_global_options
@click.pass_obj
def compact(console: Console, fetch_retention_days: int | None) -> int:
    """Free the disk space of deleted rows and repeated sightings in the warehouse.

    The articles stay the same. A new file is written next to the old one and replaces it only
    when it holds the same rows, so the disk needs room for both. A killed compact leaves the old
    file.
    """
    from flows.admin.compact import compact_warehouse

    days = fetch_retention_days
    before = datetime.now(UTC) - timedelta(days=days) if days else None
    result = compact_warehouse(console.settings(), fetches_before=before, notify=console.notify)
    console.print_result(result.as_json(), result.message())
    return result.exit_code
