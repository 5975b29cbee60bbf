"""The command deploy: the deployments in a work pool of a Prefect server."""

from __future__ import annotations

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import DIFFERENT, OK


@click.command(
    short_help="Register the schedules in a work pool of several machines.",
    epilog="Example: copydesk deploy --pool copydesk",
)
@click.option("--pool", required=True, metavar="NAME", help="The work pool; created if missing.")
@click.option(
    "--check",
    "check_only",
    is_flag=True,
    help="Change nothing; compare this machine's configuration with the deployed one.",
)
@with_global_options
@click.pass_obj
def deploy(console: Console, pool: str, check_only: bool) -> int:
    """Register the schedules in a work pool of the Prefect server that PREFECT_API_URL names.

    `copydesk serve` does this by itself. This command is for workers on several machines: each
    runs `prefect worker start --pool NAME`, with the same configuration file at the same path.
    deploy/SCALE.md has the steps. A work pool of another type (docker, kubernetes) is used as it
    is. --check ends with exit code 4 if the files differ.
    """
    from flows.serve.pool import check, register_in_pool
    from flows.settings import resolve_config_file

    config = resolve_config_file(console.config)
    if check_only:
        difference = check(console.settings(), config, pool)
        console.print_result(
            {"pool": pool, "difference": difference},
            difference or "the configuration is the deployed one",
        )
        return DIFFERENT if difference else OK
    done, warnings = register_in_pool(console.settings(), config, pool)
    names = [one.name for one in done.deployments]
    result = {
        "pool": pool,
        "deployments": names,
        "deleted": list(done.deleted),
        "warnings": warnings,
    }
    console.print_result(result, "\n".join(names))
    for text in (*done.messages(), *warnings):
        console.notify(text)
    return OK
