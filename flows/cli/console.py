"""What a command says and where: documents on stdout, everything else on stderr.

Words may quote pages, addresses and errors of others, so all of them are made harmless
to a terminal here. Documents keep their values: JSON has escapes of its own for the
same characters, and CSV and posts are data.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from parsers.text.characters import escape_controls

if TYPE_CHECKING:
    from flows.settings import Settings

OK, FAILED, USAGE, ATTENTION, DIFFERENT, INTERRUPTED = 0, 1, 2, 3, 4, 130

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(slots=True)
class Console:
    """What the global options chose, and the one way out for words.

    Attributes:
        json: One JSON document on stdout, nothing else there.
        verbosity: -1 quiet, 0 normal, 1 and more verbose.
        config: The configuration file, if one was named.
    """

    json: bool = False
    verbosity: int = 0
    config: Path | None = None
    _settings: Settings | None = field(default=None, repr=False)

    @property
    def is_terminal(self) -> bool:
        """Whether progress may be drawn and redrawn."""
        return sys.stderr.isatty()

    def settings(self) -> Settings:
        """The configuration, read at the first call."""
        from flows import settings

        if self._settings is None:
            self._settings = settings.load(self.config)
        return self._settings

    def document(self, document: Any, words: str) -> None:
        """Print the result: as JSON when asked for, else in words."""
        click.echo(dump(document) if self.json else escape_controls(words))

    def say(self, words: str) -> None:
        """Print a result that is words and has no document."""
        click.echo(escape_controls(words))

    def list(self, notes: Sequence[str]) -> None:
        """Print what a run noted, a line each; its document has them, too."""
        if not self.json:
            for words in notes:
                self.say(words)

    def note(self, words: str) -> None:
        """Say something on the way; not with ``--quiet``."""
        if self.verbosity >= 0:
            click.echo(escape_controls(words), err=True)

    def detail(self, words: str) -> None:
        """Say something that only ``--verbose`` wants."""
        if self.verbosity > 0:
            click.echo(escape_controls(words), err=True)

    def fail(self, words: str, code: int) -> int:
        """Say what went wrong; the exit code."""
        if self.json:
            click.echo(dump({"error": words, "exit_code": code}))
        click.echo(f"copydesk: {escape_controls(words)}", err=True)
        return code

    def fail_with(self, error: Exception) -> int:
        """Say what an error means for the person at the keyboard; the exit code.

        Errors of our own trees are expected and become their message. Anything else
        is a bug, and its traceback is what mends it.
        """
        from flows.errors import advice, exit_code_of

        code = exit_code_of(error)
        if code is None:
            import traceback

            click.echo(
                escape_controls("".join(traceback.format_exception(error))), err=True, nl=False
            )
            return self.fail(f"this is a bug in copydesk: {type(error).__name__}: {error}", FAILED)
        notes = [*getattr(error, "__notes__", []), *filter(None, [advice(error)])]
        return self.fail("\n".join([str(error), *notes]), code)


def dump(document: Any) -> str:
    """A JSON document; text stays readable, times are RFC 3339.

    What could act on a terminal and JSON would let stand is escaped: only strings can
    hold such characters, and written as an escape they are the same strings.
    """
    return escape_controls(json.dumps(document, ensure_ascii=False, indent=2, default=_encode))


def _encode(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def _store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    console = context.find_object(Console)
    if console is None:
        raise click.ClickException("the console is missing")
    if parameter.name == "json" and value:
        console.json = True
    elif parameter.name == "config" and value:
        # Both the group and its command look into the environment: what was typed wins.
        is_typed = context.get_parameter_source("config") is ParameterSource.COMMANDLINE
        if is_typed or console.config is None:
            console.config = value
    elif parameter.name == "verbose" and value:
        console.verbosity = value
    elif parameter.name == "quiet" and value:
        console.verbosity = -1


def with_globals(function: Decorated) -> Decorated:
    """Give a command the global options; they work before and after its name."""
    for option in (
        click.option("-q", "--quiet", is_flag=True, help="Say nothing but the result.",
                     expose_value=False, callback=_store),
        click.option("-v", "--verbose", count=True, help="Say more; twice for all.",
                     expose_value=False, callback=_store),
        click.option("--json", is_flag=True, help="One JSON document on stdout, words on stderr.",
                     expose_value=False, callback=_store),
        click.option("--config", type=click.Path(path_type=Path, dir_okay=False),
                     envvar="COPYDESK_CONFIG",
                     help="The configuration file (default: ./copydesk.toml if there is one).",
                     expose_value=False, callback=_store),
    ):  # fmt: skip
        function = option(function)
    return function


def help_without_command(context: click.Context) -> None:
    """Show what there is where a group was called without a command: that is a question."""
    if context.invoked_subcommand is not None:
        return
    console = context.find_object(Console)
    if console is not None and console.json:
        raise click.UsageError("name a command: its answer is the JSON document", context)
    click.echo(context.get_help())


def tell_unknown_source(console: Console, source: str | None) -> None:
    """Say that a source is none of the configured ones: nothing found may be a slip of the keyboard."""
    sources = console.settings().sources
    if source is not None and source not in sources:
        console.note(
            f"{source!r} is none of the configured sources "
            f"({', '.join(sources) or 'there are none'}): only what was imported under that name "
            "is found"
        )


def usage(message: str) -> NoReturn:
    """Refuse what was asked for."""
    raise click.UsageError(message, click.get_current_context())


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as aligned text; Chinese counts two cells a character."""
    from rich.cells import cell_len

    names = [_cell(column) for column in columns]
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [
        max([cell_len(name), *(cell_len(line[i]) for line in cells)])
        for i, name in enumerate(names)
    ]
    numeric = [bool(rows) and all(_is_number(row.get(name)) for row in rows) for name in columns]
    lines = [names, *cells]
    return "\n".join(
        "  ".join(
            _pad(text, width, right=(right and number > 0) or right)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for number, line in enumerate(lines)
    )


def fitted(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as a table; on a terminal too narrow for it, as blocks of one line a column.

    What is piped is always a table, however wide: nothing is cut in either.
    """
    found = table(rows, columns)
    return found if fits(found) else _blocks(rows, columns)


def fits(text: str) -> bool:
    """Whether no line is wider than the terminal; always where stdout is none."""
    from rich.cells import cell_len

    if not sys.stdout.isatty():
        return True
    width = shutil.get_terminal_size().columns
    return all(cell_len(line) <= width for line in text.splitlines())


def _blocks(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    from rich.cells import cell_len

    names = [_cell(column) for column in columns]
    width = max(map(cell_len, names), default=0)
    lines = []
    for number, row in enumerate(rows, 1):
        lines.append(f"--- {number} of {len(rows)} ---")
        lines += [
            f"{_pad(name, width, right=False)}  {_cell(row.get(column))}".rstrip()
            for name, column in zip(names, columns, strict=True)
        ]
    return "\n".join(lines)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    text = (
        "" if value is None else value.isoformat(" ") if hasattr(value, "isoformat") else str(value)
    )
    if isinstance(value, bytes | bytearray):
        text = f"({len(value)} bytes)"
    return escape_controls(" ".join(text.split()))


def _pad(text: str, width: int, *, right: bool) -> str:
    from rich.cells import cell_len

    space = " " * (width - cell_len(text))
    return space + text if right else text + space
