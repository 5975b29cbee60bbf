"""``copydesk demo``."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.console import Console, with_global_options
from flows.cli.progress import show_progress
from flows.cli.run_result import print_run


@click.command(
    short_help="Run the main job offline on the demo site.",
    epilog="Example: copydesk demo --output demo",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the warehouse and its configuration in this folder (default: deleted at the end).",
)
@with_global_options
@click.pass_obj
def demo(console: Console, output: Path | None) -> int:
    """Run the main job offline on the demo site.

    Serves the demo site on loopback, syncs every source once into a new warehouse, and
    prints counters, sample queries and the path of the warehouse. With --output it also writes
    report.html, the page of copydesk report, and site, the pages of copydesk site.

    Three entries are broken on purpose, so that the run completes with warnings. Exit code 0: it
    has no other warning.
    """
    from flows.cli.demo_run import run_demo

    with show_progress(console) as on_progress:
        result = run_demo(
            output, notify=console.notify, on_progress=on_progress, verbosity=console.verbosity
        )
    console.print_lines(result.text.split("\n"))
    if print_run(console, result.report) != result.exit_code:
        console.print_lines(["The warnings are those of the broken entries: the demo is complete."])
    if result.site:
        console.print_lines([f"A static site of these articles: {result.site}"])
    return result.exit_code
