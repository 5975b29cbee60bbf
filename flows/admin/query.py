"""Read-only SQL on the snapshot."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.callbacks import Notify
from flows.pipeline.restore import require_warehouse
from flows.settings import Settings
from flows.text import pluralize
from warehouse import connect_for_queries, current_snapshot, run_query
from warehouse.read.query import read_json, run_query_arrow
from warehouse.rows import ResultSet

OLD_SECONDS = 3600.0


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


def query(settings: Settings, sql: str, *, live: bool, notify: Notify) -> QueryResult:
    """Run one read-only statement on the snapshot, or on the warehouse itself.

    Raises:
        WarehouseMissing: No snapshot was published yet.
        BadQuery: The statement is refused or fails.
    """
    with connect_for_queries(file_to_read(settings, live=live, notify=notify)) as db:
        return QueryResult(run_query(db, sql))


def query_to_parquet(
    settings: Settings, sql: str, file: Path, *, live: bool, notify: Notify
) -> int:
    """Write the result of a query as a Parquet file; return its number of rows."""
    import pyarrow.parquet

    with connect_for_queries(file_to_read(settings, live=live, notify=notify)) as db:
        found = run_query_arrow(db, sql)
    pyarrow.parquet.write_table(found, file, compression="zstd")
    count: int = found.num_rows
    return count


def file_to_read(settings: Settings, *, live: bool, notify: Notify) -> Path:
    """Return the snapshot, or the warehouse itself; notify when the snapshot is old."""
    if live:
        require_warehouse(settings)
        return settings.warehouse.path
    snapshot = current_snapshot(settings.warehouse.snapshot, of=settings.warehouse.path)
    seconds = snapshot.age().total_seconds()
    if seconds > OLD_SECONDS:
        hours = seconds / 3600
        age = pluralize(round(hours), "hour") if hours < 48 else pluralize(round(hours / 24), "day")
        notify(f"the snapshot is {age} old; `--live` queries the warehouse itself")
    return snapshot.path


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
