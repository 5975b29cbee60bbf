"""``copydesk report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.parameters import OutFile
from flows.text import pluralize

if TYPE_CHECKING:
    from flows.settings import Settings
    from flows.web.report import Report


@click.command(
    short_help="Write one page about the whole warehouse.",
    epilog="Example: copydesk report report.html",
)
@click.argument("out", type=OutFile(regular_only=True), metavar="OUT.html")
@with_global_options
@click.pass_obj
def report(console: Console, out: Path) -> int:
    """Write one page about the whole warehouse, from the snapshot.

    It shows volume by day and source, the delay from publication to fetch, publishers, and new,
    modified and duplicate articles. Each source has its health and the fields of its
    articles. It also shows fetches, syndications, gaps and quarantine. Days and times are those of
    the time zone of [defaults].

    The page is one file without scripts: it loads nothing, and any browser opens and prints it.
    With --json: path, bytes and articles (their number).
    """
    page = write_report(console.settings(), out)
    size = len(page.html.encode())
    console.print_result(
        {"path": str(out), "bytes": size, "articles": page.article_count},
        f"{out}: {pluralize(page.article_count, 'article')}, {size:,} bytes",
    )
    return OK


def write_report(settings: Settings, out: Path) -> Report:
    """Write the report of the snapshot; the file is complete or not there.

    Raises:
        WarehouseMissing: No snapshot was published yet.
        WarehouseTooOld: An earlier copydesk published it.
    """
    from zoneinfo import ZoneInfo

    from flows.atomic_file import atomic_file
    from flows.pipeline.snapshot import current_snapshot
    from flows.web.report import make_report
    from warehouse import connect_for_queries
    from warehouse.migrate import check_version

    snapshot = current_snapshot(settings)
    with connect_for_queries(snapshot.path) as db:
        check_version(db, snapshot.path)
        page = make_report(db, at=snapshot.published_at, zone=ZoneInfo(settings.defaults.time_zone))
    with atomic_file(out.resolve()) as stream:
        stream.write(page.html.encode())
    return page
