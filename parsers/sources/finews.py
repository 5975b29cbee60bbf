"""Eastmoney financial news as the finews site collected it. Chinese, 250 articles a day.

Three list APIs have the same content under different names (``_SHAPES``)::

    channel     list        id        code      medium     time
    emnews      records     id        infoCode  (credit)   showtime
    media       nodeList    infocode  infocode  from       showtime
    market-NN   record      infoCode  infoCode  medianame  datetime

* The text comes from ``GetNewsText.do?id=<code>``: key ``content`` for the rolling news
  (emnews), key ``text`` for the others. Title and time are in the listing only. Titles
  are plain text, never escaped.
* Times are in Asia/Shanghai, without a time zone.
* Because of an upstream fault, some items have a valid code but an empty title, time and
  URL, often beside the complete item of the same article. Such an item is an entry;
  without a title it is quarantined until a complete one comes.
* The rolling news has a digest (``【title】text（medium）``). It stays in the facts of the
  entry and is not part of the article, because it repeats the beginning of the text.
* One article may be listed twice, as ``<18 digits>`` and as ``NW<18 digits>``: two ids,
  one content.
* A share link, or the URL of an Eastmoney article, leads to the article page
  (``parsers.sources.eastmoney``). The share page itself has no text.
* The category is the medium in pinyin (財→``cai``), the tag is the medium and ``新闻``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qs

from parsers.compose import compose
from parsers.errors import BadListing, IncompleteArticle, LayoutChanged, UnknownUrl
from parsers.html import select
from parsers.html.clean import clean_body
from parsers.listings import entry_or_error, fact, record, records, unique_entries
from parsers.model import (
    SHARE_LINK,
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
    allowed_value,
)
from parsers.sources import eastmoney
from parsers.sources._publisher import CHINESE, base_url
from parsers.text.dates import parse_time, unknown_time
from parsers.text.pinyin import category_slug
from parsers.text.urls import canonicalize, host_of, url_parts

ROLLING = "emnews"

_SHARE_HOSTS = frozenset({"finews.zning.xyz", "choicewzp1.eastmoney.com"})
_SHARE_PAGE = "http://finews.zning.xyz/html_News/NewsShare.html?infoCode="
_ARTICLE_PAGE = "https://finance.eastmoney.com/a/"
_TEXT_PATH = "/NewsData/GetNewsText.do"
_CODE = re.compile(r"NW[0-9]{12,20}")
_NUMBER = re.compile(r"[0-9]{12,20}")
_COUNT = re.compile(r"\bcount=([0-9]+)")

MAX_DOUBLINGS = 6

Names = Extracted[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """The path of a list API and its names of keys."""

    path: str
    items: str
    article_id: str
    code: str
    published: str
    publisher: str | None = None
    also: tuple[tuple[str, str], ...] = ()


def _market(number: int) -> _Shape:
    return _Shape(
        path=f"/newmarket/web/webapi?marketType={number}&count=100",
        items="record",
        article_id="infoCode",
        code="infoCode",
        published="datetime",
        publisher="medianame",
    )


_SHAPES: Mapping[str, _Shape] = {
    ROLLING: _Shape(
        path="/web/webapi?type=102&count=500&newsid=1",
        items="records",
        article_id="id",
        code="infoCode",
        published="showtime",
        also=(("digest", "digest"), ("link", "url_w")),
    ),
    "media": _Shape(
        path="/web/webapi?type=45&count=100&newsid=1",
        items="nodeList",
        article_id="infocode",
        code="infocode",
        published="showtime",
        publisher="from",
    ),
    **{f"market-{number}": _market(number) for number in (37, 38, 39)},
}


def listings(source: Source) -> tuple[Listing, ...]:
    """Return one listing for each channel; article URLs need none."""
    channels = [allowed_value("channels", name, _SHAPES) for name in source.texts("channels")]
    return tuple(
        Listing(channel=name, url=base_url(source) + _SHAPES[name].path) for name in channels
    )


def older_listing(source: Source, channel: str, number: int) -> Listing | None:
    """Return the same list, twice as long for each ``number``, at most six times.

    The APIs are known to accept different values of ``count``, but their limit is unknown:
    a list that does not grow has ended.
    """
    path, count = _SHAPES[channel].path, _COUNT.search(_SHAPES[channel].path)
    if count is None or number > MAX_DOUBLINGS:
        return None
    longer = _COUNT.sub(f"count={int(count[1]) << number}", path)
    return Listing(channel=channel, url=base_url(source) + longer)


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """Return one entry for each article of the list.

    Raises:
        BadListing: The answer is not JSON, or its list is not where it was.
    """
    shape = _SHAPES[listing.channel]
    return unique_entries(
        entry_or_error(
            listing.channel,
            json.dumps(item, ensure_ascii=False),
            partial(_entry, source, listing.channel, shape, item),
        )
        for item in records(page.text, shape.items)
    )


def parse(source: Source, page: Page) -> Article:
    """Parse an article: the answer of the text API, or an Eastmoney article page.

    Raises:
        IncompleteArticle: The title or the text is empty.
        LayoutChanged: The answer or the page is not as it was.
    """
    if _TEXT_PATH not in url_parts(page.url).path:
        return _parse_article_page(source, page)
    if page.entry is None:
        raise IncompleteArticle(
            "the text API has neither title nor time: expected the entry of a listing, found none"
        )
    entry = page.entry
    body = _text(page, entry.channel)
    medium = _medium(entry, body)
    category, tag = _category_and_tag(entry.channel, medium)
    number = entry.source_article_id
    return compose(
        source,
        page,
        source_article_id=number,
        url=entry.link,
        canonical_url=canonical_url(number),
        title=Extracted(entry.facts["title"], "listing:title"),
        body=body,
        published=_published(source, entry),
        publisher=medium,
        categories=category,
        tags=tag,
        language=CHINESE,
    )


def entry_of(source: Source, url: str) -> Entry:
    """Return the entry of a share link or of an article's URL, of any era.

    Raises:
        UnknownUrl: The URL names no article.
    """
    link = url.strip().removeprefix("<").removesuffix(">").strip()
    number = _number_in(link, _own_hosts(source))
    digits = number.removeprefix("NW")
    return Entry(
        source_article_id=number,
        channel=SHARE_LINK,
        url=f"{source.text('article_base_url').rstrip('/')}/a/{digits}.html",
        link=link,
    )


def _entry(source: Source, channel: str, shape: _Shape, item: object) -> Entry:
    found = record(item)
    number = _id(found, shape.article_id)
    code = _id(found, shape.code)
    facts = {"title": fact(found, "title"), "published": fact(found, shape.published)}
    if shape.publisher:
        facts["publisher"] = fact(found, shape.publisher)
    facts |= {name: fact(found, theirs) for name, theirs in shape.also}
    return Entry(
        source_article_id=number,
        channel=channel,
        url=f"{base_url(source)}{_TEXT_PATH}?id={code}",
        link=facts.get("link", "").strip() or canonical_url(number),
        facts=facts,
    )


def _id(item: Mapping[str, object], name: str) -> str:
    value = fact(item, name).strip()
    if not value:
        raise IncompleteArticle(expected=f"a value under {name!r}", found=repr(value))
    pattern = _NUMBER if name == "id" else _CODE
    if not pattern.fullmatch(value):
        shape = "18 digits" if name == "id" else "NW and 18 digits"
        raise LayoutChanged(expected=shape, found=value[:80], where=f"{name!r}")
    return value


def _text(page: Page, channel: str) -> str:
    name = "content" if channel == ROLLING else "text"
    try:
        answer = select.json_document(page.text, "the text API")
    except BadListing as error:
        raise LayoutChanged(str(error), expected=error.expected, found=error.found) from error
    body = fact(record(answer, "the text API"), name, "the text API")
    if not body.strip():
        raise IncompleteArticle(
            expected=f"HTML under {name!r}", found=repr(body[:80]), where="the text API"
        )
    return body


def _published(source: Source, entry: Entry) -> Moment:
    raw = entry.facts["published"]
    if not raw.strip():
        return unknown_time(raw, "the listing gives no time")
    return parse_time(raw, source.zone(), "listing:time")


def _medium(entry: Entry, body: str) -> Extracted[str]:
    if name := entry.facts.get("publisher", "").strip():
        return Extracted(name, "listing:medium")
    if credit := clean_body(body, entry.link).publisher:
        return Extracted(credit, "credit in the body")
    return Extracted(None, "absent: neither the listing nor the body names a medium")


def _category_and_tag(channel: str, medium: Extracted[str]) -> tuple[Names, Names]:
    if channel == ROLLING:
        return Extracted((ROLLING,), "channel"), Extracted(("东财滚动新闻",), "channel")
    if medium.value is None:
        absent: Names = Extracted(None, "absent: no medium is named")
        return absent, absent
    slug, tag = category_slug(medium.value), f"{medium.value}新闻"
    return (
        Extracted((slug,), f"pinyin of the publisher ({medium.provenance})"),
        Extracted((tag,), f"publisher ({medium.provenance})"),
    )


def _parse_article_page(source: Source, page: Page) -> Article:
    entry = page.entry or entry_of(source, page.url)
    found = eastmoney.parse_page(page.text, source.zone())
    medium = found.publisher or _medium(entry, str(found.body))
    category, tag = _category_and_tag(entry.channel, medium)
    return compose(
        source,
        page,
        source_article_id=entry.source_article_id,
        url=entry.link or page.url,
        canonical_url=canonical_url(entry.source_article_id),
        title=found.title,
        body=found.body,
        published=found.published,
        publisher=medium,
        authors=found.authors,
        categories=category,
        tags=tag,
        language=CHINESE,
    )


def canonical_url(number: str) -> CanonicalUrl:
    """Return the canonical URL of an article: share page for NW ids, else article page."""
    if number.startswith("NW"):
        return canonicalize(f"{_SHARE_PAGE}{number}")
    return canonicalize(f"{_ARTICLE_PAGE}{number}.html")


def _own_hosts(source: Source) -> frozenset[str]:
    return frozenset({host_of(source.text("base_url")), host_of(source.text("article_base_url"))})


def _number_in(link: str, own_hosts: frozenset[str]) -> str:
    host = host_of(link)
    if host in _SHARE_HOSTS | own_hosts:
        query = parse_qs(url_parts(link).query)
        codes = query.get("infoCode", []) + query.get("id", [])
        if len(codes) == 1 and _CODE.fullmatch(codes[0]):
            return codes[0]
    if host in eastmoney.HOSTS | own_hosts and (number := eastmoney.article_number(link)):
        return number
    raise UnknownUrl(
        f"expected a share link or the URL of an Eastmoney article, found {link[:200]!r}",
        expected=f"a page of {', '.join(sorted(_SHARE_HOSTS | eastmoney.HOSTS))}",
        found=link[:200],
    )


PARSER = Parser(
    name="finews",
    version="2",
    options={
        "base_url": "http://finews.zning.xyz",
        "article_base_url": "https://finance.eastmoney.com",
        "channels": tuple(_SHAPES),
        "article_urls": (),
        "time_zone": "Asia/Shanghai",
    },
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
    requires_full_html=True,
    daily_range=range(50, 3000),
    older_listing=older_listing,
)
