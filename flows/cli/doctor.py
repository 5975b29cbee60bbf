"""``copydesk doctor``."""

from __future__ import annotations

import click

from flows.cli.console import Console, with_global_options
from flows.cli.progress import show_progress


@click.command(
    short_help="Check versions, configuration, files, locks, disk and server.",
    epilog="Example: copydesk doctor --verify",
)
@click.option("--verify", is_flag=True, help="Also read and compare every block and archived page.")
@with_global_options
@click.pass_obj
def doctor(console: Console, *, verify: bool) -> int:
    """Check versions, configuration, files, locks, disk and server, and name the fixes.

    Exit code 3: a warning. Exit code 1: an error.
    """
    from flows.admin.check import exit_code_of
    from flows.admin.doctor import check_installation
    from flows.publication.check import check_publications

    settings = console.settings()
    with show_progress(console) as on_progress:
        checks = check_installation(settings, verify=verify, on_progress=on_progress)
    checks += check_publications(settings)
    console.print_result(
        {"checks": [one.as_json() for one in checks]}, "\n".join(str(one) for one in checks)
    )
    return exit_code_of(checks)
