"""Whose is what at a server that several installations use: tests at the session's server."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect import flow
from prefect.states import Running

from flows import settings
from flows.admin import doctor, maintenance_tasks
from flows.errors import ConfigurationError
from flows.pipeline import lock_probe
from flows.serving import (
    claims,
    deployments,
    installation,
    launch,
    neighbours,
    registry,
    supervisor,
    tidying,
)
from flows.serving.deployments import Registered
from flows.serving.place import Served
from flows.serving.registry import Registry
from warehouse.process import this_process

pytestmark = pytest.mark.e2e

FOREIGN = Served(pid=1, api_url="http://127.0.0.1:9/api", is_own=False)
CONFIG = """
[warehouse]
path = "{folder}/copydesk.duckdb"
snapshot = "{folder}/read.duckdb"
[sources.{source}]
parser = "ofweek"
base_url = "http://127.0.0.1:1"
schedule = "every 1 day"
"""


@pytest.fixture
def register(tmp_path, client):
    """Register the sync of an installation's only source, as a start of its `serve` does."""

    def start(name, source="shared", file="copydesk.toml"):
        config = tmp_path / name / file
        config.parent.mkdir(exist_ok=True)
        config.write_text(CONFIG.format(folder=config.parent, source=source), encoding="utf-8")
        chosen = settings.load(config, {})
        (one,) = (one for one in deployments.planned(chosen, config) if one.name == source)
        return config, deployments.applied(one, chosen)

    return start


def untagged(client, registered):
    """Make a deployment what an earlier version made of it."""
    tags = [one for one in client.read_deployment(registered.id).tags if ":" not in one]
    client.request("PATCH", f"/deployments/{registered.id}", json={"tags": tags})


def a_run(client, registered, state=None):
    run = client.create_flow_run_from_deployment(registered.id)
    client.set_flow_run_state(run.id, state or Running(), force=True)
    return client.read_flow_run(run.id)


# --- deployments -----------------------------------------------------------------------------


def test_deployment_of_an_earlier_version_is_replaced_and_leaves_no_second_schedule(
    client, register
):
    _, old = register("one")
    untagged(client, old)

    config, new = register("one")

    found = client.read_deployment(new.id)
    assert (new.id, new.taken_from, len(found.schedules)) == (old.id, "", 1)
    assert installation.tag(settings.load(config, {})) in found.tags


def test_deployment_of_another_installation_is_known_as_that_and_the_desk_says_so(
    client, register, monkeypatch
):
    _, first = register("one")
    _, second = register("two")
    said = []
    monkeypatch.setattr(registry, "register", lambda *_args, **_options: [second])
    monkeypatch.setattr(registry, "remove_stale", lambda *_args, **_options: [])

    Registry(
        settings.Settings(), None, installed=second.installed, is_own=False,
        stop=threading.Event(), notify=said.append,
    ).renew()  # fmt: skip

    assert (second.id, second.taken_from) == (first.id, first.installed)
    (words,) = said
    assert words.startswith(f"sync/shared: registered by another installation ({first.installed})")
    assert register("two")[1].taken_from == ""


@pytest.mark.parametrize(
    ("whose", "is_removed"),
    [("one", True), ("two", False), ("untagged", True), ("untagged, another's", False)],
)
def test_only_ones_own_stale_deployments_go_at_a_server_that_is_shared(
    client, register, whose, is_removed
):
    config, kept = register("one")
    made_by = "one" if whose in ("one", "untagged") else "two"
    _, stale = register(made_by, source="stale")
    config, kept = register("one")
    if whose.startswith("untagged"):
        untagged(client, stale)

    removed = deployments.remove_stale([kept], config, is_own=False)

    assert removed == (["sync/stale"] if is_removed else [])
    there = {str(one.id) for one in client.read_deployments()}
    assert (stale.id in there) is not is_removed


# --- runs ------------------------------------------------------------------------------------


def test_runs_of_another_installation_are_not_taken_for_lost(client, register):
    _, first = register("one")
    theirs = a_run(client, first)
    config, second = register("two")
    ours, beginning = a_run(client, second), a_run(client, second)
    chosen = settings.load(config, {})
    is_ours = tidying.are_ours(installation.identity(chosen), config, is_own=False)

    done = tidying.tidy([theirs.deployment_id], is_ours=is_ours, under_way=lambda: {beginning.id})

    assert done.crashed == 1
    states = [client.read_flow_run(one.id).state for one in (theirs, ours, beginning)]
    assert [one.is_crashed() for one in states] == [False, True, False]


