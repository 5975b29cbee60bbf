"""``copydesk sources``."""

from __future__ import annotations

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.progress import show_progress


@click.group(
    invoke_without_command=True,
    short_help="List the configured sources, or check them.",
    epilog="Example: copydesk sources check",
)
@with_global_options
@click.pass_context
def sources(context: click.Context) -> int:
    """List the configured sources with their schedules, channels and listings."""
    if context.invoked_subcommand is not None:
        return OK
    from flows.admin.check_sources import describe_sources, sources_text

    console: Console = context.obj
    settings = console.settings()
    console.print_result({"sources": describe_sources(settings)}, sources_text(settings))
    return OK


@sources.command(
    short_help="Fetch the listings of each source once.",
    epilog="Example: copydesk sources check finews",
)
@click.argument("names", nargs=-1, metavar="[SOURCE]...")
@with_global_options
@click.pass_obj
def check(console: Console, names: tuple[str, ...]) -> int:
    """Fetch the listings of each source and one article; store nothing.

    Prints one line a source and one line a problem. Exit code 3: a source yields nothing, or
    a listing cannot be read.
    """
    from flows.admin.check_sources import check_sources

    with show_progress(console):
        checks = check_sources(console.settings(), names)
    console.print_result(
        {"sources": [one.as_json() for one in checks]}, "\n".join(str(one) for one in checks)
    )
    return max((one.exit_code for one in checks), default=OK)
