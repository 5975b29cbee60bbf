"""``copydesk sources``."""

from __future__ import annotations

from typing import Literal

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.feed_list import export_list, import_list
from flows.cli.new_source import new
from flows.cli.progress import show_progress
from flows.cli.repair_source import repair


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


@sources.command(
    short_help="Find how to read a site, and add it.",
    epilog="Example: copydesk sources add https://example.org/news --name example",
)
@click.argument("url")
@click.option("--name", metavar="SLUG", help="The name of the source; by default its host.")
@click.option(
    "--parser",
    "kind",
    type=click.Choice(["feed", "sitemap", "listing"]),
    help="Only this kind; by default the first one that yields articles.",
)
@click.option("--dry-run", is_flag=True, help="Show the section, and write nothing.")
@with_global_options
@click.pass_obj
def add(
    console: Console,
    url: str,
    name: str | None,
    kind: Literal["feed", "sitemap", "listing"] | None,
    *,
    dry_run: bool,
) -> int:
    """Look at a site for feeds, sitemaps and a list of articles, and add one as a source.

    URL is a page of the site, or its feed, sitemap or robots.txt. Prints what was found, the
    first entries and one parsed article. The section goes to the end of copydesk.toml, only if
    it yields articles. robots.txt is obeyed, and private hosts need fetch.allow_private_hosts.
    """
    from flows.admin.add_source import add_source
    from flows.settings import DEFAULT_FILE

    file = console.config or DEFAULT_FILE
    found = add_source(console.settings(), file, url, name=name, kind=kind, writes=not dry_run)
    console.print_result(found.as_json(), str(found))
    if found.file and not console.json:
        console.notify(f"{file} has the source {found.slug}. Next: copydesk sync {found.slug}")
    return OK


sources.add_command(new)
sources.add_command(repair)
sources.add_command(import_list)
sources.add_command(export_list)
