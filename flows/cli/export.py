"""``copydesk export``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from flows.cli.console import Console, with_global_options
from flows.cli.parameters import MOMENT

FORMATS = ("jekyll", "hexo", "hugo", "jsonl", "csv", "parquet")


@click.command(
    short_help="Write articles as posts, as one file, or as tables.",
    epilog="Example: copydesk export my-site --format jekyll --check",
)
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), required=True, help="Output format."
)
@click.option("--source", metavar="SOURCE", help="Only articles of this source.")
@click.option(
    "--since", type=MOMENT, help="Only articles published at or after this time (default UTC)."
)
@click.option("--check", is_flag=True, help="Compare with DIR, write nothing; 4 if different.")
@with_global_options
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

    An unchanged imported article is written as the bytes it came from, with its copies and
    earlier versions. DIR is the folder that was imported, or the parent of several. A file
    that copydesk did not write is never overwritten. Posts that belong to no exported article
    are listed and left alone; --check does not count them as differences.
    """
    from flows.publishing.export_posts import export_articles
    from flows.publishing.export_tables import export_tables

    settings = console.settings()
    if format_ == "parquet":
        tables = export_tables(settings, directory, source=source, since=since, check=check)
        console.print_result(tables.as_json(), tables.message())
        return tables.exit_code
    posts = export_articles(settings, directory, format_, source=source, since=since, check=check)
    console.print_result(posts.as_json(), posts.message())
    return posts.exit_code
