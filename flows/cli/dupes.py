"""``copydesk dupes``."""

from __future__ import annotations

from datetime import datetime

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.parameters import MOMENT, Number

_KINDS = click.Choice(["same", "near", "excerpt", "rewritten"])


@click.command(
    short_help="List articles with the same or nearly the same text.",
    epilog="Example: copydesk dupes finews:NW202203142308441556",
)
@click.argument("article_id", metavar="[ARTICLE_ID]", required=False)
@click.option("--source", metavar="SOURCE", help="Only pairs with an article of this source.")
@click.option("--kind", type=_KINDS, help="Only pairs of this kind.")
@click.option(
    "--since",
    type=MOMENT,
    help="Only pairs with an article first seen at or after this time (default UTC).",
)
@click.option(
    "--limit", type=Number(1, 100_000), default=20, metavar="N", help="How many (default 20)."
)
@click.option("--live", is_flag=True, help="Read the warehouse itself instead of the snapshot.")
@with_global_options
@click.pass_obj
def dupes(
    console: Console,
    article_id: str | None,
    source: str | None,
    kind: str | None,
    since: datetime | None,
    limit: int,
    *,
    live: bool,
) -> int:
    """List pairs of articles with the same or nearly the same text, the newest first.

    With ARTICLE_ID, only the pairs of this article. Kinds: same (equal text, whatever its
    punctuation, width or traditional characters), near, excerpt (one text holds a part of the other)
    and rewritten. Articles of one daily template differ in their numbers and are no pair, and neither
    is an article with its own earlier text.

    The first article of a pair is the one that was published first. The declared origin is the
    original link or the credit line of an article. In SQL use the view syndication.
    """
    from flows.admin.duplicates import find_duplicates

    report = find_duplicates(
        console.settings(),
        article_id,
        source=source,
        kind=kind,
        since=since,
        limit=limit,
        live=live,
        notify=console.notify,
    )
    console.print_result(report.as_json(), report.message())
    if warning := report.warning():
        console.notify(warning)
    return OK
