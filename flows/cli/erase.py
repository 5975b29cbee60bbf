"""``copydesk erase``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.exit_codes import FAILED, OK, WARNINGS
from flows.cli.progress import show_progress
from flows.cli.tables import table
from parsers.text.characters import single_line

if TYPE_CHECKING:
    from flows.admin.erasure import ErasureRequest


@click.command(
    short_help="Delete articles on request and keep them out.",
    epilog="Example: copydesk erase finews:NW202203142308441556 --reason 'by request'",
)
@click.argument("article_ids", nargs=-1, metavar="[ARTICLE_ID]...")
@click.option("--source", metavar="SOURCE", help="All articles of this source.")
@click.option("--reason", metavar="WHY", default="", help="Why; stored with the suppressions.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--list", "is_list", is_flag=True, help="List suppressed articles and the reasons.")
@click.option("--undo", is_flag=True, help="Allow the articles again; a later run can store them.")
@with_global_options
@click.pass_obj
def erase(
    console: Console,
    article_ids: tuple[str, ...],
    source: str | None,
    reason: str,
    *,
    yes: bool,
    is_list: bool,
    undo: bool,
) -> int:
    """Delete articles on request of their publisher and keep them out.

    Deletes revisions, imported files, quarantined and archived pages, and older snapshots. A
    suppression stays, so that no later run or import stores the articles again. Content shared
    with other articles stays.

    Exit code 3: something could not be deleted, which is named, or no such article was stored;
    the suppression is kept anyway. Pages whose fetches were deleted before
    (--fetch-retention-days) are not found.
    """
    from flows.admin import erasure
    from flows.admin.erasure import ErasureRequest

    if is_list:
        return _list(console)
    if bool(article_ids) == bool(source):
        usage_error("give either ARTICLE_ID (<source>:<id>) or --source; --list lists suppressions")
    settings = console.settings()
    request = ErasureRequest(article_ids=tuple(dict.fromkeys(article_ids)), source=source or "")
    erasure.require_article_ids(request)
    if undo:
        return _undo(console, request)
    erasure.reject_urls(settings, request)
    if not yes and not _confirm(console, request):
        return console.fail("nothing was deleted", FAILED)
    with show_progress(console) as on_progress:
        result = erasure.erase(
            settings, request, reason=reason, notify=console.notify, on_progress=on_progress
        )
    console.print_result(result.as_json(), result.message())
    return result.exit_code


def _confirm(console: Console, request: ErasureRequest) -> bool:
    from flows.admin import erasure

    preview = erasure.preview(console.settings(), request)
    if console.json or not sys.stdin.isatty():
        usage_error(f"{preview}; add --yes to delete")
    return click.confirm(single_line(f"{preview}. Delete?"), err=True)


def _undo(console: Console, request: ErasureRequest) -> int:
    from flows.admin import erasure

    restored = erasure.restore(console.settings(), request)
    lines = [
        f"{name}: allowed again; the next run that finds it stores it"
        if was_suppressed
        else f"! {name}: not suppressed; `copydesk erase --list` lists what is"
        for name, was_suppressed in restored.items()
    ]
    console.print_result({"restored": restored}, "\n".join(map(single_line, lines)))
    return OK if all(restored.values()) else WARNINGS


def _list(console: Console) -> int:
    from flows.admin.erasure import list_suppressed

    rows = [
        {
            "article_id": one.article_id,
            "source": one.source,
            "reason": one.reason,
            "erased_at": one.suppressed_at,
        }
        for one in list_suppressed(console.settings())
    ]
    shown = [{**row, "article_id": row["article_id"] or f"{row['source']}:*"} for row in rows]
    columns = ("article_id", "reason", "erased_at")
    console.print_result(
        {"suppressions": rows}, table(shown, columns) if rows else "nothing is suppressed"
    )
    return OK
