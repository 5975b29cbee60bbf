"""What the runs of deployments and of the command line leave in Prefect: sentences and log lines."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import requests

from flows.backfill import backfill
from flows.import_posts import import_posts
from flows.reporting import states
from flows.sync import sync
from tests.e2e.serving import bare_environment, server_at

pytestmark = pytest.mark.e2e

SYNC = [sys.executable, "-c", "from flows.cli import main; main()", "sync"]
REVERSED = {"source": "finews", "from_date": "2022-03-13", "to_date": "2022-03-11"}
SENTENCE = (
    "expected a window that ends on or after its first day, found 2022-03-13 to 2022-03-11; "
    "exchange the two"
)


# --- what cannot be meant --------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "parameters", "words"),
    [
        (backfill, REVERSED, SENTENCE),
        (
            backfill,
            {"source": "finews"},
            "expected one of: both days of a window (--from and --to), addresses (--urls), an "
            "archive (--archive); found none of them",
        ),
        (backfill, {"source": "finew", "urls": "x"}, "no source 'finew', did you mean 'finews'"),
        (
            backfill,
            {"source": "finews", "urls_file": "/nowhere/urls"},
            "expected a file of addresses, one a line, found [Errno 2] No such file or directory: "
            "'/nowhere/urls'",
        ),
        (sync, {"sources": ["finew"]}, "no source 'finew', did you mean 'finews'"),
        (
            import_posts,
            {"paths": ["/nowhere"]},
            "expected files or folders of posts on the machine that runs this, found nothing at "
            "/nowhere",
        ),
        (
            import_posts,
            {"paths": []},
            "expected files or folders of posts on the machine that runs this, found no path",
        ),
    ],
    ids=["reversed", "unbounded", "unknown", "no file", "sync", "import", "import nothing"],
)
def test_run_of_a_deployment_that_cannot_be_meant_fails_with_its_sentence(
    desk, monkeypatch, flow, parameters, words
):
    monkeypatch.setattr(states, "run_trigger", lambda: "schedule")

    state = flow(**parameters, config=str(desk.config), return_state=True)

    assert state.is_failed()
    assert words in state.message
    assert state.data is None or not isinstance(state.data, Exception)
    assert desk.stand.requests == ()
    assert not desk.settings.warehouse.path.exists()


# --- the log of a run ------------------------------------------------------------------


def test_run_of_the_command_line_has_its_log_at_the_server_and_not_on_the_terminal(
    desk, tmp_path, prepared
):
    with server_at(prepared(tmp_path / "server")) as (server, _):
        environ = bare_environment() | {
            "PREFECT_API_URL": server.api_url,
            "PREFECT_HOME": str(tmp_path / "client"),
        }
        done = subprocess.run(
            [*SYNC, "ofweek", "--config", str(desk.config)],
            env=environ, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        logged = logs(server.api_url)

    assert done.returncode == 0, done.stderr
    assert any(words.startswith("ofweek: 11 entries listed in ") for words in logged), logged
    assert any(words.startswith("Finished in state Completed") for words in logged), logged
    said = done.stdout + done.stderr
    assert "entries listed" not in said
    assert "Finished in state" not in said


def logs(url: str) -> list[str]:
    """What the server knows of the log of its runs, once it has their last line."""
    found: list[str] = []
    end = time.monotonic() + 60
    while time.monotonic() < end and not any("Finished in state Comp" in one for one in found[-1:]):
        answer = requests.post(f"{url}/logs/filter", json={"sort": "TIMESTAMP_ASC"}, timeout=20)
        found = [one["message"] for one in answer.json()]
        time.sleep(0.2)
    return found
