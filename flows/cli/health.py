"""``copydesk health``."""

from __future__ import annotations

from typing import Any

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.exit_codes import OK, WARNINGS
from flows.cli.tables import table_or_blocks

_COLUMNS = (
    "source", "state", "last_success", "last_new", "no_new_for", "new_in_7_days", "fields",
)  # fmt: skip


@click.command(
    short_help="Compare each source with its normal.",
    epilog="Example: copydesk health finews --json",
)
@click.argument("source", required=False)
@click.option(
    "--accept",
    is_flag=True,
    help="Accept the present values of SOURCE as normal: close its findings and learn again.",
)
@with_global_options
@click.pass_obj
def health(console: Console, source: str | None, *, accept: bool) -> int:
    """Compare each source, or one, with its own past.

    \b
    ok        volume, freshness and fields are normal
    learning  copydesk does not know the normal yet, and lists what it needs
    warning   a deviation: empty listings, missing fields, short or equal texts, other pages
    silent    no new article for longer than normal
    failing   the last sync failed
    overdue   the schedule of the source did not run
    no_run    the source was never synced

    Each sync stores the values and names a new deviation. --json has the coverage of each field
    and its provenance, too. Where the archive is a bucket, it has the files that wait for their
    upload. Exit code 3: a source is unhealthy, or a file waits for more than an hour.
    """  # noqa: D301  # click reads the character \b, which a raw docstring does not have
    from datetime import UTC, datetime

    from flows.admin import health as admin
    from flows.pipeline.health.messages import finding_json, subject

    settings = console.settings()
    if accept:
        if source is None:
            usage_error("--accept needs a SOURCE")
        closed = admin.accept(settings, source, notify=console.notify)
        lines = [f"accepted: {subject(one.row)}" for one in closed]
        lines.append(f"{source} learns its normal again")
        accepted = {"source": source, "accepted": [finding_json(one) for one in closed]}
        console.print_result(accepted, "\n".join(lines))
        return OK
    now = datetime.now(UTC)
    found = admin.report(settings, source=source, now=now)
    text = table_or_blocks([one.as_row(now) for one in found], _COLUMNS)
    lines = [line for one in found for line in one.lines()]
    document: dict[str, Any] = {"sources": [one.as_json(now) for one in found]}
    is_late = False
    if (waiting := admin.waiting_uploads(settings)) is not None:
        document["archive"] = waiting.as_json()
        is_late = waiting.oldest_seconds > admin.MAX_WAITING_SECONDS
        if waiting.files:
            lines.append(f"{'! ' if is_late else ''}{waiting.message(settings.archive.path)}")
    console.print_result(document, "\n".join([text, *lines]))
    return WARNINGS if is_late or any(one.is_unhealthy for one in found) else OK
