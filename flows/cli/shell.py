"""``copydesk shell``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import FAILED, OK
from flows.cli.parameters import Number
from flows.cli.tables import table_or_blocks
from flows.json_text import dump

if TYPE_CHECKING:
    from flows.admin.shell import Shell

ROWS = 100
HISTORY_LENGTH = 1000


@click.command(
    short_help="Prompt for read-only SQL.",
    epilog="Example: copydesk shell < queries.sql",
)
@click.option(
    "--limit", type=Number(1, 1_000_000_000), default=None, metavar="N",
    help=f"At most N rows of a result (default {ROWS} at a prompt, else all).",
)  # fmt: skip
@with_global_options
@click.pass_obj
def shell(console: Console, limit: int | None) -> int:
    """Run read-only SQL, one statement after the other, each ending with a semicolon.

    A statement reads the newest snapshot, which never blocks a run. Tab completes views and
    columns; .tables lists the views, .schema VIEW the columns, .help all commands. Ctrl-C ends the
    running statement only, Ctrl-D the shell.

    From a pipe or file there is no prompt, and the first error ends the shell with exit code 1. With
    --json, each result is one JSON document.
    """
    from flows.admin.shell import Shell
    from warehouse.errors import WarehouseError

    is_interactive = sys.stdin.isatty() and sys.stdout.isatty()
    one = Shell(
        console.settings(),
        show=lambda rows, columns: _show(console, rows, columns),
        notify=console.notify,
        on_error=console.fail_with,
        limit=limit or (ROWS if is_interactive else None),
    )
    if is_interactive:
        console.notify("SQL ends with ; and .help lists the commands")
        with _readline(one, console.settings().warehouse.folder / "shell_history"):
            one.run(input, is_interactive=True)
        return OK
    try:
        one.run(_read_stdin, is_interactive=False)
    except WarehouseError as error:
        notes = getattr(error, "__notes__", [])
        return console.fail("\n".join([str(error), *notes]), FAILED)
    return OK


def _show(console: Console, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    click.echo(dump(rows) if console.json else table_or_blocks(rows, columns))


def _read_stdin(_prompt: str) -> str:
    from warehouse.errors import BadQuery

    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError as error:
        raise BadQuery(f"expected UTF-8 on stdin: {error.reason}") from error
    if not line:
        raise EOFError
    return line.removesuffix("\n")


@contextmanager
def _readline(one: Shell, file: Path) -> Iterator[None]:
    """Edit lines with readline: completion, and a history in a file of the user alone."""
    import readline

    readline.set_completer(_completer(one.completions, readline.get_line_buffer))
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    readline.set_history_length(HISTORY_LENGTH)
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        if file.stat().st_size:
            readline.read_history_file(file)
    except OSError:  # the folder is of another user: no history then
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            readline.write_history_file(file)


def _completer(
    completions: Callable[[str, str], list[str]], line: Callable[[], str]
) -> Callable[[str, int], str | None]:
    def complete(word: str, number: int) -> str | None:
        found = completions(line(), word)
        return found[number] if number < len(found) else None

    return complete
