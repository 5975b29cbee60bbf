"""The prompt for read-only SQL: ``copydesk shell``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb

from flows.admin.query import file_to_read, query
from flows.callbacks import Notify
from flows.settings import Settings
from flows.text import pluralize
from warehouse import connect_for_queries
from warehouse.errors import BadQuery, WarehouseError
from warehouse.read.catalog import MACROS, read_views

PROMPT, CONTINUED = "copydesk> ", "     ...> "
HELP = {
    "SELECT ... ;": "run a statement, which may have several lines, on the newest snapshot",
    ".tables": "list the views and macros, each with its comment",
    ".schema VIEW": "list the columns of a view: name, type, comment",
    ".help": "list the commands",
    ".quit": "end the shell, like Ctrl-D",
    "Ctrl-C": "end the running statement, or discard what was typed",
}
KEYWORDS = (
    "and", "as", "asc", "between", "by", "case", "count", "desc", "describe", "distinct", "else",
    "end", "explain", "from", "group", "having", "in", "is", "join", "like", "limit", "not", "null",
    "on", "or", "order", "select", "summarize", "then", "using", "when", "where", "with",
)  # fmt: skip
COMMANDS = (".help", ".quit", ".schema", ".tables")

Show = Callable[[Sequence[dict[str, Any]], Sequence[str]], None]


class Shell:
    """Runs statements and commands, one line at a time."""

    def __init__(
        self,
        settings: Settings,
        *,
        show: Show,
        notify: Notify,
        on_error: Callable[[WarehouseError], object],
        limit: int | None = None,
    ) -> None:
        """Read the names of views and columns.

        Args:
            settings: The configuration.
            show: Called with the rows of a result and the names of its columns.
            notify: Called with messages.
            on_error: Called with the error of a statement at a prompt.
            limit: The most rows of a result to show; ``None`` for all.

        Raises:
            WarehouseError: The snapshot cannot be read.
        """
        self._settings = settings
        self._show = show
        self._notify = notify
        self._limit = limit
        self._on_error = on_error
        self._text = ""
        self._notified: set[str] = set()
        file = file_to_read(settings, live=False, notify=self._notify_once)
        with connect_for_queries(file) as db:
            self._views = {view["view"]: view for view in read_views(db)}

    def run(self, read: Callable[[str], str], *, is_interactive: bool) -> None:
        """Read lines until their end, or ``.quit``.

        Args:
            read: Called with the prompt; returns a line, raises EOFError after the last one.
            is_interactive: Whether errors and Ctrl-C end the statement only. If not, the last
                statement needs no ``;``.

        Raises:
            WarehouseError: A statement failed, unless interactive; a note has the line.
            KeyboardInterrupt: Ctrl-C, unless interactive.
        """
        number = 0
        is_open = True
        while is_open:
            number += 1
            try:
                is_open = self._step(read, is_interactive)
            except KeyboardInterrupt:
                if not is_interactive:
                    raise
                self._text = ""
                self._notify("\ncancelled; .quit ends the shell")
            except WarehouseError as error:
                if not is_interactive:
                    error.add_note(f"in line {number} of the input")
                    raise
                self._on_error(error)

    def completions(self, line: str, word: str) -> list[str]:
        """Return what may replace the last word of a line: names of views, columns, keywords."""
        table, dot, start = word.rpartition(".")
        if line.lstrip().startswith(".") and not self._text:
            names = list(COMMANDS) if line.lstrip() == word else list(self._views)
            return [name for name in names if name.startswith(word)]
        views = [self._views[table]] if table in self._views else self._views.values()
        columns = {column["name"] for view in views for column in view["columns"]}
        others = () if dot else (*self._views, *MACROS, *KEYWORDS)
        found = sorted({name for name in (*columns, *others) if name.startswith(start.lower())})
        return [f"{table}{dot}{name}" for name in found]

    def _step(self, read: Callable[[str], str], is_interactive: bool) -> bool:
        """Read a line and run what it completes; return whether to go on."""
        try:
            line = read(CONTINUED if self._text else PROMPT)
        except EOFError:
            if not is_interactive:
                statements, rest = split(f"{self._text}\n;")
                for statement in [*statements, *filter(None, [rest])]:
                    self._run_statement(statement)
            return False
        if not self._text and line.lstrip().startswith("."):
            return self._run_command(*line.split())
        text, self._text = f"{self._text}{line}\n", ""
        statements, rest = split(text)
        for statement in statements:
            self._run_statement(statement)
        self._text = rest
        return True

    def _run_statement(self, sql: str) -> None:
        most = None if self._limit is None else self._limit + 1
        # Opens the file again: there may be a newer snapshot than for the statement before.
        result = query(self._settings, sql, live=False, notify=self._notify_once, limit=most)
        rows = result.as_json()
        self._show(rows[: self._limit], result.columns)
        if self._limit is not None and len(rows) > self._limit:
            self._notify(f"the first {pluralize(self._limit, 'row')}; --limit N shows more")

    def _run_command(self, name: str, *arguments: str) -> bool:
        match name, arguments:
            case ".quit" | ".exit", ():
                return False
            case ".help", ():
                self._show(_pairs("command", HELP), ("command", "comment"))
            case ".tables", ():
                views = {name: view["comment"] for name, view in self._views.items()}
                self._show(_pairs("name", views | MACROS), ("name", "comment"))
            case ".schema", (view,) if view in self._views:
                self._show(self._views[view]["columns"], ("name", "type", "comment"))
            case ".schema", _:
                raise BadQuery(".schema needs the name of a view: .tables lists them")
            case _:
                raise BadQuery(f"there is no command {name!r}: .help lists them")
        return True

    def _notify_once(self, message: str) -> None:
        if message not in self._notified:
            self._notified.add(message)
            self._notify(message)


def _pairs(name: str, comments: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{name: one, "comment": comment} for one, comment in comments.items()]


def split(text: str) -> tuple[list[str], str]:
    """Return the complete statements of a text, each with its ``;``, and what follows them.

    What follows is empty if it has comments and spaces only.

    Raises:
        BadQuery: The text is not valid Unicode.
    """
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise BadQuery(f"the statement is no valid text: {error.reason}") from error
    statements, begin, is_empty = [], 0, True
    for position, kind in duckdb.tokenize(text):
        if _is_semicolon(encoded, position, kind):
            if not is_empty:
                statements.append(encoded[begin : position + 1].decode())
            begin, is_empty = position + 1, True
        elif kind != duckdb.token_type.comment:
            is_empty = False
    rest = encoded[begin:].decode()
    return statements, "" if is_empty and not _has_open_comment(rest) else rest


def _is_semicolon(encoded: bytes, position: int, kind: object) -> bool:
    return kind == duckdb.token_type.operator and encoded[position : position + 1] == b";"


def _has_open_comment(comments: str) -> bool:
    """Whether the last comment swallows what follows it on the next line."""
    text = f"{comments}\n;"
    return not any(_is_semicolon(text.encode(), *token) for token in duckdb.tokenize(text))
