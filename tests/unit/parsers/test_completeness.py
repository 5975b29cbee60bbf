"""Completeness: teasers of paywalls, cut texts and summaries are marked with the reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from parsers import registry
from parsers.model import Article, Entry, Listing, Page

URL = "https://gazette.example/2026/ferry"
FEED = "https://gazette.example/feed.xml"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TEASER = "The ferry came back to the harbour on Monday after nine weeks of repair, its owner said."
CHINESE = "渡口管理处周四宣布，停航三周的港口航线从今天早上起恢复运行，首班船载着四十名乘客。"
OFFER = "Subscribe now for 1 crown a month and read everything that we publish."
LONG = "\n\n".join(f"{number}: {TEASER} {TEASER}" for number in range(16))


def paragraphs(text: str) -> str:
    return "".join(f"<p>{part}</p>" for part in text.split("\n\n"))


def read(body: str, *, head: str = "", **declared: object) -> Article:
    node = {"@type": "NewsArticle", "headline": "Ferry returns", **declared}
    html = (
        f"<html><head><title>Ferry returns | Gazette</title>{head}"
        f'<script type="application/ld+json">{json.dumps(node)}</script></head>'
        f"<body><main><article><h1>Ferry returns</h1>{body}</article></main></body></html>"
    )
    source = registry.make_source("gazette", "generic", {})
    return registry.parse(source, Page(url=URL, text=html, fetched_at=NOON))


def item(text: str, *, element: str = "description", full_text: bool = False) -> Article:
    options = {"url": FEED, "full_text": full_text}
    source = registry.make_source("gazette", "feed", options)
    feed = (
        "<rss version='2.0' xmlns:content='http://purl.org/rss/1.0/modules/content/'><channel>"
        "<title>Gazette</title><link>https://gazette.example/</link><item><title>Ferry</title>"
        f"<link>https://gazette.example/</link><{element}><![CDATA[{paragraphs(text)}]]></{element}>"
        "</item></channel></rss>"
    )
    page = Page(url=FEED, text=feed, fetched_at=NOON)
    (entry,) = registry.entries(source, Listing(channel="feed", url=FEED), page)
    assert isinstance(entry, Entry)
    return registry.parse(source, Page(url=FEED, text=feed, fetched_at=NOON, entry=entry))


@pytest.mark.parametrize("value", [False, "False", "false", "http://schema.org/False"])
def test_declared_paywall_with_a_short_text_is_a_teaser(value: object):
    article = read(paragraphs(TEASER), isAccessibleForFree=value)

    assert article.completeness == "teaser"
    assert "isAccessibleForFree" in article.provenance["completeness"]


def test_part_that_is_declared_to_be_behind_a_paywall_counts():
    part = {"@type": "WebPageElement", "isAccessibleForFree": "False", "cssSelector": ".wall"}

    assert read(paragraphs(TEASER), hasPart=[part]).completeness == "teaser"


def test_web_page_and_its_parts_declare_a_paywall():
    part = {"@id": "#wall", "@type": "WebPageElement", "isAccessibleForFree": "False"}
    for declared in (
        [{"@type": "WebPage", "isAccessibleForFree": False}],
        [{"@type": "WebPage", "hasPart": [{"@id": "#wall"}]}, part],
    ):
        script = json.dumps({"@graph": declared})
        head = f'<script type="application/ld+json">{script}</script>'
        assert read(paragraphs(TEASER), head=head).completeness == "teaser"


@pytest.mark.parametrize("tier", ["locked", "metered", "premium"])
def test_content_tier_declares_a_paywall(tier: str):
    head = f'<meta property="article:content_tier" content="{tier}">'

    assert read(paragraphs(TEASER), head=head).completeness == "teaser"


@pytest.mark.parametrize(
    "declared",
    [{}, {"isAccessibleForFree": True}, {"isAccessibleForFree": "True"}, {"hasPart": "x"}],
)
def test_article_without_a_paywall_is_full(declared: dict[str, object]):
    article = read(paragraphs(TEASER), **declared)

    assert (article.completeness, "completeness" in article.provenance) == ("full", False)


def test_words_that_sell_the_article_are_not_in_its_text():
    wall = (
        f"<div class='wall'><h2>Subscribe to read on</h2><p>{OFFER}</p><button>Yes</button></div>"
    )
    part = {"isAccessibleForFree": False, "cssSelector": ".wall"}
    article = read(paragraphs(TEASER) + wall, isAccessibleForFree=False, hasPart=part)

    assert (article.text, article.completeness) == (TEASER, "teaser")


def test_text_behind_the_paywall_that_the_page_delivers_is_full():
    wall = f"<div class='wall'>{paragraphs(LONG)}</div>"
    part = {"isAccessibleForFree": False, "cssSelector": ".wall"}
    article = read(paragraphs(TEASER) + wall, isAccessibleForFree=False, hasPart=part)

    assert article.completeness == "full"
    assert "isAccessibleForFree" in article.provenance["completeness"]


@pytest.mark.parametrize(
    ("count", "kind"), [(520, "full"), (1000, "partial"), (4000, "teaser"), ("4000", "teaser")]
)
def test_declared_number_of_words_decides(count: object, kind: str):
    article = read(paragraphs(LONG), isAccessibleForFree=False, wordCount=count)

    assert article.completeness == kind


@pytest.mark.parametrize(
    "offer",
    [
        "Subscribe to continue reading this article.",
        "This article is only for subscribers of the Gazette.",
        "Jetzt abonnieren und alles von uns lesen.",
        "La suite est réservée aux abonnés.",
        "To read the rest of this story, become a member today.",
        "本文为付费内容，订阅后阅读全文。",
        "余下60%内容仅付费用户可见。",
    ],
)
def test_text_that_ends_with_an_offer_is_a_teaser(offer: str):
    text = CHINESE if offer[0] in "本余" else TEASER

    assert item(f"{text}\n\n{text}\n\n{offer}", element="content:encoded").completeness == "teaser"


@pytest.mark.parametrize(
    "last",
    [
        "More than half of the papers ask readers to subscribe to read on after five stories.",
        "开通会员后可阅读全文的模式最受欢迎，分析师预计明年还会增长。",
        "管理处说，用户登录后可查看记录，订单也会保存。",
    ],
)
def test_last_sentence_about_subscriptions_is_no_offer(last: str):
    text = CHINESE if last[0] in "开管" else TEASER

    assert read(paragraphs(f"{text}\n\n{text}\n\n{last}")).completeness == "full"


@pytest.mark.parametrize(
    "behind",
    [
        "<div class='promo'><p>剩余80%内容，订阅后可阅读全文</p></div>",
        "<p>Jetzt abonnieren und weiterlesen</p><p>Sie haben ein Abo? Bitte anmelden.</p>",
    ],
)
def test_offer_behind_a_short_text_makes_it_a_teaser(behind: str):
    assert read(f"<div>{paragraphs(TEASER)}{behind}</div>").completeness == "teaser"


@pytest.mark.parametrize(
    ("text", "element", "kind"),
    [
        (LONG, "content:encoded", "full"),
        (LONG, "description", "full"),
        (TEASER, "content:encoded", "full"),
        (TEASER, "description", "teaser"),
        (CHINESE, "description", "teaser"),
        (f"{LONG} [&#8230;]", "content:encoded", "partial"),
        (f"{LONG}\n\nContinue reading", "description", "teaser"),
        (f"{CHINESE}\n\n阅读全文", "content:encoded", "partial"),
    ],
)
def test_text_of_a_feed_is_full_unless_it_is_short_or_cut(text: str, element: str, kind: str):
    article = item(text, element=element)

    assert article.completeness == kind
    assert ("completeness" in article.provenance) == (kind != "full")


def test_text_of_the_feed_in_place_of_a_page_is_a_part():
    assert item(LONG, full_text=True).completeness == "partial"
