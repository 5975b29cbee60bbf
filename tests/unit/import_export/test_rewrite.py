"""Heads that are no YAML: read key by key, and rewritten so that every reader accepts them."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import BadFrontMatter
from parsers.frontmatter import read_post, rewrite_post
from parsers.frontmatter.block import MARK, split
from parsers.frontmatter.broken_head import is_yaml
from tests.security.payloads import in_time
from tests.unit.import_export.conftest import ReadHead

FINEWS = (
    '---\nlayout: post\ntitle: "{}"\ndate: 2022-03-14 20:43:16 +0800\ncategories: cailianshe\n'
    "tags: 财联社新闻\n---\n> digest\n\n<p>正文。</p>\n\n"
    "<http://finews.zning.xyz/html_News/NewsShare.html?infoCode=NW202203142308441556>"
)
RSSHUB = (
    "\n---\ntitle: {}\ncategories: \n - 新媒体\n - {}\n - 最新文章\nheadimg: ''\n"
    "author: 人人都是产品经理\ncomments: false\ndate: Wed, 23 Mar 2022 00:00:00 GMT\nthumbnail: ''\n---\n\n"
    "<div>   \n<p>正文 &#123;x&#125;。<script>a</p>  \n</div>\n            "
)
BY_HAND = "---\nlayout: post\n{}\ntags:\n  - one\ndate: 2022-03-14 20:43:16 +08:00\n---\nWords.\n"


def lines_of(data: bytes) -> list[bytes]:
    return data.split(b"\n")


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("title: a: b", "a: b"),
        ("title: @home", "@home"),
        ("title: %d points", "%d points"),
        ("title: `x` is y", "`x` is y"),
        ('title: "the "new" one"', 'the "new" one'),
        ("title: 'it's new'", "it's new"),
        ('title: "never closed', '"never closed'),
        ("title:\ta tab", "a tab"),
        ("title: *ST中安: 涨停", "*ST中安: 涨停"),
        ("title: [转载]标题", "[转载]标题"),
        ("title: | 最新", "最新"),
        ('title: "a \\d b"', "a \\d b"),
        ("title:无空格", "无空格"),
        ("title: - a", "- a"),
    ],
)
def test_a_title_that_is_no_yaml_is_its_text_and_is_rewritten(
    line: str, title: str, read_head: ReadHead
) -> None:
    data = BY_HAND.format(line).encode()

    post = read_post(data, "_posts/2022-03-14-x.md")
    rewritten = rewrite_post(data, "_posts/2022-03-14-x.md")

    assert post.article.title == title
    assert post.article.tags == ("one",)
    assert "each key read by itself" in post.article.provenance["front_matter"]
    assert rewritten is not None
    assert read_head(rewritten)["title"] == title
    kept = [one for one in lines_of(data) if not one.startswith(b"title")]
    assert [one for one in lines_of(rewritten) if one in kept] == kept
    assert rewrite_post(rewritten, "_posts/2022-03-14-x.md") is None


@pytest.mark.parametrize(
    "head",
    [
        "title: a: b\n  more of it",
        "title: a: b\ntitle: c",
        "title: a: b\nno key",
        "title: [a, [b]",
        "title: a: b\ntags: !!python/name:os.system x",
        "title: a: b\ntags:\n - x\n - [y, z]\n - @w",
    ],
)
def test_a_head_with_anything_but_keys_and_items_stays_in_quarantine(head: str) -> None:
    data = f"---\n{head}\n---\nWords.\n".encode()
    with pytest.raises(BadFrontMatter):
        read_post(data, "a.md")
    assert rewrite_post(data, "a.md") is None


@pytest.mark.parametrize("title", ['龙湖"暗伤"曝露', "a \\d b", "a\" and 'b"])
def test_a_finews_head_is_rewritten_to_the_same_article(title: str, read_head: ReadHead) -> None:
    data, path = FINEWS.format(title).encode(), "_posts/2022-03-14-NW202203142308441556.md"

    rewritten = rewrite_post(data, path)

    assert rewritten is not None
    assert read_head(rewritten)["title"] == title
    assert lines_of(rewritten)[6:] == [MARK.encode(), *lines_of(data)[6:]]
    assert read_post(rewritten, path).article.article_id == "finews:NW202203142308441556"


@pytest.mark.parametrize(
    ("title", "site", "expected"),
    [
        ("""'it's "new"'""", "人人都是产品经理", """it's "new\""""),
        ("'plain'", "| 人人都是产品经理", "plain"),
        ("'plain'", "[Naver](https://example.org)", "plain"),
        (""" \"\"\" 'a title' \"\"\"""".strip(), "人人都是产品经理", "a title"),
        ("'&#123;x&#125; isn't'", "人人都是产品经理", "{x} isn't"),
    ],
)
def test_a_head_of_the_aggregator_is_rewritten_to_the_same_article(
    title: str, site: str, expected: str
) -> None:
    data, path = RSSHUB.format(title, site).encode(), "source/_posts/a.md"
    before = read_post(data, path)

    rewritten = rewrite_post(data, path)

    assert rewritten is not None
    head = yaml.safe_load(split(rewritten, path).head)
    after = read_post(rewritten, path)
    assert head["categories"] == list(before.article.categories)
    assert head["title"] in (expected, title.strip("'"))
    assert after.article.title == before.article.title == expected
    assert after.article.article_id == before.article.article_id
    assert after.article.content_hash == before.article.content_hash
    assert after.body == before.body


