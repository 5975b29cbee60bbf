"""`copydesk sources import` and `sources export`: OPML in and out."""

from __future__ import annotations

import json
import tomllib

import pytest

from flows import settings

CONFIG = """\
# Mine.
[rsshub]
instances = ["https://hub.example/?key=pl4nted"]  # paid

[sources.known]   # kept
parser = "feed"
url = "https://known.example/rss"
[sources.routed]
parser = "rsshub"
route = "/a/b"
"""
OPML = """\
\ufeff<?xml version="1.0" encoding="gb2312"?>
<opml version="1.0"><head><title>x</title></head><body>
  <outline text="新媒体"><outline title="人人都是产品经理" text="x">
    <outline type="rss" text="最新文章" title="最新文章" xmlUrl="https://rsshub.app/woshipm/latest?a=1&b=2"/>
    <outline text="最新文章" XMLURL="https://other.example/feed" language="zh-CN"/>
  </outline></outline>
  <outline text="Known" xmlUrl="feed://KNOWN.example:443/rss#x"/>
  <outline text="Routed" xmlUrl="rsshub://a/b"/>
  <outline text="Harbour &quot;Gazette&quot; ]]" xmlUrl="feed:https://harbour.example/rss?token=pl4nted"
           category="/News/Harbour,/x"/>
  <outline text="Again" xmlUrl="https://harbour.example/rss?token=pl4nted"/>
  <outline text="Bad" xmlUrl="javascript:alert(1)"/>
  <outline text="maintenance" xmlUrl="https://m.example/rss"/>
  <outline text="" xmlUrl="https://www.untitled.example/rss"/>
  <outline type="link" text="No feed" url="https://x.example/"/>
</body></opml>
"""


@pytest.fixture
def command(tmp_path, run_cli):
    """Run `copydesk sources` with a configuration and a list."""
    config = tmp_path / "copydesk.toml"
    config.write_text(CONFIG, encoding="utf-8")
    (tmp_path / "list.opml").write_text(OPML, encoding="utf-8")
    return lambda *arguments: run_cli("sources", *arguments, "--config", config)


def test_import_adds_the_feeds_that_are_no_sources_and_keeps_the_file(command, tmp_path):
    code, out, _ = command("import", tmp_path / "list.opml", "--json")
    found, text = json.loads(out), (tmp_path / "copydesk.toml").read_text(encoding="utf-8")
    sources = tomllib.loads(text)["sources"]
    added = {one["title"]: one["source"] for one in found["added"]}
    hub = "woshipm_latest_a_1_b_2"

    assert code == 3
    assert text.startswith(CONFIG)
    assert [one["source"] for one in found["configured"]] == ["known", "routed"]
    assert [one["title"] for one in found["duplicates"]] == ["Again"]
    assert [one["title"] for one in found["invalid"]] == ["Bad"]
    assert sources[hub] == {
        "route": "/woshipm/latest?a=1&b=2",
        "categories": ["新媒体", "人人都是产品经理"],
    }  # fmt: skip
    assert sources["harbour_gazette"] == {
        "parser": "feed", "url": "https://harbour.example/rss?token=pl4nted",
        "categories": ["News", "Harbour"],
    }  # fmt: skip
    assert sources[added["最新文章"]]["language"] == "zh-CN"
    assert added["maintenance"].startswith("maintenance_")
    assert added[""] == "untitled_example"
    assert "pl4nted" not in out
    assert (
        len(settings.load(tmp_path / "copydesk.toml", {}).sources) == 2 + len(found["added"]) == 7
    )


def test_names_do_not_depend_on_the_order_of_the_list(command, tmp_path):
    items = [f'<outline text="最新" xmlUrl="https://{host}.example/rss"/>' for host in "ab"]
    names = []
    for order in (items, items[::-1]):
        (tmp_path / "list.opml").write_text(f"<opml><body>{''.join(order)}</body></opml>", "utf-8")
        _, out, _ = command("import", tmp_path / "list.opml", "--dry-run", "--json")
        names.append({one["url"]: one["source"] for one in json.loads(out)["added"]})

    assert names[0] == names[1]
    assert len(set(names[0].values())) == 2


def test_second_import_adds_nothing(command, tmp_path):
    command("import", tmp_path / "list.opml")
    text = (tmp_path / "copydesk.toml").read_text(encoding="utf-8")
    _, again, _ = command("import", tmp_path / "list.opml", "--json")

    assert (json.loads(again)["added"], json.loads(again)["file"]) == ([], None)
    assert (tmp_path / "copydesk.toml").read_text(encoding="utf-8") == text


TABLE = """\
[sources]  # one line a feed
known = { parser = "feed", url = "https://known.example/rss" }

[sources.later]
parser = "feed"
url = "https://later.example/rss"
"""


