"""Every recorded page of every source, compared as a whole."""

from __future__ import annotations

import json

import pytest

from parsers import registry
from tests.recorded import (
    FIXTURES,
    Case,
    cases_of,
    changed_results,
    outcome,
    version_of,
    versions_file,
)

NONE = FIXTURES / "no such folder"
RECORDED = [
    pytest.param(case, id=f"{parser.name}/{case.name}")
    for parser in registry.PARSERS.values()
    for case in cases_of(parser)
]


@pytest.mark.parametrize("case", RECORDED)
def test_recorded_page_reads_as_expected(case: Case):
    assert outcome(case) == case.result


@pytest.mark.parametrize("name", registry.PARSERS)
def test_every_parser_has_recorded_cases(name: str):
    assert cases_of(registry.PARSERS[name])


@pytest.mark.parametrize("name", sorted({case.values[0].parser.name for case in RECORDED}))
def test_parser_whose_articles_changed_has_a_new_version(name: str):
    parser = registry.PARSERS[name]
    file = versions_file(parser)
    recorded = json.loads(file.read_text("utf-8")) if file.exists() else version_of(parser, NONE)
    now = version_of(parser)

    assert changed_results(recorded, now) == [], "raise `version`, then `make record ARGS=NAME`"
    assert recorded == now, "run `make record ARGS=NAME`"


def test_change_under_the_same_version_is_found():
    recorded = {"version": "1", "results": {"page": "a", "removed": "b"}}

    assert changed_results(recorded, {"version": "1", "results": {"page": "c"}}) == ["page"]
    assert changed_results(recorded, {"version": "2", "results": {"page": "c"}}) == []
    assert changed_results(recorded, {"version": "1", "results": {"page": "a", "new": "d"}}) == []


def test_every_recorded_folder_belongs_to_a_parser():
    recorded = {file.parent for file in FIXTURES.glob("*/*.expected.json")}

    assert {folder.name for folder in recorded} - {"worked_example"} <= set(registry.PARSERS)


@pytest.mark.parametrize(
    ("feed", "direct", "same"),
    [
        (
            "rsshub/article-woshipm-day",
            "woshipm/article",
            "source_article_id canonical_url title authors publisher published_at "
            "published_precision categories language text content_hash",
        ),
        (
            "rsshub/article-ofweek",
            "ofweek/article",
            "source_article_id canonical_url title authors publisher published_at categories language",
        ),
    ],
)
def test_feed_and_direct_reading_agree(feed: str, direct: str, same: str):
    one, other = (
        json.loads((FIXTURES / f"{name}.expected.json").read_text("utf-8"))["article"]
        for name in (feed, direct)
    )

    assert {name: one[name] for name in same.split()} == {
        name: other[name] for name in same.split()
    }
