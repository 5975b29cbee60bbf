"""The process that runs statements of users: ``python -m flows.admin.sql_child``.

Each line of stdin is a request ``{"location", "sql", "seconds", "rows", "bytes"}``. Each line of stdout
is an answer ``{"columns", "rows"}``, with at most that many rows, or ``{"error"}``. The kernel ends
the process when a statement takes too long or needs too much memory. DuckDB cannot be interrupted
inside a single function, and its own limit does not count every allocation.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from typing import Any

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
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        answer = _answer(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _answer(request: dict[str, Any]) -> str:
    try:
        location = request["location"]
        place = location if isinstance(location, str) else Lake(*location)
        with connect_for_queries(place, LIMITS) as db:
            result = QueryResult(run_query(db, request["sql"], limit=request["rows"]))
        rows = [list(row.values()) for row in result.as_json()]
        answer = _dump({"columns": result.columns, "rows": rows})
    except (WarehouseError, MemoryError) as error:
        return _dump({"error": str(error) or "out of memory"})
    if len(answer) > request["bytes"] and _utf8_bytes(answer) > request["bytes"]:
        size = f"{request['bytes'] // 1000:,} kB"
        return _dump({"error": f"the result is larger than {size}: select fewer rows or columns"})
    return answer


def _utf8_bytes(answer: str) -> int:
    """Return the size of an answer as a client gets it; escaped, Chinese takes twice as much."""
    plain = json.dumps(json.loads(answer), ensure_ascii=False)
    return len(plain.encode("utf-8", "surrogatepass"))


def _dump(document: dict[str, Any]) -> str:
    return json.dumps(document, default=encode)  # ASCII: a text cannot end the line


if __name__ == "__main__":
    main()
