"""The command line ``copydesk``: one module a command, no logic.

The command modules import nothing heavy at the top (Prefect alone takes a second), so that
``copydesk --help`` is fast. Exit codes: ``exit_codes``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from flows.cli import (
    alerts,
    backfill,
    browse,
    compact,
    demo,
    demo_site,
    deploy,
    doctor,
    dupes,
    erase,
    export,
    gaps,
    health,
    import_posts,
    init,
    maintenance,
    mcp,
    migrate_warehouse,
    parse,
    publish,
    quarantine,
    query,
    reparse,
    report,
    revisions,
    search,
    serve,
    shell,
    site,
    sources,
    sync,
)
from flows.cli.console import Console, help_without_command, with_global_options
from flows.cli.exit_codes import FAILED, INTERRUPTED, OK, USAGE


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: copydesk demo --output demo",
)
@click.version_option(package_name="copydesk", message="%(prog)s %(version)s")
@with_global_options
@click.pass_context
def copydesk(context: click.Context) -> None:
    """Keep a trustworthy, queryable news corpus, on a schedule."""
    help_without_command(context)


for _command in (
    init.init,
    demo.demo,
    demo_site.demo_site,
    sources.sources,
    sync.sync,
    backfill.backfill,
    reparse.reparse,
    import_posts.import_posts,
    export.export,
    publish.publish,
    parse.parse,
    query.query,
    shell.shell,
    mcp.mcp,
    search.search,
    revisions.revisions,
    browse.browse,
    report.report,
    site.site,
    dupes.dupes,
    quarantine.quarantine,
    gaps.gaps,
    health.health,
    alerts.alerts,
    erase.erase,
    compact.compact,
    maintenance.maintenance,
    migrate_warehouse.migrate_warehouse,
    serve.serve,
    deploy.deploy,
    doctor.doctor,
):
    copydesk.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its exit code."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; print every error as one message."""
    console = Console()
    try:
        code = copydesk.main(arguments, prog_name="copydesk", obj=console, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) closed the pipe; Python's own flush at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # click turns any EOFError into Abort
            return console.fail_with(error.__cause__)
        return console.fail(
            "interrupted: stored batches stay; the same command continues", INTERRUPTED
        )
    except click.UsageError as error:
        return console.fail(_usage(error), USAGE)
    except click.ClickException as error:
        return console.fail(error.format_message(), FAILED)
    except Exception as error:  # noqa: BLE001  # every error ends as a message
        return console.fail_with(error)
    return code if isinstance(code, int) else OK


def _usage(error: click.UsageError) -> str:
    hint = f"\nsee: {error.ctx.command_path} --help" if error.ctx else ""
    if isinstance(error, click.MissingParameter) and error.ctx and error.ctx.command.epilog:
        hint = f"\n{error.ctx.command.epilog}{hint}"
    return error.format_message() + hint
