"""``copydesk mcp``."""

from __future__ import annotations

import sys

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.exit_codes import OK


@click.command(
    short_help="Serve the snapshot to language models.",
    epilog="Example: copydesk mcp --config /srv/news/copydesk.toml",
)
@with_global_options
@click.pass_obj
def mcp(console: Console) -> int:
    """Answer a client of the Model Context Protocol on stdin and stdout, until stdin ends.

    The tools are search, article, revisions, as_of, views and query. They read the newest snapshot
    and change nothing. A statement has at most 200 rows and 10 seconds. Each answer has the text of
    pages in the field "untrusted".

    The client starts this command; it needs: pip install 'copydesk[mcp]'
    """
    try:
        from flows.admin.mcp_server import run_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        usage_error("the package mcp is not installed: pip install 'copydesk[mcp]'")
    if sys.stdin.isatty():
        console.notify("this waits for a client of the Model Context Protocol; Ctrl-C ends it")
    run_server(console.settings())
    return OK
