"""``copydesk revisions``: what a publication changed after publishing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flows.cli import revisions as command
from tests.unit.warehouse.factories import HOUR, NOON, article, fetched_later, hash_of, upsert
from warehouse import connect, publish

OLD = "央行宣布降准0.5个百分点。\n\n第二段没有变化。\n\nThe bank gave no reason."
NEW = "央行今日宣布降准0.25个百分点。\n\n第二段没有变化。\n\nThe bank confirmed it."


@pytest.fixture
def corrected(project, run_cli):
    """The command in a project with an article of three contents; the third is another parse."""
    first = article("NW202203142308441556", "降准", text=OLD, content_hash=hash_of(OLD))
    second = replace(
        first, title="今日降准", text=NEW, content_hash=hash_of(NEW), published_at=NOON
    )
    third = replace(second, text=f"{NEW} End.", content_hash=hash_of("third"))
    with connect(project.settings.warehouse.path) as db:
        upsert(db, first)
        upsert(db, fetched_later(second))
        upsert(db, fetched_later(third))
        publish(db, project.settings.warehouse.snapshot)

    return lambda *arguments: run_cli("revisions", *arguments, "--config", project.config)


ID = "finews:NW202203142308441556"


def test_document_has_each_revision_with_its_times_and_changed_fields(corrected):
    code, out, _ = corrected(ID, "--json")
    document = json.loads(out)
    first, second, third = document["revisions"]

    assert (code, document["article_id"]) == (0, ID)
    assert (first["valid_from"], first["valid_to"]) == (
        NOON.isoformat(), (NOON + HOUR).isoformat(),
    )  # fmt: skip
    assert (first["title"], first["content_hash"]) == ("降准", hash_of(OLD))
    assert first["changed_fields"] == []
    assert second["changed_fields"] == ["title", "text", "published_at"]
    assert (third["changed_fields"], third["valid_to"]) == (["text"], None)
    assert [one["is_other_parse"] for one in document["revisions"]] == [False, False, True]
    assert "diff" not in first


def test_operations_of_the_document_make_both_texts(corrected):
    _, out, _ = corrected(ID, "--json", "--diff")
    first, second, _ = json.loads(out)["revisions"]

    operations = second["diff"]["text"]
    assert "".join(one["text"] for one in operations if one["kind"] != "insert") == OLD
    assert "".join(one["text"] for one in operations if one["kind"] != "delete") == NEW
    assert second["diff"]["title"] == [
        {"kind": "insert", "text": "今日"}, {"kind": "equal", "text": "降准"},
    ]  # fmt: skip
    assert first["diff"] is None


def test_text_shows_the_words_that_changed(corrected):
    code, out, _ = corrected(ID, "--diff")

    assert code == 0
    assert out.splitlines()[:2] == [f"{ID}: 3 revisions", ""]
    assert "1. from 2026-03-14 12:00:00Z, until 2026-03-14 13:00:00Z, c1:" in out
    assert "   changed: title, text, published_at\n" in out
    assert "   published_at: [-2026-03-14 11:00:00Z-]{+2026-03-14 12:00:00Z+}\n" in out
    assert "   title: {+今日+}降准\n" in out
    assert "     央行{+今日+}宣布降准[-0.5-]{+0.25+}个百分点。\n" in out
    assert "changed: text (another parse of the same page)" in out
    assert "\x1b" not in out


def test_colour_keeps_the_marks():
    assert command._coloured("delete", "x") == "\x1b[31m[-x-]\x1b[0m"
    assert command._coloured("insert", "x") == "\x1b[32m{+x+}\x1b[0m"


@pytest.mark.parametrize(
    "unknown",
    [
        "finews:NW202203142308441557",
        "NW202203142308441556",
        "https://example.org/NW202203142308441556",
    ],
)
def test_unknown_id_exits_2_and_names_the_nearest(corrected, unknown):
    code, out, err = corrected(unknown)

    assert (code, out) == (2, "")
    assert repr(unknown) in err
    assert repr(ID) in err


def test_unknown_id_without_a_near_one_names_the_query_that_lists_ids(corrected):
    code, _, err = corrected("gazette:something-else", "--json")

    assert code == 2
    assert 'copydesk query "select article_id, title from articles' in err
