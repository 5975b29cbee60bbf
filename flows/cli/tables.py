"""Rows as aligned text; Chinese characters count two cells."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from parsers.text.characters import escape_controls


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as a table; a column of numbers is aligned to the right."""
    names = [_cell(column) for column in columns]
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(_width, column)) for column in zip(names, *cells, strict=True)]
    right = [bool(rows) and all(_is_number(row.get(name)) for row in rows) for name in columns]
    return "\n".join(
        "  ".join(_pad(*cell) for cell in zip(line, widths, right, strict=True)).rstrip()
        for line in [names, *cells]
    )


def table_or_blocks(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as a table; on a terminal too narrow for it, one line a column.

    Piped output is always a table. Neither form cuts a value.
    """
    text = table(rows, columns)
    if fits_terminal(text):
        return text
    names = [_cell(column) for column in columns]
    width = max(map(_width, names), default=0)
    lines = []
    for number, row in enumerate(rows, 1):
        lines.append(f"--- {number} of {len(rows)} ---")
        lines += [
            f"{_pad(name, width, False)}  {_cell(row.get(column))}".rstrip()
            for name, column in zip(names, columns, strict=True)
        ]
    return "\n".join(lines)


def fits_terminal(text: str) -> bool:
    """Whether no line is wider than the terminal; true where stdout is no terminal."""
    if not sys.stdout.isatty():
        return True
    width = shutil.get_terminal_size().columns
    return all(_width(line) <= width for line in text.splitlines())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = value.isoformat(" ") if isinstance(value, datetime) else str(value)
    return escape_controls(" ".join(text.split()))


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _pad(text: str, width: int, is_right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if is_right else text + space


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
