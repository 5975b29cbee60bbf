"""Maintenance and backup beside others: what is not ours, or has moved away."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed

from flows import settings
from flows.admin import maintenance_tasks
from flows.maintenance import maintenance
from flows.serving.deployments import TAG, planned

pytestmark = pytest.mark.e2e
DEPLOY = Path(__file__).parents[2] / "deploy"


def ended_run(client, name, *tags):
    @flow(name=name)
    def some():
        pass

    return client.create_flow_run(some, tags=tags, state=Completed()).id


def is_there(client, run):
    try:
        return client.read_flow_run(run) is not None
    except ObjectNotFound:
        return False


def test_runs_of_other_teams_on_the_same_server_stay(prefect_server):
    with get_client(sync_client=True) as client:
        ours = ended_run(client, "sync", TAG, "finews")
        theirs = [
            ended_run(client, "payroll"),
            ended_run(client, "payroll", TAG),
            ended_run(client, "sync", "their-own"),
        ]

        maintenance_tasks.prune_prefect(days=-1, most=2000)

        assert [is_there(client, one) for one in theirs] == [True, True, True]
        assert not is_there(client, ours)


def test_flows_that_maintenance_prunes_are_those_that_are_deployed():
    assert {one.flow.name for one in planned(settings.Settings(), None)} == set(
        maintenance_tasks.FLOWS
    )


def test_maintenance_keeps_runs_as_long_as_the_configuration_says(
    tmp_path, monkeypatch, prefect_server
):
    asked = {}
    monkeypatch.setattr(
        maintenance_tasks,
        "prune_prefect",
        lambda *, days, most, **_: asked.update(days=days) or str(most),
    )
    config = tmp_path / "copydesk.toml"
    config.write_text(
        f"[warehouse]\npath = '{tmp_path}/c.duckdb'\n[serve]\nrun_retention_days = 9\n"
    )
    assert maintenance.parameters.properties["keep_runs_days"].get("default") is None

    maintenance(config=str(config), return_state=True)

    assert asked == {"days": 9}


# --- backup ----------------------------------------------------------------------------------


def backed_up(data, target):
    return subprocess.run(
        ["sh", str(DEPLOY / "backup.sh"), str(data), str(target)],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def moved(tmp_path):
    """A data folder of two raw files, of which one was moved to another disk."""
    data, far = tmp_path / "data", tmp_path / "far"
    (data / "archive").mkdir(parents=True)
    far.mkdir()
    (data / "copydesk.read.duckdb").write_bytes(b"corpus")
    for name in ("a.warc.gz", "b.warc.gz"):
        (data / "archive" / name).write_bytes(name.encode())
    maintenance_tasks._move(data / "archive" / "a.warc.gz", far / "a.warc.gz")
    return data


def test_backup_holds_the_files_that_were_moved_away_and_not_their_links(moved, tmp_path):
    done = backed_up(moved, tmp_path / "backups")

    assert done.returncode == 0, done.stderr
    copied = Path(done.stdout.strip()) / "archive"
    assert {one.name: (one.is_symlink(), one.read_bytes()) for one in copied.glob("*.warc.gz")} == {
        name: (False, name.encode()) for name in ("a.warc.gz", "b.warc.gz")
    }
    sums = (copied.parent / "SHA256SUMS").read_text()
    assert "./archive/a.warc.gz" in sums


def test_backup_names_the_files_it_cannot_reach_and_keeps_the_rest(moved, tmp_path):
    shutil.rmtree(tmp_path / "far")

    done = backed_up(moved, tmp_path / "backups")

    assert done.returncode == 1
    assert "a.warc.gz" in done.stderr
    assert "mount the disk" in done.stderr
    backup = Path(done.stdout.strip())
    assert (backup / "copydesk.duckdb").read_bytes() == b"corpus"
    assert [one.name for one in (backup / "archive").glob("*")] == ["b.warc.gz"]
