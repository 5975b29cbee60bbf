"""OFweek, 高科技行业门户 (the high-tech industry's portal). Chinese, about 20 articles a day.

Read directly: the news list and the article pages, all of them GBK (some say gb2312,
and mean GBK); ``parsers.text.charset`` has decoded them before they come here.

* The list links ``div.list-left div.con-details h3 > a``; the same classes in the right
  column are advertisements.
* The text is ``#articleC`` inside ``div.artical`` (their spelling). A long article goes on
  over several pages, linked in ``div.page`` and ``#nextPage``, named ``..._2.html``; an
  article of which a page is missing is incomplete, never short.
* ``div.time.fl`` is Asia/Shanghai without saying so, to the minute.
* ``div.source-name`` names who the text comes from: a medium, or the person who wrote
  it. The site does not tell which, so it is both publisher and author here.
* Articles live on sub-domains by industry. The last number of the file name
  (``/2021-05/ART-8500-2800-30501299.html``) is the article's id.
"""

from __future__ import annotations

import re
from functools import partial
from zoneinfo import ZoneInfo

from bs4 import Tag

from parsers.compose import compose
from parsers.errors import BadListing, IncompleteArticle, LayoutChanged, UnknownUrl
from parsers.html import select
from parsers.listings import entry_or_error, host_of, is_below, parts_of, rebased, unique_entries
from parsers.model import Article, BadEntry, Entry, Extracted, Listing, Moment, Page, Parser, Source
from parsers.text.dates import parse_time, unknown_time
from parsers.text.urls import absolute, canonicalize

HOME = "https://www.ofweek.com"
DOMAIN = "ofweek.com"
NAME = "高科技行业门户"

_LINE = "div.list-left div.con-details h3 > a"
_FOLLOWING = "div.page a, #nextPage a"
_FILE = re.compile(r"(/(?:[^/]+/)*ART-(?:[0-9]+-)*([0-9]+))(?:_([0-9]{1,3}))?\.html")
_LABEL = re.compile(r"^(?:来源|作者|文)\s*[：:／/]\s*")
_SITE = re.compile(r"\s*[-_|]\s*OFweek[^-_|]*$")


def listings(source: Source) -> tuple[Listing, ...]:
    """One listing for each configured list page."""
    return tuple(
        Listing(channel=name, url=f"{_base(source)}/{name}.html") for name in source.texts("lists")
    )


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """One entry an article of the list.

    Raises:
        BadListing: The page has no such list.
    """
    try:
        links = select.select_all(select.document(page.text), _LINE)
    except LayoutChanged as error:
        raise BadListing(str(error), expected=error.expected, found=error.found) from error
    return unique_entries(
        entry_or_error(listing.channel, str(link), partial(_entry, source, listing, link))
        for link in links
    )


def parse(source: Source, page: Page) -> Article:
    """Read one article, with all of its pages.

    Raises:
        LayoutChanged: The text, the time or the source is not where it was.
        IncompleteArticle: The title or the text is empty, or a following page is missing.
    """
    _refuse_missing_pages(source, page)
    entry = page.entry or entry_of(source, page.url)
    soup = select.document(page.text)
    article = select.select_one(soup, "div.artical")
    link = _address(source, entry, soup)
    name = _source_name(article)
    return compose(
        source,
        page,
        source_article_id=entry.source_article_id,
        url=link,
        canonical_url=canonicalize(link),
        title=_title(entry, soup, article),
        body=_body(page, article),
        published=_published(source, article),
        publisher=Extracted(name.value, name.how),
        authors=Extracted((name.value,) if name.value else None, name.how),
        categories=Extracted(source.texts("categories"), "source declaration"),
        language=Extracted("zh-CN", "source declaration"),
    )


def more(source: Source, page: Page) -> tuple[str, ...]:
    """The addresses of the article's following pages that this page links, in order."""
    own = _FILE.fullmatch(parts_of(page.url).path)
    if not own:
        return ()
    found = {}
    for link in select.document(page.text).select(_FOLLOWING):
        url = absolute(page.url, str(link.get("href", "")))
        file = _FILE.fullmatch(parts_of(url).path)
        if file and file[1] == own[1] and int(file[3] or 1) > 1 and file[3] != own[3]:
            found[int(file[3])] = rebased(url, HOME, _base(source))
    return tuple(url for _, url in sorted(found.items()))


