"""``copydesk search``."""

from __future__ import annotations

from datetime import datetime

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.parameters import MOMENT, Number


@click.command(
    short_help="Search the text of all articles.",
    epilog="Example: copydesk search 碳中和 腾讯 --since 2022-01-01 --source finews",
)
@click.argument("words", nargs=-1, required=True)
@click.option("--source", metavar="SOURCE", help="Only articles of this source.")
@click.option(
    "--since", type=MOMENT, help="Only articles published at or after this time (default UTC)."
)
@click.option("--until", type=MOMENT, help="Only articles published before this time.")
@click.option(
    "--limit", type=Number(1, 1000), default=10, metavar="N", help="How many (default 10)."
)
@click.option("--live", is_flag=True, help="Search the warehouse itself instead of the snapshot.")
@with_global_options
@click.pass_obj
def search(
    console: Console,
    words: tuple[str, ...],
    source: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    *,
    live: bool,
) -> int:
    """Search titles and texts of the current articles, best match first.

    An article matches when it holds every word. A word of Chinese or Japanese matches anywhere in
    a text. Words in double quotes are a phrase: copydesk search '"net zero" 腾讯'. Case, width,
    accents, and traditional and simplified characters make no difference.

    If no article holds all of it, articles that hold a part of it are listed as partial matches. In
    SQL use: copydesk query "from search('碳中和 腾讯')".
    """
    from flows.admin.search import search_articles

    report = search_articles(
        console.settings(),
        " ".join(words),
        source=source,
        since=since,
        until=until,
        limit=limit,
        live=live,
        notify=console.notify,
    )
    console.print_result(report.as_json(), report.message())
    if warning := report.warning():
        console.notify(warning)
    return OK
