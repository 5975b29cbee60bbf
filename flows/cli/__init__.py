"""The command line ``copydesk``: words in, words out, no logic.

The command modules import nothing heavy at the top (Prefect alone costs a second),
so that ``copydesk --help`` answers at once.

Exit codes: 0 all well; 1 failed; 2 usage or configuration error; 3 done, but something
needs attention; 4 a check found a difference; 130 interrupted, state kept.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from flows.cli import backfill, erase, parse, posts, query, serve, sync
from flows.cli.console import (
    FAILED,
    INTERRUPTED,
    USAGE,
    Console,
    help_without_command,
    with_globals,
)


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: copydesk demo --keep demo",
)
@click.version_option(package_name="copydesk", message="%(prog)s %(version)s")
@with_globals
@click.pass_context
def copydesk(context: click.Context) -> None:
    """Keep a trustworthy, queryable news corpus, on a schedule."""
    help_without_command(context)


for _command in (
    *serve.COMMANDS,
    *sync.COMMANDS,
    *backfill.COMMANDS,
    *posts.COMMANDS,
    *parse.COMMANDS,
    *query.COMMANDS,
    *erase.COMMANDS,
):
    copydesk.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    code = run(list(sys.argv[1:] if arguments is None else arguments))
    if "prefect" in sys.modules:
        from flows.serving.leaving import leave

        leave(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command; its exit code.  Every expected error becomes one clear message."""
    console = Console()
    try:
        code = copydesk.main(arguments, prog_name="copydesk", obj=console, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; give Python's own flush nowhere to fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # click takes a cut file for Ctrl-D
            return console.fail_with(error.__cause__)
        return console.fail("interrupted; what was stored stays stored", INTERRUPTED)
    except click.UsageError as error:
        return console.fail(_usage(error), USAGE)
    except click.ClickException as error:
        return console.fail(error.format_message(), FAILED)
    except Exception as error:  # noqa: BLE001  # the last word belongs to a message
        return console.fail_with(error)
    return code if isinstance(code, int) else 0


def _usage(error: click.UsageError) -> str:
    hint = f"\nsee: {error.ctx.command_path} --help" if error.ctx else ""
    if isinstance(error, click.MissingParameter) and error.ctx and error.ctx.command.epilog:
        hint = f"\n{error.ctx.command.epilog}{hint}"
    return error.format_message() + hint
