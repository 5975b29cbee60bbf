"""`copydesk export` and `copydesk query` as Atom and JSON Feed, and the feed of corrections."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flows import settings
from tests import empty_warehouse
from tests.feed_rules import ATOM, check_atom, check_json_feed
from tests.unit.warehouse.factories import HOUR, NOON, article, fetched_later, hash_of, upsert
from warehouse import connect, publish

OLD = "央行宣布降准0.5个百分点。\n\n第二段没有变化。"
NEW = "央行宣布降准0.25个百分点 <b>。\n\n第二段没有变化。"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The configuration of a warehouse with a corrected article, parsed twice, and two others."""
    folder = tmp_path_factory.mktemp("feeds")
    file = folder / "copydesk.toml"
    file.write_text('[warehouse]\npath = "copydesk.duckdb"\n', encoding="utf-8")
    warehouse = settings.load(file, {}).warehouse
    empty_warehouse.place(warehouse.path)
    first = article("NW1", text=OLD, content_hash=hash_of(OLD), published_at=NOON)
    second = replace(first, title="降准 &", text="half", content_hash=hash_of("half"))
    third = replace(second, text=NEW, content_hash=hash_of(NEW))
    with connect(warehouse.path) as db:
        upsert(db, first)
        upsert(db, article("NW2", "港口", published_at=NOON + HOUR))
        upsert(db, article("NW3", "无时间", published_at=None, published_on=None))
        upsert(db, fetched_later(second))
        upsert(db, fetched_later(third))
        publish(db, warehouse.snapshot)
    return file


@pytest.fixture
def command(config, run_cli):
    """Run a command with this configuration."""
    return lambda name, *arguments: run_cli(name, *arguments, "--config", config)


@pytest.mark.parametrize(
    ("format_", "name", "check"),
    [("atom", "articles.atom", check_atom), ("jsonfeed", "articles.json", check_json_feed)],
)
def test_export_is_a_valid_feed_that_an_unchanged_export_leaves_alone(
    command, tmp_path, format_, name, check
):
    code, out, _ = command("export", tmp_path, "--format", format_, "--json")
    made, before = (tmp_path / name).read_bytes(), (tmp_path / name).stat().st_mtime_ns
    check(made)
    again, second, _ = command("export", tmp_path, "--format", format_, "--json")
    checked, _, _ = command("export", tmp_path, "--format", format_, "--check")

    assert (code, json.loads(out)["written"], json.loads(out)["articles"]) == (0, 1, 3)
    assert (again, json.loads(second)["identical"], checked) == (0, 1, 0)
    assert (tmp_path / name).stat().st_mtime_ns == before
    assert command("export", tmp_path, "--format", format_, "--limit", "1", "--check")[0] == 4


def test_limit_of_another_format_is_a_usage_error(command, tmp_path):
    code, out, _ = command("export", tmp_path / "all", "--format", "jsonl", "--limit", "1")

    assert (code, out, (tmp_path / "all").exists()) == (2, "", False)


def test_feed_has_the_newest_first_and_the_time_of_a_correction(command, tmp_path):
    command("export", tmp_path, "--format", "jsonfeed", "--limit", "2")
    newest, corrected = json.loads((tmp_path / "articles.json").read_bytes())["items"]

    assert newest["date_modified"] == newest["date_published"] == "2026-03-14T13:00:00Z"
    assert (corrected["title"], corrected["date_published"], corrected["date_modified"]) == (
        "降准 &", "2026-03-14T12:00:00Z", "2026-03-14T13:00:00Z",
    )  # fmt: skip


def test_correction_is_one_entry_with_both_texts_and_without_the_earlier_parse(command, tmp_path):
    code, _, _ = command("export", tmp_path, "--format", "atom", "--corrections")
    root = check_atom((tmp_path / "corrections.atom").read_bytes())
    (entry,) = root.findall(f"{ATOM}entry")
    content = entry.findtext(f"{ATOM}content")

    assert (code, entry.findtext(f"{ATOM}title")) == (0, "降准 &")
    assert f"{len(OLD)} → {len(NEW)}" in content
    assert "<del>0.5</del><ins>0.25</ins>" in content
    assert "<ins> &lt;b&gt;</ins>" in content
    assert "half" not in content


@pytest.mark.parametrize(
    ("format_", "name"), [("atom", "articles.atom"), ("jsonfeed", "articles.json")]
)
def test_full_feed_is_not_replaced_by_an_empty_one(command, tmp_path, format_, name):
    command("export", tmp_path, "--format", format_)
    before = (tmp_path / name).read_bytes()
    code, _, _ = command("export", tmp_path, "--format", format_, "--since", "2099-01-01")

    assert (code, (tmp_path / name).read_bytes()) == (3, before)


def test_export_onto_a_file_is_a_usage_error(command, tmp_path):
    (tmp_path / "file").write_text("mine")

    assert command("export", tmp_path / "file", "--format", "atom")[0] == 2
    assert (tmp_path / "file").read_text() == "mine"


def test_foreign_file_is_left_alone(command, tmp_path):
    (tmp_path / "articles.atom").write_text("<feed/>")

    assert command("export", tmp_path, "--format", "atom")[0] == 3
    assert (tmp_path / "articles.atom").read_text() == "<feed/>"


def test_query_is_a_feed_in_its_order(command, tmp_path):
    sql = "SELECT article_id, 1 AS n FROM articles WHERE source_article_id <> 'NW2' ORDER BY 1 DESC"
    code, out, _ = command("query", sql, "--format", "jsonfeed")
    titles = [one["title"] for one in check_json_feed(out.encode())["items"]]
    command("query", sql, "--format", "atom", "--output", tmp_path / "a.atom")
    before = (tmp_path / "a.atom").stat().st_mtime_ns
    command("query", sql, "--format", "atom", "--output", tmp_path / "a.atom")

    assert (code, titles) == (0, ["无时间", "降准 &"])
    assert len(check_atom((tmp_path / "a.atom").read_bytes()).findall(f"{ATOM}entry")) == 2
    assert (tmp_path / "a.atom").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("sql", "named"), [("SELECT 1 AS n", "found n"), ("SELECT 'x:1' AS article_id", "'x:1'")]
)
def test_query_without_articles_is_a_usage_error(command, sql, named):
    code, out, err = command("query", sql, "--format", "atom")

    assert (code, out) == (2, "")
    assert named in err
