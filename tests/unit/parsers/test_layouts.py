"""A site with an old and a new layout, and the last valid date of the old one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from parsers import registry
from parsers.errors import LayoutChanged, LayoutExpired, NotAnArticle
from parsers.layouts import Layout, parse_by_layout
from parsers.model import Article, Page, Source
from parsers.sources import generic

LAST_DAY = date(2026, 3, 31)
BEFORE = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)
TEXT = "<p>The ferry sails again on Monday, and the crew is glad to be back at sea.</p>" * 8


def layout(name: str, mark: str, valid_until: date | None = None) -> Layout:
    def parse(source: Source, page: Page) -> Article:
        if "gallery" in page.text:
            raise NotAnArticle("a gallery")
        if mark not in page.text:
            raise LayoutChanged(expected=mark, found="none", where=name)
        return replace(generic.parse(source, page), publisher=name)

    return Layout(name=name, parse=parse, valid_until=valid_until)


PARSER = replace(
    generic.PARSER,
    name="gazette",
    parse=parse_by_layout(
        layout("2026", "class=story"), layout("2019", "id=text", LAST_DAY), layout("2011", "<table")
    ),
)


def parsed(mark: str, at: datetime) -> Article:
    source = registry.make_source("gazette", PARSER, {})
    text = f"<html><h1>The ferry returns</h1><div {mark}>{TEXT}</div></html>"
    return registry.parse(source, Page(url="https://gazette.example/1", text=text, fetched_at=at))


def test_newest_layout_that_fits_parses_the_page():
    assert parsed("class=story", BEFORE).publisher == "2026"
    assert parsed("id=text", BEFORE).publisher == "2019"


def test_page_with_a_layout_that_ended_before_its_fetch_is_an_error_with_both_names():
    with pytest.raises(LayoutExpired) as caught:
        parsed("id=text", BEFORE + timedelta(minutes=1))

    assert caught.value.reason == "layout_expired"
    assert "2026" in caught.value.expected
    assert "2019" in caught.value.found
    assert str(LAST_DAY) in caught.value.found


def test_layout_without_an_end_is_valid_at_any_time():
    assert parsed("><table", BEFORE + timedelta(days=900)).publisher == "2011"


def test_page_that_no_layout_fits_has_the_error_of_the_newest_one():
    with pytest.raises(LayoutChanged) as caught:
        parsed("class=new", BEFORE)

    assert caught.value.expected == "2026: class=story"


def test_page_of_another_kind_is_not_tried_with_older_layouts():
    with pytest.raises(NotAnArticle):
        parsed("class=gallery", BEFORE)
