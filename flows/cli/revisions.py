"""``copydesk revisions``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK
from flows.json_text import dump

if TYPE_CHECKING:
    from flows.word_diff import Kind

_COLOURS = {"delete": "red", "insert": "green"}


@click.command(
    short_help="Show what a publication changed in an article.",
    epilog="Example: copydesk revisions finews:NW202203142308441556 --diff",
)
@click.argument("article_id", metavar="ARTICLE_ID")
@click.option("--diff", "has_diff", is_flag=True, help="Show the words removed and added.")
@with_global_options
@click.pass_obj
def revisions(console: Console, article_id: str, *, has_diff: bool) -> int:
    """List the revisions of an article, with the fields that each of them changed.

    --diff shows the changed paragraphs: [-removed-]{+added+}, in colour on a terminal. Chinese is
    compared by character, other text by word. ¶ is a paragraph break. With --json, the texts of
    equal and delete in order are the old text, those of equal and insert the new one.

    A revision that is another parse of the same page is no change of the publication; it is marked.
    """
    from flows.admin.revisions import read_history

    history = read_history(console.settings(), article_id, has_diff=has_diff)
    if console.json:
        click.echo(dump(history.as_json()))
        return OK
    from flows import word_diff

    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for line in history.lines(_coloured if is_coloured else word_diff.mark):
        click.echo(line)
    return OK


def _coloured(kind: Kind, text: str) -> str:
    from flows import word_diff

    marked = word_diff.mark(kind, text)
    return click.style(marked, fg=_COLOURS[kind]) if kind in _COLOURS else marked
