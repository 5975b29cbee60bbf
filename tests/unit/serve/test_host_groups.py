"""Which sources share a deployment in a pool of several machines: those of one host."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import settings
from flows.pipeline.host_locks import source_hosts
from flows.serve.host_groups import host_groups
from flows.serve.plan import PlannedDeployment, plan

FEED = '[sources.{slug}]\nparser = "feed"\nurl = "{url}"\nschedule = "{schedule}"\n'
EVERY_HOUR = "every hour"


def write(folder: Path, text: str) -> settings.Settings:
    file = folder / "copydesk.toml"
    file.write_text(text, encoding="utf-8")
    return settings.load(file, {})


def feeds(**urls: str) -> str:
    return "".join(
        FEED.format(slug=slug, url=url, schedule=EVERY_HOUR) for slug, url in urls.items()
    )


def syncs(chosen: settings.Settings) -> dict[str, PlannedDeployment]:
    found = plan(chosen, None, by_host=True)
    return {one.name: one for one in found if one.flow_name == "sync" and one.name != "all"}


def test_sources_of_one_host_share_a_deployment_and_keep_their_schedules(tmp_path):
    text = feeds(a="https://one.example/a", b="https://two.example/b")
    text += FEED.format(slug="c", url="http://ONE.example/c", schedule="0 7 * * *")

    found = syncs(write(tmp_path, text))

    assert list(found) == ["host.one.example", "b"]
    shared = found["host.one.example"]
    assert shared.parameters["sources"] == ["a", "c"]
    assert [(one.name, one.sources, one.schedule.text) for one in shared.schedules] == [
        ("a", ("a",), EVERY_HOUR),
        ("c", ("c",), "0 7 * * *"),
    ]
    assert [one.sources for one in found["b"].schedules] == [()]


def test_hosts_join_groups_that_were_apart(tmp_path):
    chosen = write(tmp_path, feeds(a="https://one.example/", b="https://two.example/"))
    joint = '[sources.both]\nparser = "finews"\nbase_url = "https://one.example"\n'
    joint += 'article_base_url = "https://two.example"\nchannels = ["media"]\n'
    joined = write(tmp_path, feeds(a="https://one.example/", b="https://two.example/") + joint)

    def groups(of: settings.Settings) -> list[tuple[str, ...]]:
        return [one.members for one in host_groups(of, {slug: [slug] for slug in of.sources})]

    assert groups(chosen) == [("a",), ("b",)]
    assert groups(joined) == [("a", "b", "both")]


def test_routes_of_rsshub_have_the_hosts_of_its_instances(tmp_path):
    text = '[rsshub]\ninstances = ["https://hub.example/x", "https://hub2.example"]\n'
    text += '[sources.r]\nroute = "/a/b"\n'

    assert source_hosts(write(tmp_path, text), "r") == {"hub.example", "hub2.example"}


def test_group_of_many_feeds_joins_a_source_of_one_of_its_hosts(tmp_path):
    text = feeds(**{f"f{n}": f"https://h{n}.example/" for n in range(10)})
    text += FEED.format(slug="x", url="https://h3.example/x", schedule="0 7 * * *")

    (only,) = syncs(write(tmp_path, text)).values()

    assert only.name == "host.h3.example"
    assert [(len(one.sources), one.name) for one in only.schedules][1] == (1, "x")
    assert len(only.schedules[0].sources) == 10


@pytest.mark.parametrize("by_host", [False, True])
def test_everything_else_is_deployed_once(tmp_path, by_host):
    text = feeds(a="https://one.example/") + '[publish.blog]\nformat = "jekyll"\nfolder = "site"\n'

    found = plan(write(tmp_path, text), None, by_host=by_host)

    names = [f"{one.flow_name}/{one.name}" for one in found]
    assert names == [
        "sync/a", "sync/all", "publish/blog", "backfill/backfill", "import/import",
        "reparse/reparse", "maintenance/maintenance",
    ]  # fmt: skip


def test_another_port_is_another_host_as_it_is_for_the_throttle(tmp_path):
    chosen = write(tmp_path, feeds(a="http://one.example/a", b="http://one.example:8080/b"))

    assert list(syncs(chosen)) == ["a", "b"]
