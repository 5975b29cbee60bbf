"""The command deploy: the deployments in a work pool of a Prefect server."""

from __future__ import annotations

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK


@click.command(
    short_help="Register the schedules in a work pool of a Prefect server.",
    epilog="Example: copydesk deploy --pool copydesk",
)
@click.option("--pool", required=True, metavar="NAME", help="The work pool; created if missing.")
@with_global_options
@click.pass_obj
def deploy(console: Console, pool: str) -> int:
    """Register the schedules in a work pool of the Prefect server that PREFECT_API_URL names.

    `copydesk serve` does this by itself. This command is for workers on other machines: each runs
    `prefect worker start --pool NAME --type process`, with the configuration file at the same path.
    """
    from flows.serve.pool import deploy as register
    from flows.settings import resolve_config_file

    done = register(console.settings(), resolve_config_file(console.config), pool)
    names = [one.name for one in done.deployments]
    console.print_result({"pool": pool, "deployments": names}, "\n".join(names))
    for text in done.messages():
        console.notify(text)
    return OK
