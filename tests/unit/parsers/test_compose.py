"""Build articles: every field has a provenance."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from parsers.compose import compose, one_line
from parsers.content_hash import content_hash
from parsers.errors import IncompleteArticle
from parsers.model import (
    Article,
    CanonicalUrl,
    Extracted,
    Listing,
    Media,
    Moment,
    Page,
    Parser,
    Source,
)
from parsers.text.dates import unknown_time

SEEDS = Path(__file__).parents[3] / "tests" / "site" / "seeds"
URL = "https://finance.example/a/202203142308441556.html"


def never(*_: object) -> Any:
    raise AssertionError("composing reads no listing")


PARSER = Parser(
    name="finews",
    version="3",
    options={},
    listings=lambda _source: (Listing(channel="x", url=URL),),
    entries=never,
    parse=never,
    entry_of=never,
)
SOURCE = Source(slug="example", parser=PARSER, options={})
PAGE = Page(url=URL, text="", fetched_at=datetime(2022, 3, 15, tzinfo=UTC))
PUBLISHED = Moment(
    at=datetime(2022, 3, 14, 12, 43, 16, tzinfo=UTC),
    on=date(2022, 3, 14),
    raw="2022-03-14 20:43:16",
    precision="second",
    timezone="Asia/Shanghai",
    timezone_source="source",
    provenance="listing:showtime",
)
BODY = '<p>一<img src="/i.png"></p><p>原文链接：https://o.example/1</p><p>（文章来源：财联社）</p>'


def article(**changes: Any) -> Article:
    given: dict[str, Any] = {
        "source_article_id": "NW1",
        "url": URL,
        "canonical_url": CanonicalUrl(URL),
        "title": Extracted("题目", "listing:title"),
        "body": BODY,
        "published": PUBLISHED,
    }
    return compose(SOURCE, PAGE, **given | changes)


def test_article_has_the_extracted_values() -> None:
    found = article(
        authors=Extracted(("示例", " 示例 ", ""), "css:.author"),
        categories=Extracted(("cailianshe",), "medium"),
        tags=Extracted(("财联社新闻",), "medium"),
        language=Extracted("zh-CN", "source declaration"),
    )

    text = "一\n\n原文链接：https://o.example/1"
    assert found == Article(
        article_id="example:NW1",
        source="example",
        source_article_id="NW1",
        url=URL,
        canonical_url=CanonicalUrl(URL),
        title="题目",
        authors=("示例",),
        publisher="财联社",
        published_at=PUBLISHED.at,
        published_on=date(2022, 3, 14),
        published_raw="2022-03-14 20:43:16",
        published_precision="second",
        published_timezone="Asia/Shanghai",
        published_timezone_source="source",
        updated_at=None,
        categories=("cailianshe",),
        tags=("财联社新闻",),
        language="zh-CN",
        lead_image="https://finance.example/i.png",
        media=(Media(kind="picture", url="https://finance.example/i.png"),),
        body_html=(
            '<p>一<img src="https://finance.example/i.png"></p>\n'
            "<p>原文链接：https://o.example/1</p>"
        ),
        text=text,
        content_hash=content_hash("题目", text),
        parser="finews",
        parser_version="3",
        provenance=found.provenance,
        original_url="https://o.example/1",
    )


def test_every_field_has_a_provenance() -> None:
    # The first two are found with published_at; a full text needs no reason.
    without = {"published_on", "published_timezone", "completeness", "provenance"}
    names = {field.name for field in fields(Article)} - without

    assert set(article().provenance) == names
    assert all(article().provenance.values())


def test_absent_value_has_a_reason() -> None:
    found = article(
        body="<p>一</p>", published=unknown_time("", "listing:showtime: there is no date")
    )

    assert (found.publisher, found.lead_image, found.original_url) == (None, None, None)
    assert (found.published_at, found.published_raw, found.updated_at) == (None, "", None)
    assert (found.authors, found.categories, found.tags, found.language) == ((), (), (), None)
    for name in (
        "publisher", "lead_image", "original_url", "published_at", "updated_at", "authors",
        "categories", "tags", "language",
    ):  # fmt: skip
        assert found.provenance[name].startswith("absent: "), name


def test_value_of_the_parser_goes_before_that_of_the_body() -> None:
    found = article(
        publisher=Extracted("证券时报·e公司", "listing:from"),
        lead_image=Extracted("https://x.example/lead.png", "meta:og:image"),
        original_url=Extracted("https://x.example/original", "json:source"),
        updated=PUBLISHED,
    )

    assert found.publisher == "证券时报·e公司"
    assert found.lead_image == "https://x.example/lead.png"
    assert found.original_url == "https://x.example/original"
    assert found.updated_at == PUBLISHED.at
    assert found.provenance["publisher"] == "listing:from"


@pytest.mark.parametrize("empty", [None, "", " \u3000"])
def test_empty_value_is_replaced_by_that_of_the_body(empty: str | None) -> None:
    found = article(publisher=Extracted(empty, "absent: the listing names no medium"))

    assert (found.publisher, found.provenance["publisher"]) == ("财联社", "body: credit line")


def test_named_absence_keeps_its_reason() -> None:
    found = article(
        body="<p>一</p>", publisher=Extracted(None, "absent: the listing names no medium")
    )

    assert found.provenance["publisher"] == "absent: the listing names no medium"


def test_empty_list_is_an_absence() -> None:
    assert (
        article(authors=Extracted((), "css:.author")).provenance["authors"].startswith("absent: ")
    )


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"source_article_id": " "}, "no id"),
        ({"title": Extracted("", "listing:title")}, "no title"),
        ({"title": Extracted(None, "absent: no h1")}, "no title"),
        ({"title": Extracted("\u200b\n", "css:h1")}, "no title"),
        ({"body": ""}, "no text"),
        ({"body": "<p>（文章来源：财联社）</p>"}, "no text"),
        (
            {"body": "<p></p>", "title": Extracted("", "x")},
            "no title and no text or media",
        ),
    ],
)
def test_article_without_id_title_or_text_is_incomplete(
    changes: dict[str, Any], missing: str
) -> None:
    with pytest.raises(IncompleteArticle, match=missing) as caught:
        article(**changes)
    assert caught.value.expected == "an id, a title, and a text or media"
    assert caught.value.found.startswith("id ")


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        (" 甲\n 乙\u3000丙 ", "甲 乙 丙"),
        ("A &amp; B &lt;i&gt;", "A & B <i>"),
        ("&amp;amp;", "&amp;"),
        ("std&#123;x&#125;", "std{x}"),
        ("\ufeffbom\x00\x1b", "bom"),
        ('狂奔的龙湖集团"暗伤"曝露？', '狂奔的龙湖集团"暗伤"曝露？'),
    ],
)
def test_title_is_one_line_of_plain_text(raw: str, title: str) -> None:
    assert one_line(raw) == title
    assert article(title=Extracted(raw, "x")).title == title


def test_links_of_the_body_are_resolved_against_the_final_url() -> None:
    page = Page(
        url="http://short.example/1",
        final_url="https://long.example/a/1.html",
        text="",
        fetched_at=PAGE.fetched_at,
    )
    found = compose(
        SOURCE,
        page,
        source_article_id="1",
        url=URL,
        canonical_url=CanonicalUrl(URL),
        title=Extracted("题", "x"),
        body="<p><a href='2.html'>二</a></p>",
        published=PUBLISHED,
    )

    assert 'href="https://long.example/a/2.html"' in found.body_html


SEED_FACTS = {
    "000": (
        "财联社",
        None,
        None,
        "c1:d476f7bb448b64b5d44b904c4b05eb371fcdfeac06728bc67796c9777a52425e",
    ),
    "001": (
        None,
        "https://mp.weixin.qq.com/s/65jeaBncDNg_KY4iajkSSA",
        "https://image.yunyingpai.com/wp/2022/03/BFMEyQAWOCpaW8PUM200.png",
        "c1:440c40cbeef64edc3c60b72608836cc4425cc104ba49c7c431c32b40e6d9f382",
    ),
    "002": (
        None,
        None,
        None,
        "c1:2bd6e91e17adcc4dab1d3da47e4339189e671ccf4155d237844485e3ee42eff9",
    ),
    "003": (
        "中国日报网",
        None,
        None,
        "c1:b6f6289dca27e12821eae7d6b2d49c7d9d7c4cdf7bebdaf4f5d7bd54c4163eba",
    ),
    "004": (
        "光明网",
        None,
        "https://dfscdn.dfcfw.com/download/D24630834134115304014_w404h931.jpg",
        "c1:5a22a74e26a715e6501e5b74cd22eb925542498f2aa5e06b7b215b48fd6e30fb",
    ),
}


@pytest.mark.parametrize("number", SEED_FACTS)
def test_seed_becomes_its_article(number: str) -> None:
    publisher, original_url, lead_image, value = SEED_FACTS[number]
    title, body = seed(number)
    found = article(title=Extracted(title, "front matter"), body=body)

    assert (found.publisher, found.original_url) == (publisher, original_url)
    assert found.lead_image == lead_image
    assert found.content_hash == value
    assert "文章来源" not in found.text
    assert "责任编辑" not in found.text
    assert "quote.eastmoney.com" not in found.body_html
    assert "webquoteklinepic" not in found.body_html


def seed(number: str) -> tuple[str, str]:
    (path,) = SEEDS.glob(f"{number}_*")
    _, head, rest = path.read_text(encoding="utf-8").split("---\n", 2)
    title = next(line for line in head.splitlines() if line.startswith("title:"))
    return title[len("title: ") :].strip("'\""), rest.partition("\n\n<http")[0]
