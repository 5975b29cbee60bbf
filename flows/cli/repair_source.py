"""``copydesk sources repair``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.exit_codes import FAILED, OK, WARNINGS
from flows.cli.progress import show_progress
from flows.cli.tables import table_or_blocks


@click.command(
    short_help="Propose new selectors for a source that broke.",
    epilog="Example: copydesk sources repair gazette --write",
)
@click.argument("slug")
@click.option(
    "--pages",
    type=click.IntRange(6, 200),
    default=30,
    show_default=True,
    metavar="N",
    help="How many stored articles to fetch at most.",
)
@click.option("--write", is_flag=True, help="Write the selectors to copydesk.toml, if confirmed.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@with_global_options
@click.pass_obj
def repair(console: Console, slug: str, pages: int, *, write: bool, yes: bool) -> int:
    """Propose new selectors for a source whose pages changed.

    Fetches stored articles again, finds where their title, time, authors, publisher and text are
    now, and proposes selectors from a third of the pages. The others measure them: a proposal
    gives title, time, authors and publisher on 95 % of these pages, the text on 90 %.
    For a source with links, it proposes those, too.

    Exit code 3: a field stays below its limit, which is named. Nothing is written then.
    """
    from flows.admin.edit_select import write_selectors
    from flows.admin.repair_source import repair_source

    settings = console.settings()
    file = _file(console) if write else None
    if write and not yes and (console.json or not sys.stdin.isatty()):
        usage_error("--write asks on a terminal only; add --yes to write without a question")
    with show_progress(console) as on_progress:
        found = repair_source(
            settings, slug, pages=pages, notify=console.notify, on_progress=on_progress
        )
    columns = ("key", "old", "new", "before", "after")
    text = "\n".join([table_or_blocks(found.rows(), columns), *found.conclusion()])
    is_written = False
    if not console.json:
        console.print_result({}, text)
    if file and found.has_changes and not found.failures:
        if not yes and not click.confirm(f"Write these selectors to {file}?", err=True):
            return console.fail("nothing was written", FAILED)
        write_selectors(file, slug, found.changes)
        is_written = True
    if console.json:
        console.print_result({**found.as_json(), "written": is_written}, "")
    if is_written:
        next_step = f"copydesk quarantine replay --source {slug}"
        console.notify(f"{file} has the new selectors. Next: {next_step}")
    elif found.has_changes and not found.failures:
        console.notify(f"nothing was written; copydesk sources repair {slug} --write does")
    return WARNINGS if found.failures else OK


def _file(console: Console) -> Path:
    from flows.errors import ConfigurationError
    from flows.settings import DEFAULT_FILE

    file = console.config or DEFAULT_FILE
    if not file.exists():
        raise ConfigurationError(f"there is no {file}, so that --write has nothing to change")
    return file
