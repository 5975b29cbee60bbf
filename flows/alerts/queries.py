"""Saved queries: the rows that a query or a search of ``[alerts.queries]`` returns."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from flows.alert_settings import QuerySettings
from flows.pipeline.snapshot import current_snapshot
from flows.settings import Settings
from parsers.text.characters import single_line
from warehouse import connect_for_queries, run_query
from warehouse.errors import BadQuery, WarehouseError, WarehouseMissing
from warehouse.records.deliveries import Item
from warehouse.rows import ResultSet

QUERY_SECONDS = 30.0
MAX_ROWS = 5000
MAX_ROW_LENGTH = 300

_KEY = "article_id"
_SEARCH = """
    SELECT article_id, source, title, url FROM articles
    WHERE first_seen_at > now() - INTERVAL 7 DAY AND {words}
    ORDER BY first_seen_at DESC
"""
_HAS_WORD = "contains(lower(coalesce(title, '') || ' ' || text), lower(?))"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRow:
    """A row as a line of a message."""

    item: Item
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedResult:
    """The rows of a saved query, or why there are none.

    Attributes:
        is_wrong: The query itself is wrong, and fails until it is changed.
        start: The item of the query itself. The rows that it has when it first runs for an
            address are not new. A changed query starts again.
    """

    name: str
    start: Item
    rows: tuple[QueryRow, ...] = ()
    error: str = ""
    is_wrong: bool = False


def run_queries(settings: Settings) -> list[SavedResult]:
    """Run every saved query on the snapshot; a query that fails is a result with an error.

    Before the first run there is no snapshot, and no result.
    """
    queries = settings.alerts.queries
    if not queries:
        return []
    try:
        snapshot = current_snapshot(settings)
        with connect_for_queries(snapshot.path) as db:
            return [_run(db, name, query) for name, query in queries.items()]
    except WarehouseMissing:
        return []
    except WarehouseError as error:
        return [
            SavedResult(name=name, start=_start(name, query), error=str(error))
            for name, query in queries.items()
        ]


def _run(db: DuckDBPyConnection, name: str, query: QuerySettings) -> SavedResult:
    start = _start(name, query)
    sql, parameters = _statement(query)
    expired = threading.Event()
    try:
        with _time_limit(db, expired):
            found = run_query(db, sql, parameters, limit=MAX_ROWS + 1)
        _check(found, query)
    except (WarehouseError, ValueError) as error:
        if expired.is_set():
            too_slow = f"it takes longer than {QUERY_SECONDS:.0f} seconds"
            return SavedResult(name=name, start=start, error=too_slow)
        is_wrong = isinstance(error, BadQuery | ValueError)
        return SavedResult(name=name, start=start, error=str(error), is_wrong=is_wrong)
    key = query.key or ((_KEY,) if _KEY in found.columns else found.columns)
    rows: dict[str, QueryRow] = {}
    for values in found.rows:
        row = dict(zip(found.columns, values, strict=True))
        made = _row(name, start, row, key, hidden=(_KEY,) if query.search else ())
        rows.setdefault(made.item.item_id, made)
    return SavedResult(name=name, start=start, rows=tuple(rows.values()))


def _statement(query: QuerySettings) -> tuple[str, list[str]]:
    if query.sql:
        return query.sql, []
    words = query.search.split()
    return _SEARCH.format(words=" AND ".join([_HAS_WORD] * len(words))), words


def _check(found: ResultSet, query: QuerySettings) -> None:
    if len(found.rows) > MAX_ROWS:
        raise ValueError(
            f"it returns more than {MAX_ROWS:,} rows: select the newest, for example WHERE "
            "first_seen_at > now() - INTERVAL 7 DAY"
        )
    if unknown := [name for name in query.key if name not in found.columns]:
        raise ValueError(
            f"its key {unknown[0]!r} is no column of it; it has {', '.join(found.columns)}"
        )


def _row(
    name: str,
    start: Item,
    row: Mapping[str, object],
    key: Sequence[str],
    hidden: Sequence[str],
) -> QueryRow:
    identity = json.dumps([row[column] for column in key], default=str, ensure_ascii=False)
    values = [str(value) for column, value in row.items() if column not in hidden and value]
    text = single_line(" | ".join(values))
    text = text if len(text) <= MAX_ROW_LENGTH else f"{text[: MAX_ROW_LENGTH - 1]}…"
    item = Item(kind="query_row", item_id=f"{start.item_id} {identity}", subject=name)
    return QueryRow(item=item, text=text)


def _start(name: str, query: QuerySettings) -> Item:
    definition = json.dumps([name, query.sql, query.search, query.key], ensure_ascii=False)
    return Item(kind="query", item_id=definition, subject=name)


@contextmanager
def _time_limit(db: DuckDBPyConnection, expired: threading.Event) -> Iterator[None]:
    """Interrupt the statement after ``QUERY_SECONDS``."""

    def interrupt() -> None:
        expired.set()
        db.interrupt()

    timer = threading.Timer(QUERY_SECONDS, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
