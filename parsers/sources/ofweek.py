"""OFweek, 高科技行业门户 (high-tech industry portal). Chinese, about 20 articles a day.

Read directly: the news list and the article pages. All pages are GBK; some declare gb2312.

* The list links ``div.list-left div.con-details h3 > a``; the same classes in the right
  column are advertisements.
* The text is ``#articleC`` inside ``div.artical`` (their spelling). Long articles have
  following pages, linked in ``div.page`` and ``#nextPage`` and named ``..._2.html``. An
  article of which a page is missing is incomplete.
* ``div.time.fl`` is the time in Asia/Shanghai, to the minute, without a time zone.
* ``div.source-name`` names a medium or a person. The site does not mark which, so that
  it is both publisher and author here.
* Articles are on sub-domains by industry. The last number of the file name
  (``/2021-05/ART-8500-2800-30501299.html``) is the article's id.
"""

from __future__ import annotations

import re
from functools import partial

from bs4 import Tag

from parsers.compose import compose
from parsers.errors import BadListing, IncompleteArticle, LayoutChanged
from parsers.html import select
from parsers.listings import entry_or_error, unique_entries
from parsers.model import Article, BadEntry, Entry, Extracted, Listing, Moment, Page, Parser, Source
from parsers.sources._publisher import CHINESE, Site, base_url, declared_categories
from parsers.text.dates import parse_time, unknown_time
from parsers.text.urls import absolute, canonicalize, host_of, is_in_domain, url_parts

NAME = "高科技行业门户"
SITE = Site(
    home="https://www.ofweek.com",
    domain="ofweek.com",
    article_path=re.compile(
        r"(?P<file>/(?:[^/]+/)*ART-(?:[0-9]+-)*(?P<id>[0-9]+))(?:_(?P<number>[0-9]{1,3}))?\.html"
    ),
    example="https://www.ofweek.com/2021-05/ART-8500-2800-30501299.html",
    title_suffix=re.compile(r"\s*[-_|]\s*OFweek[^-_|]*$"),
)

_LIST_LINK = "div.list-left div.con-details h3 > a"
_PAGE_LINK = "div.page a, #nextPage a"
_LABEL = re.compile(r"^(?:来源|作者|文)\s*[:：／/]\s*")


def listings(source: Source) -> tuple[Listing, ...]:
    """Return the listing of each configured channel."""
    return tuple(
        Listing(channel=name, url=f"{base_url(source)}/{name}.html")
        for name in source.texts("channels")
    )


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """Return one entry for each linked article.

    Raises:
        BadListing: The page has no such list.
    """
    try:
        links = select.select_all(select.document(page.text), _LIST_LINK)
    except LayoutChanged as error:
        raise BadListing(str(error), expected=error.expected, found=error.found) from error
    return unique_entries(
        entry_or_error(listing.channel, str(link), partial(_entry, source, listing, link))
        for link in links
    )


def parse(source: Source, page: Page) -> Article:
    """Parse an article with all of its pages.

    Raises:
        LayoutChanged: The text, the time or the source is not where it was.
        IncompleteArticle: The title or the text is empty, or a following page is missing.
    """
    _refuse_missing_pages(source, page)
    entry = page.entry or entry_of(source, page.url)
    soup = select.document(page.text)
    article = select.select_one(soup, "div.artical")
    link = _article_url(source, entry, soup)
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
        publisher=name,
        authors=Extracted((name.value,) if name.value else None, name.provenance),
        categories=declared_categories(source),
        language=CHINESE,
    )


def next_pages(source: Source, page: Page) -> tuple[str, ...]:
    """Return the URLs of the article's following pages that this page links, in order."""
    own = SITE.article_path.fullmatch(url_parts(page.url).path)
    if not own:
        return ()
    found = {}
    for link in select.document(page.text).select(_PAGE_LINK):
        url = absolute(page.url, str(link.get("href", "")))
        linked = SITE.article_path.fullmatch(url_parts(url).path)
        if linked and linked["file"] == own["file"] and _number(url) not in {1, _number(page.url)}:
            found[_number(url)] = SITE.at_base(source, url)
    return tuple(url for _, url in sorted(found.items()))


