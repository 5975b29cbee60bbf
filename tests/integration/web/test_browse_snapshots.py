"""Which snapshot a page shows, and statements of the user on it."""

from __future__ import annotations

import signal
import sys
import threading
import time

import psutil
import pytest

from flows.admin import sql_worker
from flows.admin.sql_child import MAX_PROCESS_BYTES
from flows.admin.sql_worker import MAX_ROWS, SqlWorker
from flows.web.browse.pool import MAX_READERS, SnapshotPool
from tests.unit.warehouse.factories import article, upsert
from warehouse import connect, publish
from warehouse.errors import BadQuery, WarehouseMissing, WarehouseTooOld


@pytest.fixture
def warehouse(tmp_path):
    return tmp_path / "w.duckdb"


@pytest.fixture
def link(tmp_path):
    return tmp_path / "w.read.duckdb"


@pytest.fixture
def pool(warehouse, link):
    made = SnapshotPool(link, warehouse)
    yield made
    made.close()


def add(warehouse, link, number):
    with connect(warehouse) as db:
        upsert(db, article(number, f"降准 {number}"))
        publish(db, link)


def count(reader):
    return reader.db.execute("SELECT count(*) FROM articles").fetchone()[0]


def test_next_request_reads_the_newer_snapshot_and_a_running_one_its_own(warehouse, link, pool):
    add(warehouse, link, 1)
    with pool.reader() as before:
        add(warehouse, link, 2)
        with pool.reader() as after:
            assert (count(before), count(after)) == (1, 2)
        assert count(before) == 1
        assert pool.snapshot.path == link.resolve()


def test_replaced_snapshot_is_closed_without_a_request_once_nothing_reads_it(
    warehouse, link, pool, monkeypatch
):
    monkeypatch.setattr("warehouse.care.snapshot._KEPT_SECONDS", 0)
    add(warehouse, link, 1)
    old = link.resolve()
    with pool.reader() as reader:
        add(warehouse, link, 2)
        pool.refresh()
        assert old.exists()
        assert count(reader) == 1
    add(warehouse, link, 3)

    assert not old.exists()


def test_missing_snapshot_is_an_error_until_there_is_one(warehouse, link, pool):
    with pytest.raises(WarehouseMissing), pool.reader():
        pass
    add(warehouse, link, 1)

    with pool.reader() as reader:
        assert count(reader) == 1


def test_snapshot_of_an_earlier_schema_is_an_error(warehouse, link, pool):
    with connect(warehouse) as db:
        db.execute(
            "DELETE FROM _store.migrations WHERE version = (SELECT max(version) FROM _store.migrations)"
        )
        publish(db, link)

    with pytest.raises(WarehouseTooOld), pool.reader():
        pass


def test_many_requests_at_once_while_snapshots_change(warehouse, link, pool):
    add(warehouse, link, 1)
    found, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            with pool.reader() as reader:
                found.append(count(reader))
            stop.wait(0.05)

    threads = [threading.Thread(target=read) for _ in range(MAX_READERS + 1)]
    for thread in threads:
        thread.start()
    for number in (2, 3):
        add(warehouse, link, number)
        with pool.reader() as reader:
            assert count(reader) == number
    stop.set()
    for thread in threads:
        thread.join()

    assert set(found) <= {1, 2, 3}


@pytest.fixture
def sql(desk):
    snapshot = desk.browse.settings.warehouse.snapshot.resolve()
    return lambda statement: desk.browse.sql.run(snapshot, statement)


def test_statement_has_a_result_with_json_values(sql):
    found = sql(
        "SELECT 1 AS a, 'x' AS a, [1, NULL], 1/0.0, TIMESTAMPTZ '2026-01-01 00:00Z', 'a\nb'"
    )

    assert found.columns[:2] == ("a", "a_2")
    assert found.rows == [[1, "x", [1, None], "Infinity", "2026-01-01T00:00:00+00:00", "a\nb"]]
    assert not found.is_cut


