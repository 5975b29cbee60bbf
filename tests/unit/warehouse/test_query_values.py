"""Values of every type of DuckDB: exact in each format of a query, or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet
import pytest
from duckdb import DuckDBPyConnection

from flows.cli.tables import table
from flows.query_result import QueryResult
from warehouse.errors import BadQuery
from warehouse.read.query import run_query, run_query_arrow

HUGE = 2**127 - 1
# The value in SQL, in JSON, and in CSV where that differs.
VALUES = [
    ("date '2026-01-02'", "2026-01-02", None),
    ("date '-infinity'", "-infinity", None),
    ("date '0044-03-15 (BC)'", "0044-03-15 (BC)", None),
    ("time '12:34:56.789'", "12:34:56.789", None),
    ("'12:34:56+02'::TIMETZ", "12:34:56+02", None),
    ("timestamp '2026-01-02 03:04:05.678901'", "2026-01-02T03:04:05.678901", None),
    ("timestamp 'infinity'", "infinity", None),
    ("timestamptz '2026-01-02 03:04:05+08'", "2026-01-01T19:04:05+00:00", None),
    ("timestamptz '-infinity'", "-infinity", None),
    ("timestamptz '20260-01-02 03:04:05+00'", "20260-01-02 03:04:05+00", None),
    ("'2026-01-02 03:04:05.123456789'::TIMESTAMP_NS", "2026-01-02 03:04:05.123456789", None),
    ("interval '1 month 2 days 3.5 seconds'", "1 month 2 days 00:00:03.5", None),
    (f"{HUGE}::HUGEINT", HUGE, str(HUGE)),
    (f"{HUGE}::UHUGEINT", HUGE, str(HUGE)),
    ("1.10::DECIMAL(18, 2)", "1.10", None),
    ("0.1::DOUBLE", 0.1, "0.1"),
    ("'nan'::DOUBLE", "NaN", "NaN"),
    ("'-infinity'::FLOAT", "-Infinity", "-Infinity"),
    ("uuid '00000000-0000-0000-0000-000000000001'", "00000000-0000-0000-0000-000000000001", None),
    ("'a'::ENUM('a', 'b[]')", "a", None),
    ("'10101'::BIT", "10101", None),
    (r"'\xAA\x00ab\x5C'::BLOB", r"\xAA\x00ab\x5C", None),
    ("{'a': 1, 'b': interval '1 month'}", {"a": 1, "b": "1 month"}, '{"a": 1, "b": "1 month"}'),
    ("MAP {1: 'a'}", {"1": "a"}, '{"1": "a"}'),
    ("[date 'infinity', NULL]", ["infinity", None], '["infinity", null]'),
    ("[1.5, 12345678901234567890.123456789]", [1.5, "12345678901234567890.123456789"],
     '[1.5, "12345678901234567890.123456789"]'),
    ("union_value(n := 1)", {"n": 1}, '{"n": 1}'),
    ("""'{"title": "css:h1"}'::JSON""", {"title": "css:h1"}, '{"title": "css:h1"}'),
    ("true", True, None),
]  # fmt: skip
REFUSED_BY_PARQUET = (
    "date '-infinity'", "timestamp 'infinity'", "timestamptz '-infinity'", f"{HUGE}::HUGEINT",
)  # fmt: skip


@pytest.fixture(scope="module")
def reader() -> Iterator[DuckDBPyConnection]:
    with duckdb.connect(config={"python_enable_replacements": "false"}) as db:
        db.execute("SET TimeZone = 'UTC'")
        yield db


@pytest.mark.parametrize(("sql", "as_json", "as_csv"), VALUES)
def test_a_value_is_exact_in_table_json_and_csv(
    reader: DuckDBPyConnection, sql: str, as_json: object, as_csv: str | None
) -> None:
    found = QueryResult(run_query(reader, f"SELECT {sql} AS v"))
    text = str(as_json) if as_csv is None else as_csv

    (row,) = json.loads(json.dumps(found.as_json(), default=lambda time: time.isoformat()))
    assert row == {"v": as_json}
    assert type(row["v"]) is type(as_json)
    (cell,) = found.as_csv().splitlines()[1:]
    assert cell.strip('"').replace('""', '"') == text.strip('"')
    shown = table(found.as_json(), found.columns).splitlines()[1:]
    assert [line.strip() for line in shown] == [text.replace("T", " ") if "2026" in text else text]


@pytest.mark.parametrize(
    "sql", [sql for sql, *_ in VALUES if sql not in REFUSED_BY_PARQUET and "HUGEINT" not in sql]
)
def test_a_value_is_exact_in_parquet(reader: DuckDBPyConnection, sql: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(run_query_arrow(reader, f"SELECT {sql} AS v"), file)

    (stored,) = reader.execute(f"SELECT v::VARCHAR FROM '{file}'").fetchall()
    exact = reader.execute(f"SELECT ({sql})::VARCHAR, to_json({sql})::VARCHAR").fetchall()[0]
    assert stored[0] in exact


@pytest.mark.parametrize("sql", REFUSED_BY_PARQUET)
def test_parquet_refuses_what_it_cannot_hold(reader: DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(BadQuery):
        run_query_arrow(reader, f"SELECT {sql} AS v")


def test_parquet_holds_sums(reader: DuckDBPyConnection) -> None:
    (total,) = run_query_arrow(reader, "SELECT sum(range) AS v FROM range(4)").to_pydict()["v"]

    assert total == 6


def test_columns_of_one_name_stay_apart(reader: DuckDBPyConnection) -> None:
    assert run_query(reader, "SELECT 1 AS a, 2 AS a").rows == [(1, 2)]
    assert run_query_arrow(reader, "SELECT 1 AS a, 2 AS a").num_columns == 2
