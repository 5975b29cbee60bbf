"""What of a reparse is a regression, an improvement or a neutral change."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest

from flows.pipeline import field_changes
from flows.pipeline.field_changes import WHOLE_ARTICLE, FieldChanges, judge
from flows.pipeline.parser_diff import ParserDiff
from flows.pipeline.rows import article_row
from flows.pipeline.stats import RunReport
from parsers import registry
from parsers.model import Page
from warehouse.rows import ArticleRow

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def row() -> ArticleRow:
    text = "The ferry sails again on Monday, and the crew is glad to be back at sea. " * 8
    page = Page(
        url="https://gazette.example/1",
        text=f"<html><h1>The ferry returns</h1><p>{text}</p></html>",
        fetched_at=NOW,
    )
    article = registry.parse(registry.make_source("gazette", "generic", {}), page)
    return article_row(article, channel="news", seen_at=NOW)


def stored(row: ArticleRow, **changes: object) -> dict[str, object]:
    return asdict(replace(row, parser_version="1", **changes))  # type: ignore[arg-type]


def report(**changes: FieldChanges) -> ParserDiff:
    run = RunReport(run_id="r", flow="reparse", state="completed", stats=())
    return ParserDiff.of(run, changes)


@pytest.mark.parametrize(
    ("name", "before", "now", "kind"),
    [
        ("title", "a", "b", "neutral"),
        ("title", "a", None, "regression"),
        ("publisher", "a", "", "regression"),
        ("publisher", None, "a", "improvement"),
        ("published_at", NOW, None, "regression"),
        ("published_at", NOW, NOW.replace(hour=3), "neutral"),
        ("published_precision", "second", "day", "regression"),
        ("published_precision", "day", "unknown", "regression"),
        ("published_precision", "day", "minute", "improvement"),
        ("text", "x" * 100, "x" * 74, "regression"),
        ("text", "x" * 100, "x" * 76, "neutral"),
        ("text", "x" * 74, "x" * 100, "improvement"),
        ("body_html", "x" * 100, "x" * 51, "neutral"),
        ("body_html", "x" * 100, "x" * 49, "regression"),
        ("tags", ("a", "b"), ("c",), "regression"),
        ("tags", ("a", "b"), ("a", "c"), "neutral"),
        ("tags", ("a",), ("a", "b"), "improvement"),
        ("authors", ("a",), (), "regression"),
        ("completeness", "full", "teaser", "neutral"),
    ],
)
def test_kind_of_a_change(name, before, now, kind):
    found, reason = judge(name, before, now)

    assert found == kind
    assert bool(reason) == (kind == "regression")


def test_change_names_article_field_old_and_new_value_and_both_versions(row):
    changes = FieldChanges()
    changes.add(replace(row, publisher=None), stored(row, publisher="Gazette"))

    (change,) = changes.all
    assert (change.article_id, change.field) == (row.article_id, "publisher")
    assert (change.old, change.new) == ("Gazette", None)
    assert (change.old_version, change.new_version) == ("1", row.parser_version)
    assert change.url == "https://gazette.example/1"
    assert all(part in change.message() for part in (row.article_id, "publisher", "Gazette"))


def test_long_text_is_shown_where_it_differs(row):
    changes = FieldChanges()
    changes.add(replace(row, text=row.text[:300] + "NEW" + row.text[300:]), stored(row))

    (change,) = changes.all
    assert "NEW" in change.new
    assert "NEW" not in change.old
    assert len(change.new) < len(row.text)


def test_same_article_is_no_change(row):
    changes = FieldChanges()
    changes.add(row, stored(row))

    assert (changes.all, changes.same) == ([], 1)
    assert report(gazette=changes).exit_code == 0


def test_regressions_come_first_and_give_exit_code_4(row):
    changes = FieldChanges()
    changes.add(replace(row, title="Another"), stored(row))
    changes.add_new(replace(row, article_id="gazette:new"))
    changes.add_failed("gazette:2", "https://gazette.example/2", "expected a moon", "3")
    diff = report(gazette=changes)

    assert diff.exit_code == 4
    assert [one.kind for one in diff.changes] == ["regression", "neutral", "improvement"]
    (lost,) = diff.regressions
    assert (lost.article_id, lost.field, lost.new) == (
        "gazette:2",
        WHOLE_ARTICLE,
        "expected a moon",
    )
    assert len(diff.errors) == 1
    assert len(diff.lines()) == 2


def test_improvements_and_neutral_changes_give_exit_code_0(row):
    changes = FieldChanges()
    changes.add(replace(row, title="Another", publisher="Gazette"), stored(row, publisher=None))

    assert {one.kind for one in changes.all} == {"neutral", "improvement"}
    assert report(gazette=changes).exit_code == 0


def test_document_has_every_change(row):
    changes = FieldChanges()
    changes.add(
        replace(row, tags=("a",), published_at=NOW), stored(row, tags=("a", "b"), published_at=None)
    )

    found = json.loads(json.dumps(report(gazette=changes).as_json()))

    assert found["regressions"] == 1
    assert [(one["field"], one["old"], one["new"]) for one in found["changes"]] == [
        ("tags", ["a", "b"], ["a"]),
        ("published_at", None, NOW.isoformat()),
    ]
    assert found["changed"] == {"gazette": {"tags": 1, "published_at": 1}}


def test_many_changes_are_counted_and_regressions_are_kept(row, monkeypatch):
    monkeypatch.setattr(field_changes, "MAX_CHANGES", 3)
    changes = FieldChanges()
    for number in range(5):
        one = replace(row, article_id=f"gazette:{number}")
        changes.add(replace(one, title="Another"), stored(one))
    for number in range(5, 10):
        one = replace(row, article_id=f"gazette:{number}")
        changes.add(replace(one, language=None), stored(one, language="en"))
    diff = report(gazette=changes)

    assert (len(diff.changes), len(diff.regressions), diff.left_out) == (8, 5, 2)


def test_regression_of_an_earlier_page_is_kept_for_the_same_field(row):
    changes = FieldChanges()
    changes.add(replace(row, title="Another"), stored(row))
    changes.add(replace(row, title=None), stored(row))

    assert [one.kind for one in changes.all] == ["regression"]