def test_long_result_is_cut(sql):
    found = sql("SELECT * FROM range(5000)")

    assert (len(found.rows), found.is_cut) == (MAX_ROWS, True)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('https://press.example/x.csv')",
        "COPY (SELECT 1) TO '/tmp/x'",
        "ATTACH '/tmp/x' AS x",
        "SET memory_limit = '100GB'",
        "INSTALL httpfs",
        "CREATE TABLE t AS SELECT 1",
        "DELETE FROM _store.contents",
        "SELECT 1; SELECT 2",
        "PRAGMA database_list",
        "selec",
        "",
    ],
)
def test_statement_that_reads_no_snapshot_or_writes_is_refused(sql, statement):
    with pytest.raises(BadQuery):
        sql(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT repeat('x', 3000000000)",
        "SELECT repeat('x', 9000000)",
        "SELECT levenshtein(repeat('a', 2000000), repeat('b', 2000000))",
    ],
    ids=["text", "result", "function"],
)
def test_costly_statement_is_ended_and_the_next_one_runs(sql, statement):
    with pytest.raises(BadQuery):
        sql(statement)

    assert sql("SELECT 1").rows == [[1]]


def test_kernel_limits_the_memory_that_duckdb_does_not_count(sql, desk):
    sql("SELECT 1")
    process = psutil.Process(desk.browse.sql._process.pid)

    assert process.rlimit(psutil.RLIMIT_DATA) == (MAX_PROCESS_BYTES, MAX_PROCESS_BYTES)
    with pytest.raises(BadQuery):
        sql("SELECT list_sum(range(200000000))")


def test_process_that_was_killed_is_started_again(sql, desk):
    sql("SELECT 1")
    process = desk.browse.sql._process
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert sql("SELECT 2").rows == [[2]]


def test_idle_process_ends(sql, desk, monkeypatch):
    sql("SELECT 1")
    process = desk.browse.sql._process
    desk.browse.sql.stop_idle()
    assert process.poll() is None
    monkeypatch.setattr(sql_worker, "IDLE_SECONDS", 0)
    desk.browse.sql.stop_idle()

    assert process.poll() is not None


def slow_child(monkeypatch, seconds):
    """Let the next process take some time to open the snapshot."""
    code = (
        "import time, flows.admin.sql_child as child\n"
        "connect = child.connect_for_queries\n"
        f"child.connect_for_queries = lambda *given: (time.sleep({seconds}), connect(*given))[1]\n"
        "child.main()"
    )
    monkeypatch.setattr(sql_worker, "_COMMAND", (sys.executable, "-c", code))


def test_limit_of_a_statement_does_not_count_the_start_of_its_process(desk, monkeypatch):
    slow_child(monkeypatch, 1.6)
    worker = SqlWorker(max_seconds=1.5)
    try:
        found = worker.run(desk.browse.settings.warehouse.snapshot.resolve(), "SELECT 1")
    finally:
        worker.stop()

    assert found.rows == [[1]]


def test_process_that_does_not_start_is_ended(desk, monkeypatch):
    slow_child(monkeypatch, 600)
    monkeypatch.setattr(sql_worker, "START_SECONDS", 0.1)
    worker = SqlWorker()
    worker.start()
    process = worker._process

    with pytest.raises(BadQuery):
        worker.run(desk.browse.settings.warehouse.snapshot.resolve(), "SELECT 1")

    assert process.poll() is not None
    worker.stop()


def test_stop_ends_a_running_statement(desk):
    worker, errors = SqlWorker(max_seconds=60), []
    snapshot = desk.browse.settings.warehouse.snapshot.resolve()

    def run():
        try:
            worker.run(snapshot, "SELECT count(*) FROM range(100000000000)")
        except BadQuery as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while worker._process is None:
        time.sleep(0.01)
    worker.stop()
    thread.join(timeout=30)

    assert not thread.is_alive()
    assert len(errors) == 1
    with pytest.raises(BadQuery):
        worker.run(snapshot, "SELECT 1")


def test_statement_of_a_link_on_another_site_is_shown_and_not_run(desk):
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}  # fmt: skip
    foreign = desk.ask("/sql", headers, sql="SELECT 41 + 1 AS answer")
    own = desk.ask(
        "/sql", {**headers, "sec-fetch-site": "same-origin"}, sql="SELECT 41 + 1 AS answer"
    )

    assert foreign.status_code == own.status_code == 200
    assert "SELECT 41 + 1 AS answer" in foreign.text
    assert '<td class="number">' not in foreign.text
    assert '<td class="number">' in own.text


def test_wrong_statement_is_a_page_with_the_statement_and_the_error(desk):
    page = desk.get("/sql", 400, sql="selec 1")

    assert "selec 1</textarea>" in page.text
    assert desk.json("/sql", 400, sql="selec 1")["error"]
