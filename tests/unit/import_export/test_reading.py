"""Posts read: every era of the two generators, hand-made ones, and the refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from parsers.errors import BadFrontMatter, IncompleteArticle, ParseError
from parsers.frontmatter import read_post, write_post
from tests.corpus import CORPUS, needs_corpus
from tests.unit.import_export.conftest import make_article

LINK = "<http://finews.zning.xyz/html_News/NewsShare.html?infoCode=NW202203142308441556>"
FOOTER = "[返回财联社新闻](//finews.withounder.com/category/cailianshe.html)｜[返回首页](//finews.withounder.com/)"


def finews(
    title: str = "标题",
    date: str = "2022-03-14 20:43:16 +0800",
    category: str = "cailianshe",
    tags: str = "财联社新闻",
    body: str = "<p>正文。</p>",
    link: str = LINK,
    footer: str = FOOTER,
) -> bytes:
    head = f'layout: post\ntitle: "{title}"\ndate: {date}\ncategories: {category}\ntags: {tags}'
    return f"---\n{head}\n---\n{body}\n\n{link}\n\n{footer}".encode()


def hexo(
    title: str = "'标题'",
    items: tuple[str, ...] = ("新媒体", "人人都是产品经理", "最新文章"),
    image: str = "https://picsum.photos/400/300?random=7",
    author: str = "人人都是产品经理",
    date: str = "Wed, 23 Mar 2022 00:00:00 GMT",
    body: str = "<p>正文。</p>",
) -> bytes:
    lines = "".join(f" - {item}\n" for item in items)
    head = (
        f"title: {title}\ncategories: \n{lines}headimg: '{image}'\nauthor: {author}\n"
        f"comments: false\ndate: {date}\nthumbnail: '{image}'"
    )
    return f"\n---\n{head}\n---\n\n<div>   \n{body}  \n</div>\n            ".encode()


def test_a_finews_post_is_the_article_of_its_share_link() -> None:
    post = read_post(finews(), "_posts/2022-03-14-NW202203142308441556.md")
    article = post.article
    assert post.dialect == "jekyll"
    assert article.article_id == "finews:NW202203142308441556"
    assert article.title == "标题"
    assert article.publisher == "财联社"
    assert article.published_at == datetime(2022, 3, 14, 12, 43, 16, tzinfo=UTC)
    assert (article.categories, article.tags) == (("cailianshe",), ("财联社新闻",))
    assert article.text == "正文。"
    assert article.url == LINK[1:-1]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (finews(date=" +0800"), "-NW202203142308441556.md"),
        (hexo(date="2022-03-23 00:00:00"), "a.md"),
        (b"---\ntitle: x\n---\nwords\n", "a.md"),
    ],
    ids=["finews", "aggregator", "any"],
)
def test_every_absence_is_named_once(data: bytes, path: str) -> None:
    article = read_post(data, path).article

    assert article.published_at is None
    assert article.provenance["published_at"].startswith("absent: ")
    assert {name: how for name, how in article.provenance.items() if how.count("absent") > 1} == {}


def test_aggregator_post_has_no_url_but_a_reason() -> None:
    post = read_post(hexo(title="'互联网_碳中和_'"), "a.md")
    article = post.article
    assert post.dialect == "hexo"
    assert article.article_id == "woshipm:post/新媒体/人人都是产品经理/最新文章/互联网_碳中和_"
    assert (article.url, article.publisher) == ("", "人人都是产品经理")
    assert "lost the article's address" in article.provenance["url"]
    assert (article.authors, article.lead_image) == ((), None)
    assert article.provenance["authors"] == "absent: the post's author is the site"
    assert "placeholder" in article.provenance["lead_image"]


@pytest.mark.parametrize(
    ("title", "rule"),
    [
        ('外媒称"黑天鹅"来袭', "head is not YAML: read by the generator's rule"),
        (r"路径 C:\Users\x 泄露", "head is not YAML: read by the generator's rule"),
        (r"A\nB \u4e2d", "YAML would change title: read by the generator's rule"),
        ("Vue {{ mustache }} {% raw %}", "YAML"),
        ("a: b # c", "YAML"),
    ],
)
def test_a_finews_title_is_the_raw_text_between_its_quotes(title: str, rule: str) -> None:
    article = read_post(finews(title=title), "a.md").article
    assert article.title == title
    assert article.provenance["front_matter"].startswith(f"jekyll: {rule}")


def test_a_finews_title_over_two_lines_is_one_line() -> None:
    assert read_post(finews(title="第一行\n第二行"), "a.md").article.title == "第一行 第二行"


@pytest.mark.parametrize(
    ("category", "tags", "publisher"),
    [
        ("a: b", "a: b新闻", "a: b"),
        ("E gongsi", "e公司 #官微新闻", "e公司 #官微"),
        ("Career In touxingPEVC", "Career In 投行PEVC新闻", "Career In 投行PEVC"),
        ("zhengquanshibao·egongsi", "证券时报·e公司新闻", "证券时报·e公司"),
    ],
)
def test_a_medium_is_one_category_whatever_it_holds(
    category: str, tags: str, publisher: str
) -> None:
    article = read_post(finews(category=category, tags=tags), "a.md").article
    assert (article.categories, article.tags, article.publisher) == (
        (category,),
        (tags,),
        publisher,
    )


def test_without_a_medium_the_credit_of_the_body_is_the_publisher() -> None:
    body = '<p>正文。</p><p class="em_media">（文章来源：上海<span><a>证券</a></span>报）</p>'
    article = read_post(finews(category="", tags="新闻", body=body), "a.md").article
    assert (article.publisher, article.categories) == ("上海证券报", ())


@pytest.mark.parametrize(
    ("date", "expected", "precision"),
    [
        ("2022-03-14 20:43:16 +0800", datetime(2022, 3, 14, 12, 43, 16, tzinfo=UTC), "second"),
        ("2022-03-14 20:43:16", datetime(2022, 3, 14, 12, 43, 16, tzinfo=UTC), "second"),
        (" +0800", None, "unknown"),
        ("", None, "unknown"),
    ],
)
def test_finews_dates_are_of_shanghai_and_an_empty_one_is_unknown(
    date: str, expected: datetime | None, precision: str
) -> None:
    article = read_post(finews(date=date), "a.md").article
    assert (article.published_at, article.published_precision) == (expected, precision)


@pytest.mark.parametrize(
    "footer",
    [
        "",
        "[返回东财滚动新闻](../emnews/)\n[返回首页](../)",
        "[返回东财滚动新闻](./emnews/)\n[返回首页](./)",
        "[返回东财滚动新闻](//finews.zning.me/emnews/)｜[返回首页](//finews.zning.me/)",
        "[返回东财滚动新闻](//finews.withounder.com/emnews/)｜[返回首页](//finews.withounder.com/)\n",
        FOOTER,
    ],
    ids=["none", "parent", "dot", "zning", "withounder", "category"],
)
@pytest.mark.parametrize(
    ("link", "source_article_id"),
    [
        ("<http://stock.eastmoney.com/news/1611,202112082206703990.html>", "202112082206703990"),
        ("<http://mss.eastmoney.com/news/11059,202112082206703990.html>", "202112082206703990"),
        (
            "<http://choicewzp1.eastmoney.com/html_News/NewsShare.html?infoCode=NW202203142308441556>",
            "NW202203142308441556",
        ),
        ("<>", "202205262391921712"),
    ],
    ids=["stock", "mss", "choice", "empty"],
)
def test_every_footer_and_link_line_is_cut_from_the_body(
    footer: str, link: str, source_article_id: str
) -> None:
    post = read_post(finews(link=link, footer=footer), "_posts/-202205262391921712.md")
    assert post.article.text == "正文。"
    assert post.article.source_article_id == source_article_id
    assert post.article.url == link[1:-1]


def test_the_digest_line_of_rolling_news_is_not_the_text() -> None:
    article = read_post(
        finews(tags="东财滚动新闻", body="> 摘要。\n\n<p>正文。</p>"), "a.md"
    ).article
    assert article.text == "正文。"
    assert "digest" in article.provenance["body_html"]


def test_a_digest_with_nothing_but_a_credit_after_it_is_the_text() -> None:
    body = '> 摘要。\n\n<p class="em_media">（文章来源：新华社）</p>'
    article = read_post(finews(tags="东财滚动新闻", body=body), "a.md").article
    assert (article.text, article.publisher) == ("摘要。", "新华社")


def test_bare_words_of_the_first_versions_are_not_markdown() -> None:
    body = "\n*ST中安与*ST海航涨停_1_。\n\n第二段。"
    article = read_post(finews(tags="东财滚动新闻", body=body), "a.md").article
    assert article.text == "*ST中安与*ST海航涨停_1_。\n\n第二段。"


def test_a_finews_post_without_title_is_incomplete_and_names_its_id() -> None:
    with pytest.raises(
        IncompleteArticle, match=r"-202205262391921712\.md: .*202205262391921712.*title"
    ):
        read_post(finews(title="", date=" +0800", link="<>"), "-202205262391921712.md")


def test_a_finews_head_without_any_id_is_known_by_its_path() -> None:
    article = read_post(finews(link="", footer=""), "sub/x.md").article
    assert article.article_id == "posts:sub/x.md"
    assert read_post(finews(link="", footer=""), "x.md", source="old").source == "old"


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("'标题'", "标题"),
        ('"What\'s new"', "What's new"),
        ('"What\'s "new" here"', 'What\'s "new" here'),
        ("'Vue &#123;&#123; x &#125;&#125;'", "Vue {{ x }}"),
        ("'第一行\n第二行'", "第一行 第二行"),
        ('\'""" \'title\' """\'', "title"),
    ],
    ids=["plain", "apostrophe", "both quotes", "braces", "two lines", "quoted again"],
)
def test_an_aggregator_title_is_read_by_the_generators_rule(title: str, expected: str) -> None:
    assert read_post(hexo(title=title), "a.md").article.title == expected


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("| 最新文章", "最新文章"),
        ("[Naver](https://comic.example.com)", "Naver"),
        ("Site: sub", "Site: sub"),
        ("##", "##"),
    ],
)
def test_a_route_that_is_not_yaml_is_read_by_the_generators_rule(route: str, expected: str) -> None:
    article = read_post(hexo(items=("新媒体", "S", route), author="S"), "a.md").article
    assert article.categories == ("新媒体", "S", expected)
    assert "generator's rule" in article.provenance["front_matter"]


