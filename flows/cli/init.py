"""``copydesk init``."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.exit_codes import OK, WARNINGS


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
    help="A built-in source, the address of a site or feed, or NAME=URL; repeatable.",
)
@click.option(
    "--discover/--no-discover",
    "discovers",
    default=None,
    help="Look at each address for its feed, sitemap or list of articles, as `sources add` does; "
    "otherwise each is a feed. On a terminal the default is to look.",
)
@with_global_options
@click.pass_obj
def init(
    console: Console, contact: str | None, sources: tuple[str, ...], *, discovers: bool | None
) -> int:
    """Write a commented copydesk.toml, or the file that --config names.

    Asks for the contact and the sources on a terminal. The built-in sources are finews, woshipm
    and ofweek. An existing file is never overwritten. Exit code 3: a site could not be added.
    """
    from flows.admin.new_config import split_sources, write_config
    from flows.settings import DEFAULT_FILE
    from flows.source_settings import BUILT_IN_SOURCES

    file = console.config or DEFAULT_FILE
    asks = sys.stdin.isatty() and not console.json and not file.exists()
    if contact is None and not file.exists():
        if not asks:
            usage_error("give --contact: a page or a mail address where a site owner can reach you")
        contact = click.prompt("Your contact for site owners (page or mail address)", err=True)
    if not sources:
        names = " ".join(BUILT_IN_SOURCES)
        text = "Sources (built-in names and addresses of sites or feeds, separated by spaces)"
        sources = tuple((click.prompt(text, default=names, err=True) if asks else names).split())
    looks = asks if discovers is None else discovers
    built_in, addresses = split_sources(sources) if looks else (list(sources), [])
    written = write_config(file, contact=contact or "", sources=built_in, is_start=bool(addresses))
    failed = _add_all(console, file, addresses)
    option = f"--config {quote(str(file))} " if file != DEFAULT_FILE else ""
    console.print_result(
        {"file": str(written), "sources": _names(written), "errors": failed},
        f"{file} is written. Next: copydesk {option}sources check; copydesk {option}sync",
    )
    return WARNINGS if failed else OK


def _add_all(console: Console, file: Path, addresses: list[tuple[str | None, str]]) -> list[str]:
    """Add the source of each address; return the errors of those that offer nothing."""
    from flows import settings
    from flows.admin.add_source import add_source
    from flows.errors import FlowError

    failed = []
    for name, url in addresses:
        try:
            found = add_source(settings.load(file), file, url, name=name)
        except FlowError as error:
            failed.append(str(error))
            console.notify(f"not added: {error}")
        else:
            console.notify(f"{found}")
    return failed


def _names(file: Path) -> list[str]:
    from flows import settings

    return list(settings.load(file, {}).sources)
