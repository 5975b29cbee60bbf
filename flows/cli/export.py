"""``copydesk export``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.parameters import MOMENT

POST_FORMATS = ("jekyll", "hexo", "hugo")
FEEDS = ("atom", "jsonfeed")
FORMATS = (*POST_FORMATS, "jsonl", "csv", "parquet", *FEEDS)


@click.command(
    short_help="Write articles as posts, as one file, as a feed, or as tables.",
    epilog="Example: copydesk export my-site --format jekyll --check",
)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), required=True, help="Output format."
)
@click.option("--source", metavar="SOURCE", help="Only articles of this source.")
@click.option(
    "--since", type=MOMENT, help="Only articles published at or after this time (default UTC)."
)
@click.option("--check", is_flag=True, help="Compare with DIR, write nothing; 4 if different.")
@click.option(
    "--partition", is_flag=True, help="parquet: a file for each source and month of publication."
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help="atom, jsonfeed: at most the newest N entries (default 100); 0 for all.",
    metavar="N",
)
@click.option(
    "--corrections", is_flag=True,
    help="atom, jsonfeed: an entry for each correction, with what it changed.",
)  # fmt: skip
@click.option(
    "--allow-empty", is_flag=True, help="Replace a full file although no article is selected."
)
@click.option(
    "--rewrite",
    is_flag=True,
    help="Write a correct head for imported posts whose head is no YAML.",
)
@click.option(
    "--take-over",
    is_flag=True,
    help="Replace posts that others wrote, and update them from now on.",
)
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
    partition: bool,
    limit: int | None,
    corrections: bool,
    allow_empty: bool,
    rewrite: bool,
    take_over: bool,
) -> int:
    """Write articles as posts, as one file (jsonl, csv), as a feed, or as tables (parquet).

    DIR is the folder that was imported, or the parent of several. An imported article is written
    as the bytes it came from, with its copies and earlier versions, as long as its content is the
    same. If a source corrected it, its file is updated, unless the file was edited since the
    import. A file that copydesk neither wrote nor imported is never overwritten without
    --take-over (exit code 3). --take-over replaces it, and the post of an exported article
    under another name; .copydesk-replaced has the bytes from before. --rewrite mends the heads of
    imported posts that no YAML parser accepts, such as `title: a: b`; later exports keep them. A
    full file is never replaced by an empty one (exit code 3) without --allow-empty. Posts that
    belong to no exported article are listed and left alone; --check does not count them as
    differences.
    """
    from flows.import_export.export_partitions import export_partitions
    from flows.import_export.export_posts import export_articles
    from flows.import_export.export_tables import export_tables

    if partition and format_ != "parquet":
        usage_error("--partition needs --format parquet")
    if limit is not None and format_ not in FEEDS:
        usage_error("--limit needs --format atom or jsonfeed")
    if corrections and format_ not in FEEDS:
        usage_error("--corrections needs --format atom or jsonfeed")
    if rewrite and format_ not in POST_FORMATS:
        usage_error(f"--rewrite writes posts: {', '.join(POST_FORMATS)}")
    if take_over and (check or format_ not in POST_FORMATS):
        usage_error(f"--take-over writes posts: {', '.join(POST_FORMATS)}, without --check")
    settings = console.settings()
    if format_ in FEEDS:
        from flows.import_export.export_feeds import export_feed
        from flows.import_export.feeds.selection import DEFAULT_LENGTH

        length = DEFAULT_LENGTH if limit is None else limit or None
        feed = export_feed(
            settings, directory, format_, source=source, since=since, limit=length,
            has_corrections=corrections, check=check, allow_empty=allow_empty,
        )  # fmt: skip
        console.print_result(feed.as_json(), feed.message())
        return feed.exit_code
    if format_ == "parquet":
        write_tables = export_partitions if partition else export_tables
        tables = write_tables(
            settings, directory, source=source, since=since, check=check, allow_empty=allow_empty
        )
        console.print_result(tables.as_json(), tables.message())
        return tables.exit_code
    posts = export_articles(
        settings,
        directory,
        format_,
        source=source,
        since=since,
        check=check,
        allow_empty=allow_empty,
        take_over=take_over,
        rewrite=rewrite,
    )
    console.print_result(posts.as_json(), posts.message())
    return posts.exit_code
