"""Eastmoney financial news as the finews site gathered it. Chinese, some 250 articles a day.

Three list APIs, one meaning, three spellings (``_SHAPES``)::

    channel     list        id        code      medium     time
    emnews      records     id        infoCode  (credit)   showtime
    media       nodeList    infocode  infocode  from       showtime
    market-NN   record      infoCode  infoCode  medianame  datetime

* The text comes from ``GetNewsText.do?id=<code>``: key ``content`` for the rolling news
  (emnews), key ``text`` for the others. It names neither title nor time: those are the
  listing's. Titles there are plain text, never escaped.
* Times are Asia/Shanghai without saying so.
* An upstream fault sends lines with a good code and an empty title, time and address,
  often beside the complete line of the same article. Such a line is an entry; without a
  title it ends in quarantine until a complete one comes.
* The rolling news carries a digest (``【title】text（medium）``). It stays among the facts
  of the entry and is not part of the article: it repeats the body's own beginning, and
  what the finews site made of it (all after the last ``】``) loses text.
* One article may be listed twice, under ``<18 digits>`` and ``NW<18 digits>``: two ids,
  one content.
* A share link, or any address of an Eastmoney article, leads to the article page
  (``parsers.sources.eastmoney``): the share page itself is an empty shell.
* The category is the medium in pinyin (財→``cai``), the tag is medium + ``新闻``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from parsers.compose import compose
from parsers.errors import BadListing, IncompleteArticle, LayoutChanged, UnknownUrl
from parsers.html import select
from parsers.html.clean import clean_body
from parsers.listings import (
    entry_or_error,
    fact,
    host_of,
    parts_of,
    record,
    records,
    unique_entries,
)
from parsers.model import (
    Article,
    BadEntry,
    CanonicalUrl,
    Entry,
    Extracted,
    Listing,
    Moment,
    Page,
    Parser,
    Source,
)
from parsers.options import choice
from parsers.sources import eastmoney
from parsers.text.dates import parse_time, unknown_time
from parsers.text.pinyin import category_slug
from parsers.text.urls import canonicalize

LANGUAGE = Extracted("zh-CN", "source declaration")
ROLLING = "emnews"
SHARED = "share"

_SHARE_HOSTS = frozenset({"finews.zning.xyz", "choicewzp1.eastmoney.com"})
_SHARE_PAGE = "http://finews.zning.xyz/html_News/NewsShare.html?infoCode="
_ARTICLE_PAGE = "https://finance.eastmoney.com/a/"
_TEXT_PATH = "/NewsData/GetNewsText.do"
_CODE = re.compile(r"NW[0-9]{12,20}")
_NUMBER = re.compile(r"[0-9]{12,20}")
_COUNT = re.compile(r"\bcount=([0-9]+)")

MOST_DOUBLINGS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """One list API: its address and what it calls things."""

    path: str
    lines: str
    article_id: str
    code: str
    published: str
    publisher: str | None = None
    also: tuple[tuple[str, str], ...] = ()


def _market(number: int) -> _Shape:
    return _Shape(
        path=f"/newmarket/web/webapi?marketType={number}&count=100",
        lines="record",
        article_id="infoCode",
        code="infoCode",
        published="datetime",
        publisher="medianame",
    )


_SHAPES: Mapping[str, _Shape] = {
    ROLLING: _Shape(
        path="/web/webapi?type=102&count=500&newsid=1",
        lines="records",
        article_id="id",
        code="infoCode",
        published="showtime",
        also=(("digest", "digest"), ("link", "url_w")),
    ),
    "media": _Shape(
        path="/web/webapi?type=45&count=100&newsid=1",
        lines="nodeList",
        article_id="infocode",
        code="infocode",
        published="showtime",
        publisher="from",
    ),
    **{f"market-{number}": _market(number) for number in (37, 38, 39)},
}


def listings(source: Source) -> tuple[Listing, ...]:
    """One listing a channel; share links need none."""
    base = source.text("base_url").rstrip("/")
    channels = [choice("channels", name, _SHAPES) for name in source.texts("channels")]
    return tuple(Listing(channel=name, url=base + _SHAPES[name].path) for name in channels)


def older_listing(source: Source, channel: str, turn: int) -> Listing | None:
    """The same list, twice as long at each turn: its only known way back in time.

    ``count`` is the one thing these interfaces were ever asked with different values of;
    how far they really reach is not known, so a list that does not grow has ended.
    """
    path, count = _SHAPES[channel].path, _COUNT.search(_SHAPES[channel].path)
    if count is None or turn > MOST_DOUBLINGS:
        return None
    longer = _COUNT.sub(f"count={int(count[1]) << turn}", path)
    return Listing(channel=channel, url=source.text("base_url").rstrip("/") + longer)


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """One entry an article of the list.

    Raises:
        BadListing: The answer is not JSON, or its list is not where it was.
    """
    shape = _SHAPES[listing.channel]
    lines = records(page.text, shape.lines)
    return unique_entries(_line(source, listing.channel, shape, line) for line in lines)


def parse(source: Source, page: Page) -> Article:
    """Read one article: the answer of the text API, or an Eastmoney article page.

    Raises:
        IncompleteArticle: The title or the text is empty.
        LayoutChanged: The answer or the page is not as it was.
    """
    if _TEXT_PATH not in parts_of(page.url).path:
        return _parse_article_page(source, page)
    if page.entry is None:
        raise IncompleteArticle(
            "the text API names neither title nor time: expected the entry of a listing, found none"
        )
    body = _text(page, page.entry.channel)
    medium = _medium(page.entry, body)
    number = page.entry.source_article_id
    return compose(
        source,
        page,
        source_article_id=number,
        url=page.entry.link,
        canonical_url=_canonical(number),
        title=Extracted(page.entry.facts["title"], "listing:title"),
        body=body,
        published=_published(source, page.entry),
        publisher=medium,
        categories=_categories(page.entry.channel, medium),
        tags=_tags(page.entry.channel, medium),
        language=LANGUAGE,
    )


def entry_of(source: Source, url: str) -> Entry:
    """The entry of a share link or of an article's address, whatever its era.

    Raises:
        UnknownUrl: The address names no article.
    """
    link = url.strip().removeprefix("<").removesuffix(">").strip()
    number = _number_in(link, _own_hosts(source))
    digits = number.removeprefix("NW")
    return Entry(
        source_article_id=number,
        channel=SHARED,
        url=f"{source.text('article_url').rstrip('/')}/a/{digits}.html",
        link=link,
    )


# A listing.


def _line(source: Source, channel: str, shape: _Shape, line: object) -> Entry | BadEntry:
    raw = json.dumps(line, ensure_ascii=False)
    return entry_or_error(channel, raw, partial(_entry, source, channel, shape, line))


def _entry(source: Source, channel: str, shape: _Shape, line: object) -> Entry:
    found = record(line)
    number = _id(found, shape.article_id)
    code = _id(found, shape.code)
    facts = {"title": fact(found, "title"), "published": fact(found, shape.published)}
    if shape.publisher:
        facts["publisher"] = fact(found, shape.publisher)
    facts |= {name: fact(found, theirs) for name, theirs in shape.also}
    return Entry(
        source_article_id=number,
        channel=channel,
        url=f"{source.text('base_url').rstrip('/')}{_TEXT_PATH}?id={code}",
        link=facts.get("link", "").strip() or _canonical(number),
        facts=facts,
    )


def _id(line: Mapping[str, object], name: str) -> str:
    value = fact(line, name).strip()
    if not value:
        raise IncompleteArticle(
            f"expected an id under {name!r}, found an empty one",
            expected=f"a value under {name!r}",
            found=repr(value),
        )
    pattern = _NUMBER if name == "id" else _CODE
    if not pattern.fullmatch(value):
        shape = "18 digits" if name == "id" else "NW and 18 digits"
        raise LayoutChanged(
            f"expected {shape} under {name!r}, found {value[:80]!r}",
            expected=shape,
            found=value[:80],
        )
    return value


# An answer of the text API.


def _text(page: Page, channel: str) -> str:
    name = "content" if channel == ROLLING else "text"
    try:
        answer = select.json_document(page.text, "the text API")
    except BadListing as error:
        raise LayoutChanged(str(error), expected=error.expected, found=error.found) from error
    body = fact(record(answer, "the text API"), name, "the text API")
    if not body.strip():
        raise IncompleteArticle(
            f"the text API: expected HTML under {name!r}, found none",
            expected=f"HTML under {name!r}",
            found=repr(body[:80]),
        )
    return body


def _published(source: Source, entry: Entry) -> Moment:
    raw = entry.facts["published"]
    if not raw.strip():
        return unknown_time(raw, "the listing gives no time")
    return parse_time(raw, ZoneInfo(source.text("time_zone")), "listing:time")


def _medium(entry: Entry, body: str) -> Extracted[str]:
    if name := entry.facts.get("publisher", "").strip():
        return Extracted(name, "listing:medium")
    if credit := clean_body(body, entry.link).publisher:
        return Extracted(credit, "credit in the body")
    return Extracted(None, "absent: neither the listing nor the body names a medium")


def _categories(channel: str, medium: Extracted[str]) -> Extracted[tuple[str, ...]]:
    if channel == ROLLING:
        return Extracted((ROLLING,), "channel")
    if medium.value is None:
        return Extracted(None, "absent: no medium is named")
    return Extracted((category_slug(medium.value),), f"pinyin of the publisher ({medium.how})")


def _tags(channel: str, medium: Extracted[str]) -> Extracted[tuple[str, ...]]:
    if channel == ROLLING:
        return Extracted(("东财滚动新闻",), "channel")
    if medium.value is None:
        return Extracted(None, "absent: no medium is named")
    return Extracted((f"{medium.value}新闻",), f"publisher ({medium.how})")


# An article page.


def _parse_article_page(source: Source, page: Page) -> Article:
    entry = page.entry or entry_of(source, page.url)
    found = eastmoney.read(page.text, ZoneInfo(source.text("time_zone")))
    medium = found.publisher
    if medium is None:
        medium = _medium(entry, str(found.body))
    return compose(
        source,
        page,
        source_article_id=entry.source_article_id,
        url=entry.link or page.url,
        canonical_url=_canonical(entry.source_article_id),
        title=found.title,
        body=found.body,
        published=found.published,
        publisher=medium,
        authors=found.authors,
        categories=_categories(entry.channel, medium),
        tags=_tags(entry.channel, medium),
        language=LANGUAGE,
    )


# Ids and addresses.


def _canonical(number: str) -> CanonicalUrl:
    if number.startswith("NW"):
        return canonicalize(f"{_SHARE_PAGE}{number}")
    return canonicalize(f"{_ARTICLE_PAGE}{number}.html")


def _own_hosts(source: Source) -> frozenset[str]:
    return frozenset({host_of(source.text("base_url")), host_of(source.text("article_url"))})


def _number_in(link: str, own_hosts: frozenset[str]) -> str:
    host = host_of(link)
    if host in _SHARE_HOSTS | own_hosts:
        query = parse_qs(parts_of(link).query)
        codes = query.get("infoCode", []) + query.get("id", [])
        if len(codes) == 1 and _CODE.fullmatch(codes[0]):
            return codes[0]
    if host in eastmoney.HOSTS | own_hosts and (number := eastmoney.article_number(link)):
        return number
    raise UnknownUrl(
        f"expected a share link or the address of an Eastmoney article, found {link[:200]!r}",
        expected=f"a page of {', '.join(sorted(_SHARE_HOSTS | eastmoney.HOSTS))}",
        found=link[:200],
    )


PARSER = Parser(
    name="finews",
    version="1",
    options={
        "base_url": "http://finews.zning.xyz",
        "article_url": "https://finance.eastmoney.com",
        "channels": tuple(_SHAPES),
        "share_links": (),
        "time_zone": "Asia/Shanghai",
    },
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
    is_closed=True,
    expect=range(50, 3000),
    older_listing=older_listing,
)
