"""The stories: every anomaly is there and served, editions move on, the oracle is true."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from bs4 import BeautifulSoup
from bs4.element import Comment
from lxml import etree

from tests.site import anomalies, comparable_text, oracle
from tests.site.editions import CHANNELS, listed
from tests.site.router import represent
from tests.site.seed_posts import seed_posts
from tests.site.stories import PUBLICATIONS, stories
from tests.site.stories import _story as story_of

ROLLING = "/web/webapi?type=102&count=100&newsid=1"
MEDIA = "/web/webapi?type=45&count=100&newsid=1"
FEED = "/woshipm/latest"
OFWEEK = "/ofweek/news"


def body(path, edition=1):
    return represent(path, edition).answer.body.decode("utf-8")


def market(number):
    return f"/newmarket/web/webapi?marketType={number}&count=100"


def text_of(number):
    return f"/NewsData/GetNewsText.do?id=NW{number}"


def titles(path, edition=1):
    [lines] = json.loads(body(path, edition)).values()
    return [line["title"] for line in lines]


# Each anomaly, the page that shows it, and a regular expression for it.
SEEN = {
    # 1.7: finews
    "ascii-quotes": (ROLLING, r'云杉生物三代疫苗\\"冻干\\"工艺获批'),
    "backslash": (MEDIA, r"目录 C:\\\\Users\\\\x 里"),
    "colon": (MEDIA, r"观察 #7: 充电桩"),
    "hash": (MEDIA, r'"title": "观察 #7'),
    "braces": (MEDIA, r"\{\{ 重复建设 \}\}"),
    "leading-dash": (ROLLING, r'"title": "- 早盘快讯 -"'),
    "emoji": (ROLLING, r'"title": "🚀 '),
    "both-quotes": (MEDIA, r"""专家称\\"碳账户\\"不是'成绩单'"""),
    "yaml-word": (MEDIA, r'(?s)"title": "null".*"title": "yes"'),
    "percent": (ROLLING, r'"title": "[^"]*37\.5%'),
    "slash-in-title": (ROLLING, r"71\.32美元/桶"),
    "newline-in-title": (market(37), r"涨2\.36%\\n成交额?"),
    "entity-in-title": (ROLLING, r"研发&amp;制造"),
    "title-ends-with-stop": (ROLLING, r'"title": "[^"]*。"'),
    "title-is-body": (
        text_of("202203112304110002"),
        r"青岚科技：一季度新签订单同比增长37\.5%。</p>",
    ),
    "digest-is-title": (ROLLING, r'"title": "([^"]+)", "digest": "\1"'),
    "digest-with-medium": (ROLLING, r'"digest": "[^"]*（示例证券报）"'),
    "digest-with-bracket": (ROLLING, r'"digest": "【[^"]*】[^"]*【能效标杆】'),
    "one-sentence": (text_of("202203152309110011"), r'text": "<p>[^。]{20,60}。</p>'),
    "very-long": (text_of("202203062298110302"), r"(?s).{48000}"),
    "empty-title-and-date": (ROLLING, r'"title": "", .*"url_w": "", "showtime": ""'),
    "empty-id": (MEDIA, r'"infocode": ""'),
    "empty-text": (text_of("202203142308110403"), r'\{"text": "", "content": ""\}'),
    "spans-in-credit": (text_of("202203142307110006"), r"文章来源：示例<span id=.*</span>报）"),
    "escaped-lt": (text_of("202203142308110008"), r"《&lt;临川议定书&gt;修正案》"),
    "table": (text_of("202202092273110202"), r"<table .*<td>31\.20</td>"),
    "list": (text_of("202203082300110303"), r"<ul><li>.*<ol><li>"),
    "emphasis": (text_of("202203092302110203"), r"<strong>.*<em>"),
    "chart": (text_of("202203092302110203"), r"<!-- EM_StockImg_Start -->.*EmImageRemark"),
    "spacer": (text_of("202203092302110203"), r"display:none;height:1px"),
    "hidden-text": (
        text_of("202203152309110404"),
        r'<p style=\\"display:none;\\">（图表加载中）</p>',
    ),
    "raw-ampersand": (text_of("202203092302110203"), r"&imageType=k&token="),
    "keyword-spans": (text_of("202203092302110203"), r"stock_0\..*em_stock_key_common"),
    "centered-image": (text_of("202203152309110404"), r"<center><img .*/></center>"),
    "no-break-between-paragraphs": (text_of("202204202350197824"), r"</p><p>"),
    "original-title": ("/a/202203152309110404.html", r"原标题：午评：消费板块领涨"),
    "older-page": ("/a/202203132306110304.html", r'<div class="b-review">'),
    "medium-space": (MEDIA, r'"from": "Career In投行PEVC"'),
    "medium-two-spaces": (MEDIA, r'"from": "21世纪经济报道  南财快评"'),
    "medium-parentheses": (MEDIA, r'"from": "安信国际证券\(香港\)"'),
    "medium-middle-dot": (MEDIA, r'"from": "证券时报·e公司"'),
    "medium-nothing": (MEDIA, r'"from": ""'),
    "medium-case-twin": (MEDIA, r'(?s)"from": "Techweb".*"from": "TechWeb"'),
    "medium-near-twin": (MEDIA, r'(?s)"from": "35氪".*"from": "36氪"'),
    "medium-disagrees": (text_of("202203102303110204"), r"文章来源：示例晚报"),
    # 2.3: dates
    "invalid-date": (FEED, r"<pubDate>Invalid Date</pubDate>"),
    "date-without-time": (FEED, r"<pubDate>Fri, 18 Apr 2014</pubDate>"),
    "no-pubdate": (OFWEEK, r"</description>\s*<guid"),
    # 2.4: titles
    "file-name-letters": (FEED, r"Win11/Win10\*设计语言\?对比<上>"),
    "fullwidth-bar": (FEED, r"B端交互｜如何"),
    "curly-quotes": (OFWEEK, r"“光配方”"),
    "brackets": (FEED, r"<!\[CDATA\[【长标题实验】"),
    "parentheses-in-title": (FEED, r":modal 和 :has\(\) 伪类"),
    "title-cut": (FEED, r"<title><!\[CDATA\[【长标题实验】[^\]]*\.\.\.\]\]>"),
    # 2.5: bodies
    "empty-attributes": (FEED, r"alt onclick|alt referrerpolicy"),
    "lazy-image": (FEED, r'src="[^"]*placeholder\.gif" data-original='),
    "img-box": (FEED, r'<div class="img_box"><img data-original="[^"]*" src='),
    "proxied-image": (FEED, r'src="https://cors\.zfour\.workers\.dev/\?http://'),
    "tracker": (FEED, r'width="1" height="1"'),
    "style-in-body": (FEED, r"<style>\.markdown-body\{"),
    "broken-markup": (FEED, r"<input>.*<link>"),
    "bare-text": (FEED, r"<!\[CDATA\[<br>这篇文章没有任何段落标签"),
    "leading-br": (FEED, r"<description><!\[CDATA\[<br>"),
    "deep-spans": (FEED, r"(<span>){20}"),
    "runs-of-spaces": (FEED, r"页面体积 {6}减少"),
    "newline-in-word": (FEED, r"适用于\nLinux与移动\n端"),
    "code-with-braces": (FEED, r"(?s)<pre><code>rules: \{.*&#123;&#123;"),
    "relative-link": ("/marketing/5364555.html", r'href="/pd/5364101\.html"'),
    "fullwidth-digits": (OFWEEK, r"7．8万台，同比增长108％"),
    "editor-line": (OFWEEK, r"（责任编辑：示例 ）"),
}

# Shown by tests of their own, here and in test_surfaces.py.
ELSEWHERE = {
    *("beyond-gb2312", "lying-charset", "no-charset", "several-pages", "seed"),
    *("twin-id", "same-digits", "two-lists", "rewritten", "corrected-title"),
}


@pytest.mark.parametrize("name", SEEN)
def test_anomaly_is_served(name):
    path, pattern = SEEN[name]

    assert re.search(pattern, body(path)), f"{name}: {pattern} not in {path}"


def test_checklist_and_stories_name_the_same_anomalies():
    assert set(anomalies()) == set(SEEN) | ELSEWHERE


def test_at_least_sixty_stories_are_synthetic_and_small():
    every = [story for name in PUBLICATIONS for story in stories(name) if "seed" not in story.shows]
    small = [story for story in every if len("".join(story.paragraphs()) + story.html) < 1200]

    assert len(small) >= 60
    assert len({(name, s.id) for name in PUBLICATIONS for s in stories(name)}) == len(every) + 5


def test_every_channel_lists_stories_in_every_edition():
    for edition in (1, 2, 3):
        for publication, channels in CHANNELS.items():
            for channel in channels:
                found = listed(publication, channel, edition)
                assert len(found) >= 5
                assert len({story.at for story in found}) > 1


def test_unknown_field_of_a_story_is_an_error_that_names_it():
    table = {"id": "1", "at": datetime(2022, 1, 1), "title": "x", "colour": "red"}  # noqa: DTZ001

    with pytest.raises(ValueError, match=r"finews\.toml: story '1': .*'colour'"):
        story_of("finews", table)


# --- twins -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("202203122305110004", "NW202203122305990104"),
        ("202203132306110005", "NW202203132306110005"),
    ],
)
def test_twin_ids_have_one_content(one, other):
    expected = oracle(1).of("finews", "api")

    assert expected[one].title == expected[other].title
    assert comparable_text(expected[one].text) == comparable_text(expected[other].text)
    assert set(expected[one].channels).isdisjoint(expected[other].channels)


def test_one_id_is_in_two_lists():
    expected = oracle(1).of("finews", "api")

    assert expected["NW202203102303110204"].channels == ("market-37", "market-38")


# --- editions --------------------------------------------------------------------------


def test_second_edition_repairs_the_empty_line():
    assert "" in titles(ROLLING, 1)
    assert "" not in titles(ROLLING, 2)
    assert "远澜重工下线首台氢燃料装载机" in titles(ROLLING, 2)
    assert body(text_of("202203142307110006"), 1) == body(text_of("202203142307110006"), 2)


def test_second_edition_corrects_a_title_and_rewrites_a_body():
    assert "云杉生物去年净利润下滑12%" in titles(MEDIA, 1)
    assert "云杉生物去年净利润增长12%" in titles(MEDIA, 2)
    assert "1830万吨" in body(text_of("202203142308110113"), 1)
    assert "1803万吨" in body(text_of("202203142308110113"), 2)


@pytest.mark.parametrize("path", [ROLLING, MEDIA, market(37), market(39)])
def test_second_edition_puts_new_lines_on_top_and_drops_the_oldest(path):
    before, after = ([line for line in titles(path, edition) if line] for edition in (1, 2))
    new = [title for title in after if title not in before and "远澜重工下线" not in title]

    assert len(titles(path, 1)) == len(titles(path, 2))
    assert after[0] in new or "净利润" in after[0] or path == market(39)
    assert before[-1] not in after


def test_third_edition_leaves_a_gap_in_one_list():
    before, after = titles(market(38), 2), titles(market(38), 3)

    assert set(before).isdisjoint(after)
    assert {(channel, len(number)) for _, channel, number in oracle(3).missed} == {
        ("market-38", 18)
    }
    assert oracle(2).missed == ()


def test_page_that_left_the_list_is_still_there():
    oldest = listed("finews", "media", 1)[-1]

    assert oldest.id not in {story.id for story in listed("finews", "media", 2)}
    assert represent(text_of(oldest.id), 2).answer.status == 200


# --- oracle -----------------------------------------------------------------------------


def test_oracle_names_what_cannot_be_used():
    assert oracle(1).unusable == (
        ("finews", "emnews", "202203142307110006"),
        ("finews", "media", "（此条无编号）示例快讯"),
        ("finews", "market-39", "202203142308110403"),
    )
    assert oracle(2).unusable == (("finews", "media", "（此条无编号）示例快讯"),)


def test_oracle_counts_revisions():
    assert {
        expected.source_article_id: expected.revisions
        for expected in oracle(2).articles
        if expected.revisions > 1
    } == {
        "NW202203142308110113": 2,
        "NW202203142308110114": 2,
        "5365333": 2,
        "30501180": 2,
    }
    assert all(expected.revisions == 1 for expected in oracle(1).articles)


@pytest.mark.parametrize(
    ("publication", "via", "number", "published_at", "precision"),
    [
        ("finews", "api", "NW202203142308441556", datetime(2022, 3, 14, 12, 43, 16, tzinfo=UTC), "second"),
        ("woshipm", "feed", "5365424", datetime(2022, 3, 22, 16, 0, tzinfo=UTC), "day"),
        ("woshipm", "direct", "5365424", datetime(2022, 3, 22, 16, 0, tzinfo=UTC), "day"),
        ("woshipm", "feed", "83201", datetime(2014, 4, 17, 16, 0, tzinfo=UTC), "day"),
        ("woshipm", "feed", "5364490", None, "unknown"),
        ("ofweek", "feed", "30501216", datetime(2021, 5, 28, 7, 45, tzinfo=UTC), "second"),
        ("ofweek", "direct", "30501216", datetime(2021, 5, 28, 7, 45, tzinfo=UTC), "minute"),
        ("ofweek", "feed", "30500903", None, "unknown"),
        ("ofweek", "direct", "30500903", datetime(2021, 5, 23, 3, 20, tzinfo=UTC), "minute"),
    ],
)  # fmt: skip
def test_oracle_knows_times_and_their_precision(publication, via, number, published_at, precision):
    expected = oracle(1).of(publication, via)[number]

    assert (expected.published_at, expected.precision) == (published_at, precision)


def visible(html):
    """The words of markup by another reader than the test site's own."""
    html = re.sub(
        r"<!-- EM_StockImg_Start -->.*?<!-- EM_StockImg_End -->", "", html, flags=re.DOTALL
    )
    soup = BeautifulSoup(html, "lxml")
    for node in soup.select("style, script, p[style*='display:none'], .support-author"):
        node.decompose()
    for node in soup.find_all(["p", "li", "td", "th", "h2", "div", "br"]):
        node.insert_before("\n")
        node.insert_after("\n")
    return "".join(
        text if text == "\n" else text.replace("\n", " ")
        for text in soup.find_all(string=True)
        if not isinstance(text, Comment)
    )


