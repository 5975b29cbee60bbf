"""Payloads of the project and of an optional corpus, and helpers that parse them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from parsers import registry
from parsers.frontmatter import Dialect, write_post
from parsers.model import Article, Page
from tests.corpus import CORPUS

ATTACKS_FILE = CORPUS / "attacks.json"
SHOWN = "https://gazette.example/2024/article.html"
NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
DIALECTS: tuple[Dialect, ...] = ("jekyll", "hexo", "hugo")
SENTENCES = "".join(
    f"<p>这是第{number}段正文，它说了一些完整的话，读起来像一篇文章，有逗号，也有句号。</p>"
    for number in range(8)
)

# No text of an article holds one; tabs and line feeds are its layout.
CONTROLS = set(map(chr, [*range(9), *range(11, 32), *range(0x7F, 0xA0), *range(0xD800, 0xE000)]))
# Other characters that control a terminal or forge a line.
STEERING = CONTROLS | set(
    "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2069"
)


def cases_of_the_corpus() -> list[dict[str, Any]]:
    if not ATTACKS_FILE.is_file():
        return []
    cases: list[dict[str, Any]] = json.loads(ATTACKS_FILE.read_text("utf-8"))["cases"]
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
    return registry.parse(registry.make_source("any", "generic", {}), page)


def posts_of(article: Article) -> Iterator[tuple[Dialect, dict[str, Any], str]]:
    """The article in every dialect: its head as YAML reads it, and its body."""
    for dialect in DIALECTS:
        text = write_post(article, dialect).data.decode("utf-8")
        opening, head, body = re.split(r"^---$\n?", text, maxsplit=2, flags=re.MULTILINE)
        assert opening == ""
        yield dialect, yaml.safe_load(head), body


def feed_of(items: str, *, before: str = "") -> str:
    channel = f"<channel><title>T</title><link>https://gazette.example/</link>{items}</channel>"
    return f'<?xml version="1.0"?>{before}<rss version="2.0">{channel}</rss>'


def item_of(
    title: str = "t", link: str = "https://gazette.example/1", description: str = "words"
) -> str:
    return f"<item><title>{title}</title><link>{link}</link><description>{description}</description></item>"


def in_time(work: Any, seconds: float = 10) -> Any:
    began = time.process_time()
    try:
        return work()
    finally:
        assert time.process_time() - began < seconds
