"""Pages that are costly to parse: depth, size, patterns."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from parsers import registry
from parsers.compose import compose, one_line
from parsers.errors import BadListing, ParseError
from parsers.html.clean import clean_body
from parsers.model import Extracted, Page
from parsers.text.dates import parse_time
from parsers.text.plain import plain_text
from tests.security.payloads import (
    CONTROLS,
    NOW,
    SENTENCES,
    SHOWN,
    feed_of,
    in_time,
    item_of,
    page_of,
    read,
)
from tests.unit.import_export.conftest import make_article

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
SLOW = {"deepfont", "deeptable", "openlinks", "entities"}
KINDS = [pytest.param(kind, marks=[pytest.mark.nightly] if kind in SLOW else []) for kind in COSTLY]


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_costs_more_than_seconds_or_brings_a_control_in(kind) -> None:
    html = COSTLY[kind]
    cleaned = in_time(lambda: clean_body(html, SHOWN))
    value = in_time(lambda: plain_text(html))

    assert not (set(cleaned.text) | set(cleaned.html) | set(value)) & CONTROLS
    assert "alert" not in cleaned.html + cleaned.text + value
    if kind not in ("angles", "comments"):
        assert "end" in cleaned.text


@pytest.mark.parametrize("kind", KINDS)
def test_generic_parser_reads_a_costly_page_or_refuses_it_by_name(kind) -> None:
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


@pytest.mark.parametrize("kind", ["deepdiv", "manyattrs", "controls"])
def test_compose_takes_any_body(kind) -> None:
    source = registry.make_source("any", "generic", {})
    article = in_time(
        lambda: compose(
            source,
            page_of(""),
            source_article_id="1",
            url=SHOWN,
            canonical_url=make_article().canonical_url,
            title=Extracted("标题", "test"),
            body=COSTLY[kind],
            published=parse_time("", None, "test"),
        )
    )

    assert "end" in article.text
    assert not set(article.text + article.body_html) & CONTROLS


@pytest.mark.nightly
def test_costly_pages_fit_in_half_a_gigabyte() -> None:
    program = """
from pathlib import Path
from parsers.html.clean import clean_body
from tests.security.payloads import SENTENCES, page_of, read
from tests.security.test_costly_pages import COSTLY
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
        capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60, check=True,
    )  # fmt: skip

    assert int(done.stdout) < 500 * 1024


REPEATED = (
    "a", "来源：", "（文章来源：", "责任编辑：", "原文链接：", "(", "\u3000 ", "\n", "2022-", "12:",
    "http://", "作者：", "&", "&#", ";width:1", "免责声明：", "{{", "/",
)  # fmt: skip


@pytest.mark.parametrize("unit", REPEATED)
def test_no_pattern_of_ours_backtracks(unit) -> None:
    value = unit * (50_000 // len(unit))

    def work() -> None:
        clean_body(f"<p>{value}!</p><p class=em_media>{value}!</p><p style='{value}'>x</p>", SHOWN)
        parse_time(value, None, "test")
        one_line(value)
        for text in (f"<rss {value}>", feed_of(item_of(value, value, value)), f"<rss>{value}"):
            source = registry.make_source("any", "feed", {"url": SHOWN})
            page = Page(url=SHOWN, text=text, fetched_at=NOW)
            with suppress(BadListing):
                registry.entries(source, source.parser.listings(source)[0], page)

    in_time(work, 2)