def test_maintenance_deletes_no_run_of_another_installation(client, register):
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Completed

    _, first = register("one")
    theirs = a_run(client, first, Completed())
    config, second = register("two")
    ours = [a_run(client, second, Completed()) for _ in range(2)]
    threading.Event().wait(0.01)  # they ended before now

    words = maintenance_tasks.prune_prefect(
        days=0, most=2000, installed=installation.identity(settings.load(config, {}))
    )

    assert "older than 0 days deleted" in words
    assert client.read_flow_run(theirs.id).state.is_completed()
    for one in ours:
        with pytest.raises(ObjectNotFound):
            client.read_flow_run(one.id)
    client.delete_flow_run(theirs.id)


# --- the place -------------------------------------------------------------------------------


@pytest.fixture
def variable(client):
    yield lambda: client.read_variable_by_name(neighbours.VARIABLE)
    if client.read_variable_by_name(neighbours.VARIABLE):
        client.delete_variable_by_name(neighbours.VARIABLE)


@pytest.fixture
def seat(variable, tmp_path):
    def make(installed="0ne", **options):
        said = []
        made = neighbours.Seat(
            tmp_path, installed, **({"owns_server": False, "say": said.append} | options)
        )
        made.said = said
        return made

    return make


def somebody_else(client, installed, *, process=None):
    """Write another one down, on another machine."""
    far = process or {"host": "far", "boot": "b", "pid": 7, "started": "1", "space": "pid:[2]"}
    note = {"home": "/data/prefect", "process": far, "installation": installed, "token": "other"}
    value = json.dumps(note)
    client.request("PATCH", f"/variables/name/{neighbours.VARIABLE}", json={"value": value})


def test_place_is_taken_kept_and_left(seat, variable):
    one = seat()

    one.take()
    assert one.is_ours()
    one.take()
    one.leave()

    assert variable() is None
    assert not one.is_ours()
    assert one.is_lost


def test_place_whose_note_was_deleted_is_taken_again(seat, client):
    one = seat()
    one.take()
    client.delete_variable_by_name(neighbours.VARIABLE)

    assert not one.is_ours()
    one.take()

    assert one.is_ours()


def test_who_lost_the_place_to_another_installation_does_not_take_it_back(seat, client, variable):
    one = seat()
    one.take()
    somebody_else(client, "two")

    assert not one.is_ours()
    with pytest.raises(neighbours.Displaced, match=r"process 7 on far, installation two"):
        one.take()
    one.leave()

    assert json.loads(variable().value)["token"] == "other"


