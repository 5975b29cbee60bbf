"""``copydesk sync``."""

from __future__ import annotations

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.parameters import Number, new_warehouse_option
from flows.cli.progress import show_progress
from flows.cli.run_result import print_run


@click.command(
    short_help="Fetch new and changed articles.",
    epilog="Example: copydesk sync finews --limit 20",
)
@click.argument("names", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--limit", type=Number(1), metavar="N", help="At most this many entries of each source."
)
@click.option("--dry-run", is_flag=True, help="List what would be fetched; store nothing.")
@new_warehouse_option
@with_global_options
@click.pass_obj
def sync(
    console: Console,
    names: tuple[str, ...],
    limit: int | None,
    *,
    dry_run: bool,
    new_warehouse: bool,
) -> int:
    """Fetch new and changed articles of all sources, or of the named ones.

    \b
    discovered    entries of listings, and listings without entries to count
    fetched       article pages that arrived whole, or complete inside a feed
    not_modified  pages and listings that are unchanged, as their server answers
    new           articles that were not stored before
    updated       articles with a new revision
    unchanged     articles whose content is the stored one
    duplicate     new articles with the content of another article
    quarantined   pages and entries that cannot be parsed: copydesk quarantine list
    failed        pages and listings that did not arrive
    suppressed    articles that were erased on request
    skipped       entries beyond --limit, after Ctrl-C or gone (404, 410), and pages of other kinds
    gaps          intervals in which entries may have been missed: copydesk gaps

    Then the sections [publish.<name>] of these sources publish, unless they have a schedule of
    their own. With --json, "publications" has those that changed something or failed.

    Exit code 1: every source failed, or a publication did. Exit code 3: completed with warnings,
    such as new pages in quarantine, a possible gap or a source that yields nothing.
    """  # noqa: D301  # click reads the character \b, which a raw docstring does not have
    from flows.serve.run_local import run_sync

    settings = console.settings()
    if not settings.sources:
        usage_error("no source is configured; add a [sources.<name>] section")
    console.notify_advice()
    if new_warehouse:
        console.start_new_warehouse()
    with show_progress(console) as on_progress:
        report = run_sync(
            settings,
            names,
            config=console.config,
            limit=limit,
            dry_run=dry_run,
            notify=console.notify,
            progress=on_progress,
            verbosity=console.verbosity,
        )
    if dry_run:
        console.print_lines(report.warnings)
    return print_run(console, report)
