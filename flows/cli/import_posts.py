"""``copydesk import``."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.console import Console, with_global_options
from flows.cli.parameters import new_warehouse_option
from flows.cli.progress import show_progress
from flows.cli.run_result import print_run


@click.command(
    "import",
    short_help="Import existing Jekyll or Hexo posts.",
    epilog="Example: copydesk import my-site/_posts my-site/old_post",
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--source", metavar="SOURCE", help="The source of posts that name none.")
@new_warehouse_option
@with_global_options
@click.pass_obj
def import_posts(
    console: Console, paths: tuple[Path, ...], source: str | None, *, new_warehouse: bool
) -> int:
    """Import existing Jekyll or Hexo posts: files, or folders with all they hold.

    The same command resumes an interrupted import, and later reads only new and changed files.
    Exit code 3: a post cannot be read; it is in quarantine with its bytes.
    """
    from flows.publishing.find_posts import EXTENSIONS
    from flows.serve.run_local import run_import

    if new_warehouse:
        console.start_new_warehouse()
    with show_progress(console) as on_progress:
        report = run_import(
            console.settings(), paths, source=source, notify=console.notify, progress=on_progress
        )
    if not report.totals()["discovered"]:
        console.notify(
            f"no post was found in {', '.join(map(str, paths))}: expected files that end in "
            f"{', '.join(sorted(EXTENSIONS))}"
        )
    return print_run(console, report)
