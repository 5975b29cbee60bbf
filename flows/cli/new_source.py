"""``copydesk sources new``."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK


@click.command(
    short_help="Draft the parser of a site from one article page.",
    epilog="Example: copydesk sources new gazette https://gazette.example/2026/ferry-returns",
)
@click.argument("slug")
@click.argument("url")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where the package is made (default: here).",
)
@click.option(
    "--page",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The page, saved before; otherwise it is fetched.",
)
@with_global_options
@click.pass_obj
def new(console: Console, slug: str, url: str, folder: Path, page: Path | None) -> int:
    """Draft the parser of a site from one article page.

    Writes the package copydesk-SLUG: a module with selectors, its entry point, the recorded page,
    the expected JSON and a test that passes. Install the package beside copydesk to use the
    parser. In copydesk's own tree it writes a module of parsers/sources and its fixture.
    """
    from flows.scaffold.new_source import new_source

    made = new_source(console.settings(), slug, url, folder=folder.absolute(), file=page)
    console.print_result(made.as_json(), str(made))
    return OK