def test_who_lost_the_place_to_a_copy_of_itself_that_is_gone_takes_it_back_and_says_so(
    seat, client, monkeypatch
):
    monkeypatch.setattr(neighbours, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(neighbours, "WATCH_SECONDS", 0.01)
    one = seat()
    one.take()
    somebody_else(client, "0ne")

    one.take()

    assert one.is_ours()
    assert "had taken this one's place at the Prefect server and is gone" in one.said[-1]


def test_owner_of_the_server_takes_its_place_back_from_anybody(seat, client):
    one = seat(owns_server=True)
    one.take()
    somebody_else(client, "two")

    one.take()

    assert one.is_ours()
    assert "it is replaced, and ends by itself" in one.said[0]


# --- the desk --------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A desk whose server answers, and a runner that does nothing."""
    said = []
    monkeypatch.setattr(supervisor, "is_answering", lambda *_args, **_options: True)
    made = supervisor._Desk(
        settings.Settings(), None, FOREIGN, tmp_path, stop=threading.Event(), notify=said.append
    )
    made._runner = SimpleNamespace(stop=lambda: None, under_way=set)
    made.said = said
    return made


def look(desk, error):
    """Look after the schedules at a server that fails in one way, or not at all."""

    def is_ours():
        if error is not None:
            raise error
        return True

    desk._seat = SimpleNamespace(is_lost=False, is_taken=False, is_ours=is_ours)
    desk._next_tidying = 0.0
    desk._look_after_schedules()


def refusal(status):
    request = httpx.Request("GET", "http://127.0.0.1:9/api")
    return httpx.HTTPStatusError(
        f"HTTP {status}", request=request, response=httpx.Response(status, request=request)
    )


@pytest.mark.parametrize(
    "error", [refusal(500), refusal(403), json.JSONDecodeError("no JSON", "<html>", 0)]
)
def test_server_whose_schedules_cannot_be_put_in_order_is_told_once_and_when_it_is(
    desk, monkeypatch, error
):
    monkeypatch.setattr(registry, "forgotten", lambda _registered: [])
    monkeypatch.setattr(desk._registry, "tidy", lambda _under_way: None)
    for _ in range(2):
        look(desk, error)
    assert desk.said == []

    for _ in range(5):
        look(desk, error)
    look(desk, None)

    assert len(desk.said) == 2
    assert "could not be put in order 3 times in a row" in desk.said[0]
    assert desk.said[1] == "what the Prefect server knows is in order again"


def test_desk_that_could_not_begin_gives_its_place_back(desk):
    left = []
    desk._runner = None
    desk._seat = SimpleNamespace(is_taken=True, leave=lambda: left.append(datetime.now(UTC)))

    desk.close()

    assert len(left) == 1


def test_registered_deployments_say_whose_they_are(register):
    config, registered = register("one")

    assert isinstance(registered, Registered)
    assert registered.installed == installation.identity(settings.load(Path(config), {}))


# --- notes of runs ---------------------------------------------------------------------------


def test_run_in_another_container_of_this_machine_is_lost_when_its_process_is(tmp_path, client):
    """Names of containers are new at each start, or the same for two: only the mark tells."""
    chosen = settings.Settings(
        warehouse=settings.WarehouseSettings(path=tmp_path / "c.duckdb", snapshot=tmp_path / "r")
    )
    lost, other = (client.create_flow_run(flow(lambda: None, name="sync")) for _ in range(2))
    for run in (lost, other):
        client.set_flow_run_state(run.id, Running(), force=True)
    (tmp_path / "leases").mkdir()
    me = asdict(this_process())
    where = {lost.id: {"host": "a-container-that-is-gone"}, other.id: {"pid": 2**22 + 1}}
    notes = {}
    for run, more in where.items():
        notes[run] = tmp_path / "leases" / f"{run}.run"
        note = {
            "since": datetime.now(UTC).isoformat(),
            "process": me | {"space": "pid:[1]"} | more,
            "is_marked_by_the_living": True,
        }
        notes[run].write_text(json.dumps(note))

    with notes[other.id].open("r+") as held:
        lock_probe.mark(held.fileno())
        first = claims.end_lost_runs(chosen)
    second = claims.end_lost_runs(chosen)

    names = [client.read_flow_run(one.id).name for one in (lost, other)]
    assert (first, second) == (names[:1], names[1:])
    for run in (lost, other):
        client.delete_flow_run(run.id)


def test_desk_whose_id_was_lost_and_made_anew_ends_and_says_why(desk, monkeypatch, register):
    _, one = register("one")
    desk._registry._installed = "what-it-was"
    monkeypatch.setattr(registry, "register", lambda *_args, **_options: [one])

    with pytest.raises(neighbours.Displaced, match="put the file back from a copy, or"):
        desk._registry.renew()


def test_run_is_alive_to_a_copy_of_its_folder_that_has_its_note_and_not_its_mark(tmp_path):
    file = tmp_path / "copied.run"
    file.write_text("")
    note = claims.Claim(
        file=file, run=uuid4(), since=datetime.now(UTC), process=this_process(),
        is_marked_by_the_living=True,
    )  # fmt: skip

    assert note.is_alive
    assert not replace(note, process=replace(note.process, pid=2**22 + 1)).is_alive


@pytest.mark.parametrize("what", ["nothing in it", "a folder"])
def test_run_goes_without_its_tag_where_the_id_cannot_be_read(tmp_path, what):
    chosen = settings.Settings(
        warehouse=settings.WarehouseSettings(path=tmp_path / "c.duckdb", snapshot=tmp_path / "r")
    )
    file = tmp_path / installation.FILE
    file.mkdir() if what == "a folder" else file.write_text("")
    said = []

    assert launch._tags(chosen, said.append) == ()
    assert str(file) in said[0]
    assert "this run goes on without the tag" in said[0]
    (found,) = [one for one in doctor.check_installation(chosen) if one.what == "installation"]
    assert (found.level, str(file) in found.says) == ("broken", True)
    assert ConfigurationError in maintenance_tasks.EXPECTED
