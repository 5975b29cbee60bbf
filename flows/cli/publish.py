"""``copydesk publish``."""

from __future__ import annotations

import threading

import click

from flows.cli.console import Console, with_global_options


@click.command(
    short_help="Write posts into the folders of [publish.<name>], and run their commands.",
    epilog="Example: copydesk publish blog --dry-run",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@with_global_options
@click.pass_obj
def publish(console: Console, names: tuple[str, ...], *, dry_run: bool) -> int:
    """Publish articles as the sections [publish.<name>] of the configuration say.

    Without NAME every publication is published. Each sync publishes, too, unless a publication
    has a schedule of its own. The read snapshot is published.

    If nothing changed, no file is written and no command runs. A command that fails is
    repeated by the next publication. Files that copydesk did not write are left alone, and so
    are posts and pages that were edited. A feed or articles.jsonl of copydesk is replaced as a
    whole when an article changed, edited or not.

    With --json: "publications", each with its state (published, unchanged, failed, dry_run), the
    number and the paths of files of each kind, the commands that ran, and the error.

    Exit code 1: a file or a command failed. Exit code 3: files were left alone.
    """
    from flows.pipeline.signals import graceful_shutdown
    from flows.publication.publish import select_publications
    from flows.publication.publish_all import publish_all

    settings, stop = console.settings(), threading.Event()
    selected = select_publications(settings, names)
    with graceful_shutdown(stop, console.notify):
        report = publish_all(
            settings,
            selected,
            dry_run=dry_run,
            is_strict=True,
            is_stopping=stop.is_set,
            notify=console.notify,
        )
    console.print_result(report.as_json(), report.message())
    return report.exit_code