@pytest.mark.parametrize(
    "data",
    [
        FINEWS.format("plain").encode(),
        RSSHUB.format("'plain'", "site").encode(),
        b"---\n---\nx\n",
        b"no head",
        b"\xff",
        "---\ntitle: 标题\n---\nx".encode("utf-16"),
    ],
)
def test_other_posts_are_not_rewritten(data: bytes) -> None:
    assert rewrite_post(data, "_posts/2022-03-14-x.md") is None


def test_no_head_multiplies_when_it_is_rewritten() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 8)]
    title = "\n".join(["'x'", *lines, "b: 'y'"])
    data = RSSHUB.format(title, "x").encode()
    assert read_post(data, "x.md").article.source == "woshipm"

    assert in_time(lambda: rewrite_post(data, "x.md"), 1) is None


def test_line_ends_are_kept() -> None:
    data = BY_HAND.format("title: a: b").replace("\n", "\r\n").encode()
    rewritten = rewrite_post(data, "a.md")
    assert rewritten is not None
    assert rewritten.count(b"\n") == rewritten.count(b"\r\n") == data.count(b"\n") + 1


@pytest.mark.parametrize(
    "head",
    ["date: 2022-13-45", "title: =", "date: 0000-01-01", "date: 2022-02-30 10:00:00",
     "date: 2022-01-01 10:00:00 +99:00"],
)  # fmt: skip
def test_values_that_pyyaml_refuses_are_no_yaml(head: str) -> None:
    assert not is_yaml(head)


PIECES = st.sampled_from(
    ["a", "标题", ": ", ":", " ", "'", '"', "\\", "@", "%", "`", "#", " #", "- ", "[", "]", "{", "}",
     "&", "*", "!", "|", ">", "\t", "2022-02-30", "=", "null", "：", "😀", "\u2028", "\x85"]
)  # fmt: skip


@given(
    st.lists(PIECES, min_size=1, max_size=6)
    .map("".join)
    .filter(lambda title: any(map(str.isalnum, title.replace("null", ""))))
)
def test_whatever_the_title_a_rewritten_head_is_yaml_with_the_same_article(title: str) -> None:
    for form in (
        BY_HAND.format(f"title: {title}"),
        FINEWS.format(title),
        RSSHUB.format(f"'{title}'", "x"),
    ):
        data = form.encode()
        rewritten = rewrite_post(data, "_posts/x.md")
        if rewritten is None:
            continue
        head = yaml.safe_load(split(rewritten, "x").head)
        assert isinstance(head, dict)
        assert not is_yaml(split(data, "x").head)
        assert (
            read_post(rewritten, "_posts/x.md").article.content_hash
            == read_post(data, "_posts/x.md").article.content_hash
        )


@given(st.lists(PIECES, min_size=1, max_size=4).map("".join))
def test_a_head_that_the_fast_reader_accepts_loads_with_pyyaml(value: str) -> None:
    head = f"title: {value}"
    try:
        loaded = yaml.safe_load(head)
    except (yaml.YAMLError, ValueError):
        loaded = "none"
    assert is_yaml(head) == (loaded is None or isinstance(loaded, dict))
