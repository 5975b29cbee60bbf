"""The command that reads one page, or many, and stores nothing: parse."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.console import Console, usage, with_globals
from flows.cli.parameters import OutFile


@click.command(
    short_help="Read one page into one article; nothing is stored.",
    epilog="Example: copydesk parse page.html --url https://www.example.org/news/1.html",
)
@click.argument("page", required=False, metavar="FILE|URL|-")
@click.option(
    "--source", metavar="NAME", help="A configured source or a parser (default: by the address)."
)
@click.option(
    "--url", metavar="URL", help="The address the page came from, when it is read from a file."
)
@click.option(
    "--format", "format_", type=click.Choice(("json", "jekyll", "hexo", "hugo")), default="json",
    help="Article JSON (default) or a post.",
)  # fmt: skip
@click.option(
    "--batch",
    type=(click.Path(exists=True, dir_okay=False, path_type=Path), OutFile()),
    metavar="MANIFEST.jsonl OUT.json",
    help='Many pages: a line {"id","html","url"} each in, {id: article} out.',
)
@with_globals
@click.pass_obj
def parse(
    console: Console,
    page: str | None,
    source: str | None,
    url: str | None,
    format_: str,
    batch: tuple[Path, Path] | None,
) -> int:
    """Read one page into one article; nothing is stored.

    The page is a file (also .gz), an address that is fetched now, or - for standard input.
    A page that is no fetch of now needs its address (--url): it says which source's page it is,
    and the article's id is made of it.
    """
    if page is None and batch is None:
        usage(
            "give either one FILE, URL or - (standard input) to read, or --batch MANIFEST.jsonl "
            "OUT.json"
        )
    if page is not None and batch is not None:
        usage(f"give either one FILE, URL or -, or --batch; found --batch and {page}")
    if batch is not None:
        from flows.pipeline.parse_batch import parse_manifest

        manifest, out = batch
        done = parse_manifest(manifest, out)
        console.note(done.words())
        return 0
    from flows.pipeline.parse_page import parse_page

    assert page is not None  # noqa: S101  # refused above
    article = parse_page(console.settings(), page, source=source, url=url, format_=format_)
    click.echo(article, nl=not article.endswith("\n"))
    return 0


COMMANDS = (parse,)
