"""The Eastmoney article page, which share links and article URLs of finews lead to.

It is no source of its own; ``parsers.sources.finews`` parses it.

* Current layout: headline in ``div.contentwrap > div.title``; ``div.infos > div.item`` has
  the time (``2026年08月19日 17:46``, to the minute, in Asia/Shanghai) and the medium
  (``来源：界面新闻`` or the name alone); text in ``#ContentBody``.
* Older layout: ``div.newsContent h1``, ``div.time``, ``div.source`` and ``div.Body`` with a
  summary in ``div.b-review`` that is not part of the text.
* A page without a headline still has ``<title>``, ending in ``_东方财富网``.
* ``原标题：...`` below the text is another headline; it is not used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bs4 import Tag

from parsers.errors import LayoutChanged
from parsers.html import select
from parsers.model import Extracted, Moment
from parsers.text.dates import parse_time, unknown_time
from parsers.text.urls import url_parts

HOSTS = frozenset(
    f"{name}.eastmoney.com" for name in ("finance", "stock", "hk", "futures", "mss", "wap")
)
_SITE = "_东方财富网"
_PATH = re.compile(r"/(?:a/|news/[0-9]+,)([0-9]{12,20})\.html")
_COUNT = re.compile(r"[0-9]+\s*人?(?:评论|参与|阅读).*")
_TIME = re.compile(r"[0-9]{4}年[0-9]{1,2}月[0-9]{1,2}日(?:\s*[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticlePage:
    """The values of an article page.

    ``publisher`` is ``None`` when the page has none or several: the body may name it.
    """

    title: Extracted[str]
    published: Moment
    publisher: Extracted[str] | None
    authors: Extracted[tuple[str, ...]] | None
    body: Tag


def parse_page(text: str, zone: ZoneInfo | None) -> ArticlePage:
    """Parse an article page of either layout.

    Raises:
        LayoutChanged: The text or the headline is not where it was.
    """
    page = select.document(text)
    about = _about(page)
    return ArticlePage(
        title=_title(page),
        published=_published(about, zone),
        publisher=_publisher(about),
        authors=_authors(about),
        body=_body(page),
    )


def article_number(url: str) -> str:
    """Return the number in an article's URL, of any era; empty when it has none."""
    found = _PATH.fullmatch(url_parts(url).path)
    return found[1] if found else ""


def _title(page: Tag) -> Extracted[str]:
    selector = "div.contentwrap > div.title, div.newsContent h1"
    if headline := select.select_optional(page, selector):
        return Extracted(select.text_of(headline), f"css:{selector}")
    whole = select.text_of(select.select_one(page, "head title"))
    return Extracted(whole.removesuffix(_SITE), f"css:title without {_SITE}")


def _about(page: Tag) -> list[str]:
    """Return the lines below the headline: time, medium, author, in no fixed order."""
    return [
        select.text_of(item) for item in page.select("div.infos > div.item, div.time, div.source")
    ]


def _published(about: list[str], zone: ZoneInfo | None) -> Moment:
    found = [match[0] for line in about if (match := _TIME.search(line))]
    if not found:
        return unknown_time("", "the page gives no time")
    if len(set(found)) > 1:
        raise LayoutChanged(expected="one time", found=str(found), where="below the headline")
    return parse_time(found[0], zone, "css:div.infos > div.item, div.time")


def _publisher(about: list[str]) -> Extracted[str] | None:
    names = [line for line in about if line and not _TIME.search(line)]
    labelled = [name.removeprefix("来源：").strip() for name in names if name.startswith("来源：")]
    bare = [name for name in names if "：" not in name and not _COUNT.fullmatch(name)]
    candidates = set(labelled or bare) - {""}
    if len(candidates) != 1:
        return None
    return Extracted(candidates.pop(), "css:div.infos > div.item, div.source")


def _authors(about: list[str]) -> Extracted[tuple[str, ...]] | None:
    names = [line.removeprefix("作者：").strip() for line in about if line.startswith("作者：")]
    if not any(names):
        return None
    return Extracted(tuple(filter(None, names)), "css:div.infos > div.item")


def _body(page: Tag) -> Tag:
    body = select.select_optional(page, "#ContentBody") or select.select_one(page, "div.Body")
    for summary in body.select("div.b-review"):
        summary.decompose()
    return body
