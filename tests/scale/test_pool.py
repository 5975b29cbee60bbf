"""A work pool of three machines: every run once, none beside another of its host, none lost."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import settings
from flows.pipeline import locks
from flows.serve.run_local import sync_without_prefect
from tests.scale import machines, postgres
from tests.scale.machines import Network, SiteRequest, overlapping, turns, wait_for
from warehouse import connect_read_only

POOL = "of-three"
SOURCES = """
[fetch]
user_agent = "copydesk-test/0.2"
allow_private_hosts = [{hosts}]
per_host_delay_seconds = {delay}

[sources.finews]
parser = "finews"
base_url = "{a}"
article_base_url = "{a}"
channels = ["emnews", "media", "market-37", "market-38", "market-39"]

[sources.woshipm]
parser = "rsshub"
url = "{b}/woshipm/latest"

[sources.woshipm_direct]
parser = "woshipm"
base_url = "{b}"

[sources.ofweek]
parser = "ofweek"
base_url = "{c}"

[sources.ofweek_feed]
parser = "rsshub"
url = "{c}/ofweek/news"
"""
HOSTS = (("finews",), ("woshipm", "woshipm_direct"), ("ofweek", "ofweek_feed"))
COUNTS = """
SELECT source, count(*) AS articles, count(DISTINCT content_hash) AS contents
FROM articles GROUP BY source ORDER BY source"""


@dataclass(kw_only=True)
class Pool:
    """A pool at a Prefect server, its machines, and the sites that it fetches from."""

    network: Network
    client: SyncPrefectClient
    config: Path
    urls: list[str]
    requests: dict[str, list[SiteRequest]]
    deployment_of: dict[str, UUID]

    def start(self, source: str) -> UUID:
        """Ask for a run of a source."""
        deployment, given = self.deployment_of[source], {"sources": [source]}
        return self.client.create_flow_run_from_deployment(deployment, parameters=given).id

    def run(self, id_: UUID) -> FlowRun:
        return self.client.read_flow_run(id_)

    def state(self, id_: UUID) -> str:
        return str(self.run(id_).state_name)

    def ended(self, ids: list[UUID]) -> list[FlowRun] | None:
        """The runs when all have ended."""
        found = [self.run(one) for one in ids]
        return found if all(one.state and one.state.is_final() for one in found) else None

    def worker_of(self, id_: UUID) -> str:
        return str(self.run(id_).labels.get("prefect.worker.name"))

    def copydesk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.network.machines[0].run("--config", str(self.config), *arguments)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        done = self.copydesk("query", "--format", "json", sql)
        assert done.returncode == 0, done.stderr
        return [tuple(one.values()) for one in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    psycopg = pytest.importorskip("psycopg")
    folder = tmp_path_factory.mktemp("pool")
    with ExitStack() as ends:
        catalog = ends.enter_context(postgres.serving())
        with psycopg.connect(catalog, autocommit=True) as db:
            db.execute("CREATE DATABASE prefect")
        found = ends.enter_context(machines.network(folder, 3))
        own, *others = found.addresses
        sites = [ends.enter_context(machines.recorded_site(one)) for one in others]
        config = folder / "copydesk.toml"
        config.write_text(
            f'[warehouse]\nurl = "ducklake:postgres:{catalog}"\ndata = "lake"\n'
            + sources([url for url, _ in sites], delay=0.1),
            encoding="utf-8",
        )
        socket = catalog.split()[0].removeprefix("host=")
        api = ends.enter_context(
            machines.prefect_server(
                folder,
                own,
                f"postgresql+asyncpg://project@/prefect?host={socket}",
                PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS="2",
            )
        )
        for machine in found.machines:
            machine.environ["PREFECT_API_URL"] = api
        done = found.machines[0].run("--config", str(config), "deploy", "--pool", POOL)
        assert done.returncode == 0, done.stderr
        ends.enter_context(temporary_settings({PREFECT_API_URL: api}))
        client = ends.enter_context(get_client(sync_client=True))
        deployments = {
            slug: one.id
            for one in client.read_deployments()
            for slug in one.parameters.get("sources", ())
        }
        yield Pool(
            network=found,
            client=client,
            config=config,
            urls=[url for url, _ in sites],
            requests={one: log for one, (_, log) in zip(others, sites, strict=True)},
            deployment_of=deployments,
        )


def sources(urls: list[str], *, delay: float) -> str:
    a, b, c = urls
    hosts = ", ".join(f'"{url.removeprefix("http://")}"' for url in urls)
    return SOURCES.format(a=a, b=b, c=c, hosts=hosts, delay=delay)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
def test_dead_machine_is_replaced_and_three_run_each_once_none_beside_another_of_its_host(
    pool: Pool, tmp_path: Path
) -> None:
    for machine in pool.network.machines:
        machine.start_worker(POOL, limit=2)

    # A machine dies in the first batch of a source; a run of the same source waits meanwhile.
    log = next(iter(pool.requests.values()))
    lost = pool.start("finews")
    wait_for("requests of the run", lambda: len(log) > 10, 120)
    victim = next(one for one in pool.network.machines if one.name == pool.worker_of(lost))
    victim.kill()
    killed_at = time.monotonic()
    waiting = pool.start("finews")
    wait_for("the lost run is Crashed", lambda: pool.state(lost) == "Crashed", 240)
    crashed_after = time.monotonic() - killed_at
    wait_for("the waiting run ends", lambda: pool.ended([waiting]), 240)
    taken_over_after = time.monotonic() - killed_at
    print(
        f"Crashed after {crashed_after:.0f} s, taken over and ended after {taken_over_after:.0f} s"
    )

    assert pool.run(waiting).state_name in {"Completed", "CompletedWithWarnings"}
    assert pool.worker_of(waiting) != victim.name

    # Two runs of each source; the machine is back.
    victim.start_worker(POOL, limit=2)
    seen = {host: len(log) for host, log in pool.requests.items()}
    ids = [pool.start(slug) for slug in pool.deployment_of for _ in range(2)]
    runs = wait_for("the end of ten runs", lambda: pool.ended(ids), 600)

    assert {one.state_name for one in runs} <= {"Completed", "CompletedWithWarnings"}
    assert [one.run_count for one in runs] == [1] * 10
    assert overlapping(runs) == []
    assert len({pool.deployment_of[slug] for slug in ("woshipm", "woshipm_direct")}) == 1
    rows = pool.rows("SELECT source, count(*) AS n FROM runs GROUP BY ALL")
    assert dict(rows) == dict.fromkeys(pool.deployment_of, 2) | {"finews": 4}
    runs_of = {host: 2 * len(group) for host, group in zip(pool.requests, HOSTS, strict=True)}
    assert {
        host: turns(log[seen[host] :]) <= runs_of[host] for host, log in pool.requests.items()
    } == (dict.fromkeys(pool.requests, True))

    # Nothing is lost or doubled: the lake has what one process stores, and is sound.
    checked = pool.copydesk("--json", "doctor", "--verify")
    errors = [one for one in json.loads(checked.stdout)["checks"] if one["status"] == "error"]
    assert errors == []
    alone = tmp_path / "copydesk.toml"
    alone.write_text(sources(pool.urls, delay=0), encoding="utf-8")
    chosen = settings.load(alone, {})
    sync_without_prefect(chosen, list(chosen.sources))
    with connect_read_only(chosen.warehouse.snapshot) as db:
        assert pool.rows(COUNTS) == db.execute(COUNTS).fetchall()


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_second_scheduler_waits_and_a_command_names_the_other_run(pool: Pool) -> None:
    """Another server by mistake: here the test itself has the lock of a source."""
    if pool.network.machines[0].worker is None:
        pool.network.machines[0].start_worker(POOL)
    chosen = settings.load(pool.config, {})
    with locks.acquire(chosen, "ofweek", flow="sync", run_id="of-another-server"):
        command = pool.copydesk("--json", "sync", "ofweek")
        waiting = pool.start("ofweek")
        wait_for("the run begins", lambda: pool.state(waiting) == "Running", 120)
        time.sleep(5)
        assert pool.state(waiting) == "Running"

    (run,) = wait_for("the run ends", lambda: pool.ended([waiting]), 120)
    assert run.state is not None
    assert run.state.is_completed()
    assert command.returncode == 1
    assert "of-another-server" in command.stdout