def test_the_older_layout_of_the_aggregator_is_read() -> None:
    head = (
        "title: '标题'\ncategories: \n    - 新媒体\n    - IT 之家\n    - 热榜\n\n"
        "author: IT 之家\ncomments: false\ndate: Sun, 04 Jul 2021 02:26:22 GMT"
    )
    post = read_post(f"\n---\n{head}\n---\n\n<div>   \n正文  \n</div>\n".encode(), "a.md")
    assert post.article.article_id == "it-zhijia:post/新媒体/IT 之家/热榜/标题"
    assert post.article.published_at == datetime(2021, 7, 4, 2, 26, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("author", "date", "expected", "precision"),
    [
        (
            "人人都是产品经理",
            "Wed, 23 Mar 2022 00:00:00 GMT",
            datetime(2022, 3, 22, 16, tzinfo=UTC),
            "day",
        ),
        (
            "高科技行业门户",
            "Fri, 28 May 2021 07:45:00 GMT",
            datetime(2021, 5, 28, 7, 45, tzinfo=UTC),
            "second",
        ),
        (
            "36氪",
            "Fri, 28 May 2021 00:00:00 GMT",
            datetime(2021, 5, 28, tzinfo=UTC),
            "second",
        ),
        ("金色财经", "Invalid Date", None, "unknown"),
        ("Dockone", "2021-10-25 06:10:16", None, "unknown"),
    ],
    ids=["a day in China", "an instant", "midnight elsewhere", "invalid", "crawl time"],
)
def test_aggregator_dates_mean_what_their_site_means(
    author: str, date: str, expected: datetime | None, precision: str
) -> None:
    article = read_post(hexo(author=author, date=date), "a.md").article
    assert (article.published_at, article.published_precision) == (expected, precision)
    assert article.published_raw == date


