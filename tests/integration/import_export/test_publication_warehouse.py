"""A publication refuses a warehouse that its files are not made of."""

from __future__ import annotations

import json

import duckdb
import pytest

from flows import cli
from flows.errors import ConfigurationError
from flows.publication.publish_all import publish_all
from flows.publication.state import state_file
from tests import empty_warehouse
from tests.integration.import_export.desk import post
from warehouse import connect
from warehouse import publish as publish_snapshot


def replace_warehouse(desk) -> None:
    """Put a new warehouse in the place of the one that was published."""
    for file in (desk.folder / "data").glob("copydesk*"):
        file.unlink()
    place = desk.folder / "data" / "copydesk.duckdb"
    empty_warehouse.place(place)
    with duckdb.connect(str(place)) as db:
        db.execute("UPDATE _store.write_sequence SET warehouse_id = uuid()")
    with connect(place) as db:
        publish_snapshot(db, desk.settings.warehouse.snapshot)


@pytest.mark.parametrize(
    ("format_", "is_empty"),
    [("jekyll", True), ("jekyll", False), ("feed", False), ("jsonl", False), ("site", False)],
)
def test_files_of_another_warehouse_are_neither_removed_nor_replaced(desk, format_, is_empty):
    desk.configure(format=format_)
    desk.store(post(1, "降准"), post(2, "二"))
    desk.publish()
    replace_warehouse(desk)
    if not is_empty:
        desk.store(post(3, "三"))
    before = desk.times()

    for dry_run in (True, False):
        with pytest.raises(ConfigurationError) as caught:
            desk.publish(dry_run=dry_run)
        assert str(state_file(desk.settings, "blog")) in str(caught.value)

    assert {**before, **desk.times()} == before


def test_refusal_is_an_error_of_the_configuration_and_of_the_next_alerts(desk, capsys):
    desk.configure()
    desk.store(post(1, "降准"))
    desk.publish()
    replace_warehouse(desk)

    code = cli.run(["--json", "--config", str(desk.folder / "copydesk.toml"), "publish"])
    shown = json.loads(capsys.readouterr().out)
    (result,) = publish_all(desk.settings, ["blog"]).results

    assert code == 2
    assert shown["error"]
    assert (result.exit_code, result.has_work, result.changes.counts()["removed"]) == (1, True, 0)


def test_without_its_state_the_new_warehouse_is_published_beside_the_old_posts(desk):
    desk.configure()
    desk.store(post(1, "降准"))
    desk.publish()
    replace_warehouse(desk)
    desk.store(post(2, "二"))
    state_file(desk.settings, "blog").unlink()

    done = desk.publish()

    assert done.changes.written == ["_posts/2026-03-14-feed_2.md"]
    assert list(desk.files()) == ["_posts/2026-03-14-feed_1.md", "_posts/2026-03-14-feed_2.md"]


def test_state_of_an_earlier_version_takes_the_warehouse_that_it_finds(desk):
    desk.configure()
    desk.store(post(1, "降准"))
    desk.publish()
    file = state_file(desk.settings, "blog")
    lines = file.read_text("utf-8").splitlines(keepends=True)
    file.write_text("".join(one for one in lines if '"warehouse"' not in one), "utf-8")

    quiet = desk.publish()
    replace_warehouse(desk)

    assert (quiet.has_work, quiet.exit_code) == (False, 0)
    with pytest.raises(ConfigurationError):
        desk.publish()
