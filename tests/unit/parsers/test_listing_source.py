"""A source with ``parser = "listing"``: links, dates and the next page by CSS selectors."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from parsers import registry
from parsers.errors import BadListing, OptionError
from parsers.model import Entry, Listing, ListingContent, Page

BASE = "https://gazette.example/news"
CARDS = """<html><head><title>News</title></head><body><nav><a href="/about">About us</a></nav>
<main><div class="card"><a href="/a#top"><img src="a.jpg"></a><h2><a href="/a">Ferry returns to the harbour</a></h2>
<span class="when">Published on 30 November 2026 by Mara</span></div>
<div class="card"><h2><a href="/2026/11/29/b">Quay repaired</a></h2><time datetime="2026-11-29T08:00:00Z">Sunday</time>
<a href="/2026/11/29/b">Read more</a></div>
<div class="card"><h2><a href="https://other.example/c">Elsewhere</a></h2></div></main>
<a class="older" href="?page=2">Older</a></body></html>"""


def read(text: str = CARDS, *, listing: Listing | None = None, **options: object) -> ListingContent:
    values = {"url": BASE, "links": ".card a", **options}
    source = registry.make_source("gazette", "listing", values)
    listing = listing or source.parser.listings(source)[0]
    page = Page(url=listing.url, text=text, fetched_at=datetime(2026, 11, 30, tzinfo=UTC))
    return registry.read_listing(source, listing, page)


def entries(content: ListingContent) -> list[Entry]:
    return [one for one in content.entries if isinstance(one, Entry)]


def test_each_article_is_one_entry_with_the_title_and_date_of_its_box():
    content = read(date="time, .when")

    assert [(one.url, dict(one.facts)) for one in entries(content)] == [
        (
            "https://gazette.example/a",
            {"title": "Ferry returns to the harbour", "published": "30 November 2026"},
        ),
        (
            "https://gazette.example/2026/11/29/b",
            {"title": "Quay repaired", "published": "2026-11-29T08:00:00Z", "day": "2026-11-29"},
        ),
    ]
    assert "1 links of other sites" in content.notes[0]


def test_selector_of_a_box_finds_its_link_and_that_of_a_heading_its_anchor():
    inside = [one.url for one in entries(read(links=".card"))]
    around = [one.url for one in entries(read('<a href="/a"><h2>Ferry</h2></a>', links="h2"))]

    assert inside == ["https://gazette.example/a", "https://gazette.example/2026/11/29/b"]
    assert around == ["https://gazette.example/a"]


def test_next_page_is_a_listing_that_continues_this_one():
    (following,) = read(next_page="a.older").listings

    assert (following.url, following.is_next_page, following.depth) == (f"{BASE}?page=2", True, 1)


@pytest.mark.parametrize("href", ["/news", "#more", "https://other.example/2", "javascript:more()"])
def test_link_to_itself_another_site_or_a_script_is_no_next_page(href):
    text = CARDS.replace("?page=2", href)

    assert read(text, next_page="a.older").listings == ()


def test_short_text_of_a_link_is_no_title():
    text = (
        '<p><a href="/a">Read more</a></p><p><a href="/b">The lighthouse is painted again</a></p>'
    )

    titles = [one.facts.get("title") for one in entries(read(text, links="p a"))]

    assert titles == [None, "The lighthouse is painted again"]


@pytest.mark.parametrize(
    ("options", "field"),
    [({"links": ".gone a"}, "links"), ({"date": ".gone"}, "date"), ({"date": "nav"}, "date")],
)
def test_selector_that_matches_nothing_is_an_error_with_its_name(options, field):
    with pytest.raises(BadListing) as caught:
        read(**options)

    assert caught.value.expected.startswith(f"{field}: ")
    assert options[field] in caught.value.expected


def test_optional_selector_and_an_empty_last_page_are_no_errors():
    last = Listing(channel="listing", url=f"{BASE}?page=9", is_next_page=True, depth=8)

    assert entries(read(links=".gone a ?")) == []
    assert len(entries(read(date=".gone ?"))) == 2
    assert entries(read("<html><body>No more reports</body></html>", listing=last)) == []


def test_base_element_is_the_base_of_links():
    text = CARDS.replace("<head>", '<head><base href="/archive/">').replace('"/a"', '"a"')

    assert entries(read(text))[0].url == "https://gazette.example/a"
    assert "https://gazette.example/archive/a" in {one.url for one in entries(read(text))}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"links": ""}, "links: this key is required"),
        ({"links": "a["}, "links: expected a CSS selector"),
        ({"date": ":nope(" }, "date: expected a CSS selector"),
        ({"pages": "2"}, "pages: expected a whole number"),
        ({"pages": True}, "pages: expected a whole number"),
    ],
)  # fmt: skip
def test_wrong_option_is_an_error_of_the_configuration(options, message):
    with pytest.raises(OptionError) as caught:
        read(**options)

    assert str(caught.value).startswith(message)
