"""``copydesk serve``."""

from __future__ import annotations

import threading

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.parameters import Number


@click.command(
    short_help="Sync every source on its schedule, until Ctrl-C.",
    epilog="Example: copydesk serve --port 4200",
)
@click.option(
    "--port",
    type=Number(1, 65535),
    metavar="PORT",
    help="Port of the Prefect server that is started (default: serve.port, 4200).",
)
@with_global_options
@click.pass_obj
def serve(console: Console, port: int | None) -> int:
    """Sync every source on its schedule until Ctrl-C, with the Prefect UI.

    Starts a Prefect server on loopback, unless PREFECT_API_URL names one, and a worker of its
    work pool. backfill, import, reparse and maintenance can be started from the UI. On Ctrl-C or
    SIGTERM each run stores its batch and ends; the next start continues from there.
    """
    from flows.pipeline.signals import graceful_shutdown
    from flows.serve.supervisor import serve as run

    console.notify_advice()
    stop = threading.Event()
    with graceful_shutdown(stop, console.notify, hangup=True):
        run(
            console.settings(),
            config=console.config,
            port=port,
            notify=console.notify,
            verbosity=console.verbosity,
            stop=stop,
        )
    return OK
