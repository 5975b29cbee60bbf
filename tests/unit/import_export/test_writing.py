"""Posts written: the dialects' forms, and any title through every program's own rule."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.compose import one_line
from parsers.frontmatter import Dialect, read_post, write_post
from parsers.frontmatter.yaml_quote import writable
from tests.unit.import_export.conftest import ReadHead, _hexo_head, _jekyll_head, make_article

ZONES = {"": ZoneInfo("Asia/Shanghai")}
FINEWS = """---
layout: post
title: "标题"
date: 2022-03-14 20:43:16 +08:00
categories: cailianshe
tags: 财联社新闻
---
<p>正文。</p><p class="em_media">（文章来源：财联社）</p>

<http://finews.zning.xyz/html_News/NewsShare.html?infoCode=NW202203142308441556>

[返回财联社新闻](//finews.withounder.com/category/cailianshe.html)｜[返回首页](//finews.withounder.com/)"""

HEXO = """---
title: '标题'
categories:·
 - 新媒体
 - 人人都是产品经理
headimg: 'https://image.example.com/a.png'
author: 人人都是产品经理
comments: false
date: 2022-03-23
thumbnail: 'https://image.example.com/a.png'
article_id: "woshipm:5365424"
source_url: "https://www.woshipm.com/it/5365424.html"
---

<div>···
<p>正文。</p>··
</div>
············""".replace("·", " ")

WOSHIPM = {
    "source": "woshipm",
    "source_article_id": "5365424",
    "url": "https://www.woshipm.com/it/5365424.html",
    "canonical_url": "https://www.woshipm.com/it/5365424.html",
    "publisher": "人人都是产品经理",
    "published_at": datetime(2022, 3, 22, 16, tzinfo=UTC),
    "published_precision": "day",
    "categories": ("新媒体", "人人都是产品经理"),
    "tags": (),
    "lead_image": "https://image.example.com/a.png",
}

HOSTILE = [
    '外媒称"黑天鹅"来袭', "What's new", "What's \"new\" here", r"C:\Users\x \n \u4e2d", "a: b", "x #y",
    "#comment", "- lead", "yes", "null", "no", "~", "0800", "1e5", "12:30:45", "2022-03-14", "---",
    "...", "{a: b}", "[a, b]", "{{ site.x }} {% raw %}", "{% endraw %} {# c #}", "&a *a", "@at", "%TAG",
    '!!python/object/apply:os.system ["id"]', "key: |\n  x", "x\n---\n# body", " lead", "trail ",
    "\ufeffbom", "a\x85b", "a\u2028b\u2029c", "tab\there", "😀", "中" * 10_000, "\\" * 501, "'" * 500,
    '"' * 500, "\u202egpj.exe", "\u3000\u00a0x", "=", "<<", "a\u0301",
]  # fmt: skip

DIALECTS: list[Dialect] = ["jekyll", "hexo", "hugo"]


def listed(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def test_a_new_finews_article_has_the_generators_form() -> None:
    written = write_post(make_article(), "jekyll")
    assert written.data.decode() == FINEWS
    assert written.path == "_posts/2022-03-14-NW202203142308441556.md"


def test_a_new_aggregator_article_has_the_generators_form() -> None:
    written = write_post(make_article(**WOSHIPM), "hexo")
    assert written.data.decode() == HEXO
    assert written.path == "source/_posts/2022-03-23-woshipm_5365424.md"


def test_hugo_gets_html_for_its_markdown_leaves_html_out() -> None:
    written = write_post(make_article(), "hugo")
    assert written.path == "content/posts/2022-03-14-NW202203142308441556.html"
    assert written.data.decode().endswith("---\n<p>正文。</p>\n")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("title", HOSTILE, ids=lambda title: repr(title[:20]))
def test_any_title_comes_back(title: str, dialect: Dialect, read_head: ReadHead) -> None:
    head = read_head(write_post(make_article(title=title, tags=(title, "b c")), dialect).data)
    assert head["title"] == title
    assert listed(head["tags"]) == [title, "b c"]


@pytest.mark.parametrize("mark", ["\x85", "\u2028", "\u2029", "\r", "\ufeff"], ids=ascii)
def test_no_head_holds_what_only_some_readers_take_for_a_line_end(mark: str) -> None:
    article = make_article(title=f"a{mark}b", tags=(f"a{mark}b",))
    assert all(mark not in write_post(article, dialect).data.decode() for dialect in DIALECTS)


def test_what_no_reader_shows_is_left_out_of_a_title(read_head: ReadHead) -> None:
    title = "a\0b\x07c\x9fd\ud800e"
    assert read_head(write_post(make_article(title=title), "jekyll").data)["title"] == "abcd\ufffde"


def either_kind(text: str, medium: str) -> list[dict[str, object]]:
    finews = {"title": text, "categories": (medium,), "tags": (f"{medium}新闻",)}
    return [finews, WOSHIPM | {"title": text, "categories": (medium, "x"), "tags": (medium, text)}]


HARD = st.sampled_from("\"'\\:#-{}[]%@`!&*|>?,=~.<\n\t\r \x85\u2028\u2029\ufeff\u3000中a0😀")


@given(
    text=st.text(st.one_of(HARD, st.characters()), min_size=1, max_size=60),
    medium=st.text(st.one_of(HARD, st.characters()), min_size=1, max_size=20),
    dialect=st.sampled_from(DIALECTS),
)
def test_title_date_categories_and_tags_come_back_from_every_rule(
    text: str, medium: str, dialect: Dialect
) -> None:
    for changes in either_kind(text, medium):
        article = make_article(**changes)
        data = write_post(article, dialect).data
        for rule in (_jekyll_head, _hexo_head):
            head = rule(data)
            assert head["title"] == writable(article.title)
            assert listed(head["categories"]) == [writable(name) for name in article.categories]
            assert listed(head["tags"]) == [writable(name) for name in article.tags]
            assert set(head) <= {
                "layout", "title", "date", "categories", "tags", "publisher", "author", "comments",
                "headimg", "thumbnail", "article_id", "source_url",
            }  # fmt: skip


# hexo-front-matter/lib/timestamp.ts
HEXO_TIME = re.compile(
    r"date: \d{4}-\d{1,2}-\d{1,2}(?:(?:t|T|[ \t]+)\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?"
    r"(?:[ \t]*(Z|[-+][012]?[0-9](?::[0-9]{2})?))?)?"
)


@pytest.mark.parametrize(
    ("at", "precision", "line"),
    [
        (datetime(2022, 3, 14, 12, 43, 16, tzinfo=UTC), "second", "2022-03-14 20:43:16 +08:00"),
        (datetime(2022, 3, 14, 17, 0, 0, tzinfo=UTC), "second", "2022-03-15 01:00:00 +08:00"),
        (datetime(2022, 3, 14, 12, 43, tzinfo=UTC), "minute", "2022-03-14 20:43:00 +08:00"),
        (datetime(1988, 7, 1, 15, 0, 1, tzinfo=UTC), "second", "1988-07-01 23:00:01 +08:00"),
        (datetime(2022, 3, 22, 16, tzinfo=UTC), "day", "2022-03-23"),
        (datetime(2022, 3, 22, 15, tzinfo=UTC), "day", "2022-03-23"),  # midnight in Tokyo
        (datetime(2022, 3, 23, 4, tzinfo=UTC), "day", "2022-03-23"),  # midnight in New York
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_dates_are_written_with_zone_and_never_finer_than_known(
    at: datetime, precision: str, line: str, dialect: Dialect, read_head: ReadHead
) -> None:
    data = write_post(make_article(published_at=at, published_precision=precision), dialect).data
    lines = [each for each in data.decode().splitlines() if each.startswith("date: ")]
    assert lines == [f"date: {line}"]
    assert HEXO_TIME.fullmatch(lines[0])
    read = read_head(data)["date"]
    if precision == "day":
        assert read == date(2022, 3, 23)
    else:
        aware = read if read.tzinfo else read.replace(tzinfo=UTC)
        assert aware == at


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        ("jekyll", "_drafts/NW202203142308441556.md"),
        ("hexo", "source/_drafts/NW202203142308441556.md"),
        ("hugo", "content/posts/NW202203142308441556.html"),
    ],
)
def test_an_undated_article_gets_no_invented_date(dialect: Dialect, path: str) -> None:
    written = write_post(make_article(published_at=None, published_precision="unknown"), dialect)
    assert written.path == path
    assert b"date:" not in written.data


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_template_engine_finds_anything_in_a_post(dialect: Dialect) -> None:
    trap = "{{ site.secret }} {% include x %} {# c #} {{< x >}}"
    article = make_article(
        body_html=f'<p title="{trap}">{trap}</p><pre>{trap}</pre>',
        tags=(f"{trap}新闻",),
        categories=(trap,),
        canonical_url=f"http://x.example/{trap}",
    )
    body = write_post(article, dialect).data.decode().split("\n---\n", 1)[1]
    assert "{" not in body
    assert "}" not in body


@pytest.mark.parametrize("dialect", DIALECTS)
def test_markdown_finds_no_blank_line_and_no_code_in_a_body(dialect: Dialect) -> None:
    html = (
        "<div>a\n\n    <p>b</p>\n\n</div>\n\n\n        <p>*c*</p>\n<pre>d\n\n\n  e\n\n    f</pre>"
    )
    body = write_post(make_article(body_html=html), dialect).data.decode().split("\n---\n", 1)[1]
    content = re.sub(r"\A\n?<div>   \n|  \n</div>\n +\Z|\n\n<http[\s\S]*", "", body).strip("\n")
    assert "\n\n" not in content
    assert not re.search(r"\n {4}<p>", content)
    pre = content[content.index("<pre>") + 5 : content.index("</pre>")]
    assert pre.replace("&#10;", "\n") == "d\n\n\n  e\n\n    f"


def test_words_outside_of_blocks_are_no_markdown() -> None:
    data = write_post(make_article(body_html="*ST中安 <b>x</b>\n# y"), "jekyll").data.decode()
    assert "---\n<div>\n*ST中安 <b>x</b>\n# y\n</div>" in data


def test_a_link_or_footer_cannot_be_broken_out_of() -> None:
    article = make_article(
        tags=("a](javascript:x) <script>新闻",),
        publisher="a](javascript:x) <script>",
        categories=("a) b(c",),
        canonical_url="http://x.example/> <script>\n",
    )
    end = write_post(article, "jekyll").data.decode().split("</p>\n\n", 1)[1]
    assert "<script>" not in end
    assert end.count("](") == 2 + end.count(r"\](")
    assert end.splitlines()[0] == "<http://x.example/%3E%20%3Cscript%3E%0A>"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"title": 'a "b" \\n c'},
        {"title": 'a\u2028"b" \\c'},
        {
            "title": "&amp; 标题" * 50,
            "tags": ("Career In 投行新闻",),
            "publisher": "Career In 投行",
        },
        {"tags": ("东财滚动新闻",), "categories": ("emnews",), "publisher": "上海证券报"},
        {"tags": ("别的新闻",)},
        {"tags": ("安信国际证券(香港)新闻",), "publisher": "安信国际证券(香港)"},
        WOSHIPM,
        WOSHIPM | {"authors": ("示例", "A, B"), "published_precision": "minute"},
        WOSHIPM | {"source": "site", "source_article_id": "https://x.example/a?b=1#c: d"},
        {"published_at": None, "published_precision": "unknown"},
    ],
    ids=[
        "finews",
        "quotes",
        "line separator",
        "medium",
        "rolling",
        "other tag",
        "parentheses",
        "day",
        "minute and authors",
        "address as id",
        "undated",
    ],
)
def test_a_written_post_is_read_back_as_the_same_article(
    changes: dict[str, object], dialect: Dialect
) -> None:
    article = make_article(**{"title": "标题", **changes})
    written = write_post(article, dialect)
    again = read_post(written.data, written.path, zones=ZONES).article
    for name in (
        "article_id", "publisher", "published_at", "published_precision", "categories", "tags",
        "authors", "text",
    ):  # fmt: skip
        assert getattr(again, name) == getattr(article, name), name
    assert again.title == one_line(article.title)


def test_a_seed_written_again_is_the_same_article(seed: Path) -> None:
    article = read_post(seed.read_bytes(), seed.name).article
    for dialect in DIALECTS:
        written = write_post(article, dialect)
        again = read_post(written.data, written.path, zones=ZONES).article
        assert again.article_id == article.article_id
        assert again.content_hash == article.content_hash
        assert again.published_at == article.published_at


def test_a_date_at_the_end_of_time_is_written_in_utc() -> None:
    at = datetime.max.replace(tzinfo=UTC) - timedelta(hours=1)
    assert (
        b"date: 9999-12-31 22:59:59.999999 +00:00"
        in write_post(make_article(published_at=at), "jekyll").data
    )
