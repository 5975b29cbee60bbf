"""Questions to the warehouse: read-only SQL on the published snapshot."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flows.callbacks import Notify
from flows.settings import Settings
from flows.text import pluralize
from warehouse import connect_for_queries, current_snapshot, run_query
from warehouse.read.query import run_query_arrow
from warehouse.rows import ResultSet

OLD_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The rows of a query and the ways to write them down."""

    result: ResultSet

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order; a repeated one is numbered."""
        seen: dict[str, int] = {}
        names = []
        for name in self.result.columns:
            seen[name] = seen.get(name, 0) + 1
            names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
        return tuple(names)

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """The rows; times are aware UTC."""
        return self.result.rows

    def as_json(self) -> list[dict[str, Any]]:
        """One object a row."""
        return [dict(zip(self.columns, map(_as_json, row), strict=True)) for row in self.rows]

    def as_csv(self) -> str:
        """RFC 4180 with a header; lists and structures as JSON.

        The values are exact: a title that begins with ``=`` stays one, for programs read
        this file. ``copydesk export --format csv`` is made for spreadsheets.
        """
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(self.columns)
        writer.writerows([_cell(value) for value in row] for row in self.rows)
        return out.getvalue()


def query(settings: Settings, sql: str, *, live: bool, notify: Notify) -> QueryResult:
    """The answer to one read-only statement.

    Raises:
        WarehouseMissing: Nothing was published yet.
        BadQuery: The statement is refused or fails.
    """
    with connect_for_queries(_file(settings, live=live, notify=notify)) as db:
        return QueryResult(run_query(db, sql))


def query_to_parquet(
    settings: Settings, sql: str, file: Path, *, live: bool, notify: Notify
) -> int:
    """The answer as a Parquet file; how many rows it has."""
    import pyarrow.parquet

    with connect_for_queries(_file(settings, live=live, notify=notify)) as db:
        found = run_query_arrow(db, sql)
    pyarrow.parquet.write_table(found, file, compression="zstd")
    rows: int = found.num_rows
    return rows


def _file(settings: Settings, *, live: bool, notify: Notify) -> Path:
    if live:
        return settings.warehouse.path
    snapshot = current_snapshot(settings.warehouse.snapshot, of=settings.warehouse.path)
    seconds = snapshot.age().total_seconds()
    if seconds > OLD_SECONDS:
        notify(f"the snapshot is {_age(seconds)} old; `--live` asks the writer's own file")
    return snapshot.path


def _age(seconds: float) -> str:
    hours = seconds / 3600
    return pluralize(round(hours), "hour") if hours < 48 else pluralize(round(hours / 24), "day")


def _as_json(value: object) -> object:
    """NaN and the infinities, which JSON does not know, become null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: object) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.isoformat() if hasattr(value, "isoformat") else value


Format = Literal["table", "json", "csv", "parquet"]
