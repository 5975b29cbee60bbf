"""Trees with bounded depth and size, and strict selections."""

from __future__ import annotations

import time
from typing import Any

import pytest

from parsers.errors import BadListing, LayoutChanged
from parsers.html import tree
from parsers.html.select import (
    document,
    json_document,
    json_value,
    select_all,
    select_one,
    select_optional,
    text_of,
)

PAGE = document(
    "<h1>题\n 目</h1><ul><li>一<li>二</ul><p class=em_media>上海<span><a>证券</a></span><span></span>报</p>"
)


def test_unclosed_elements_are_repaired() -> None:
    page = document("<table><tr><td>1<td>2<tr><td>3</table><p>a<p>b")

    assert [text_of(cell) for cell in page.select("td")] == ["1", "2", "3"]
    assert [text_of(paragraph) for paragraph in page.select("p")] == ["a", "b"]


def test_select_one_requires_exactly_one_match() -> None:
    assert text_of(select_one(PAGE, "h1")) == "题 目"
    with pytest.raises(LayoutChanged, match="expected one 'h2', found none"):
        select_one(PAGE, "h2")
    with pytest.raises(LayoutChanged, match="expected one 'li', found more than one") as caught:
        select_one(PAGE, "li")
    assert "'li'" in caught.value.expected
    assert "more than one" in caught.value.found


def test_select_all_requires_a_match() -> None:
    assert [text_of(item) for item in select_all(PAGE, "li")] == ["一", "二"]
    with pytest.raises(LayoutChanged, match="expected at least one 'h2', found none"):
        select_all(PAGE, "h2")


def test_select_optional_allows_at_most_one_match() -> None:
    assert select_optional(PAGE, "h2") is None
    assert select_optional(PAGE, "h1") is PAGE.h1
    with pytest.raises(LayoutChanged, match="at most one 'li'"):
        select_optional(PAGE, "li")


def test_text_of_joins_inline_elements() -> None:
    assert text_of(select_one(PAGE, ".em_media")) == "上海证券报"


@pytest.mark.parametrize(
    "tag",
    [
        "div",
        "p",
        *(pytest.param(tag, marks=pytest.mark.nightly) for tag in ("font", "b", "a", "blockquote")),
    ],
)
def test_sixty_thousand_nested_elements_lose_no_text(tag: str) -> None:
    start = time.process_time()
    page = document(f"<{tag}>" * 60_000 + "深" + f"</{tag}>" * 60_000 + "<p>后</p>")

    assert text_of(page).split() in (["深", "后"], ["深后"])
    assert page.get_text() == "深后"
    assert max(len(list(node.parents)) for node in page.find_all(string=True)) <= tree.MAX_DEPTH
    assert time.process_time() - start < 10


def test_elements_after_deep_ones_keep_their_place() -> None:
    page = document("<div>" * 1000 + "<i>x</i>" + "</div>" * 1000 + "<section><p>y</p></section>")

    assert text_of(select_one(page, "section > p")) == "y"
    assert select_one(page, "section").find_parent("div") is None


def test_end_tags_of_deep_elements_close_nothing_above() -> None:
    deep = tree.MAX_DEPTH + 50
    page = document("<div id=outer>" + "<div>" * deep + "x" + "</div>" * deep + "<p>y</p></div>")

    assert text_of(select_one(page, "#outer > p")) == "y"


@pytest.mark.parametrize(
    "page",
    [
        "<p " + " ".join(f"a{number}=1" for number in range(100_000)) + ">x</p>",
        '<p title="' + "y" * 10_000_000 + '">x</p>',
        "<p>x" + "&#8203;" * 200_000 + "</p>",
        "<!--" * 100_000 + "--><p>x",
    ],
    ids=["attributes", "attribute", "entities", "comments"],
)
def test_time_is_linear_in_hostile_pages(page: str) -> None:
    start = time.process_time()

    assert text_of(document(page)) == "x"
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "page", ["<b>" * (tree.MAX_TAGS + 1), "x" * (tree.MAX_CHARACTERS + 1)], ids=["tags", "size"]
)
def test_too_large_page_is_refused(page: str) -> None:
    with pytest.raises(LayoutChanged, match="at most 20,000,000 characters"):
        document(page)


def test_characters_that_cannot_be_stored_are_removed() -> None:
    page = document("<p>a\0b\x1bc\ud800d\ufffee\tf\ng</p>")

    assert page.get_text() == "abcde\tf\ng"


def test_json_is_read() -> None:
    assert json_document('\ufeff{"a": [1]}', "list") == {"a": [1]}


@pytest.mark.parametrize(
    "text", ["<html>\n <body>502 Bad Gateway", "", '{"a": NaN}', "[" * 100_000, '{"a": 1} x']
)
def test_text_that_is_no_json_is_refused_with_its_beginning(text: str) -> None:
    with pytest.raises(BadListing) as caught:
        json_document(text, "rolling news")

    assert caught.value.expected == "rolling news: a JSON document"
    assert caught.value.found == " ".join(text.split())[:80]


RECORD: dict[str, Any] = {"id": "1", "n": 3, "flag": True, "none": None, "list": []}


def test_json_value_returns_a_value_of_its_type() -> None:
    assert json_value(RECORD, "id", str, "records[0]") == "1"
    assert json_value(RECORD, "n", int, "records[0]") == 3
    assert json_value(RECORD, "flag", bool, "records[0]") is True


@pytest.mark.parametrize(
    ("mapping", "name", "kind", "expected", "found"),
    [
        (RECORD, "infoCode", str, "the key 'infoCode'", "keys: flag, id, list, n, none"),
        (RECORD, "n", str, "'n' of type a string", "a whole number: 3"),
        (RECORD, "none", list, "'none' of type a list", "null: None"),
        (RECORD, "flag", int, "'flag' of type a whole number", "true or false: True"),
        ([], "id", str, "an object with 'id'", "a list: []"),
        ({}, "id", str, "the key 'id'", "keys: none"),
    ],
)
def test_value_of_another_form_is_refused_with_what_was_expected(
    mapping: Any, name: str, kind: type, expected: str, found: str
) -> None:
    with pytest.raises(LayoutChanged) as caught:
        json_value(mapping, name, kind, "records[0]")

    assert (caught.value.expected, caught.value.found) == (f"records[0]: {expected}", found)
