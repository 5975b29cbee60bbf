"""The process that runs statements of users: ``python -m flows.admin.sql_child``.

Each line of stdin is a request ``{"location", "sql", "seconds", "rows", "bytes"}``. The process writes
``{"opened"}`` to stdout when the snapshot is open and the statement begins, then the answer: a line
``{"columns", "rows"}``, with at most that many rows, or ``{"error"}``. Without a snapshot, the
error comes at once. The kernel ends the process when a statement takes longer than ``seconds`` or
needs too much memory. DuckDB cannot be interrupted inside a single function, and its own limit
does not count every allocation.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from duckdb import DuckDBPyConnection

from flows.json_text import encode
from flows.query_result import QueryResult
from warehouse import WarehouseError, connect_for_queries, run_query
from warehouse.location import Lake

LIMITS = {"memory_limit": "256MB", "threads": "2", "max_temp_directory_size": "1GB"}
"""Settings of DuckDB for a client that is not its own user."""

MAX_PROCESS_BYTES = 1_000_000_000


def main() -> None:
    """Answer requests until stdin ends."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_PROCESS_BYTES, MAX_PROCESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        _write(_answer(json.loads(line)))


def _answer(request: dict[str, Any]) -> str:
    try:
        location = request["location"]
        place = location if isinstance(location, str) else Lake(*location)
        with connect_for_queries(place, LIMITS) as db:
            _write(_dump({"opened": True}))
            with _time_limit(request["seconds"]):
                return _run(db, request)
    except (WarehouseError, MemoryError) as error:
        return _dump({"error": str(error) or "out of memory"})


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Let the kernel end the process after some seconds."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _run(db: DuckDBPyConnection, request: dict[str, Any]) -> str:
    result = QueryResult(run_query(db, request["sql"], limit=request["rows"]))
    rows = [list(row.values()) for row in result.as_json()]
    answer = _dump({"columns": result.columns, "rows": rows})
    if len(answer) > request["bytes"] and _utf8_bytes(answer) > request["bytes"]:
        size = f"{request['bytes'] // 1000:,} kB"
        return _dump({"error": f"the result is larger than {size}: select fewer rows or columns"})
    return answer


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _utf8_bytes(answer: str) -> int:
    """Return the size of an answer as a client gets it; escaped, Chinese takes twice as much."""
    plain = json.dumps(json.loads(answer), ensure_ascii=False)
    return len(plain.encode("utf-8", "surrogatepass"))


def _dump(document: dict[str, Any]) -> str:
    return json.dumps(document, default=encode)  # ASCII: a text cannot end the line


if __name__ == "__main__":
    main()
