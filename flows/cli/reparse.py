"""``copydesk reparse``."""

from __future__ import annotations

from datetime import datetime

import click

from flows.cli.console import Console, with_global_options
from flows.cli.parameters import MOMENT
from flows.cli.progress import show_progress
from flows.cli.run_result import print_run


@click.command(
    short_help="Parse the archived pages again with the current parsers.",
    epilog="Example: copydesk reparse --source finews --diff",
)
@click.option(
    "--source", "sources", metavar="SOURCE", multiple=True, help="Only this source; repeatable."
)
@click.option(
    "--since", type=MOMENT, help="Only pages fetched at or after this time (default UTC)."
)
@click.option("--diff", is_flag=True, help="Store nothing, list what would change; 4 if worse.")
@with_global_options
@click.pass_obj
def reparse(
    console: Console, sources: tuple[str, ...], since: datetime | None, *, diff: bool
) -> int:
    """Parse the archived pages again with the current parsers, without network.

    Each page keeps its fetch time, so newer content stays. Exit code 3: a page cannot be
    parsed, and neither can a later page of its article.

    --diff names article, field, old and new value of each change. Exit code 4: a change loses
    something. A value is missing, a time is less precise, a list or a text is much shorter, or a
    page fails that was parsed.
    """
    from flows.pipeline.parser_diff import ParserDiff
    from flows.serve.run_local import run_reparse

    with show_progress(console) as on_progress:
        report = run_reparse(
            console.settings(),
            sources,
            config=console.config,
            since=since,
            diff=diff,
            notify=console.notify,
            progress=on_progress,
            verbosity=console.verbosity,
        )
    console.print_lines(report.warnings)
    if isinstance(report, ParserDiff):
        console.print_lines(report.lines())
    return print_run(console, report)
