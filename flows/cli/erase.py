"""Commands about what is kept: compact, forget."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from flows.cli.console import ATTENTION, FAILED, OK, Console, table, usage, with_globals
from flows.cli.parameters import Number
from flows.cli.progress import showing_progress
from parsers.text.characters import escape_controls

if TYPE_CHECKING:
    from flows.admin.erasure_request import ErasureRequest


@click.command(
    short_help="Give back the room that deletions take in the warehouse.",
    epilog="Example: copydesk compact",
)
@click.option(
    "--keep-pages-days",
    type=Number(1, 36_500),
    metavar="DAYS",
    help="Remove the records of older fetches, but the last whole one of each address.",
)
@with_globals
@click.pass_obj
def compact(console: Console, keep_pages_days: int | None) -> int:
    """Give back the room that deletions and repeated sightings take in the warehouse.

    Nothing that a view shows changes. The file is written anew beside the old one, which
    it replaces only when it holds the same rows: that needs room for both, and the
    warehouse for itself. Killed on the way, it leaves the old file as it was.
    """
    from flows.admin.erasure import compact_warehouse

    before = datetime.now(UTC) - timedelta(days=keep_pages_days) if keep_pages_days else None
    done = compact_warehouse(console.settings(), fetches_before=before, notify=console.note)
    console.document(done.as_json(), done.words())
    return done.exit_code


@click.command(
    short_help="Delete articles for good, and keep them out.",
    epilog="Example: copydesk forget finews:NW202203142308441556 --reason 'by request'",
)
@click.argument("article_ids", nargs=-1, metavar="[ARTICLE_ID]...")
@click.option("--source", metavar="SOURCE", help="Everything of this source instead.")
@click.option("--reason", metavar="WORDS", default="", help="Why; kept with the tombstones.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--list", "show", is_flag=True, help="Show what is kept out, and why.")
@click.option("--undo", is_flag=True, help="Let it in again; a later run then brings it back.")
@with_globals
@click.pass_obj
def forget(
    console: Console,
    article_ids: tuple[str, ...],
    source: str | None,
    reason: str,
    *,
    yes: bool,
    show: bool,
    undo: bool,
) -> int:
    """Delete articles for good, and keep them out: a publisher's right.

    With their revisions, imported files, quarantined and archived pages and the older read
    snapshots; a tombstone stays, so that no run or import brings them back. What other
    articles say stays. Exit code 3 when something is still on the disk (it is named, with
    what to do), or when nothing of that name was there: it is kept out all the same. Pages whose records were removed before (--keep-pages-days) are not found.
    """
    from flows.admin import erasure
    from flows.admin.erasure_request import ErasureRequest

    if show:
        return _show(console)
    if bool(article_ids) == bool(source):
        usage("name the articles (<source>:<id>), or give --source; --list shows what is kept out")
    settings = console.settings()
    wish = ErasureRequest(article_ids=tuple(dict.fromkeys(article_ids)), source=source or "")
    erasure.require_article_ids(wish)
    if undo:
        return _undo(console, wish)
    erasure.reject_urls(settings, wish)
    if not yes and not _is_wanted(console, wish):
        return console.fail("nothing was deleted", FAILED)
    with showing_progress(console) as progress:
        done = erasure.erase(settings, wish, reason=reason, notify=console.note, progress=progress)
    console.document(done.as_json(), done.words())
    return done.exit_code


def _is_wanted(console: Console, wish: ErasureRequest) -> bool:
    """Whether a person at a terminal says yes."""
    from flows.admin import erasure

    found = erasure.preview(console.settings(), wish)
    if console.json or not sys.stdin.isatty():
        usage(f"{found}; add --yes to do it")
    return click.confirm(escape_controls(f"{found}. Do it?"), err=True)


def _undo(console: Console, wish: ErasureRequest) -> int:
    from flows.admin import erasure

    lifted = erasure.restore(console.settings(), wish)
    lines = [
        f"{name}: may come back with the next run that finds it"
        if was
        else f"! {name}: not kept out; `copydesk forget --list` shows what is"
        for name, was in lifted.items()
    ]
    console.document({"lifted": lifted}, "\n".join(lines))
    return OK if all(lifted.values()) else ATTENTION


def _show(console: Console) -> int:
    from flows.admin import erasure

    lines = [
        {
            "article_id": one.article_id,
            "source": one.source,
            "reason": one.reason,
            "forgotten_at": one.forgotten_at,
        }
        for one in erasure.list_suppressed(console.settings())
    ]
    words = [{**one, "article_id": one["article_id"] or f"{one['source']}:*"} for one in lines]
    console.document(
        {"tombstones": lines},
        table(words, ("article_id", "reason", "forgotten_at")) if lines else "nothing is kept out",
    )
    return OK


COMMANDS = (compact, forget)
