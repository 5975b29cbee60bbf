"""Commands about files of posts: import, export."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from flows.cli.console import Console, tell_unknown_source, with_globals
from flows.cli.parameters import MOMENT
from flows.cli.progress import showing_progress
from flows.cli.sync import show

FORMATS = ("jekyll", "hexo", "hugo", "jsonl", "csv", "parquet")


@click.command(
    "import",
    short_help="Bring existing Jekyll or Hexo posts into the warehouse.",
    epilog="Example: copydesk import my-site/_posts my-site/old_post",
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--source", metavar="SOURCE", help="The source of posts that do not say where they come from."
)
@with_globals
@click.pass_obj
def import_posts(console: Console, paths: tuple[Path, ...], source: str | None) -> int:
    """Bring existing Jekyll or Hexo posts, files or folders, into the warehouse.

    A post that cannot be read goes to quarantine with its bytes; exit code 3 then. An
    import that was ended goes on where it was when it is asked for again, and files that
    did not change since are only looked at.
    """
    from flows.publishing.find_posts import EXTENSIONS
    from flows.serving.launch import run_import

    with showing_progress(console) as progress:
        report = run_import(
            console.settings(),
            paths,
            source=source,
            notify=console.note,
            progress=progress,
        )
    if not report.totals()["discovered"]:
        console.note(
            f"no post was found in {', '.join(map(str, paths))}: expected files that end in "
            f"{', '.join(sorted(EXTENSIONS))}"
        )
    return show(console, report)


@click.command(
    "export",
    short_help="Write articles as posts, as one file, or as tables.",
    epilog="Example: copydesk export my-site --format jekyll --check",
)
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), required=True, help="What to write."
)
@click.option("--source", metavar="SOURCE", help="Only articles of this source.")
@click.option(
    "--since",
    type=MOMENT,
    help="Only articles published at or after this time (UTC unless it says otherwise).",
)
@click.option(
    "--check", is_flag=True, help="Compare with DIR and write nothing; exit 4 if different."
)
@with_globals
@click.pass_obj
def export(
    console: Console,
    directory: Path,
    format_: str,
    source: str | None,
    since: datetime | None,
    *,
    check: bool,
) -> int:
    """Write articles as posts (jekyll, hexo, hugo), one file (jsonl, csv) or tables (parquet).

    An imported article that nothing changed since is written as the very bytes it came
    from, with its copies and earlier versions beside it. A file in DIR that copydesk did
    not make is never overwritten. DIR is the folder that was imported or, when several
    were, the one that holds them. Posts in DIR that no exported article accounts for are
    named and left alone; they are no difference for --check.
    """
    from flows.publishing.export_posts import export_articles
    from flows.publishing.export_tables import export_tables

    tell_unknown_source(console, source)
    if format_ == "parquet":
        tables = export_tables(
            console.settings(), directory, source=source, since=since, check=check
        )
        console.document(tables.as_json(), tables.words())
        return tables.exit_code
    exported = export_articles(
        console.settings(), directory, format_, source=source, since=since, check=check
    )
    console.document(exported.as_json(), exported.words())
    return exported.exit_code


COMMANDS = (import_posts, export)
