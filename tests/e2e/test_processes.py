"""copydesk as a process of its own: an empty folder, Ctrl-C at a terminal, SIGTERM, kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.cli import demo_run
from tests import site
from tests.site import Fault
from warehouse import connect

pytestmark = pytest.mark.e2e

COMMAND = [sys.executable, "-m", "flows.cli"]
SLOW = {"/NewsData": Fault(delay_seconds=0.1)}


def slowly(target, _turn):
    return next((fault for start, fault in SLOW.items() if target.startswith(start)), None)


@pytest.fixture
def stand():
    with site.serve(faults=slowly) as stand:
        yield stand


@pytest.fixture
def folder(tmp_path, stand):
    """Nothing but a configuration with the default layout."""
    file = demo_run.write_config(tmp_path, port=stand.port, share_link=demo_run.SHARE_LINK)
    text = file.read_text(encoding="utf-8")
    text = text.replace('path = "copydesk.duckdb"', 'path = "data/copydesk.duckdb"')
    text = text.replace('snapshot = "copydesk.read.duckdb"\n', "")
    text = text.replace('path = "archive"', 'path = "data/archive"')
    file.write_text(text + "\n[run]\nbatch_size = 5\n", encoding="utf-8")
    return tmp_path


def started(folder, *words):
    """The command in a session of its own, as a terminal or a service manager starts it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    return subprocess.Popen(
        [*COMMAND, *words], cwd=folder, env=kept, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip


def wait_for_pages(stand, count, process):
    deadline = time.monotonic() + 120
    while len([one for one in stand.requests if "GetNewsText" in one.target]) < count:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "no pages were asked for"
        time.sleep(0.02)


def states(folder):
    with connect(folder / "data" / "copydesk.duckdb") as db:
        runs = db.execute("SELECT state FROM runs ORDER BY started_at").fetchall()
        (count,) = db.execute("SELECT count(*) FROM articles").fetchone()
    return [state for (state,) in runs], count


def servers_of(folder):
    """Prefect servers that serve from the folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        home = (process.info["environ"] or {}).get("PREFECT_HOME", "")
        is_server = "prefect server start" in " ".join(process.info["cmdline"] or [])
        if is_server and Path(home).is_relative_to(folder):
            found.append(process)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_signal_to_the_whole_process_group_ends_a_first_sync_cleanly(
    folder, stand, number, prepared
):
    if number == signal.SIGTERM:  # the other one begins with nothing, as a user does
        prepared(folder / "data" / "prefect")
    process = started(folder, "sync", "finews")
    wait_for_pages(stand, 8, process)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130, err
    assert "stopping after what is under way" in err
    assert "sync interrupted" in out
    assert "Traceback" not in err
    assert len(err) < 3000
    assert servers_of(folder) == []
    kept, count = states(folder)
    assert kept == ["interrupted"]
    assert 0 < count < 43


def test_killed_run_leaves_no_server_and_the_next_run_completes_it(folder, stand, prepared):
    prepared(folder / "data" / "prefect")
    process = started(folder, "sync", "finews")
    wait_for_pages(stand, 8, process)
    process.kill()
    process.communicate(timeout=30)
    _, left = psutil.wait_procs(servers_of(folder), timeout=30)
    assert left == []

    before = dict(SLOW)
    SLOW.clear()
    try:
        again = started(folder, "sync", "finews")
        again.communicate(timeout=120)
    finally:
        SLOW.update(before)
    kept, count = states(folder)
    assert kept == ["crashed", "completed"]
    assert count == 43


def test_two_first_commands_at_once_each_with_a_server_of_its_own_both_end_well(folder):
    both = [started(folder, "sync", source) for source in ("ofweek", "woshipm")]
    said = [process.communicate(timeout=300) for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    with connect(folder / "data" / "copydesk.duckdb") as db:
        found = dict(db.execute("SELECT source, count(*) FROM articles GROUP BY source").fetchall())
    assert set(found) == {"ofweek", "woshipm"}
    assert found["ofweek"] == 11


def test_prefect_server_that_does_not_answer_costs_a_line_and_no_article(folder):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [*COMMAND, "sync", "ofweek"], cwd=folder, capture_output=True, text=True, timeout=120,
        env=kept | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "http://127.0.0.1:9/api does not answer: this run goes on without it" in done.stderr
    assert states(folder) == (["completed"], 11)
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
