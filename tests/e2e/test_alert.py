"""The alert of the RUNBOOK: installed by its commands, it reports a source that went silent."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.e2e.serving import OFWEEK, WOSHIPM, WOSHIPM_SECONDS, serving_at
from tests.site import Fault

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text(encoding="utf-8")
PART = RUNBOOK.split("## Be alerted\n", 1)[1].split("\n## ", 1)[0]
ASK_FOR_URL, INSTALL = re.findall(r"```sh\n(.*?)```", PART, re.DOTALL)
WITHIN = 1.5 * WOSHIPM_SECONDS
SECRET = "planted-path"


class Receiver(HTTPServer):
    """The receiver of a webhook; keeps each posted body and its time."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reported: list[tuple[datetime, str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{SECRET}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.reported.append((datetime.now(UTC), self.path, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, name="receiver")
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def shell(script, serving, **given):
    """Run commands of the RUNBOOK with its example names; return their output."""
    environ = serving.environ | {
        "PREFECT_API_URL": serving.api,
        "PREFECT_HOME": str(serving.config.parent / "operator"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATA": str(serving.config.parent),
        "CODE": str(ROOT),
    }
    done = subprocess.run(
        ["sh", "-eu", "-c", script], env=environ | given.pop("more", {}), cwd=ROOT,
        capture_output=True, text=True, timeout=240, check=False, **given,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def successes(serving, source):
    """When its runs succeeded."""
    return [
        datetime.fromisoformat(run["end_time"])
        for run in serving.runs("COMPLETED", name=f"sync {source}")
        if run["end_time"]
    ]


@pytest.mark.e2e
@pytest.mark.nightly
def test_silent_source_is_reported_to_the_webhook_by_the_alert_of_the_runbook(
    tmp_path, prepared, receiver
):
    prepared(tmp_path / "prefect")
    with serving_at(tmp_path, WOSHIPM, OFWEEK) as serving:
        serving.start()
        serving.wait("a success", lambda: successes(serving, "woshipm"))
        output = shell(ASK_FOR_URL, serving, input=receiver.url)
        one = {"SOURCE": "woshipm", "WITHIN": f"{WITHIN:.0f}"}
        output += shell(INSTALL, serving, more=one)
        before = len(successes(serving, "woshipm"))
        serving.wait("more", lambda: len(successes(serving, "woshipm")) > before + 1)

        serving.faults["/"] = Fault(status=500)  # the site is down from here on
        silent_for_long = datetime.now(UTC) + timedelta(seconds=WITHIN)
        serving.wait(
            "the webhook", lambda: [at for at, *_ in receiver.reported if at > silent_for_long]
        )

        _, path, body = receiver.reported[-1]
        assert path == f"/{SECRET}"
        assert json.loads(body)["text"] == (
            "copydesk: no success at woshipm for three intervals, see RUNBOOK.md"
        )
        assert serving.runs("FAILED", name="sync woshipm")  # it ran, and did not succeed
        shell(INSTALL, serving, more={"SOURCE": "ofweek", "WITHIN": "3600"})
        names = [one["name"] for one in serving.post("/automations/filter", {})]
        assert sorted(names) == [
            "copydesk: no success at ofweek",
            "copydesk: no success at woshipm",
            "copydesk: possibly missed",
        ]
        reported = json.dumps(serving.post("/automations/filter", {}))
        assert SECRET not in output + reported + serving.output()
    kept = [one for one in tmp_path.rglob("*") if one.is_file() and one.suffix != ".db"]
    assert not [one.name for one in kept if SECRET.encode() in one.read_bytes()]