@pytest.mark.parametrize("edition", [1, 2, 3])
def test_oracle_of_finews_is_what_the_api_serves(edition):
    for number, expected in oracle(edition).of("finews", "api").items():
        served = json.loads(body(text_of(number.removeprefix("NW")), edition))["text"]
        if expected.is_listed:
            assert expected.differs_from(expected.title, visible(served)) == "", number


@pytest.mark.parametrize("publication", ["woshipm", "ofweek"])
def test_oracle_of_a_feed_is_what_the_feed_serves(publication):
    path = {"woshipm": FEED, "ofweek": OFWEEK}[publication]
    items = [
        (item.findtext("title"), item.findtext("description"), item.findtext("link"))
        for item in etree.fromstring(body(path).encode()).iter("item")
    ]
    expected = oracle(1).of(publication, "feed")

    assert len(items) == len(expected)
    for title, html, link in items:
        number = re.findall(r"\d+", link)[-1]
        assert expected[number].differs_from(title, visible(html)) == "", number


def test_difference_is_reported():
    expected = oracle(1).of("finews", "api")["202203112304110002"]

    assert expected.differs_from("x", expected.text).startswith("title: expected '青岚科技")
    assert "同比下降" in expected.differs_from(
        expected.title, expected.text.replace("增长", "下降")
    )
    assert expected.differs_from(expected.title, expected.text + "\n\n（文章来源：示例）") == ""
    assert expected.differs_from(expected.title, expected.text + "\n\n多余") != ""


def test_words_of_every_seed_are_in_the_oracle():
    expected = {
        one.source_article_id: one for one in oracle(1).articles if one.via in {"api", "feed"}
    }
    places = {
        "000": "NW202203142308441556",
        "001": "5365424",
        "002": "30501216",
        "003": "NW202202242288329527",
        "004": "NW202204202350197824",
    }

    for seed, number in places.items():
        assert (
            expected[number].differs_from(expected[number].title, visible(seed_posts()[seed].html))
            == ""
        )
