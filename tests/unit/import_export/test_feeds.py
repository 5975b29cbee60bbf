"""Feeds: valid Atom and JSON Feed of any article, always the same bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.import_export.feeds.atom import render_atom
from flows.import_export.feeds.json_feed import render_json_feed
from flows.import_export.feeds.model import (
    Enclosure,
    Feed,
    FeedEntry,
    absolute_links,
    entry_of,
    urn_of,
)
from parsers.model import Media
from tests.feed_rules import ATOM, check_atom, check_json_feed
from tests.unit.import_export.conftest import make_article

SEEN = datetime(2022, 3, 15, tzinfo=UTC)
HOSTILE = "a & <b> ]]> \x00\x08\x1b\ud800\ufffe\u202e\r\n\"'"
CLEAN = "a & <b> ]]> \"'"
AUDIO = Enclosure(
    url="https://press.example/1 中.mp3", media_type="audio/mpeg", length=7, seconds=61.5
)


def feed_of(*entries: FeedEntry, **changes: object) -> Feed:
    return replace(Feed(id=urn_of("test"), title="News", entries=entries), **changes)


def hostile_entry() -> FeedEntry:
    article = make_article(
        title=HOSTILE,
        url='https://press.example/a b?q="<中>"&x=100%',
        authors=(HOSTILE, " ", HOSTILE),
        tags=(HOSTILE, ""),
        language='zh_CN"',
        lead_image="https://press.example/a b.png",
        body_html=f"<p>{HOSTILE}</p>",
    )
    return replace(entry_of(article, first_seen_at=SEEN), enclosures=(AUDIO,))


def test_hostile_article_is_valid_atom_and_its_text_is_kept():
    root = check_atom(render_atom(feed_of(hostile_entry(), feed_url="https://x.example/a.atom")))
    entry = root.find(f"{ATOM}entry")
    links = {one.get("rel"): one.attrib for one in entry.findall(f"{ATOM}link")}

    assert entry.findtext(f"{ATOM}title") == CLEAN
    assert [one.findtext(f"{ATOM}name") for one in entry.findall(f"{ATOM}author")] == [CLEAN]
    assert [one.get("term") for one in entry.findall(f"{ATOM}category")] == [
        "finews", "cailianshe", CLEAN,
    ]  # fmt: skip
    assert entry.findtext(f"{ATOM}content") == "<p>a & <b> ]]> \u202e\n\"'</p>"
    assert links["alternate"]["href"] == (
        "https://press.example/a%20b?q=%22%3C%E4%B8%AD%3E%22&x=100%25"
    )
    assert dict(links["enclosure"]) == {
        "rel": "enclosure", "type": "audio/mpeg", "length": "7",
        "href": "https://press.example/1%20%E4%B8%AD.mp3",
    }  # fmt: skip
    assert "{http://www.w3.org/XML/1998/namespace}lang" not in entry.attrib


def test_hostile_article_is_a_valid_json_feed():
    (item,) = check_json_feed(render_json_feed(feed_of(hostile_entry())))["items"]

    assert item["title"] == CLEAN
    assert item["authors"] == [{"name": CLEAN}]
    assert item["image"] == "https://press.example/a%20b.png"
    assert item["attachments"] == [
        {
            "url": "https://press.example/1%20%E4%B8%AD.mp3", "mime_type": "audio/mpeg",
            "size_in_bytes": 7, "duration_in_seconds": 61.5,
        }
    ]  # fmt: skip


@settings(max_examples=50)
@given(st.text(), st.text(), st.text())
def test_any_text_gives_valid_feeds(title, body, name):
    article = make_article(title=title, body_html=body, authors=(name,), url="", language=name)
    feed = feed_of(entry_of(article, first_seen_at=SEEN))

    check_atom(render_atom(feed))
    check_json_feed(render_json_feed(feed))


def test_empty_feed_is_valid_and_never_changes():
    assert check_atom(render_atom(feed_of())).findtext(f"{ATOM}updated") == "1970-01-01T00:00:00Z"
    assert check_json_feed(render_json_feed(feed_of()))["items"] == []


@pytest.mark.parametrize(
    ("changes", "corrected_at", "published", "updated"),
    [
        ({}, None, "2022-03-14T12:43:16Z", "2022-03-14T12:43:16Z"),
        ({}, datetime(2022, 3, 16, tzinfo=UTC), "2022-03-14T12:43:16Z", "2022-03-16T00:00:00Z"),
        ({"updated_at": SEEN}, None, "2022-03-14T12:43:16Z", "2022-03-15T00:00:00Z"),
        (
            {"published_at": None, "published_on": date(2022, 3, 14)},
            None, "2022-03-14T00:00:00Z", "2022-03-14T00:00:00Z",
        ),
        ({"published_at": None}, None, None, "2022-03-15T00:00:00Z"),
    ],
)  # fmt: skip
def test_entry_is_updated_by_a_correction_else_by_its_own_times(
    changes, corrected_at, published, updated
):
    article = make_article(**changes)
    feed = feed_of(entry_of(article, first_seen_at=SEEN, corrected_at=corrected_at))
    entry = check_atom(render_atom(feed)).find(f"{ATOM}entry")
    (item,) = check_json_feed(render_json_feed(feed))["items"]

    assert entry.findtext(f"{ATOM}published") == published == item.get("date_published")
    assert entry.findtext(f"{ATOM}updated") == updated == item["date_modified"]


def test_language_of_an_entry_is_given_where_it_is_not_that_of_the_feed():
    entries = [
        replace(entry_of(make_article(language=tag), first_seen_at=SEEN), id=urn_of(tag))
        for tag in ("zh-CN", "en")
    ]
    root = check_atom(render_atom(feed_of(*entries, language="zh-CN")))
    items = check_json_feed(render_json_feed(feed_of(*entries, language="zh-CN")))["items"]

    key = "{http://www.w3.org/XML/1998/namespace}lang"
    assert [one.get(key) for one in (root, *root.findall(f"{ATOM}entry"))] == ["zh-CN", None, "en"]
    assert [one.get("language") for one in items] == [None, "en"]


def test_entry_without_a_page_has_a_content():
    entry = replace(entry_of(make_article(url=""), first_seen_at=SEEN), content_html=None)

    assert check_atom(render_atom(feed_of(entry))).findtext(f".//{ATOM}content") == ""
    assert check_json_feed(render_json_feed(feed_of(entry)))["items"][0]["content_text"] == ""


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<p>x <img src="a.png"> <a href="/b?x=1&amp;y=2">b</a></p><p>y</p>',
         '<p>x <img src="https://e.example/x/a.png"> '
         '<a href="https://e.example/b?x=1&amp;y=2">b</a></p><p>y</p>'),
        ('<img src="//cdn.example/a.png">', '<img src="https://cdn.example/a.png">'),
        ('<a href="https://o.example/?a&b">o</a>', '<a href="https://o.example/?a&b">o</a>'),
        ('<a href="#1">note</a>', '<a href="#1">note</a>'),
        ("text & <br/>", "text & <br/>"),
    ],
)  # fmt: skip
def test_relative_links_are_absolute_and_other_html_is_unchanged(html, expected):
    assert absolute_links(html, "https://e.example/x/y.html") == expected


@pytest.mark.parametrize(
    ("url", "given", "expected"),
    [
        ("https://e.example/a.mp3?x=1", "", "audio/mpeg"),
        ("https://e.example/a", "", "application/octet-stream"),
        ("https://e.example/a.mp3", "audio/x-own", "audio/x-own"),
    ],
)
def test_enclosure_has_a_type(url, given, expected):
    assert Enclosure(url=url, media_type=given).known_type == expected


def test_ids_are_those_of_the_article_alone():
    first = entry_of(make_article(), first_seen_at=SEEN)
    second = entry_of(make_article(title="新", body_html="<p>新</p>"), first_seen_at=SEEN)

    assert first.id == second.id == "urn:uuid:" + first.id[9:]
    assert first.id != entry_of(make_article(article_id="finews:2"), first_seen_at=SEEN).id


def test_enclosures_are_the_files_that_a_body_does_not_show():
    files = (
        Media(kind="picture", url="https://press.example/shown.jpg?a=1&b=2"),
        Media(kind="picture", url="https://press.example/640"),
        Media(kind="audio", url="https://press.example/1.mp3", length=7, duration=61.5),
        Media(kind="video", url="https://www.youtube.com/watch?v=abcdef1"),
        Media(kind="picture", url="relative.jpg"),
    )
    body = '<p>a<img src="https://press.example/shown.jpg?a=1&amp;b=2"></p>'
    article = make_article(media=files, body_html=body)

    beside = entry_of(article, first_seen_at=SEEN).enclosures
    alone = entry_of(replace(article, text=None), first_seen_at=SEEN).enclosures

    assert [(one.url, one.length, one.seconds) for one in beside] == [
        ("https://press.example/640", None, None), ("https://press.example/1.mp3", 7, 61.5),
    ]  # fmt: skip
    assert [one.url for one in alone] == [one.url for one in files[:3]]
