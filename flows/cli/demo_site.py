"""``copydesk demo-site``."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.parameters import Number, OutFile


@click.command(
    "demo-site",
    short_help="Serve the recorded pages of every source on loopback.",
    epilog="Example: copydesk demo-site --port 8765",
)
@click.option(
    "--port",
    type=Number(0, 65535),
    metavar="PORT",
    help="Port on 127.0.0.1 (default: 8765 if it is free; 0 picks a free one).",
)
@click.option("--port-file", type=OutFile(), help="Write the port to this file once it answers.")
@with_global_options
@click.pass_obj
def demo_site(console: Console, port: int | None, port_file: Path | None) -> int:
    """Serve the recorded pages of every source on loopback, until Ctrl-C."""
    from flows.cli.demo_run import serve_demo_site

    serve_demo_site(port, port_file, notify=console.notify)
    return OK
