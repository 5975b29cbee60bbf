"""The option ``select``: CSS selectors for the fields of an article page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from parsers import registry
from parsers.errors import LayoutChanged, OptionError, SoftNotFound
from parsers.model import Article, Page

URL = "https://gazette.example/2024/05/ferry"
TEXT = "The ferry came back to the harbour on Thursday, a year after the storm."
TEASER = "The lighthouse is painted red again, and the painters have left the island for good."
PAGE = f"""<html lang="en"><head><title>Ferry returns - Gazette</title></head><body>
<h1>Gazette</h1><h2 class="headline">Ferry <b>returns</b></h2>
<p class="by">By Mara Quill and Tom Reed</p><span class="desk">Harbour desk</span>
<time datetime="2024-05-02T08:00:00+02:00">Thursday</time><i class="changed">2024-05-03T09:00Z</i>
<div class="story"><p>{TEXT}</p><aside class="ad">Buy a boat.</aside><img src="/ferry.jpg"></div>
<ul><li class="topic">harbour</li><li class="topic">ships</li></ul>
<div class="teaser"><p>{TEASER}</p><p>{TEASER}</p><p>{TEASER}</p><p>{TEASER}</p></div>
</body></html>"""


def read(select: dict[str, str], text: str = PAGE, parser: str = "generic") -> Article:
    source = registry.make_source("gazette", parser, {"select": select})
    page = Page(url=URL, text=text, fetched_at=datetime(2024, 6, 1, tzinfo=UTC))
    return registry.parse(source, page)


def test_each_field_has_the_value_and_the_name_of_its_selector():
    select = {
        "title": ".headline",
        "body": ".story",
        "published": "time[datetime]",
        "updated": ".changed",
        "authors": ".by",
        "publisher": ".desk",
        "tags": ".topic",
        "categories": ".desk",
        "language": "html::attr(lang)",
        "lead_image": ".story img",
        "remove": ".ad",
    }

    article = read(select)

    assert article.title == "Ferry returns"
    assert article.text == TEXT
    assert article.published_at == datetime(2024, 5, 2, 6, tzinfo=UTC)
    assert article.updated_at == datetime(2024, 5, 3, 9, tzinfo=UTC)
    assert article.authors == ("Mara Quill", "Tom Reed")
    assert (article.publisher, article.categories) == ("Harbour desk", ("Harbour desk",))
    assert (article.tags, article.language) == (("harbour", "ships"), "en")
    assert article.lead_image == "https://gazette.example/ferry.jpg"
    names = {"title": "title", "body_html": "body", "published_at": "published"} | {
        "updated_at": "updated", "authors": "authors", "lead_image": "lead_image", "tags": "tags",
    }  # fmt: skip
    found = {field: article.provenance[field] for field in names}
    assert found == {field: f"css:{select[name]}" for field, name in names.items()}


def test_matches_of_the_body_are_joined_and_nested_ones_count_once():
    text = PAGE.replace('class="story"', 'class="story part"').replace(
        "<ul>", f'<div class="part"><p>{TEASER}</p></div><ul>'
    )

    article = read({"body": ".part, .part p", "remove": ".ad"}, text)

    assert article.text == f"{TEXT}\n\n{TEASER}"


@pytest.mark.parametrize("field", ["body", "title", "published"])
def test_selector_that_matches_nothing_is_an_error_with_its_name(field):
    with pytest.raises(LayoutChanged) as caught:
        read({field: ".gone"})

    assert f"select.{field}" in caught.value.expected
    assert ".gone" in caught.value.expected


@pytest.mark.parametrize("field", ["body", "title", "published"])
def test_optional_selector_that_matches_nothing_leaves_the_field_to_the_generic_rules(field):
    article = read({field: ".gone ?"})

    assert article.text
    assert not article.provenance["title"].startswith("css:.gone")


def test_other_field_that_matches_nothing_has_its_generic_value():
    text = PAGE.replace("<head>", '<head><meta name="keywords" content="harbour, ships">')

    article = read({"body": ".story", "authors": ".gone", "tags": ".gone"}, text)

    assert article.tags == ("harbour", "ships")


def test_element_without_text_does_not_match():
    with pytest.raises(LayoutChanged):
        read({"body": ".empty"}, PAGE.replace("<ul>", '<div class="empty"> </div><ul>'))


def test_error_page_keeps_its_own_reason():
    text = "<html><head><title>Page not found</title></head><body><h1>Page not found</h1><p>Sorry, we could not find the page.</p></body></html>"

    with pytest.raises(SoftNotFound):
        read({"body": ".story"}, text)


def test_removed_elements_are_out_of_the_generic_body_too():
    first = replace(read({}), provenance={})
    article = read({"remove": ".teaser, .ad"})

    assert TEASER in first.text
    assert article.text == TEXT


@pytest.mark.parametrize(
    ("parser", "options", "message"),
    [
        ("generic", {"select": {"body": "div["}}, "select.body: expected a CSS selector"),
        ("generic", {"select": {"body": ""}}, "select.body: expected a CSS selector"),
        ("generic", {"select": {"boby": "p"}}, "select.boby: unknown field, did you mean 'body'?"),
        ("generic", {"select": {"body": 3}}, "select: expected a list of texts"),
        ("feed", {"url": "https://a.example/", "select": {"body": "p"}}, "select: expected full_text = true"),
    ],
)  # fmt: skip
def test_selector_that_cannot_be_used_is_an_error_of_the_configuration(parser, options, message):
    with pytest.raises(OptionError) as caught:
        registry.make_source("gazette", parser, options)

    assert str(caught.value).startswith(message)
