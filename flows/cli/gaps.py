"""``copydesk gaps``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.exit_codes import INTERRUPTED, OK, WARNINGS
from flows.cli.parameters import DAY
from flows.cli.progress import show_progress
from flows.cli.tables import table_or_blocks

if TYPE_CHECKING:
    from flows.pipeline.stats import RunReport


@click.command(
    short_help="List what may have been missed; compare with a witness.",
    epilog="Example: copydesk gaps --audit finews --from 2022-03-01 --to 2022-03-14",
)
@click.option("--source", metavar="SOURCE", help="Only gaps of this source.")
@click.option("--closed", is_flag=True, help="List closed gaps instead of open ones.")
@click.option("--audit", metavar="SOURCE", help="Compare this source with its witness.")
@click.option(
    "--witness",
    metavar="URL|SOURCE",
    help="Another witness than the configured one: a feed, a sitemap or a source.",
)
@click.option(
    "--from", "first", type=DAY, help="First day of the audit, in the source's time zone."
)
@click.option("--to", "last", type=DAY, help="Last day of the audit, inclusive.")
@click.option("--backfill", "fills", is_flag=True, help="Fetch what the audit misses.")
@with_global_options
@click.pass_obj
def gaps(
    console: Console,
    source: str | None,
    audit: str | None,
    witness: str | None,
    first: datetime | None,
    last: datetime | None,
    *,
    closed: bool,
    fills: bool,
) -> int:
    """List the intervals in which entries may have been missed.

    A backfill of these days closes them, where the source still lists so far back.

    --audit compares the stored articles of a source with its witness: a feed, a sitemap or
    another source that lists the same articles. It opens a gap for each day with missing articles, and
    closes the gaps of earlier audits whose articles are stored by now. Articles that were erased, are
    gone, are in quarantine or are newer than the last sync do not count as missing.

    Exit code 3: there are open gaps, or an audit misses articles.
    """
    if audit is not None:
        if source is not None or closed:
            usage_error("--audit names its source: leave out --source and --closed")
        return _audit(console, audit, witness, first, last, fills=fills)
    if witness or first or last or fills:
        usage_error("--witness, --from, --to and --backfill need --audit SOURCE")
    from flows.admin.quarantine import gap_json, list_gaps

    rows = [gap_json(gap) for gap in list_gaps(console.settings(), source=source, is_closed=closed)]
    columns = ["source", "channel", "from", "to", "detected_by", *(["closed_by"] if closed else [])]
    console.print_result({"gaps": rows}, table_or_blocks(rows, columns) if rows else "no gaps")
    if not rows:
        console.warn_unknown_source(source)
    return WARNINGS if rows and not closed else OK


def _audit(
    console: Console,
    slug: str,
    witness: str | None,
    first: datetime | None,
    last: datetime | None,
    *,
    fills: bool,
) -> int:
    from flows.admin.audit import audit
    from flows.admin.witness import read_witness, witness_sources
    from flows.pipeline.date_range import parse_request

    settings = console.settings()
    source, window = settings.source(slug), None
    if first or last:
        days = (first.date() if first else None, last.date() if last else None)
        window = parse_request(settings, slug, first=days[0], last=days[1]).date_range
    with show_progress(console):
        witnesses = witness_sources(settings, source, witness)
        listed = read_witness(settings, source, witnesses, window)
        found = audit(settings, source, listed, window)
    filled: RunReport | None = None
    if fills and found.addresses:
        console.notify(str(found))
        filled = _backfill(console, slug, found.addresses)
        found = audit(settings, source, listed, window)
    document = {**found.as_json(), "backfill": filled.as_json() if filled else None}
    console.print_result(document, str(found))
    if filled is not None and filled.state == "interrupted":
        return INTERRUPTED
    return WARNINGS if found.addresses or (filled and filled.exit_code) else OK


def _backfill(console: Console, slug: str, addresses: tuple[str, ...]) -> RunReport:
    from flows.serve.run_local import run_backfill

    with show_progress(console) as on_progress:
        report = run_backfill(
            console.settings(),
            slug,
            config=console.config,
            urls=addresses,
            notify=console.notify,
            progress=on_progress,
            verbosity=console.verbosity,
        )
    for line in (*report.errors, *report.warnings):
        console.notify(line)
    return report
