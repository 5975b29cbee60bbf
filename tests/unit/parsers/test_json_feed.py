"""JSON Feed, versions 1 and 1.1."""

from __future__ import annotations

import json

import pytest

from tests import feeds_peers
from tests.unit.parsers.feed_documents import URL, read


def json_feed(*items: object, **feed: object) -> str:
    return json.dumps(
        {"version": "https://jsonfeed.org/version/1.1", "title": "Quay Post", "items": items} | feed
    )


@pytest.mark.parametrize("content_type", ["application/feed+json", "text/xml", "text/plain", ""])
def test_json_feed_is_read_by_its_content(content_type):
    item = {
        "id": "urn:1",
        "url": "/1",
        "title": "A < b",
        "content_html": "<p>Gulls <img src='g.jpg'></p>",
        "date_published": "2026-03-04T09:30:00+01:00",
        "date_modified": "2026-03-05T09:30:00Z",
        "authors": [{"name": "Mara Quill"}, {"url": "https://quay.example/odo"}],
        "tags": ["Tide", "Tide", 4],
        "language": "en",
    }

    (article,) = read(json_feed(item, home_page_url="https://quay.example/"), content_type)

    assert (article.title, article.url, article.publisher) == (
        "A < b",
        "https://quay.example/1",
        "Quay Post",
    )
    assert (article.authors, article.tags, article.language) == (("Mara Quill",), ("Tide",), "en")
    assert (article.lead_image, article.text) == ("https://quay.example/g.jpg", "Gulls")
    assert article.published_at is not None
    assert article.updated_at is not None


@pytest.mark.parametrize(
    ("item", "feed", "expected"),
    [
        ({"author": {"name": "Mara Quill"}}, {}, {"authors": ("Mara Quill",)}),
        ({"authors": {"name": "Mara Quill"}}, {}, {"authors": ("Mara Quill",)}),
        ({}, {"authors": [{"name": "Mara Quill"}]}, {"authors": ("Mara Quill",)}),
        ({"banner_image": "/b.jpg"}, {}, {"lead_image": "https://quay.example/b.jpg"}),
        (
            {"attachments": [{"url": "/a.jpg", "mime_type": "image/jpeg"}]},
            {},
            {"lead_image": "https://quay.example/a.jpg"},
        ),
        ({"url": None, "external_url": "https://buoy.example/1"}, {}, {"url": "https://buoy.example/1"}),
        ({"url": None, "id": "https://quay.example/9"}, {}, {"url": "https://quay.example/9"}),
        ({"content_text": "x < y\n\nTwo."}, {}, {"text": "x < y\n\nTwo."}),
        ({"summary": "Only a summary."}, {}, {"text": "Only a summary."}),
        ({}, {"language": "en_GB"}, {"language": "en-GB"}),
        ({"tags": "no list", "authors": None, "title": " A\nb "}, {}, {"title": "A b", "tags": ()}),
        ({"id": 17}, {}, {"title": "Gulls"}),
    ],
)  # fmt: skip
def test_json_feed_of_both_versions_is_read(item, feed, expected):
    whole = {"id": "1", "url": "https://quay.example/1", "title": "Gulls"}
    text = {} if {"content_text", "summary"} & set(item) else {"content_text": "Gulls return."}

    (article,) = read(json_feed({**whole, **text, **item}, **feed))

    assert {name: getattr(article, name) for name in expected} == expected


def test_item_of_a_json_feed_that_is_no_object_costs_only_itself():
    whole = {"id": "1", "url": "/1", "title": "Gulls", "content_text": "Gulls return."}
    text = json_feed("no item", whole)

    found, bad = feeds_peers.articles(text.encode(), "", URL)

    assert ([article.title for article in found], len(bad)) == (["Gulls"], 1)
