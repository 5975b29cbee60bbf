"""The result of a query, and its JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from typing import Any

from warehouse.read.query import read_json
from warehouse.rows import ResultSet


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The rows of a query, and their JSON and CSV."""

    result: ResultSet

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns in order; a repeated name is numbered."""
        seen: dict[str, int] = {}
        names = []
        for name in self.result.columns:
            seen[name] = seen.get(name, 0) + 1
            names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
        return tuple(names)

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """The rows; times are aware and UTC."""
        return self.result.rows

    def as_json(self) -> list[dict[str, Any]]:
        """One object a row; what JSON has no type for is the text of DuckDB."""
        return [
            dict(zip(self.columns, map(_json_value, row, self.result.types), strict=True))
            for row in self.rows
        ]

    def as_csv(self) -> str:
        """RFC 4180 with a header; lists and structures as JSON.

        Values are exact: a title that begins with ``=`` is not escaped for spreadsheets, unlike
        in ``copydesk export --format csv``.
        """
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(self.columns)
        writer.writerows([_csv_value(value) for value in row] for row in self.rows)
        return out.getvalue()


def _json_value(value: object, kind: str) -> object:
    return read_json(value) if kind == "JSON" and isinstance(value, str) else _finite(value)


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _csv_value(value: object) -> Any:
    value = _finite(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value.isoformat() if hasattr(value, "isoformat") else value
