"""``copydesk browse``."""

from __future__ import annotations

import threading

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.parameters import Number

DEFAULT_PORT = 8766


@click.command(
    short_help="Look at the warehouse in a browser, until Ctrl-C.",
    epilog="Example: copydesk browse --port 8766",
)
@click.option(
    "--port",
    type=Number(0, 65535),
    default=DEFAULT_PORT,
    metavar="PORT",
    help=f"Port on 127.0.0.1 (default {DEFAULT_PORT}; 0 takes a free one).",
)
@with_global_options
@click.pass_obj
def browse(console: Console, port: int) -> int:
    """Serve pages about the snapshot to browsers on this machine, until Ctrl-C.

    They show articles with a search and a chart of their days. Each article has its revisions,
    sightings and duplicates. Other pages show sources with their health, quarantine, gaps and
    runs, and one has a box for read-only SQL. With .json or .csv at the end of its path, the
    address of a page gives its data; articles and sources also have an Atom feed (.atom).

    The pages show the newest snapshot; runs are never disturbed. Nothing can be changed there.
    """
    from flows.pipeline.signals import graceful_shutdown
    from flows.web.browse.server import run_server

    stop = threading.Event()
    with graceful_shutdown(stop, lambda _message: None):
        run_server(
            console.settings(),
            port=port,
            stop=stop,
            on_ready=lambda url: console.print_result(
                {"url": url}, f"{url} shows the snapshot; Ctrl-C ends it"
            ),
        )
    return OK
