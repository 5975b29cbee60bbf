"""Commands that read something again: backfill, reparse, quarantine, gaps."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.console import (
    ATTENTION,
    OK,
    Console,
    fitted,
    help_without_command,
    tell_unknown_source,
    usage,
    with_globals,
)
from flows.cli.parameters import DAY, MOMENT, OutFile
from flows.cli.progress import showing_progress
from flows.cli.sync import show
from flows.text import pluralize

if TYPE_CHECKING:
    from warehouse.rows import QuarantineEntry


@click.command(
    short_help="Bring in a window of days, a list of addresses, or an archive.",
    epilog="Example: copydesk backfill finews --from 2022-03-01 --to 2022-03-14",
)
@click.argument("source")
@click.option("--from", "first", type=DAY, help="First day of the window, in the source's zone.")
@click.option("--to", "last", type=DAY, help="Last day of the window; it is part of it.")
@click.option(
    "--urls", metavar="FILE|-", help="Addresses of articles (share links too), one a line."
)
@click.option(
    "--archive",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of WARC files, read instead of the network.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be fetched; store nothing.")
@click.option("--restart", is_flag=True, help="Do again what was done.")
@with_globals
@click.pass_obj
def backfill(
    console: Console,
    source: str,
    first: datetime | None,
    last: datetime | None,
    urls: str | None,
    archive: Path | None,
    *,
    dry_run: bool,
    restart: bool,
) -> int:
    """Bring in a bounded window of days, a list of addresses, or an archive.

    Interrupted or killed, it goes on where it was when it is asked for again. Watermarks
    stay as they are; nothing that was seen later is replaced; gaps it covered are closed.
    Exit code 3: done, but something is in quarantine, failed, or cannot be reached.
    """
    from flows.serving.run_jobs import run_backfill

    addresses = _addresses(urls)
    with showing_progress(console) as progress:
        report = run_backfill(
            console.settings(),
            source,
            config=console.config,
            first=_day(first),
            last=_day(last),
            urls=addresses,
            archive=archive,
            dry_run=dry_run,
            restart=restart,
            notify=console.note,
            progress=progress,
            verbosity=console.verbosity,
        )
    console.list(report.warnings)
    return show(console, report)


@click.command(
    short_help="Read the archived pages again, with today's parsers.",
    epilog="Example: copydesk reparse --source finews --diff",
)
@click.option(
    "--source",
    "sources",
    metavar="SOURCE",
    multiple=True,
    help="Only this source; may be repeated.",
)
@click.option(
    "--since", type=MOMENT, help="Only pages fetched then or later (UTC unless it says otherwise)."
)
@click.option("--diff", is_flag=True, help="Store nothing, say what would change; 4 if worse.")
@with_globals
@click.pass_obj
def reparse(
    console: Console, sources: tuple[str, ...], since: datetime | None, *, diff: bool
) -> int:
    """Read the archived pages again with today's parsers, without network.

    Each page keeps the time it was fetched at, so that newer content stays. Exit code 3:
    a page cannot be read, and nothing later of its article could; 4: --diff found that
    something would get worse.
    """
    from flows.serving.run_jobs import run_reparse

    with showing_progress(console) as progress:
        report = run_reparse(
            console.settings(),
            sources,
            config=console.config,
            since=since,
            diff=diff,
            notify=console.note,
            progress=progress,
            verbosity=console.verbosity,
        )
    console.list(report.warnings)
    return show(console, report)


@click.group(
    invoke_without_command=True,
    short_help="Look at what could not be read, and try it again.",
    epilog="Example: copydesk quarantine list --reason layout_changed",
)
@with_globals
@click.pass_context
def quarantine(context: click.Context) -> None:
    """Look at pages, lines and posts that could not be read, and try them again."""
    help_without_command(context)


@quarantine.command(
    "list",
    short_help="Show what is in quarantine, oldest first.",
    epilog="Example: copydesk quarantine list --reason layout_changed",
)
@click.option(
    "--reason", metavar="KIND", help="Only failures of this kind, such as layout_changed."
)
@click.option("--source", metavar="SOURCE", help="Only failures of this source.")
@click.option("--resolved", is_flag=True, help="Those that were resolved since, instead.")
@with_globals
@click.pass_obj
def list_(console: Console, reason: str | None, source: str | None, *, resolved: bool) -> int:
    """Show what is in quarantine, oldest first. Exit code 3 when something is."""
    from flows.admin.quarantine import list_quarantine

    found = list_quarantine(console.settings(), reason=reason, source=source, is_resolved=resolved)
    lines = [_line(one) for one in found]
    columns = ("id", "source", "reason", "attempts", "last_failed_at", "what")
    console.document(
        {"quarantine": [_document(one) for one in found]},
        fitted(lines, columns) if lines else _nothing(reason, source, is_resolved=resolved),
    )
    if not found:
        tell_unknown_source(console, source)
    return ATTENTION if found and not resolved else OK


@quarantine.command(
    "show",
    short_help="Show one failure: what was expected, what was found, its page.",
    epilog="Example: copydesk quarantine show 1a2b3c4d",
)
@click.argument("id_", metavar="ID")
@click.option("--page", type=OutFile(), help="Write its bytes to this file.")
@with_globals
@click.pass_obj
def show_(console: Console, id_: str, page: Path | None) -> int:
    """Show one failure: what was expected, what was found, the page itself."""
    from flows.admin.quarantine import get_failure

    found = get_failure(console.settings(), id_)
    document = _document(found) | {"page": found.row.page.decode("utf-8", "backslashreplace")}
    words = "\n".join(
        f"{name}: {value}" for name, value in document.items() if value not in (None, "")
    )
    if page is not None:
        page.write_bytes(found.row.page)
        console.note(f"{pluralize(len(found.row.page), 'byte')} written to {page}")
    console.document(document, words)
    return OK


@quarantine.command(
    "replay",
    short_help="Try the failures again with today's parsers, after a fix.",
    epilog="Example: copydesk quarantine replay --reason layout_changed",
)
@click.argument("id_", metavar="[ID]", required=False)
@click.option(
    "--reason", metavar="KIND", help="Only failures of this kind, such as layout_changed."
)
@click.option("--source", metavar="SOURCE", help="Only failures of this source.")
@with_globals
@click.pass_obj
def replay(console: Console, id_: str | None, reason: str | None, source: str | None) -> int:
    """Try the failures again with today's parsers, after a fix.

    What can be read now is stored and resolved. Exit code 3 when some still fail.
    """
    from flows.admin.replay_quarantine import replay_quarantine as replay_all

    with showing_progress(console) as progress:
        report = replay_all(
            console.settings(),
            reason=reason,
            source=source,
            only=id_,
            notify=console.note,
            progress=progress,
        )
    if not report.stats:
        console.note(_nothing(reason, source, is_resolved=False))
    console.list(report.warnings)
    return show(console, report)


@click.command(
    short_help="Show the stretches that may have been missed.",
    epilog="Example: copydesk gaps --source finews",
)
@click.option("--source", metavar="SOURCE", help="Only gaps of this source.")
@click.option("--closed", is_flag=True, help="Those that were closed since, instead.")
@with_globals
@click.pass_obj
def gaps(console: Console, source: str | None, *, closed: bool) -> int:
    """Show the stretches that may have been missed. Exit code 3 when there are any.

    A backfill of their days closes them where the source still lists so far back.
    """
    from flows.admin.quarantine import list_gaps

    found = list_gaps(console.settings(), source=source, is_closed=closed)
    lines = [
        {
            "id": gap.gap_id,
            "source": gap.row.source,
            "channel": gap.row.channel,
            "from": gap.row.from_at,
            "to": gap.row.to_at,
            "noticed_at": gap.noticed_at,
            "how": gap.row.how,
            "run_id": gap.run_id,
            "closed_at": gap.closed_at,
            "closed_by": gap.closed_by,
        }
        for gap in found
    ]
    columns = ("source", "channel", "from", "to", "how", *(("closed_by",) if closed else ()))
    console.document({"gaps": lines}, fitted(lines, columns) if lines else "no gaps")
    if not found:
        tell_unknown_source(console, source)
    return ATTENTION if found and not closed else OK


def _addresses(urls: str | None) -> Sequence[str]:
    if urls is None:
        return ()
    from flows.pipeline.date_range import parse_url_list

    try:
        text = (
            sys.stdin.buffer.read().decode("utf-8-sig")
            if urls == "-"
            else Path(urls).read_text(encoding="utf-8-sig")
        )
    except (OSError, UnicodeDecodeError) as error:
        usage(f"--urls: {urls} cannot be read: {error}")
    found = parse_url_list(text)
    if not found:
        usage(f"--urls: expected addresses, one a line, found none in {urls}")
    return found


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _nothing(reason: str | None, source: str | None, *, is_resolved: bool) -> str:
    which = "nothing that was resolved since" if is_resolved else "nothing"
    of = f" of the source {source}" if source else ""
    kind = f" for the reason {reason}" if reason else ""
    return f"{which} is in quarantine{of}{kind}"


def _line(one: QuarantineEntry) -> dict[str, Any]:
    row = one.row
    return {
        "id": one.quarantine_id[:8],
        "source": row.source,
        "reason": row.reason,
        "attempts": one.attempts,
        "last_failed_at": one.last_failed_at.strftime("%Y-%m-%d %H:%M"),
        "what": row.article_id or row.url or row.message.splitlines()[0],
    }


def _document(one: QuarantineEntry) -> dict[str, Any]:
    row = one.row
    return {
        "id": one.quarantine_id,
        "source": row.source,
        "channel": row.channel,
        "article_id": row.article_id,
        "url": row.url,
        "reason": row.reason,
        "message": row.message,
        "expected": row.expected,
        "found": row.found,
        "attempts": one.attempts,
        "first_failed_at": one.first_failed_at,
        "last_failed_at": one.last_failed_at,
        "resolved_at": one.resolved_at,
        "resolved_by": one.resolved_by,
        "fetched_at": row.fetched_at,
        "parser": row.parser,
        "parser_version": row.parser_version,
        "content_type": row.content_type,
        "bytes": len(row.page),
        "run_id": one.run_id,
    }


COMMANDS = (backfill, reparse, quarantine, gaps)