def test_the_image_proxy_is_taken_off_the_lead_image() -> None:
    image = "https://cors.zfour.workers.dev/?http://image.example.com/a.jpg"
    assert (
        read_post(hexo(image=image), "a.md").article.lead_image == "http://image.example.com/a.jpg"
    )


def test_elements_that_were_written_as_words_do_not_swallow_the_rest() -> None:
    body = "<p>放入 <script>、<style> 或 <link> 使其</p><textarea> 之后"
    assert read_post(hexo(body=body), "a.md").article.text.split() == [
        "放入", "<script>、<style>", "或", "<link>", "使其", "<textarea>", "之后",
    ]  # fmt: skip


def test_braces_come_back_in_text_and_code() -> None:
    article = read_post(
        hexo(body="<p>a&#123;b&#125;</p><pre>if (x) &#123;&#125;</pre>"), "a.md"
    ).article
    assert "a{b}" in article.text
    assert "if (x) {}" in article.text


def test_a_hand_made_jekyll_post_is_read_by_jekylls_rules() -> None:
    data = (
        b'---\nlayout: post\ntitle: "A \\"quoted\\" word"\ndate: 2022-03-14 20:43:16 +08:00\n'
        b"categories: one two\ntags: [x, 'y z']\nauthor: Example\n---\n\n# Heading\n\nSome *words*.\n"
    )
    article = read_post(data, "_posts/2022-03-14-a.md").article
    assert article.article_id == "posts:_posts/2022-03-14-a.md"
    assert article.title == 'A "quoted" word'
    assert (article.categories, article.tags) == (("one", "two"), ("x", "y z"))
    assert article.authors == ("Example",)
    assert article.text == "Heading\n\nSome words."
    assert article.published_at == datetime(2022, 3, 14, 12, 43, 16, tzinfo=UTC)