@pytest.mark.parametrize(
    "config",
    ["", TABLE, TABLE.split("\n\n", 1)[0], "[sources.x]\nparser = 'generic'\n", "[sources]"],
)
def test_each_feed_is_one_line_of_one_table_and_a_route_needs_nothing_else(
    command, tmp_path, config
):
    file, head = tmp_path / "copydesk.toml", '[rsshub]\ninstances = ["https://hub.example"]\n'
    file.write_text(head + config, encoding="utf-8")
    for route in ("sspai/index", "c/d"):
        (tmp_path / "list.opml").write_text(
            f'<opml version="2.0"><body><outline text="T" xmlUrl="rsshub://{route}"/></body></opml>',
            encoding="utf-8",
        )
        assert command("import", tmp_path / "list.opml")[0] == 0

    text = file.read_text("utf-8")
    new = ['sspai_index = { route = "/sspai/index" }  # T', 'c_d = { route = "/c/d" }  # T']
    kept = [line for line in text.splitlines() if line not in new]
    assert [line for line in text.splitlines() if line in new] == new
    assert [line for line in kept if line and line != "[sources]"] == [
        line for line in (head + config).splitlines() if line and line != "[sources]"
    ]
    found = settings.load(file, {}).sources
    assert {"sspai_index", "c_d", *tomllib.loads(config).get("sources", {})} == set(found)


def test_dry_run_shows_lines_and_writes_nothing(command, tmp_path):
    _, out, _ = command("import", tmp_path / "list.opml", "--dry-run")

    lines = out[out.index("[sources]\n") :]
    assert tomllib.loads(lines)["sources"]["untitled_example"] == {
        "parser": "feed",
        "url": "https://www.untitled.example/rss",
    }
    assert (tmp_path / "copydesk.toml").read_text(encoding="utf-8") == CONFIG


def test_export_has_folders_and_no_secret_and_imports_as_known(command, tmp_path):
    command("import", tmp_path / "list.opml")
    code, out, _ = command("export")
    command("export", tmp_path / "out.opml")
    _, again, _ = command("import", tmp_path / "out.opml", "--json")

    assert code == 0
    assert (tmp_path / "out.opml").read_text(encoding="utf-8") == out
    assert 'xmlUrl="https://hub.example/woshipm/latest?a=1&amp;b=2"' in out
    assert "pl4nted" not in out
    assert json.loads(again)["added"] == []
    assert len(json.loads(again)["configured"]) == 7


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE o [<!ENTITY x SYSTEM "file:///etc/passwd">]><opml><body>&x;</body></opml>',
        '<!DOCTYPE o [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><opml><body>&b;</body></opml>',
        "<opml>" + "<outline text='x'>" * 400 + "</opml>",
        "<rss version='2.0'/>",
        "no XML",
        "",
    ],
)
def test_hostile_or_other_documents_are_refused(command, tmp_path, document):
    (tmp_path / "list.opml").write_text(document, encoding="utf-8")
    code, out, err = command("import", tmp_path / "list.opml")

    assert (code, out) == (2, "")
    assert "expected OPML" in err
    assert (tmp_path / "copydesk.toml").read_text(encoding="utf-8") == CONFIG


def test_addresses_at_instances_lose_their_path_and_the_parameters_of_instances(command, tmp_path):
    config = tmp_path / "copydesk.toml"
    config.write_text(CONFIG.replace('"]', '", "https://mirror.example/base"]'), encoding="utf-8")
    (tmp_path / "list.opml").write_text(
        """<opml version="2.0"><body>
        <outline text="a" xmlUrl="https://hub.example/c/d?limit=5&amp;key=0ther-key"/>
        <outline text="b" xmlUrl="https://mirror.example/base/c/e?key=0ther-key"/>
        </body></opml>""",
        encoding="utf-8",
    )

    code, _, err = command("import", tmp_path / "list.opml")
    text = config.read_text(encoding="utf-8")

    assert (code, err.count("0ther"), text.count("0ther")) == (0, 0, 0)
    assert tomllib.loads(text)["sources"] == {
        "known": {"parser": "feed", "url": "https://known.example/rss"},
        "routed": {"parser": "rsshub", "route": "/a/b"},
        "c_d_limit_5": {"route": "/c/d?limit=5"},
        "c_e": {"route": "/c/e"},
    }


def test_export_is_one_document_with_json(command, tmp_path):
    _, text, _ = command("export")
    _, shown, _ = command("export", "--json")
    _, written, _ = command("export", tmp_path / "out.opml", "--json")

    assert json.loads(shown) == {"opml": text, "left_out": []}
    assert json.loads(written) == {
        "file": str(tmp_path / "out.opml"), "state": "written", "left_out": [],
    }  # fmt: skip


def test_routes_need_an_instance(command, tmp_path):
    (tmp_path / "copydesk.toml").write_text("[sources.finews]\n", encoding="utf-8")
    code, _, err = command("import", tmp_path / "list.opml")

    assert (code, "[rsshub]" in err) == (2, True)
