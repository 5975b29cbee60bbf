"""``copydesk alerts``."""

from __future__ import annotations

import click

from flows.cli.console import Console, help_without_command, usage_error, with_global_options
from flows.cli.exit_codes import FAILED, OK, USAGE
from flows.cli.progress import show_progress


@click.group(
    invoke_without_command=True,
    short_help="Test the addresses that get messages about the sources.",
    epilog="Example: copydesk alerts test",
)
@with_global_options
@click.pass_context
def alerts(context: click.Context) -> None:
    """Test the addresses and the saved queries of [alerts].

    \b
    Each sync sends one message to each address when there is something new:
        a source broke, went silent, or is normal again
        new rows of a query of [alerts.queries]
        the rest, such as gaps and new pages in quarantine, once a day
    """  # noqa: D301  # click reads the character \b
    help_without_command(context)


@alerts.command(
    short_help="Send a test message to every address, and run the saved queries.",
    epilog="Example: copydesk alerts test",
)
@with_global_options
@click.pass_obj
def test(console: Console) -> int:
    """Send a test message to every address of [alerts], and run the saved queries.

    Prints for each address whether a server accepted the message, and the rows of each query. Exit
    code 1: a server did not accept the message, or a query took too long. Exit code 2: that was
    not so, but an address or a query of [alerts] is wrong.
    """
    from flows.alerts.deliver import send_test
    from flows.alerts.queries import run_queries
    from flows.text import pluralize

    settings = console.settings()
    if not settings.alerts.to:
        usage_error('no address is configured; add to = ["..."] to [alerts]')
    with show_progress(console):
        results = send_test(settings)
        queries = run_queries(settings)
    document = {
        "addresses": [
            {"address": one.address.label, "accepted": one.is_accepted, "error": one.error or None}
            for one in results
        ],
        "queries": [
            {"query": one.name, "rows": len(one.rows), "error": one.error or None}
            for one in queries
        ],
    }
    lines = [str(one) for one in results]
    lines += [
        f"query {one.name}: {one.error or pluralize(len(one.rows), 'row')}" for one in queries
    ]
    console.print_result(document, "\n".join(lines))
    has_failed = any(one.error and not one.is_unusable for one in results)
    if has_failed or any(one.error and not one.is_wrong for one in queries):
        return FAILED
    is_wrong = any(one.error for one in results) or any(one.error for one in queries)
    return USAGE if is_wrong else OK
