"""The registry: sources made of options, and pages parsed by them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from parsers import registry
from parsers.errors import BrokenParser, IncompleteArticle, UnknownUrl
from parsers.model import BadEntry, Page
from parsers.registry import OptionError

NOW = datetime(2022, 5, 26, tzinfo=UTC)
NW = "NW202203142308441556"
DIGITS = "202203142308441556"


def test_defaults_are_filled_in():
    source = registry.make_source("news", "finews", {"channels": ["media"]})

    assert source.slug == "news"
    assert source.texts("channels") == ("media",)
    assert source.text("base_url") == "http://finews.zning.xyz"


@pytest.mark.parametrize(
    ("parser", "options", "message"),
    [
        ("finews", {"chanels": []}, "chanels: unknown key, did you mean 'channels'?"),
        ("finews", {"channels": "media"}, "channels: expected a list of texts, found 'media'"),
        ("finews", {"channels": [45]}, "channels: expected a list of texts, found [45]"),
        ("finews", {"channels": ["medai"]}, "channels: expected one of emnews, media, market-37, market-38, market-39, found 'medai', did you mean 'media'?"),
        ("finews", {"base_url": 7}, "base_url: expected a text, found 7"),
        ("finews", {"base_url": ["x"]}, "base_url: expected a text, found ['x']"),
        ("feed", {}, "url: this key is required"),
        ("feed", {"url": ""}, "url: this key is required"),
        ("feed", {"url": "http://a.example", "full_text": "yes"}, "full_text: expected true or false, found 'yes'"),
        ("feed", {"url": "http://a.example", "identity": "link "}, "identity: expected one of link, guid"),
        ("rsshub", {"url": "http://a.example", "midnight_is": "noon"}, "midnight_is: expected one of declared, day, instant"),
        ("rssbub", {}, "parser: there is no parser 'rssbub', did you mean 'rsshub'?"),
    ],
)  # fmt: skip
def test_wrong_option_is_named_with_what_was_expected(parser, options, message):
    with pytest.raises(OptionError) as caught:
        registry.make_source("news", parser, options)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", registry.PARSERS)
def test_every_address_of_a_source_derives_from_its_options(name):
    base = "http://127.0.0.1:8765"
    options = {key: base for key in registry.PARSERS[name].options if key.endswith("url")}
    if "links" in registry.PARSERS[name].options:
        options["links"] = "article a"
    source = registry.make_source(name, name, options)

    assert all(listing.url.startswith(base) for listing in source.parser.listings(source))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"http://finews.zning.xyz/html_News/NewsShare.html?infoCode={NW}", "finews"),
        (f"https://finance.eastmoney.com/a/{DIGITS}.html", "finews"),
        ("https://www.woshipm.com/it/5365424.html", "woshipm"),
        ("https://ecep.ofweek.com/2021-05/ART-93000-8420-30501299.html", "ofweek"),
        ("https://ecep.ofweek.com/2021-05/ART-93000-8420-30501299_2.html", "ofweek"),
        ("https://www.woshipm.com/", None),
        ("https://woshipm.com.evil.example/it/5365424.html", None),
        ("https://gazette.example/1", None),
        ("http://[broken", None),
        ("", None),
    ],
)
def test_parser_is_found_by_address(url, name):
    found = registry.parser_for(url)

    assert (found and found.name) == name


@pytest.mark.parametrize(
    ("link", "number"),
    [
        (f"http://finews.zning.xyz/html_News/NewsShare.html?infoCode={NW}", NW),
        (f"<http://finews.zning.xyz/html_News/NewsShare.html?infoCode={NW}>", NW),
        (f"https://choicewzp1.eastmoney.com/html_News/NewsShare.html?infoCode={NW}&from=app", NW),
        (f"https://finance.eastmoney.com/a/{DIGITS}.html", DIGITS),
        (f"http://finance.eastmoney.com/news/1345,{DIGITS}.html", DIGITS),
        (f"http://stock.eastmoney.com/news/1567,{DIGITS}.html", DIGITS),
        (f"http://hk.eastmoney.com/news/1535,{DIGITS}.html", DIGITS),
        (f"http://futures.eastmoney.com/news/1516,{DIGITS}.html", DIGITS),
        (f"http://mss.eastmoney.com/news/1354,{DIGITS}.html?x=1#top", DIGITS),
        (f"https://wap.eastmoney.com/a/{DIGITS}.html", DIGITS),
        (f"http://127.0.0.1:8765/html_News/NewsShare.html?infoCode={NW}", NW),
        (f"http://127.0.0.1:8765/a/{DIGITS}.html", DIGITS),
    ],
)
def test_share_link_of_any_host_leads_to_the_article_page(link, number):
    base = "http://127.0.0.1:8765"
    options = {"base_url": base, "article_base_url": base, "article_urls": [link]}

    (entry,) = registry.article_url_entries(registry.make_source("finews", "finews", options))

    assert (entry.source_article_id, entry.channel) == (number, "share")
    assert entry.url == f"{base}/a/{DIGITS}.html"
    assert entry.link == link.strip("<>")


@pytest.mark.parametrize(
    "link",
    [
        "<>",
        "http://finews.zning.xyz/html_News/NewsShare.html?infoCode=",
        f"http://finews.zning.xyz/html_News/NewsShare.html?infoCode={NW}&infoCode=NW202203142308441557",
        f"http://evil.example/html_News/NewsShare.html?infoCode={NW}",
        f"http://evil.eastmoney.com.example/a/{DIGITS}.html",
        f"https://caifuhao.eastmoney.com/news/{DIGITS}",
        "http://finance.eastmoney.com/a/../../etc.html",
    ],
)
def test_share_link_that_names_no_article_is_a_bad_entry(link):
    source = registry.make_source("finews", "finews", {"article_urls": [link]})

    (bad,) = registry.article_url_entries(source)

    assert isinstance(bad, BadEntry)
    assert isinstance(bad.error, UnknownUrl)
    assert bad.raw == link


def test_error_has_a_note_with_source_and_page():
    source = registry.make_source("news", "finews", {})
    page = Page(
        url="http://finews.zning.xyz/NewsData/GetNewsText.do?id=1", text="{}", fetched_at=NOW
    )

    with pytest.raises(IncompleteArticle) as caught:
        registry.parse(source, page)

    assert caught.value.__notes__ == [f"news: {page.url}"]


@pytest.mark.parametrize("door", ["read", "entries", "more"])
def test_a_bug_in_a_parser_becomes_a_broken_parser(door):
    def fails(*_arguments):
        raise ZeroDivisionError("a bug")

    source = registry.make_source("news", "finews", {})
    broken = replace(
        source, parser=replace(source.parser, parse=fails, entries=fails, next_pages=fails)
    )
    page = Page(url="http://x.example/1", text="", fetched_at=NOW)
    listing = source.parser.listings(source)[0]

    read = {
        "read": lambda: registry.parse(broken, page),
        "entries": lambda: registry.entries(broken, listing, page),
        "more": lambda: registry.next_pages(broken, page),
    }[door]

    with pytest.raises(BrokenParser, match=r"news: http://x\.example/1: ZeroDivisionError"):
        read()
