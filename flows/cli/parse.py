"""``copydesk parse``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.parameters import OutFile
from flows.json_text import dump


@click.command(
    short_help="Parse one page, or many, and store nothing.",
    epilog="Example: copydesk parse page.html --url https://www.example.org/news/1.html",
)
@click.argument("page", required=False, metavar="FILE|URL|-")
@click.option(
    "--source", metavar="NAME", help="A configured source or a parser (default: by the URL)."
)
@click.option("--url", metavar="URL", help="The URL of the page, when it is read from a file.")
@click.option(
    "--format", "format_", type=click.Choice(("json", "jekyll", "hexo", "hugo")), default="json",
    help="Article JSON (default) or a post.",
)  # fmt: skip
@click.option(
    "--batch",
    type=(click.Path(exists=True, dir_okay=False, path_type=Path), OutFile()),
    metavar="MANIFEST.jsonl OUT.json",
    help='Many pages: {"id","html","url"} a line in (html: path of the page), {id: article} out.',
)
@with_global_options
@click.pass_obj
def parse(
    console: Console,
    page: str | None,
    source: str | None,
    url: str | None,
    format_: str,
    batch: tuple[Path, Path] | None,
) -> int:
    """Parse one page to one article, and store nothing.

    The page is a file (also .gz), a URL to fetch now, or - for standard input. A page from a
    file or from standard input needs --url: the URL selects the source and makes the article's
    id.
    """
    if (page is None) == (batch is None):
        usage_error("give either FILE, URL or - (standard input), or --batch")
    if batch is not None:
        from flows.pipeline.parse_batch import parse_manifest

        result = parse_manifest(*batch)
        console.notify(result.message())
        if console.json:
            click.echo(dump(asdict(result)))
        return OK
    from flows.pipeline.parse_page import parse_page

    assert page is not None  # noqa: S101  # refused above
    article = parse_page(console.settings(), page, source=source, url=url, format_=format_)
    click.echo(article, nl=not article.endswith("\n"))
    return OK
