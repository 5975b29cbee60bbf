"""``copydesk dupes`` on the snapshot."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from flows.admin.maintenance_tasks import compact_if_worth
from flows.errors import Interrupted
from tests.unit.warehouse.factories import NOON, article, upsert
from tests.unit.warehouse.syndication_texts import story
from warehouse import connect, publish, transaction
from warehouse.syndication.query import Pair


@pytest.fixture
def stored(project, run_cli):
    """Run ``copydesk dupes`` on a story, its copy, its excerpt and another article."""
    files = project.settings.warehouse
    original = {"original_url": "https://example.org/1", "published_at": NOON}
    with connect(files.path) as db:
        upsert(
            db,
            article(1, story(1), title="\x1b[31m降准"),
            article(2, story(1)[:-30], source="ofweek", title="转载", **original),
            article(3, story(1)[100:260], source="ofweek", title=None, **original),
            article(4, story(2), title="Other"),
        )
        publish(db, files.snapshot)
    return lambda *arguments: run_cli("dupes", *arguments, "--config", project.config)


def found(output):
    return {(one["article_id"], one["other_article_id"]) for one in json.loads(output)["pairs"]}


def test_a_pair_has_its_kind_both_articles_the_first_one_and_the_origin(stored):
    code, out, err = stored("ofweek:2", "--kind", "near")

    assert (code, err) == (0, "")
    first, one, other, order, origin = out.splitlines()
    assert first.split()[0] == "near"
    assert one.split()[:3] == ["finews:1", "2026-03-14", "11:00"]
    assert other.split() == ["ofweek:2", "2026-03-14", "12:00", "转载"]
    assert "finews:1" in order
    assert "https://example.org/1" in origin
    assert "\x1b" not in out


def test_the_document_has_every_column_of_the_view(stored):
    document = json.loads(stored("--json", "--limit", "1")[1])

    assert list(document) == ["article_id", "pairs", "pair_count", "missing_count"]
    assert (document["pair_count"], document["missing_count"]) == (3, 0)
    (pair,) = document["pairs"]
    assert list(pair) == [one.name for one in fields(Pair)]


def test_filters(stored):
    near, excerpt = ("finews:1", "ofweek:2"), ("finews:1", "ofweek:3")
    both = ("ofweek:2", "ofweek:3")

    assert found(stored("--json")[1]) == {near, excerpt, both}
    assert found(stored("finews:1", "--json")[1]) == {near, excerpt}
    assert found(stored("--kind", "excerpt", "--json")[1]) == {excerpt, both}
    assert found(stored("--source", "finews", "--json")[1]) == {near, excerpt}
    assert found(stored("--since", "2030-01-01", "--json")[1]) == set()


def test_an_article_without_a_pair_is_no_error(stored):
    assert stored("finews:4") == (0, "no articles with the same text\n", "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["finews:44"], "finews:4"), (["--source", "ofwek"], "ofweek"), (["--kind", "x"], "excerpt")],
)
def test_what_does_not_exist_is_a_usage_error(stored, arguments, named):
    code, _, err = stored(*arguments)

    assert (code, named in err) == (2, True)


def test_texts_that_are_not_compared_yet_are_counted(stored, project):
    files = project.settings.warehouse
    with connect(files.path) as db:
        with transaction(db):
            db.execute("DELETE FROM _store.syndication_docs WHERE print_count = 0 OR doc = 1")
        publish(db, files.snapshot)

    code, _, err = stored("ofweek:3")
    with pytest.raises(Interrupted):
        compact_if_worth(project.settings, fetch_retention_days=None, is_stopping=lambda: True)
    compact_if_worth(project.settings, fetch_retention_days=None)
    completed = json.loads(stored("--live", "--json")[1])

    assert (code, err.split()[0]) == (0, "1")
    assert completed["missing_count"] == 0
