"""``copydesk backfill``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.parameters import DAY, new_warehouse_option
from flows.cli.progress import show_progress
from flows.cli.run_result import print_run


@click.command(
    short_help="Fetch a range of days, a list of URLs, or an archive.",
    epilog="Example: copydesk backfill finews --from 2022-03-01 --to 2022-03-14",
)
@click.argument("source")
@click.option("--from", "first", type=DAY, help="First day, in the time zone of the source.")
@click.option("--to", "last", type=DAY, help="Last day, inclusive.")
@click.option("--urls", metavar="FILE|-", help="URLs of articles or share links, one a line.")
@click.option(
    "--archive",
    multiple=True,
    metavar="DIR|FILE|PATTERN",
    help="WARC files to read instead of the network; also s3://bucket/key. Several times.",
)
@click.option("--dry-run", is_flag=True, help="List what would be fetched; store nothing.")
@click.option("--restart", is_flag=True, help="Repeat finished chunks, too.")
@new_warehouse_option
@with_global_options
@click.pass_obj
def backfill(
    console: Console,
    source: str,
    first: datetime | None,
    last: datetime | None,
    urls: str | None,
    archive: tuple[str, ...],
    *,
    dry_run: bool,
    restart: bool,
    new_warehouse: bool,
) -> int:
    """Fetch a range of days, a list of URLs, or an archive of WARC files.

    A folder is an archive with the listings and pages of SOURCE. Single files, patterns (quoted) and
    s3:// addresses are WARC files of any crawler, such as CC-NEWS: their pages of the site of SOURCE
    are parsed, each with the time of its record. --json counts all other records by reason.

    The same command resumes an interrupted backfill. Watermarks stay, newer content is never
    replaced, and covered gaps are closed. Exit code 3: completed, but some pages are in
    quarantine, failed, or cannot be reached.
    """
    from flows.serve.run_local import run_backfill

    url_list = _read_urls(urls)
    if new_warehouse:
        console.start_new_warehouse()
    with show_progress(console) as on_progress:
        report = run_backfill(
            console.settings(),
            source,
            config=console.config,
            first=first.date() if first else None,
            last=last.date() if last else None,
            urls=url_list,
            archive="\n".join(archive) or None,
            dry_run=dry_run,
            restart=restart,
            notify=console.notify,
            progress=on_progress,
            verbosity=console.verbosity,
        )
    console.print_lines(report.warnings)
    return print_run(console, report)


def _read_urls(urls: str | None) -> Sequence[str]:
    if urls is None:
        return ()
    from flows.pipeline.date_range import parse_url_list, read_url_file

    if urls != "-":
        return read_url_file(urls)
    found = parse_url_list(sys.stdin.buffer.read().decode("utf-8-sig", "replace"))
    if not found:
        usage_error("--urls: expected URLs, one a line, found none on standard input")
    return found
