"""``copydesk sources import`` and ``copydesk sources export``."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.parameters import OutFile
from flows.text import pluralize


@click.command(
    "import",
    short_help="Add the feeds of an OPML file.",
    epilog="Example: copydesk sources import feeds.opml --dry-run",
)
@click.argument("opml", type=click.File("rb"), metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Show the lines, and write nothing.")
@with_global_options
@click.pass_obj
def import_list(console: Console, opml: BinaryIO, *, dry_run: bool) -> int:
    """Add each feed of FILE as a source; - reads standard input.

    Folders become categories. Addresses at an RSSHub instance become routes, if [rsshub] has
    instances. Feeds that are sources already are left out. Nothing is fetched: `copydesk sources
    check` does that. Exit code 3: an address cannot be used.
    """
    from flows.admin.feed_list import import_feeds
    from flows.settings import DEFAULT_FILE

    file = console.config or DEFAULT_FILE
    found = import_feeds(console.settings(), file, opml.read(), dry_run=dry_run)
    console.print_result(found.as_json(), str(found))
    if found.file and not console.json:
        console.notify(
            f"{file} has {pluralize(len(found.added), 'new source')}. Next: copydesk sync"
        )
    return found.exit_code


@click.command(
    "export",
    short_help="Write the feeds among the sources as OPML.",
    epilog="Example: copydesk sources export feeds.opml",
)
@click.argument("file", type=OutFile(), required=False)
@with_global_options
@click.pass_obj
def export_list(console: Console, file: Path | None) -> int:
    """Write the sources that are feeds as OPML 2.0 to FILE, or to standard output.

    Categories become folders. Secrets of addresses are masked. Other sources are named and left
    out. With --json: "opml" or "file", "state" of the file, "left_out".
    """
    from flows.admin.feed_list import export_feeds
    from flows.atomic_file import replace_if_changed

    text, others = export_feeds(console.settings())
    if others:
        console.notify(f"left out, because they are no feeds: {', '.join(others)}")
    if file is None:
        if console.json:
            console.print_result({"opml": text, "left_out": others}, "")
        else:
            click.echo(text, nl=False)
        return OK
    state = "written" if replace_if_changed(file, text.encode()) else "unchanged"
    if console.json:
        console.print_result({"file": str(file), "state": state, "left_out": others}, "")
    else:
        console.notify(f"{file} {state}")
    return OK