def entry_of(source: Source, url: str) -> Entry:
    """Return the entry of an article's URL, of any of its pages.

    Raises:
        UnknownUrl: The URL names no article.
    """
    link = url.strip()
    number = SITE.configured_id(source, link)
    if found := SITE.article_path.fullmatch(url_parts(link).path):
        link = absolute(link, f"{found['file']}.html")
    return Entry(
        source_article_id=number,
        channel=next(iter(source.texts("channels")), "news"),
        url=SITE.at_base(source, link),
        link=link,
    )


def _entry(source: Source, listing: Listing, link: Tag) -> Entry:
    url = absolute(listing.url, str(link.get("href", "")))
    return Entry(
        source_article_id=SITE.configured_id(source, url),
        channel=listing.channel,
        url=SITE.at_base(source, url),
        link=url,
        facts={"title": select.text_of(link)},
    )


def _article_url(source: Source, entry: Entry, soup: Tag) -> str:
    # The list may leave out the sub-domain; the page has the full URL.
    if canonical := select.select_optional(soup, "link[rel=canonical][href]"):
        url = str(canonical["href"]).strip()
        found = SITE.article_path.fullmatch(url_parts(url).path)
        if (
            found
            and found["id"] == entry.source_article_id
            and is_in_domain(host_of(url), SITE.domain)
        ):
            return url
    return SITE.at_home(source, entry.link)


def _title(entry: Entry, soup: Tag, article: Tag) -> Extracted[str]:
    if title := entry.facts.get("title", ""):
        return Extracted(title, f"listing:{_LIST_LINK}")
    if headline := select.select_optional(article, "h1"):
        return Extracted(select.text_of(headline), "css:div.artical h1")
    return SITE.page_title(soup)


def _source_name(article: Tag) -> Extracted[str]:
    name = _LABEL.sub("", select.text_of(select.select_one(article, "div.source-name")))
    if not name:
        return Extracted(None, "absent: div.source-name is empty")
    return Extracted(name, "css:div.source-name")


def _published(source: Source, article: Tag) -> Moment:
    raw = select.text_of(select.select_one(article, "div.time.fl"))
    if not raw:
        return unknown_time(raw, "div.time.fl is empty")
    return parse_time(raw, source.zone(), "css:div.time.fl")


def _body(page: Page, article: Tag) -> str:
    documents = [article, *(select.document(following.text) for following in page.next_pages)]
    return "\n".join(
        select.select_one(document, "#articleC").decode_contents() for document in documents
    )


def _refuse_missing_pages(source: Source, page: Page) -> None:
    pages = (page, *page.next_pages)
    present = {_number(each.url) for each in pages}
    linked = {_number(url) for each in pages for url in next_pages(source, each)}
    if missing := sorted(linked - present):
        raise IncompleteArticle(
            f"expected pages {sorted(linked | present)} of the article, found {sorted(present)}; "
            "fetch the following pages too",
            expected=f"pages {missing}",
            found=f"pages {sorted(present)}",
        )


def _number(url: str) -> int:
    found = SITE.article_path.fullmatch(url_parts(url).path)
    return int(found["number"] or 1) if found else 1


PARSER = Parser(
    name="ofweek",
    version="2",
    options={
        "base_url": SITE.home,
        "channels": ("CATList-8100-CHANGYIEXINWE",),
        "categories": ("新媒体", NAME, "新闻"),
        "time_zone": "Asia/Shanghai",
    },
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
    next_pages=next_pages,
    requires_full_html=True,
    daily_range=range(1, 100),
    publisher_names=(NAME, "OFweek"),
)
