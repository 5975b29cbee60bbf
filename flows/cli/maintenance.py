"""``copydesk maintenance``."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.parameters import Number


@click.command(
    short_help="Delete what is old, compact, and verify the archive.",
    epilog="Example: copydesk maintenance --fetch-retention-days 365",
)
@click.option(
    "--fetch-retention-days",
    type=Number(1, 36_500),
    metavar="DAYS",
    help="Delete older rows of fetches, except the last complete one of each URL.",
)
@click.option(
    "--move-archive-days",
    type=Number(1, 36_500),
    metavar="DAYS",
    help="Move older archive files to --move-archive-to, and leave links.",
)
@click.option(
    "--move-archive-to",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="A folder, for example on another disk.",
)
@click.option("--no-verify", is_flag=True, help="Do not read the new archive files.")
@with_global_options
@click.pass_obj
def maintenance(
    console: Console,
    fetch_retention_days: int | None,
    move_archive_days: int | None,
    move_archive_to: Path | None,
    *,
    no_verify: bool,
) -> int:
    """Delete what is old, compact the warehouse, and verify the archive.

    copydesk serve does the same on the schedule serve.maintenance_schedule. This command is for
    syncs under cron; it needs no Prefect.

    It deletes old rows of [retention], old snapshots and files of killed processes, and
    compacts the warehouse if much of it is unused. It joins the archive files of each past day,
    or uploads those that wait where the archive is a bucket, and reads those that are new since
    the last time.

    After Ctrl-C it lists what remains; the next maintenance does it. Exit code 1: a task failed;
    the others are done.
    """
    from flows.admin.maintenance import maintain

    if (move_archive_days is None) != (move_archive_to is None):
        usage_error("--move-archive-days and --move-archive-to belong together: give both")
    result = maintain(
        console.settings(),
        fetch_retention_days=fetch_retention_days,
        move_archive_days=move_archive_days,
        move_archive_to=move_archive_to,
        verify_archive=not no_verify,
        notify=console.notify,
    )
    lines = [f"{row['task']}: {row['result']}" for row in result.rows()]
    lines.append(f"maintenance {result.state} (run {result.run_id})")
    console.print_result(result.as_json(), "\n".join(lines))
    return result.exit_code
