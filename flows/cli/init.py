"""``copydesk init``."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.exit_codes import OK


@click.command(
    short_help="Write a commented copydesk.toml.",
    epilog="Example: copydesk init --contact https://your.site/contact --source finews",
)
@click.option(
    "--contact", metavar="URL|MAIL", help="Where a site owner can reach you; sent with requests."
)
@click.option(
    "--source",
    "sources",
    metavar="NAME|URL",
    multiple=True,
    help="A built-in source, the address of a feed, or NAME=URL; repeatable.",
)
@with_global_options
@click.pass_obj
def init(console: Console, contact: str | None, sources: tuple[str, ...]) -> int:
    """Write a commented copydesk.toml, or the file that --config names.

    Asks for the contact and the sources on a terminal. The built-in sources are finews, woshipm
    and ofweek. An existing file is never overwritten.
    """
    from flows.admin.new_config import write_config
    from flows.settings import BUILT_IN_SOURCES, DEFAULT_FILE

    file = console.config or DEFAULT_FILE
    asks = sys.stdin.isatty() and not console.json and not file.exists()
    if contact is None and not file.exists():
        if not asks:
            usage_error("give --contact: a page or a mail address where a site owner can reach you")
        contact = click.prompt("Your contact for site owners (page or mail address)", err=True)
    if not sources:
        names = " ".join(BUILT_IN_SOURCES)
        text = "Sources (built-in names and feed addresses, separated by spaces)"
        sources = tuple((click.prompt(text, default=names, err=True) if asks else names).split())
    written = write_config(file, contact=contact or "", sources=sources)
    option = f"--config {quote(str(file))} " if file != DEFAULT_FILE else ""
    console.print_result(
        {"file": str(written), "sources": _names(written)},
        f"{file} is written. Next: copydesk {option}sources check; copydesk {option}sync",
    )
    return OK


def _names(file: Path) -> list[str]:
    from flows import settings

    return list(settings.load(file, {}).sources)