def test_what_a_hand_made_post_leaves_out_comes_from_its_file_name() -> None:
    article = read_post(b"---\n---\nWords.\n", "2022-03-14-first-post.md").article
    assert (article.title, article.published_precision) == ("first-post", "day")
    assert "file name" in article.provenance["title"]


def test_categories_of_a_hexo_post_may_be_paths() -> None:
    data = b"---\ntitle: a\ncomments: true\ncategories:\n- [Sports, Baseball]\n- [Sports, MLB]\n---\nx\n"
    assert read_post(data, "source/_posts/a.md").article.categories == ("Sports", "Baseball", "MLB")


@pytest.mark.parametrize("frame", ["\ufeff{}", "\n\n{}", "  \n{}"], ids=["bom", "blank", "spaces"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("closing", ["---", "...", "--- "])
def test_unusual_frames_are_read_and_named(frame: str, end: str, closing: str) -> None:
    text = frame.format(f"---\ntitle: 标题\ndate: 2022-03-14\n{closing}\n正文\n").replace("\n", end)
    article = read_post(text.encode(), "a.md").article
    assert (article.title, article.text) == ("标题", "正文")
    notes = article.provenance["front_matter"]
    assert ("CRLF" in notes) == (end == "\r\n")
    assert ("byte order mark" in notes) == frame.startswith("\ufeff")
    assert ("closed by ..." in notes) == (closing == "...")


REFUSALS = {
    "empty": (b"", r"a\.md:1: expected front matter .*an empty file"),
    "no head": ("只有正文".encode(), r"a\.md:1: expected front matter opened by .*只有正文"),
    "unclosed": (
        b"---\ntitle: a\n\nwords\n",
        r"expected a line --- .*opened on line 1, found the end",
    ),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0", r"expected UTF-8 text, found byte 0x89"),
    "nul": (b"---\ntitle: a\0b\n---\nx", r"a\.md:2: .*NUL"),
    "gb18030": ("---\ntitle: 标题\n---\n正文".encode("gb18030"), r"a\.md:2: .*GB18030: convert"),
    "utf-16": ("---\ntitle: a\n---\n".encode("utf-16"), "UTF-16"),
    "toml": (b"+++\ntitle = 'a'\n+++\nx", "TOML"),
    "json": (b";;;\n{}\n;;;\nx", "JSON"),
    "yaml": (b"---\ntitle: a\ntags: [a, b\n---\nx", r"a\.md:\d: expected YAML, found .* in "),
    "no mapping": (b"---\n- a\n---\nx", "expected YAML lines 'key: value'"),
    "twice": (
        b"---\ntitle: a\ntitle: b\n---\nx",
        r"a\.md:3: expected each key once, found 'title'",
    ),
    "tag": (b"---\ntitle: !!python/object/apply:os.system ['id']\n---\nx", "the tag"),
    "deep": (b"---\na: " + b"[" * 5000 + b"\n---\nx", "expected"),
    "bomb": (
        b"---\na: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        b"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
        b"e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n---\nx",
        "aliases that multiply",
    ),
    "loop": (b"---\na: &a [*a]\n---\nx", "expected"),
}


@pytest.mark.parametrize(("data", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_an_invalid_post_is_refused_naming_line_and_reason(data: bytes, message: str) -> None:
    with pytest.raises(BadFrontMatter, match=message) as caught:
        read_post(data, "a.md")
    assert caught.value.expected
    assert caught.value.found
    assert len(str(caught.value)) < 600


def test_a_post_keeps_its_bytes(seed: Path) -> None:
    assert read_post(seed.read_bytes(), seed.name).data == seed.read_bytes()


HEADS = sorted((CORPUS / "frontmatter").glob("*.md"))
NO_TEXT = {"finews_-202205262391921712.md": "title", "rsshub_woshipm_proxied.md": "no text"}


@needs_corpus
def test_every_head_of_the_corpus_is_read_or_refused_by_name() -> None:
    refused: dict[str, str] = {}
    for path in HEADS:
        try:
            assert read_post(path.read_bytes(), path.name).article.title
        except ParseError as error:
            refused[path.name] = str(error)
    assert len(HEADS) == 28
    assert refused.keys() == NO_TEXT.keys()
    assert all(what in refused[name] for name, what in NO_TEXT.items())


AGGREGATOR_HEAD = "title: {}\ncategories: \n - a\nauthor: b\ncomments: false\ndate: Invalid Date"
SLOW = {
    "quotes of a title": AGGREGATOR_HEAD.format("'" + "'\" " * 5_000 + "x'") + "\n---\nx",
    "blanks in a body": AGGREGATOR_HEAD.format("'a'") + "\n---\n<div>\n" + " " * 100_000 + "x",
    "blanks in Markdown": "title: a\n---\nx" + " " * 100_000 + "y",
    "blanks in a heading": "title: a\n---\n# a" + " " * 100_000 + "b",
    "open brackets": "title: a\n---\n" + "[a](" * 20_000,
    "brackets of a footer": "title: a\narticle_id: 'x:1'\n---\nx\n\n[返回" + "](" * 50_000,
}


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW.keys())
def test_no_post_takes_long_to_read(text: str) -> None:
    assert read_post(f"---\n{text}".encode(), "a.md").article.title


@pytest.mark.parametrize("dialect", ["jekyll", "hexo", "hugo"])
def test_post_of_an_article_without_a_title_is_read_back(dialect):
    written = write_post(
        make_article(title=None, source="gazette", source_article_id="g-1"), dialect
    )

    article = read_post(written.data, written.path).article

    assert (article.article_id, article.title) == ("gazette:g-1", None)
    assert article.provenance["title"].startswith("absent: ")


def test_other_post_with_an_empty_title_is_incomplete():
    with pytest.raises(IncompleteArticle):
        read_post(b"---\ntitle: ''\n---\nwords\n", "_posts/2022-03-14-a.md")
