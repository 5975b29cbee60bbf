"""``copydesk search`` on the snapshot."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.unit.warehouse.factories import article, upsert
from warehouse import connect, publish, transaction


@pytest.fixture
def searched(project, run_cli):
    """Run ``copydesk search`` on three articles."""
    early = datetime(2021, 5, 1, tzinfo=UTC)
    files = project.settings.warehouse
    with connect(files.path) as db:
        upsert(
            db,
            article(1, "腾讯承诺碳中和", title="碳中和\x1b[31m计划"),
            article(2, "碳中和", source="ofweek", title="旧闻", published_at=early),
            article(3, "无关", title="Other"),
        )
        publish(db, files.snapshot)
    return lambda *arguments: run_cli("search", *arguments, "--config", project.config)


def test_the_text_has_rank_title_source_date_and_snippet(searched):
    code, out, err = searched("碳中和", "腾讯")

    assert (code, err) == (0, "")
    first, second, third = out.splitlines()
    assert first.startswith("  1  碳中和")
    assert "\x1b" not in out
    assert second.split() == ["finews", "2026-03-14", "11:00", "finews:1"]
    assert third.strip() == "腾讯承诺碳中和"


def test_filters_limit_and_json(searched):
    def found(*arguments):
        document = json.loads(searched(*arguments, "--json")[1])
        return [hit["article_id"] for hit in document["hits"]]

    assert sorted(found("碳中和")) == ["finews:1", "ofweek:2"]
    assert found("碳中和", "--source", "ofweek") == ["ofweek:2"]
    assert found("碳中和", "--since", "2022-01-01") == ["finews:1"]
    assert found("碳中和", "--until", "2022-01-01") == ["ofweek:2"]
    assert len(found("碳中和", "--limit", "1")) == 1


def test_source_that_is_neither_configured_nor_stored_is_a_usage_error(searched):
    code, _, err = searched("碳中和", "--source", "ofwek")

    assert (code, "ofweek" in err) == (2, True)


def test_partial_matches_are_marked(searched):
    code, out, _ = searched("碳中和", "量子计算")

    assert code == 0
    assert out.splitlines()[0] == "no article holds all of it; partial matches:"


@pytest.mark.parametrize(
    "words",
    [
        ["没有的词"],
        ["'; DROP TABLE articles; --"],
        ["$(touch x)"],
        ['"'],
        ["\U0001f680"],
        [""],
    ],
)
def test_odd_words_find_nothing(searched, words):
    code, out, err = searched(*words)

    assert (code, out, err) == (0, "no articles match\n", "")


def test_a_word_that_is_no_text_is_refused(searched):
    code, out, err = searched("碳\udce4")

    assert (code, out) == (2, "")
    assert "not" in err


def test_an_incomplete_index_is_named(searched, project):
    with connect(project.settings.warehouse.path) as db:
        with transaction(db):
            for table in ("postings", "fresh", "runs", "docs", "articles"):
                db.execute(f"DELETE FROM _store.search_{table}")
        publish(db, project.settings.warehouse.snapshot)

    code, out, err = searched("碳中和")

    assert (code, out) == (0, "no articles match\n")
    assert "3 of 3 texts are missing" in err
    assert "copydesk compact" in err


def test_before_the_first_run_the_message_names_the_command(project, run_cli):
    code, _, err = run_cli("search", "x", "--config", project.config)

    assert code == 1
    assert "copydesk sync" in err
