"""``copydesk quarantine``."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.console import Console, help_without_command, usage_error, with_global_options
from flows.cli.exit_codes import OK, WARNINGS
from flows.cli.parameters import OutFile
from flows.cli.progress import show_progress
from flows.cli.run_result import print_run
from flows.cli.tables import table_or_blocks
from flows.text import pluralize
from parsers.text.characters import escape_controls

_LINE = "\n"
REASON = click.option(
    "--reason", metavar="KIND", help="Only failures of this kind, such as layout_changed."
)
SOURCE = click.option("--source", metavar="SOURCE", help="Only failures of this source.")


@click.group(
    invoke_without_command=True,
    short_help="List, show, replay and dismiss pages that could not be parsed.",
    epilog="Example: copydesk quarantine list --reason layout_changed",
)
@with_global_options
@click.pass_context
def quarantine(context: click.Context) -> None:
    """List, show, replay and dismiss pages, entries and posts that could not be parsed."""
    help_without_command(context)


@quarantine.command(
    "list",
    short_help="List the failures in quarantine, oldest first.",
    epilog="Example: copydesk quarantine list --reason layout_changed",
)
@REASON
@SOURCE
@click.option("--resolved", is_flag=True, help="List resolved failures instead of open ones.")
@with_global_options
@click.pass_obj
def list_(console: Console, reason: str | None, source: str | None, *, resolved: bool) -> int:
    """List the failures in quarantine, oldest first. Exit code 3: there are open ones."""
    from flows.admin import quarantine as failures

    found = failures.list_quarantine(
        console.settings(), reason=reason, source=source, is_resolved=resolved
    )
    rows = [failures.failure_row(one) for one in found]
    columns = ("id", "source", "reason", "attempts", "last_failed_at", "what")
    text = table_or_blocks(rows, columns) if rows else _nothing(reason, source, resolved)
    console.print_result({"quarantine": [failures.failure_json(one) for one in found]}, text)
    if not found:
        console.warn_unknown_source(source)
    return WARNINGS if found and not resolved else OK


@quarantine.command(
    "show",
    short_help="Show one failure: what was expected, what was found, the page.",
    epilog="Example: copydesk quarantine show 1a2b3c4d",
)
@click.argument("id_", metavar="ID")
@click.option("--page", type=OutFile(), help="Write the bytes of the page to this file.")
@with_global_options
@click.pass_obj
def show(console: Console, id_: str, page: Path | None) -> int:
    """Show one failure: what was expected, what was found, and the page."""
    from flows.admin.quarantine import failure_json, get_failure

    found = get_failure(console.settings(), id_)
    document = failure_json(found) | {"page": found.row.page.decode("utf-8", "backslashreplace")}
    if page is not None:
        page.write_bytes(found.row.page)
        console.notify(f"{pluralize(len(found.row.page), 'byte')} written to {page}")
    # Stored text keeps its lines, indented, so that none looks like a field.
    lines = [
        f"{name}: {escape_controls(str(value)).replace(_LINE, f'{_LINE}    ')}"
        for name, value in document.items()
        if value not in (None, "")
    ]
    console.print_result(document, "\n".join(lines))
    return OK


@quarantine.command(
    short_help="Parse the failures again after a fix.",
    epilog="Example: copydesk quarantine replay --reason layout_changed",
)
@click.argument("id_", metavar="[ID]", required=False)
@REASON
@SOURCE
@with_global_options
@click.pass_obj
def replay(console: Console, id_: str | None, reason: str | None, source: str | None) -> int:
    """Parse the failures again with the current parsers.

    Pages that can be parsed now are stored and marked resolved. Exit code 3: some still fail.
    """
    from flows.admin.replay_quarantine import replay_quarantine

    with show_progress(console) as on_progress:
        report = replay_quarantine(
            console.settings(),
            reason=reason,
            source=source,
            only=id_,
            notify=console.notify,
            on_progress=on_progress,
        )
    if not report.stats:
        console.notify(_nothing(reason, source, is_resolved=False))
    console.print_lines(report.warnings)
    return print_run(console, report)


@quarantine.command(
    short_help="Close failures that need no fix.",
    epilog="Example: copydesk quarantine dismiss --source finews --reason bad_listing",
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@REASON
@SOURCE
@with_global_options
@click.pass_obj
def dismiss(console: Console, ids: tuple[str, ...], reason: str | None, source: str | None) -> int:
    """Close failures that need no fix: resolved_by becomes "dismissed".

    Runs count such a failure when they meet it again, and report it only if its reason changes.
    Exit code 3: there was no open failure to dismiss.
    """
    from flows.admin import quarantine as failures

    if bool(ids) == bool(reason or source):
        usage_error("give either ID, or --source and --reason; `copydesk quarantine list` has them")
    found = failures.dismiss(
        console.settings(), ids, source=source, reason=reason, notify=console.notify
    )
    rows = [failures.failure_row(one) for one in found]
    text = f"{pluralize(len(rows), 'failure')} dismissed"
    if rows:
        text = f"{table_or_blocks(rows, ('id', 'source', 'reason', 'what'))}\n{text}"
    console.print_result({"dismissed": [one.quarantine_id for one in found]}, text)
    if not found:
        console.warn_unknown_source(source)
    return OK if found else WARNINGS


def _nothing(reason: str | None, source: str | None, is_resolved: bool) -> str:
    state = "resolved" if is_resolved else "open"
    of_source = f" of source {source}" if source else ""
    of_reason = f" with reason {reason}" if reason else ""
    return f"no {state} failure in quarantine{of_source}{of_reason}"
