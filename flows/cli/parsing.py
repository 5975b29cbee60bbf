"""The command that reads one page, or many, and stores nothing: parse."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.console import Console, usage, with_globals


@click.command(epilog="Example: copydesk parse page.html --source finews --format jekyll")
@click.argument("page", required=False, metavar="FILE|URL|-")
@click.option("--source", help="A configured source or a parser (default: by the address).")
@click.option("--url", help="The address the page came from, when it is read from a file.")
@click.option(
    "--format", "format_", type=click.Choice(("json", "jekyll", "hexo", "hugo")), default="json",
    help="Article JSON (default) or a post.",
)  # fmt: skip
@click.option(
    "--batch",
    nargs=2,
    type=click.Path(path_type=Path),
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
    """Read one page into one article; nothing is stored."""
    if (page is None) == (batch is None):
        usage("give either one FILE, URL or -, or --batch MANIFEST.jsonl OUT.json")
    if batch is not None:
        from flows.batch import run_batch

        manifest, out = batch
        done = run_batch(manifest, out)
        console.note(done.words())
        return 0
    from flows.parsing import parse_one

    assert page is not None  # noqa: S101  # refused above
    article = parse_one(console.settings(), page, source=source, url=url, format_=format_)
    click.echo(article, nl=not article.endswith("\n"))
    return 0


COMMANDS = (parse,)
