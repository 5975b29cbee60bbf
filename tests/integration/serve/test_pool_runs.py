"""Runs of a pool with two workers; `tests/scale/test_pool.py` has three machines and a lake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from flows import settings
from flows.serve.pool import register_in_pool
from tests.scale.machines import (
    Machine,
    clean_environment,
    overlapping,
    recorded_site,
    wait_for,
)

SOURCES = """
[fetch]
user_agent = "copydesk-test/0.2"
allow_private_hosts = ["{host}"]

[sources.first]
parser = "rsshub"
url = "http://{host}/woshipm/latest"

[sources.second]
parser = "rsshub"
url = "http://{host}/ofweek/news"
"""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "copydesk.toml"
    with recorded_site("127.0.0.1") as (url, _):
        file.write_text(SOURCES.format(host=url.removeprefix("http://")), encoding="utf-8")
        yield file


@pytest.fixture
def workers(pool, config, prefect_server, tmp_path, monkeypatch) -> Iterator[list[Machine]]:
    """Two workers of the pool, after the deployments were registered."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    register_in_pool(settings.load(config, {}), config, pool)
    with ExitStack() as ends:
        machines = []
        for name in ("one", "two"):
            home = tmp_path / name
            environ = clean_environment() | {
                "PREFECT_API_URL": prefect_server,
                "PREFECT_HOME": str(home / "prefect"),
            }
            machine = Machine(name=name, home=home, address="127.0.0.1", environ=environ)
            ends.callback(machine.kill)
            machine.start_worker(pool, limit=1)
            machines.append(machine)
        yield machines


@pytest.mark.e2e
def test_runs_of_one_host_wait_for_each_other_and_another_configuration_fails(
    client, pool, config, workers
):
    (shared,) = [
        one
        for one in client.read_deployments()
        if one.parameters.get("sources") == ["first", "second"]
    ]

    def start(source: str):
        given = {"sources": [source]}
        return client.create_flow_run_from_deployment(shared.id, parameters=given).id

    def ended(*ids):
        runs = [client.read_flow_run(one) for one in ids]
        return runs if all(one.state.is_final() for one in runs) else None

    ids = [start("first"), start("second")]
    runs = wait_for("two runs", lambda: ended(*ids), 120, log=workers[0].log)

    assert [(one.state.type.value, one.run_count) for one in runs] == [("COMPLETED", 1)] * 2
    assert overlapping(runs) == []

    config.write_text(config.read_text().replace("test/0.2", "test/0.3"), encoding="utf-8")
    other = start("first")
    (refused,) = wait_for("the third run", lambda: ended(other), 60, log=workers[1].log)
    assert refused.state.type.value == "FAILED"
    assert "copydesk deploy" in refused.state.message

    for automation in client.read_automations():
        if automation.name.endswith(pool):
            client.delete_automation(automation.id)
