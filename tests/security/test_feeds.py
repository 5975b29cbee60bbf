"""Hostile feeds: entities, depth, broken markup, links."""

from __future__ import annotations

import socket
import time
from collections import Counter
from typing import Any
from xml.sax.saxutils import escape

import pytest

from parsers import registry
from parsers.errors import BadListing
from parsers.model import BadEntry, Entry, Page
from tests.security.payloads import NOW, STEERING, feed_of, item_of


@pytest.fixture(params=["feed", "rsshub"])
def entries(request: pytest.FixtureRequest) -> Any:
    """Reads a feed as a run does; its source takes no more than two seconds for it."""
    source = registry.make_source("any", request.param, {"url": "https://gazette.example/feed.xml"})
    listing = source.parser.listings(source)[0]

    def of(text: str) -> tuple[Entry | BadEntry, ...]:
        began = time.process_time()
        try:
            return registry.entries(
                source, listing, Page(url=listing.url, text=text, fetched_at=NOW)
            )
        finally:
            assert time.process_time() - began < 2

    return of


def laughs() -> str:
    steps = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return feed_of(item_of("&l9;"), before=f'<!DOCTYPE rss [<!ENTITY l0 "ha">{steps}]>')


@pytest.mark.parametrize(
    "text",
    [
        laughs(),
        feed_of(item_of("&a;"), before=f'<!DOCTYPE rss [<!ENTITY a "{"x" * 100_000}">]>'),
        feed_of(item_of("&a;" * 1000), before="<!doctype rss [<!entity a 'x'>]>"),
    ],
    ids=["billion", "quadratic", "lower_case"],
)
def test_an_entity_bomb_is_refused_unread(entries, text) -> None:
    with pytest.raises(BadListing, match="without entity declarations"):
        entries(text)


def test_no_feed_opens_a_file_or_a_connection(entries, tmp_path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("root:hunter2", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        here = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        include = f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{secret.as_uri()}" parse="text"/>'
        for before, description in (
            (f'<!DOCTYPE rss [<!ENTITY a SYSTEM "{here}">]>', "&a;"),
            (f'<!DOCTYPE rss [<!ENTITY a SYSTEM "{secret.as_uri()}">]>', "&a;"),
            (f'<!DOCTYPE rss [<!ENTITY % p SYSTEM "{here}"> %p;]>', "&a;"),
            (f'<!DOCTYPE rss SYSTEM "{here}">', "&a;"),
            (f'<?xml-stylesheet href="{here}"?>', include),
        ):
            try:
                found = repr(entries(feed_of(item_of(description=description), before=before)))
            except BadListing as error:
                found = str(error)
            assert "hunter2" not in found
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    "text",
    [
        "<rss version='2.0'><channel>" + "<a>" * 50_000,
        feed_of("<item>" * 5_000 + "</item>" * 5_000),
        feed_of(f"<item>{'<a>' * 5_000}{'</a>' * 5_000}</item>{item_of()}"),
    ],
    ids=["open", "items", "in_an_item"],
)
def test_a_deeply_nested_feed_is_refused_with_a_message(entries, text) -> None:
    try:
        found = entries(text)
    except BadListing:
        return
    assert any(isinstance(one, BadEntry) for one in found)


def test_a_deep_item_does_not_hurt_the_next(entries) -> None:
    found = entries(feed_of(f"<item>{'<a>' * 5_000}{'</a>' * 5_000}</item>{item_of()}"))

    assert Counter(type(one) for one in found) == {Entry: 1, BadEntry: 1}


def test_items_of_a_broken_feed_are_still_read(entries) -> None:
    found = entries(feed_of(f"{item_of()}<item><b></item>{item_of(link='/2')}").replace("T</", "<"))

    assert [one.url for one in found if isinstance(one, Entry)] == [
        "https://gazette.example/1",
        "https://gazette.example/2",
    ]
    assert sum(isinstance(one, BadEntry) for one in found) == 1


def test_html_instead_of_a_feed_is_refused_by_name(entries) -> None:
    with pytest.raises(BadListing, match=r"found an HTML page titled 'Blocked'|error page"):
        entries("<!DOCTYPE html><html><head><title>Blocked</title></head><body>no</body></html>")


BAD_LINKS = (
    "javascript:alert(1)", "java\nscript:alert(1)", " vbscript:x", "data:text/html,<script>x</script>",
    "file:///etc/passwd", "ftp://gazette.example/x", "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/stat", "blob:http://x/y", "duckdb:///x", "mailto:a@b.example",
)  # fmt: skip
NO_LINKS = ("http://", "http://[::1/", "http://gazette.example:99999/", "http://a b/")


def test_item_whose_link_is_no_address_has_none(entries) -> None:
    found = entries(feed_of("".join(item_of(link=escape(link)) for link in NO_LINKS)))

    assert {one.url for one in found if isinstance(one, Entry)} == {
        "https://gazette.example/feed.xml"
    }


def test_hostile_links_are_refused_one_by_one(entries) -> None:
    items = "".join(item_of(link=escape(link)) for link in BAD_LINKS)
    found = entries(feed_of(items + item_of(link="https://gazette.example/good")))

    *bad, good = found
    assert isinstance(good, Entry)
    assert good.url == "https://gazette.example/good"
    assert len(bad) == len(BAD_LINKS)
    assert all(isinstance(one, BadEntry) for one in bad)
    assert not set("".join(str(one.error) for one in bad)) & STEERING
