"""deploy/prefect.yaml carried out: a server, a work pool, a worker; the worker killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import site
from tests.e2e.serving import OFWEEK, Serving, server_at, serving_at
from tests.site import Fault

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PREFECT_YAML = ROOT / "deploy" / "prefect.yaml"
FINEWS = """
[sources.finews]
parser = "finews"
base_url = "{url}"
article_base_url = "{url}"
channels = ["emnews", "media", "market-37", "market-38", "market-39"]
[sources.woshipm]
parser = "rsshub"
url = "{url}/woshipm/latest"
categories = ["a"]
"""


@dataclass
class Works:
    """A desk whose runs a worker carries out, from deployments in a work pool."""

    desk: Serving
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def prefect(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *words],
            cwd=ROOT, env=self.desk.environ, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def start_worker(self) -> subprocess.Popen[bytes]:
        with self.desk.log.open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "prefect", "worker", "start", "--pool", "copydesk"],
                cwd=self.desk.config.parent, env=self.desk.environ,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.workers.append(worker)
        self.desk.process = worker
        return worker

    def state(self, run: dict[str, Any]) -> tuple[str, str]:
        found = self.desk.get(f"/flow_runs/{run['id']}")["state"]
        return found["type"], found["message"] or ""

    def wait_for(self, run: dict[str, Any], state: str) -> str:
        self.desk.wait(state, lambda: self.state(run)[0] == state, 240)
        return self.state(run)[1]


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory, prepared: Any) -> Iterator[Works]:
    home = prepared(tmp_path_factory.mktemp("server"))
    folder = tmp_path_factory.mktemp("worker")
    with (
        server_at(home) as (server, _),
        serving_at(
            folder, FINEWS, OFWEEK,
            api=server.url,
            PREFECT_HOME=str(folder / "client"),
            PREFECT_WORKER_QUERY_SECONDS="1",
            COPYDESK_CONFIG=str(folder / "copydesk.toml"),
        ) as desk,
    ):  # fmt: skip
        one = Works(desk)
        one.prefect("work-pool", "create", "copydesk", "--type", "process")
        one.prefect("--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_YAML))
        yield one
        one.desk.kill_everything()
        for worker in one.workers:
            worker.kill()
            worker.wait(10)


def pages_asked_for(desk: Serving) -> int:
    return sum("GetNewsText" in one.target for one in desk.stand.requests)


class TestWorker:
    """In this order: each test goes on where the one before ended."""

    def test_all_deployments_are_there(self, works):
        found = works.desk.post("/deployments/filter", {})

        (written,) = yaml.safe_load_all(PREFECT_YAML.read_text(encoding="utf-8"))
        assert {one["name"] for one in found} == {one["name"] for one in written["deployments"]}
        assert {one["work_pool_name"] for one in found} == {"copydesk"}

    def test_worker_runs_a_source_to_its_end_and_stores_its_articles(self, works):
        run = works.desk.ask("ofweek")
        works.start_worker()

        works.wait_for(run, "COMPLETED")

        assert works.desk.articles("ofweek") == set(site.truth(1).of("ofweek", "direct"))

    def test_worker_killed_in_a_run_with_all_its_processes_costs_nothing(self, works):
        desk = works.desk
        desk.faults["/NewsData"] = Fault(delay_seconds=0.5)
        before = pages_asked_for(desk)
        lost = desk.ask("finews")
        desk.wait("it fetches", lambda: pages_asked_for(desk) > before + 3)
        desk.kill_everything()
        desk.faults.clear()
        assert works.state(lost)[0] == "RUNNING"  # nobody could tell the server

        works.start_worker()
        works.wait_for(desk.ask("ofweek"), "COMPLETED")

        message = works.wait_for(lost, "CRASHED")
        assert "its process is gone; what it had stored stays stored" in message
        works.wait_for(desk.ask("finews"), "COMPLETED")
        found = desk.rows(
            "SELECT count(*), count(DISTINCT article_id), max(revision_count) FROM articles "
            "WHERE source = 'finews'"
        )
        count = len(site.truth(1).of("finews", "api"))
        assert found == [(count, count, 1)]

    def test_runs_of_killed_processes_are_crashed_in_the_warehouse_too(self, works):
        states = works.desk.rows("SELECT source, state FROM runs ORDER BY started_at")

        assert ("finews", "crashed") in states
        assert states[-1] == ("finews", "completed")
