"""Cells of CSV for spreadsheets."""

from __future__ import annotations

import json
import re

# With leading apostrophes, too: a reader that removes one from such a cell gets every exact value.
_FORMULA = re.compile("'*[=+\\-@＝＋－＠\t\r\n]")


def safe_cell(value: object) -> str:
    """Return the text of a cell that no spreadsheet runs as a formula; lists as JSON.

    ``'`` precedes a text that begins with ``= + - @`` in either width, tab, return or a line end,
    and one that already begins with ``'`` and such a sign. A reader that removes one ``'`` from
    such a cell gets the exact value.
    """
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) else text