def entry_of(source: Source, url: str) -> Entry:
    """The entry of an article's address, of any of its pages.

    Raises:
        UnknownUrl: The address names no article.
    """
    link = url.strip()
    number = article_id(link, (host_of(_base(source)),))
    if file := _FILE.fullmatch(parts_of(link).path):
        link = absolute(link, f"{file[1]}.html")
    return Entry(
        source_article_id=number,
        channel=source.texts("lists")[0] if source.texts("lists") else "news",
        url=rebased(link, HOME, _base(source)),
        link=link,
    )


def article_id(url: str, hosts: tuple[str, ...] = ()) -> str:
    """The last number in an article's file name.

    Args:
        url: The address.
        hosts: Hosts that serve the publication besides its own domain.

    Raises:
        UnknownUrl: The address names no article of OFweek.
    """
    found = _FILE.fullmatch(parts_of(url).path)
    if not found or not (is_below(host_of(url), DOMAIN) or host_of(url) in hosts):
        raise UnknownUrl(
            f"expected an article of OFweek such as {HOME}/2021-05/ART-8500-2800-30501299.html, "
            f"found {url[:200]!r}",
            expected="an address that ends in ART-<numbers>.html",
            found=url[:200],
        )
    return found[2]


def _entry(source: Source, listing: Listing, link: Tag) -> Entry:
    address = absolute(listing.url, str(link.get("href", "")))
    return Entry(
        source_article_id=article_id(address, (host_of(_base(source)),)),
        channel=listing.channel,
        url=rebased(address, HOME, _base(source)),
        link=address,
        facts={"title": select.text_of(link)},
    )


def _address(source: Source, entry: Entry, soup: Tag) -> str:
    # The list may leave out the sub-domain; the page names its own address.
    if canonical := select.select_optional(soup, "link[rel=canonical][href]"):
        address = str(canonical["href"]).strip()
        if _is_of(address, entry.source_article_id):
            return address
    return rebased(entry.link, _base(source), HOME)


def _is_of(url: str, number: str) -> bool:
    file = _FILE.fullmatch(parts_of(url).path)
    return is_below(host_of(url), DOMAIN) and file is not None and file[2] == number


def _title(entry: Entry, soup: Tag, article: Tag) -> Extracted[str]:
    if title := entry.facts.get("title", ""):
        return Extracted(title, f"listing:{_LINE}")
    if headline := select.select_optional(article, "h1"):
        return Extracted(select.text_of(headline), "css:div.artical h1")
    whole = select.text_of(select.select_one(soup, "head title"))
    return Extracted(_SITE.sub("", whole), "css:title without the site's name")


def _source_name(article: Tag) -> Extracted[str]:
    name = _LABEL.sub("", select.text_of(select.select_one(article, "div.source-name")))
    if not name:
        return Extracted(None, "absent: div.source-name is empty")
    return Extracted(name, "css:div.source-name")


def _published(source: Source, article: Tag) -> Moment:
    raw = select.text_of(select.select_one(article, "div.time.fl"))
    if not raw:
        return unknown_time(raw, "div.time.fl is empty")
    return parse_time(raw, ZoneInfo(source.text("time_zone")), "css:div.time.fl")


def _body(page: Page, article: Tag) -> str:
    parts = [select.select_one(article, "#articleC")]
    parts += [
        select.select_one(select.document(following.text), "#articleC") for following in page.more
    ]
    return "\n".join(part.decode_contents() for part in parts)


def _refuse_missing_pages(source: Source, page: Page) -> None:
    read = {_turn(each.url) for each in (page, *page.more)}
    linked = {_turn(url) for each in (page, *page.more) for url in more(source, each)}
    if missing := sorted(linked - read):
        raise IncompleteArticle(
            f"expected pages {sorted(linked | read)} of the article, found {sorted(read)}; "
            f"fetch the following pages too",
            expected=f"pages {missing}",
            found=f"pages {sorted(read)}",
        )


def _turn(url: str) -> int:
    file = _FILE.fullmatch(parts_of(url).path)
    return int(file[3] or 1) if file else 1


def _base(source: Source) -> str:
    return source.text("base_url").rstrip("/")


PARSER = Parser(
    name="ofweek",
    version="1",
    options={
        "base_url": HOME,
        "lists": ("CATList-8100-CHANGYIEXINWE",),
        "categories": ("新媒体", NAME, "新闻"),
        "time_zone": "Asia/Shanghai",
    },
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
    more=more,
    is_closed=True,
    expect=range(1, 100),
    names=(NAME, "OFweek"),
)
