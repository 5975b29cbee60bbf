"""The data of runs at the Prefect server: the message of their state, and their log."""

from __future__ import annotations

import logging
import subprocess
import sys
import time

import pytest
import requests
from prefect.exceptions import FailedRun

from flows.backfill import backfill
from flows.import_posts import import_posts
from flows.maintenance import maintenance
from flows.pipeline import locks
from flows.reporting import parameters, states
from flows.sync import sync
from tests.e2e.serving import bare_environment, server_at
from warehouse.errors import WarehouseError

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("prefect_server")]

SYNC = [sys.executable, "-c", "from flows.cli import main; main()", "sync"]
OUTSIDE = "not in the data folder"
REVERSED = {"source": "finews", "from_date": "2022-03-13", "to_date": "2022-03-11"}


# --- invalid requests -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "given", "expected"),
    [
        (backfill, REVERSED, "expected a range that ends on or after its first day"),
        (backfill, {"source": "finews"}, "found none of them"),
        (backfill, {"source": "finew", "urls": "x"}, "no source 'finew', did you mean 'finews'"),
        (backfill, {"source": "finews", "urls_file": "/etc/hostname"}, OUTSIDE),
        (backfill, {"source": "finews", "archive": "/etc"}, OUTSIDE),
        (sync, {"sources": ["finew"]}, "no source 'finew', did you mean 'finews'"),
        (import_posts, {"paths": ["/etc"]}, OUTSIDE),
        (import_posts, {"paths": []}, "found no path"),
    ],
    ids=["reversed", "unbounded", "unknown", "file", "archive", "sync", "import", "nothing"],
)
def test_invalid_request_of_a_deployment_fails_with_a_message(
    project, monkeypatch, flow, given, expected
):
    project.settings.warehouse.path.unlink()
    for module in (parameters, states):
        monkeypatch.setattr(module, "run_trigger", lambda: "schedule")

    state = flow(**given, config=str(project.config), return_state=True)

    assert state.is_failed()
    assert expected in state.message
    assert state.data is None or not isinstance(state.data, Exception)
    assert project.news_site.requests == ()
    assert not project.settings.warehouse.path.exists()


# --- the log of a run ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "given", "expected"),
    [(backfill, REVERSED, "2022-03-13 to 2022-03-11"), (maintenance, {}, "the-first")],
    ids=["invalid", "locked"],
)
def test_expected_failure_of_a_deployed_run_is_logged_without_a_traceback(
    project, prefect_server, client, flow, given, expected
):
    deployment = flow.to_deployment(
        "failing",
        parameters={**given, "config": str(project.config)},
        entrypoint_type="module-path",
    ).apply()
    run = client.create_flow_run_from_deployment(deployment)
    environ = {"PREFECT_API_URL": prefect_server, "PREFECT__FLOW_RUN_ID": str(run.id)}

    with locks.acquire(project.settings, "maintenance", flow="maintenance", run_id="the-first"):
        done = subprocess.run(
            [sys.executable, "-m", "prefect.engine"], env=bare_environment() | environ,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    assert client.read_flow_run(run.id).state.is_failed()
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "lines", "has_traceback"),
    [(FailedRun(), 0, False), (WarehouseError(), 1, False), (KeyError(), 2, True)],
    ids=["returned", "expected", "bug"],
)
def test_expected_error_is_logged_once_and_only_a_bug_has_a_traceback(error, lines, has_traceback):
    info = (type(error), error, None)
    records = [
        record
        for name in ("prefect.task_runs", "prefect.flow_runs")
        if (record := logging.LogRecord(name, logging.ERROR, "", 1, "failed", (), info))
        and logging.getLogger(name).filter(record)
    ]

    assert len(records) == lines
    assert any(record.exc_info for record in records) is has_traceback


def test_run_of_the_command_line_has_its_log_at_the_server_and_not_on_the_terminal(
    project, tmp_path, prepared
):
    with server_at(prepared(tmp_path / "server")) as (server, _):
        environ = bare_environment() | {
            "PREFECT_API_URL": server.api_url,
            "PREFECT_HOME": str(tmp_path / "client"),
        }
        done = subprocess.run(
            [*SYNC, "ofweek", "--config", str(project.config)],
            env=environ, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        logged = logs(server.api_url)

    assert done.returncode == 0, done.stderr
    assert any(line.startswith("ofweek: 11 entries listed in ") for line in logged), logged
    assert any(line.startswith("Finished in state Completed") for line in logged), logged
    printed = done.stdout + done.stderr
    assert "entries listed" not in printed
    assert "Finished in state" not in printed


def logs(url: str) -> list[str]:
    """The log of all runs at the server, once it has the last line of a flow run."""
    found: list[str] = []
    end = time.monotonic() + 60
    last = "Finished in state Completed('no errors')"
    while time.monotonic() < end and last not in found:
        answer = requests.post(f"{url}/logs/filter", json={"sort": "TIMESTAMP_ASC"}, timeout=20)
        found = [one["message"] for one in answer.json()]
        time.sleep(0.2)
    return found
