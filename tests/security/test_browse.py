"""Attacks on `copydesk browse`: other sites, hostile articles, and what a page may load."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from flows.web.clean_html import clean_body
from tests.integration.web.conftest import CORRECTED, HOSTILE, desk
from tests.security.payloads import payloads

__all__ = ["desk"]

PAGES = ("/articles", "/article", "/sources", "/source", "/quarantine", "/gaps", "/runs", "/sql")
QUERY = {"id": HOSTILE, "name": "generic", "q": "alert", "sql": "select title from articles"}
LOADS = ("src", "srcset", "data", "poster", "background", "action", "formaction", "style", "xlink:href")  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"host": "rebound.example.net:8766"}, id="rebinding"),
        pytest.param({"origin": "https://press.example"}, id="site"),
        pytest.param({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, id="image"),
        pytest.param({"sec-fetch-site": "same-site", "sec-fetch-dest": "iframe"}, id="frame"),
    ],
)
@pytest.mark.parametrize("path", ["/articles", "/articles.json", "/sql.csv"])
def test_page_of_another_site_reads_nothing(desk, path, headers):
    assert desk.ask(path, headers).status_code == 403


def test_browser_on_localhost_is_answered(desk):
    assert desk.ask("http://localhost:8766/articles").status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_nothing_can_be_changed(desk, method):
    assert desk.ask("/articles", method=method).status_code == 405


@pytest.mark.parametrize("path", PAGES)
def test_hostile_text_is_text_and_no_page_loads_anything(desk, path):
    page = desk.get(path, **QUERY)
    soup = BeautifulSoup(page.text, "lxml")

    assert "alert" not in "".join(one.text for one in soup.select("script"))
    assert soup.select("script, object, embed, base, meta[http-equiv]") == []
    assert not [name for one in soup.find_all(True) for name in one.attrs if name.startswith("on")]
    for one in soup.find_all(True):
        for name in LOADS:
            assert str(one.get(name, "/")).startswith(("/", "data:")), (one, name)
    assert all(
        one["href"].startswith(("/", "http", "#", "data:,")) for one in soup.select("[href]")
    )
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy


def test_text_of_an_article_is_in_a_sandbox_without_scripts(desk):
    (frame,) = BeautifulSoup(desk.get("/article", id=HOSTILE).text, "lxml").select("iframe")
    body = desk.get(frame["src"])
    policy = body.headers["content-security-policy"]

    assert frame["sandbox"] == ["allow-popups", "allow-popups-to-escape-sandbox"]
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert re.search(r"; sandbox\b", policy)
    assert "default-src 'none'" in policy
    assert_harmless(body.text.partition("<main>")[2])
    assert "words" in body.text


def test_earlier_text_of_an_article_is_shown_in_the_sandbox_too(desk):
    body = desk.get("/article/body", id=CORRECTED, revision=1)

    assert "0.25" in body.text
    assert "sandbox" in body.headers["content-security-policy"]


def assert_harmless(html):
    soup = BeautifulSoup(html, "lxml")
    assert not soup.select(
        "script, style, img, iframe, form, input, svg, base, meta, link, video, object"
    )
    for one in soup.find_all(True):
        assert not [name for name in one.attrs if name.startswith("on")]
        assert not {*one.attrs} & {*LOADS, "id", "class"}
    for one in soup.select("a[href]"):
        assert (
            one["href"].split(":")[0].lower() in ("http", "https", "mailto")
            or ":" not in one["href"]
        )
        assert one["target"] == "_blank"
        assert {"noopener", "noreferrer"} <= set(one["rel"])


@pytest.mark.parametrize(
    "html",
    [
        *payloads(
            "xss", "<img src=x onerror=x()>", "<a href='java\nscript:x()'>a</a>", "<svg/onload=x()>"
        ),
        *payloads(
            "html", "<math><mtext><table><mglyph><style><img src=x onerror=x()>", "<a style='x'>"
        ),
    ],
)
def test_payload_is_harmless_in_the_text_of_an_article(html):
    assert_harmless(clean_body(html))


@given(st.lists(st.sampled_from(["<", ">", "'", '"', "/", " ", "=", "a", "img", "svg", "style", "href", "onload", "javascript:", "<!--", "-->", "<![CDATA[", "math", "\x00", "&#x3c;", "中"]), max_size=30).map("".join))  # fmt: skip
def test_any_text_is_harmless_in_the_text_of_an_article(html):
    assert_harmless(clean_body(html))
