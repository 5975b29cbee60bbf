"""Every address of every source answers with the shape of the real site."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from lxml import etree

from tests.corpus import SEEDS, needs_seeds
from tests.site import oracle
from tests.site.rsshub import cut_title
from tests.site.seed_posts import seed_posts

BUNDLED_SEEDS = Path(__file__).parents[3] / "tests" / "site" / "seeds"
SHOWTIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")

LISTS = [
    pytest.param(
        "/web/webapi?type=102&count=100&newsid=1",
        "records",
        {"id", "infoCode", "title", "digest", "url_w", "showtime"},
        id="emnews",
    ),
    pytest.param(
        "/web/webapi?type=45&count=100&newsid=1",
        "nodeList",
        {"infocode", "title", "from", "showtime", "simtitle", "simdigest"},
        id="media",
    ),
    *(
        pytest.param(
            f"/newmarket/web/webapi?marketType={number}&count=100",
            "record",
            {"infoCode", "title", "medianame", "datetime"},
            id=f"market-{number}",
        )
        for number in (37, 38, 39)
    ),
]


def rss(get, path):
    answer = get(path)
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    return etree.fromstring(answer.content)


def gbk_page(get, path):
    return BeautifulSoup(get(path).content.decode("gbk"), "lxml")


@pytest.mark.parametrize(("path", "lines", "keys"), LISTS)
def test_finews_list_uses_its_own_spelling(get, path, lines, keys):
    answer = get(path)

    document = answer.json()
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert list(document) == [lines]
    assert {frozenset(line) for line in document[lines]} == {frozenset(keys)}


@pytest.mark.parametrize(("path", "lines", "keys"), LISTS)
def test_finews_list_is_newest_first_and_honours_count(get, path, lines, keys):
    every = get(path).json()[lines]
    times = [line.get("showtime", line.get("datetime")) for line in every]
    known = [time for time in times if time]

    assert known == sorted(known, reverse=True)
    assert all(SHOWTIME.fullmatch(time) for time in known)
    assert get(path.replace("count=100", "count=3")).json()[lines] == every[:3]


@pytest.mark.parametrize(("path", "lines", "keys"), LISTS)
def test_every_listed_article_has_a_text_and_a_page(get, path, lines, keys):
    codes = [line.get("infoCode", line.get("infocode")) for line in get(path).json()[lines]]

    for code in filter(None, codes):
        assert set(get(f"/NewsData/GetNewsText.do?id={code}").json()) == {"text", "content"}
        assert get(f"/a/{code.removeprefix('NW')}.html").status_code == 200


def test_rolling_news_has_the_real_address_and_a_digest(get):
    [line] = [
        line
        for line in get("/web/webapi?type=102&count=100&newsid=1").json()["records"]
        if line["id"] == "202203112304110003"
    ]

    assert line["infoCode"] == "NW202203112304110003"
    assert line["url_w"] == "http://finance.eastmoney.com/news/1344,202203112304110003.html"
    assert line["digest"].startswith("【国际油价小幅回落 报71.32美元/桶】")
    assert line["digest"].endswith("（示例财经）")


@pytest.mark.parametrize(
    ("seed", "code"),
    [
        ("000", "NW202203142308441556"),
        ("003", "NW202202242288329527"),
        ("004", "NW202204202350197824"),
    ],
)
def test_news_text_is_the_markup_of_the_seed(get, seed, code):
    answer = get(f"/NewsData/GetNewsText.do?id={code}").json()

    assert answer == {"text": seed_posts()[seed].html, "content": seed_posts()[seed].html}
    assert answer["text"].startswith("<p")
    assert answer["text"].endswith("）</p>")


def test_share_page_is_one_shell_for_all(get):
    one, other = (
        get(f"/html_News/NewsShare.html?infoCode=NW{number}")
        for number in ("202203142308441556", "202202242288329527")
    )

    assert one.content == other.content
    assert one.headers["Content-Type"] == "text/html"
    assert b"GetNewsText.do" in one.content


def test_current_article_page_has_its_fields_and_its_noise(get):
    page = BeautifulSoup(get("/a/202203142308441556.html").text, "lxml")

    assert page.title.string.endswith("互联网巨头卡位布局碳中和_东方财富网")
    assert page.select_one("div.contentwrap > div.title").text.startswith("电商、社交、搜索")
    assert [item.text for item in page.select("div.infos > div.item")][:2] == [
        "2022年03月14日 20:43",
        "来源：财联社",
    ]
    body = page.select_one("div#ContentBody.txtinfos")
    noise = ("div.ad_context3", "a.toplink", "p.em_media", "p.res-edit")
    assert all(body.select(selector) for selector in noise)
    assert "郑重声明" in body.text
    assert "打开微信" in body.text
    assert page.select_one("img.em_handle_adv_close")


@pytest.mark.parametrize(
    "path", ["/a/202203072299110402.html", "/news/1345,202203142308441556.html"]
)
def test_older_article_page_has_the_older_shape(get, path):
    page = BeautifulSoup(get(path).text, "lxml")

    assert page.select_one("div.newsContent h1").text
    assert re.fullmatch(r"\d{4}年\d\d月\d\d日 \d\d:\d\d", page.select_one("div.time").text)
    assert page.select_one("div.source").text.startswith("来源：")
    assert page.select_one("div.b-review").text.startswith("摘要：")
    assert page.select_one("div.Body").text.strip()


def test_feed_is_as_rsshub_writes_it(get):
    answer = get("/woshipm/latest")
    channel = rss(get, "/woshipm/latest").find("channel")

    assert channel.findtext("generator") == "RSSHub"
    assert channel.findtext("ttl") == "5"
    assert channel.findtext("language") == "zh-cn"
    assert channel.findtext("title") == "最新文章 - 人人都是产品经理"
    assert answer.text.count("<title><![CDATA[") == len(channel.findall("item")) + 1
    assert {item.find("guid").get("isPermaLink") for item in channel.findall("item")} == {"false"}
    assert {item.findtext("link").split("/")[2] for item in channel.findall("item")} == {
        "www.woshipm.com"
    }


@pytest.mark.parametrize("path", ["/woshipm/latest", "/ofweek/news"])
def test_every_image_of_a_feed_carries_the_referrer_policy(get, path):
    images = [
        image
        for item in rss(get, path).iter("item")
        for image in BeautifulSoup(item.findtext("description"), "lxml").find_all("img")
    ]

    assert images
    assert {image.get("referrerpolicy") for image in images} == {"no-referrer"}


def test_feed_dates_are_utc_strings_where_the_source_has_a_date(get):
    items = list(rss(get, "/ofweek/news").iter("item"))
    raw = [item.findtext("pubDate") for item in items]

    assert raw.count(None) == 1
    assert raw.count("Invalid Date") == 1
    read = [parsedate_to_datetime(text) for text in raw if text not in {None, "Invalid Date"}]
    assert len(read) == len(items) - 2
    assert all(moment.utcoffset() is not None for moment in read)


def test_seed_001_is_in_the_feed_as_its_post_has_it(get):
    [item] = [
        item
        for item in rss(get, "/woshipm/latest").iter("item")
        if item.findtext("link") == "https://www.woshipm.com/it/5365424.html"
    ]

    assert item.findtext("title") == "互联网巨头逐鹿“碳中和”"
    assert item.findtext("pubDate") == "Wed, 23 Mar 2022 00:00:00 GMT"
    assert item.findtext("description") == seed_posts()["001"].html


def test_seed_002_is_in_the_feed_as_its_post_has_it(get):
    link = "https://ecep.ofweek.com/2021-05/ART-93000-8420-30501216.html"
    [item] = [
        item for item in rss(get, "/ofweek/news").iter("item") if item.findtext("link") == link
    ]

    assert item.findtext("pubDate") == "Fri, 28 May 2021 07:45:00 GMT"
    assert item.findtext("description") == seed_posts()["002"].html


@pytest.mark.parametrize("name", ["001_64e50cf930443933", "002_7d3fff29688f6e98"])
def test_hexo_seed_is_its_description_in_the_generators_frame(name):
    post = (BUNDLED_SEEDS / f"{name}.txt").read_text("utf-8")

    assert post.endswith(f"---\n\n<div>   \n{seed_posts()[name[:3]].html}  \n</div>\n" + " " * 12)


@pytest.mark.parametrize(("seed", "publication"), [("001", "woshipm"), ("002", "ofweek")])
def test_true_title_gives_the_stored_one_by_the_generators_rule(seed, publication):
    ids = {"001": "5365424", "002": "30501216"}
    title = oracle(1).of(publication, "feed")[ids[seed]].title

    assert re.sub(r"[:/\\?*“”<>|\[\]]", "_", title) == seed_posts()[seed].title


def test_stream_has_three_pages_and_links_to_the_test_site(get, shared):
    payloads = [
        get(f"/__api/v1/stream-list{page}").json()["payload"]
        for page in ("", "/page/2", "/page/3", "/page/4")
    ]

    lines = [line for payload in payloads for line in payload]
    assert [bool(payload) for payload in payloads] == [True, True, True, False]
    assert len({line["id"] for line in lines}) == len(lines) == 16
    assert {"id", "title", "snipper", "permalink", "date", "author"} <= set(lines[0])
    assert all(line["permalink"].startswith(shared.url + "/") for line in lines)
    assert lines[0]["date"] == "2022/03/23"


@pytest.mark.parametrize("number", ["", "/page/2", "/page/3"])
def test_stream_leads_to_article_pages(get, number):
    lines = get(f"/__api/v1/stream-list{number}").json()["payload"]

    for line in lines:
        page = BeautifulSoup(get("/" + line["permalink"].split("/", 3)[3]).text, "lxml")
        assert page.select_one(".article--title").text == line["title"]
        assert page.select_one(".article--content .support-author")
        assert page.select_one("link[rel=canonical]")["href"].startswith("https://www.woshipm.com/")


def test_direct_page_of_seed_001_has_no_rsshub_attributes(get):
    html = get("/it/5365424.html").text

    assert "referrerpolicy" not in html
    assert "DQqjGVCeBdK2UzW229RQ.png" in html


def test_ofweek_list_is_gbk_and_leads_to_gbk_pages(get):
    answer = get("/CATList-8100-CHANGYIEXINWE.html")
    links = gbk_page(get, "/CATList-8100-CHANGYIEXINWE.html").select(
        "div.list-left div.con-details h3 > a"
    )

    assert answer.headers["Content-Type"] == "text/html; charset=gbk"
    assert len(links) == 11
    for link in links:
        assert get(link["href"]).status_code == 200


def test_ofweek_article_has_title_time_source_and_text(get):
    page = gbk_page(get, "/2021-05/ART-93000-8420-30501216.html")
    artical = page.select_one("div.artical")

    assert artical.select_one("h1").text.startswith("碳中和")
    assert artical.select_one("div.time.fl").text == "2021-05-28 15:45"
    assert artical.select_one("div.source-name").text == "OFweek环保网"
    seed = BeautifulSoup(seed_posts()["002"].html, "lxml")
    assert artical.select_one("#articleC").text.strip() == seed.text.strip()


def test_ofweek_article_has_three_pages(get):
    path = "/2021-05/ART-260009-8420-30500850.html"
    seen = []
    while path:
        page = gbk_page(get, path)
        seen.append(page.select_one("#articleC").text.strip()[:4])
        assert page.select("div.page")
        following = page.select_one("#nextPage a")
        path = following["href"] if following else ""

    assert seen == ["第一部分", "第二部分", "第三部分"]


@pytest.mark.parametrize(
    ("path", "content_type", "encoding"),
    [
        ("/2021-05/ART-8420-2801-30500931.html", "text/html", "gbk"),
        ("/news/2021-05/ART-8420-8110-30500960.html", "text/html; charset=gb2312", "gbk"),
        ("/news/2021-05/ART-8420-8110-30500988.html", "text/html; charset=gb2312", "utf-8"),
        ("/2021-05/ART-93000-8420-30501216.html", "text/html; charset=gbk", "gbk"),
    ],
)
def test_charset_labels_are_as_unreliable_as_in_the_wild(get, path, content_type, encoding):
    answer = get(path)

    assert answer.headers["Content-Type"] == content_type
    assert "示例" in answer.content.decode(encoding) or "OFweek环保网" in answer.content.decode(
        encoding
    )


def test_text_labelled_gb2312_needs_gbk(get):
    body = get("/news/2021-05/ART-8420-8110-30500960.html").content

    with pytest.raises(UnicodeDecodeError):
        body.decode("gb2312")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/web/webapi?type=7",
        "/newmarket/web/webapi?marketType=40",
        "/NewsData/GetNewsText.do?id=NW000000000000000000",
        "/NewsData/GetNewsText.do",
        "/a/000000000000000000.html",
        "/pd/5365424.html",  # another type than the article's
        "/2021-05/ART-260009-8420-30500850_4.html",
        "/it/5366001.html",
    ],
)
def test_unknown_address_is_not_found(get, path):
    assert get(path).status_code == 404


def test_robots_allow_the_pages_but_not_the_test_site_own_addresses(get):
    answer = get("/robots.txt")

    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.text == "User-agent: *\nDisallow: /__test_site__/\n"


@pytest.mark.parametrize(
    ("title", "cut"),
    [("字" * 75, "字" * 75), ("字" * 76, "字" * 75 + "..."), ("a" * 151, "a" * 150 + "...")],
)
def test_title_is_cut_at_width_150(title, cut):
    assert cut_title(title) == cut


@needs_seeds
def test_bundled_seeds_are_the_seeds_byte_for_byte():
    assert {path.name: path.read_bytes() for path in BUNDLED_SEEDS.iterdir()} == {
        path.name: path.read_bytes() for path in SEEDS.iterdir()
    }
