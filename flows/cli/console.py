"""Output of a command: the result on stdout, everything else on stderr.

Text may quote pages, addresses and errors of others, so control characters are escaped here.
JSON, CSV and posts keep their values.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from flows.cli.exit_codes import FAILED, advice_for, exit_code_of
from flows.json_text import dump
from parsers.text.characters import escape_controls, single_line

if TYPE_CHECKING:
    from flows.settings import Settings

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(slots=True)
class Console:
    """The values of the global options, and the output of a command.

    Attributes:
        json: Print one JSON document on stdout and nothing else there.
        verbosity: -1 quiet, 0 normal, 1 and more verbose.
        config: The configuration file, if one was named.
    """

    json: bool = False
    verbosity: int = 0
    config: Path | None = None
    _settings: Settings | None = field(default=None, repr=False)

    @property
    def is_terminal(self) -> bool:
        """Whether stderr is a terminal, so that progress bars can be drawn."""
        return sys.stderr.isatty()

    def settings(self) -> Settings:
        """The configuration, read at the first call."""
        from flows import settings

        if self._settings is None:
            self._settings = settings.load(self.config)
        return self._settings

    def print_result(self, document: Any, text: str) -> None:
        """Print the result: the JSON document with ``--json``, else the text."""
        click.echo(dump(document) if self.json else escape_controls(text))

    def print_lines(self, lines: Sequence[str]) -> None:
        """Print lines that the JSON document has, too."""
        if not self.json:
            for line in lines:
                click.echo(single_line(line))

    def notify(self, text: str) -> None:
        """Print a message on stderr, unless ``--quiet``."""
        if self.verbosity >= 0:
            click.echo(escape_controls(text), err=True)

    def fail(self, message: str, code: int) -> int:
        """Print an error; return its exit code."""
        if self.json:
            click.echo(dump({"error": message, "exit_code": code}))
        click.echo(f"copydesk: {escape_controls(message)}", err=True)
        return code

    def fail_with(self, error: Exception) -> int:
        """Print an exception; return its exit code.

        An expected error is printed as its message. Any other exception is a bug and is printed
        with its traceback.
        """
        code = exit_code_of(error)
        if code is None:
            import traceback

            text = "".join(traceback.format_exception(error))
            click.echo(escape_controls(text), err=True, nl=False)
            return self.fail(f"this is a bug in copydesk: {type(error).__name__}: {error}", FAILED)
        notes = [advice_for(error), *getattr(error, "__notes__", [])]
        return self.fail("\n".join(filter(None, [str(error), *notes])), code)

    def start_new_warehouse(self) -> None:
        """Start an empty warehouse; the files of an earlier one are moved to a folder."""
        from flows.pipeline.restore import start_new_warehouse

        if folder := start_new_warehouse(self.settings()):
            self.notify(f"the files of the earlier warehouse are in {folder}")

    def notify_advice(self) -> None:
        """Print what the operator should change in the configuration before a run."""
        from flows.admin.new_config import advice

        for line in advice(self.settings(), self.config):
            self.notify(f"note: {line}")

    def warn_unknown_source(self, source: str | None) -> None:
        """Print a hint when a named source is not configured: it may be a typing error."""
        sources = self.settings().sources
        if source is not None and source not in sources:
            self.notify(
                f"{source!r} is none of the configured sources ({', '.join(sources) or 'none'}); "
                "only articles that were imported under that name are found"
            )


def with_global_options(function: Decorated) -> Decorated:
    """Add the global options to a command; they work before and after its name."""
    for option in (
        click.option("-q", "--quiet", is_flag=True, help="Print only the result.",
                     expose_value=False, callback=_store),
        click.option("-v", "--verbose", count=True, help="Print more; twice for all.",
                     expose_value=False, callback=_store),
        click.option("--json", is_flag=True, help="One JSON document on stdout, logs on stderr.",
                     expose_value=False, callback=_store),
        click.option("--config", type=click.Path(path_type=Path, dir_okay=False),
                     envvar="COPYDESK_CONFIG",
                     help="The configuration file (default: ./copydesk.toml if it exists).",
                     expose_value=False, callback=_store),
    ):  # fmt: skip
        function = option(function)
    return function


def _store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    console = context.find_object(Console)
    assert console is not None  # noqa: S101  # every command runs with one
    if parameter.name == "json" and value:
        console.json = True
    elif parameter.name == "config" and value:
        # Group and command both read COPYDESK_CONFIG; the command line has priority.
        is_typed = context.get_parameter_source("config") is ParameterSource.COMMANDLINE
        if is_typed or console.config is None:
            console.config = value
    elif parameter.name == "verbose" and value:
        console.verbosity = value
    elif parameter.name == "quiet" and value:
        console.verbosity = -1


def help_without_command(context: click.Context) -> None:
    """Print the help of a group that was called without a command."""
    if context.invoked_subcommand is not None:
        return
    console = context.find_object(Console)
    if console is not None and console.json:
        raise click.UsageError("name a command: its result is the JSON document", context)
    click.echo(context.get_help())


def usage_error(message: str) -> NoReturn:
    """End the command with exit code 2."""
    raise click.UsageError(message, click.get_current_context())
