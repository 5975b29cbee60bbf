"""Any article page, from its declarations (JSON-LD, meta) and its visible text.

* An unescaped quote may cut ``og:title``, so that a heading which the page's title
  confirms comes first.
* ``article:author`` is often the site or a URL; neither is an author.
* A body may be in a box named ``sidebar`` or ``comment``: class names are hints, the
  weight of the sentences decides.
* A time without a time zone is in the zone of the option ``time_zone``, else of the
  publisher in ``parsers.extract.heuristics``, else in UTC.
* The following pages of an article are joined (``parsers.extract.pagination``).
* The option ``select`` names a CSS selector for any field (``parsers.extract.selected``).

An article's id is its canonical URL. There are no listings: URLs name the pages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bs4 import Tag
from lxml import etree

from parsers.compose import compose
from parsers.errors import IncompleteArticle, OptionError, ParseError, WrongPage
from parsers.extract.article_box import best_box
from parsers.extract.blocks import Box, Layout, layout
from parsers.extract.body import body_of
from parsers.extract.byline import authors, publisher
from parsers.extract.completeness import (
    mark_partial,
    remove_offers,
    size_behind_wall,
    with_completeness,
)
from parsers.extract.heuristics import Host, host_facts
from parsers.extract.join import join_bodies, repeats
from parsers.extract.media_body import declared_media, is_named_article, media_body
from parsers.extract.metadata import categories, headline, language_of, lead_image, tags
from parsers.extract.pagination import MAX_PAGES, next_page
from parsers.extract.published import published, updated
from parsers.extract.selected import select_fields, selectors_of, without_removed
from parsers.extract.structured import Structured, read_structured, texts
from parsers.extract.tree import parse_tree, text_of
from parsers.extract.wrong_page import listed_title, refuse_wrong_page, wrong_page
from parsers.html.node import Node, node_of
from parsers.identity import are_alike
from parsers.model import (
    Article,
    BadEntry,
    CanonicalUrl,
    Entry,
    Extracted,
    Listing,
    Media,
    Moment,
    Page,
    Parser,
    Source,
)
from parsers.text.urls import absolute, canonicalize, is_http

NO_ZONE = "none"
AS_DECLARED = "declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A page and its parts.

    Attributes:
        base: The base of its links.
        links: Their addresses, of the whole page.
        delivered: Characters of the part that the page declares to be behind its paywall.
    """

    root: etree._Element
    declared: Structured
    layout: Layout
    box: Box | None
    address: CanonicalUrl
    base: str
    links: tuple[str, ...]
    host: Host
    delivered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Following:
    """The following pages of an article.

    Attributes:
        pages: The pages that continue it.
        bodies: Their bodies.
        end: Why the first page after them does not continue it; empty when there is none.
        is_end: No further page belongs to the article.
    """

    pages: tuple[_Read, ...] = ()
    bodies: tuple[etree._Element, ...] = ()
    end: str = ""
    is_end: bool = False


def parse(source: Source, page: Page) -> Article:
    """Parse one article page.

    Raises:
        WrongPage: It is a front page, an error page or another page without the article.
        LayoutChanged: A selector of ``select`` that must match does not.
        IncompleteArticle: There is no title or no article text.
    """
    selectors = selectors_of(source.options)
    page = without_removed(selectors, page)
    read = _take_apart(page)
    _refuse_front_page(read, page)
    zone = _zone(source, read.host)
    chosen = select_fields(selectors, page, read.base, zone)
    title = chosen.title or headline(read.root, read.declared, read.layout, read.box)
    named = chosen.publisher or publisher(read.declared, read.layout, read.box)
    name = (named and named.value) or ""
    writers = chosen.authors or authors(read.declared, read.layout, read.box, publisher=name)
    moment = chosen.published or published(
        read.root, read.declared, read.layout, read.box, read.address, zone
    )
    changed = chosen.updated or updated(read.root, read.declared, read.layout, read.box, zone)
    words = chosen.language or language_of(_language(source), read.root, read.declared, read.layout)
    body = None if chosen.body else _body(read, title)  # last, because it changes the tree
    text = chosen.body_text or (text_of(body) if body is not None else "")
    longest = text or max((block.text for block in read.layout.blocks), key=len, default="")
    refuse_wrong_page(page, read.layout, read.declared, title.value or "", longest)
    if chosen.missing:  # after that, because an error page has another layout, too
        raise chosen.missing
    attached = Extracted(page.entry.media if page.entry else (), "feed:attachments of the item")
    if not chosen.body and not text:
        body, attached = _without_text(read, page, title.value or "", moment, attached)
    whole, rest = _joined(source, page, read, chosen.body or body, title.value or "")
    article = compose(
        source,
        page,
        source_article_id=read.address,
        url=page.final_url or page.url or read.address,
        canonical_url=read.address,
        title=title,
        body=whole,
        published=moment,
        publisher=named,
        authors=writers,
        updated=changed,
        categories=chosen.categories or categories(read.declared),
        tags=chosen.tags or tags(read.declared),
        language=words,
        lead_image=chosen.lead_image or lead_image(read.declared, read.base),
        media=attached,
        base_url=read.base,
    )
    if chosen.body:
        provenance = {**article.provenance, "body_html": selectors["body"].provenance}
        article = replace(article, provenance=provenance)
    last = rest.pages[-1] if rest.pages else read
    delivered = sum(one.delivered for one in (read, *rest.pages))
    article = with_completeness(article, read.declared, delivered, _lines_behind(last))
    return mark_partial(article, rest.end) if rest.end else article


def next_pages(source: Source, page: Page) -> tuple[str, ...]:
    """Return the URL of the page after the last one of an article; none after ``MAX_PAGES``."""
    url = next_page((page, *page.next_pages))
    if url is None or len(page.next_pages) + 1 >= MAX_PAGES:
        return ()
    if page.next_pages:  # one that repeats the first page, or is another page, is the end
        read = _take_apart(page)
        title = headline(read.root, read.declared, read.layout, read.box)
        last = replace(page, next_pages=page.next_pages[-1:])
        if _following(source, last, title.value or "", _body(read, title)).is_end:
            return ()
    return (url,)


def listings(source: Source) -> tuple[Listing, ...]:
    """Return none: URLs name the pages of this source.

    Raises:
        OptionError: ``time_zone`` is no time zone, or ``select`` has a wrong field or selector.
    """
    _zone(source, Host())
    selectors_of(source.options)
    return ()


def entries(_source: Source, _listing: Listing, _page: Page) -> tuple[Entry | BadEntry, ...]:
    """Return none, because there are no listings."""
    return ()


def entry_of(_source: Source, url: str) -> Entry:
    """Return the entry of any http or https URL.

    Raises:
        UnknownUrl: It is no absolute http or https URL.
    """
    canonical = canonicalize(url)
    return Entry(source_article_id=canonical, channel="", url=url, link=url)


def _take_apart(page: Page) -> _Read:
    root = parse_tree(page.text)
    if root is None:
        raise IncompleteArticle(
            f"{page.url}: expected an HTML page, found {len(page.text)} characters without an element",
            expected="an HTML page",
            found=page.text[:80],
        )
    declared = read_structured(root)
    links = tuple(node.get("href") or "" for node in root.iter("link", "a"))
    remove_offers(root, declared)
    own = page.final_url or page.url
    base = absolute(own, declared.base)
    base = base if is_http(base) else own  # a script is no base
    address = _address(declared, own, base)
    host = host_facts(urlsplit(address).hostname or "")
    blocks = layout(root)
    return _Read(
        root=root,
        declared=declared,
        layout=blocks,
        box=best_box(blocks, host.bodies),
        address=address,
        base=base,
        links=links,
        host=host,
        delivered=size_behind_wall(root, declared),
    )


def _address(declared: Structured, own: str, base: str) -> CanonicalUrl:
    declared_urls = (
        declared.links.get("canonical", ""),
        declared.meta("og:url")[0],
        next(texts(declared.article.get("url")), ""),
    )
    for href in declared_urls:
        url = absolute(base, href) if href else ""
        # A canonical link to the front page is the default of a template.
        if is_http(url) and not (_is_front(url) and is_http(own) and not _is_front(own)):
            return canonicalize(url)
    # A page from a file has the URL of the file.
    return canonicalize(own) if is_http(own) else CanonicalUrl(own)


def _is_front(url: str) -> bool:
    parts = urlsplit(url)
    return parts.path in ("", "/") and not parts.query


def _refuse_front_page(read: _Read, page: Page) -> None:
    is_declared = (
        bool(read.declared.article or read.declared.meta("article:published_time")[0])
        or read.declared.meta("og:type")[0].lower() == "article"
    )
    if _is_front(read.address) and is_http(read.address) and not is_declared:
        found = "the front page of a site, which declares no article"
        raise wrong_page(WrongPage, page, found)
    is_redirect = is_http(page.final_url) and is_http(page.url)
    if is_redirect and _is_front(page.final_url) and not _is_front(page.url):
        # A front page may declare the article that it shows first.
        listed, titles = (
            listed_title(page),
            (read.declared.page_title, read.declared.meta("og:title")[0]),
        )
        if listed and not any(are_alike(listed, title) for title in titles):
            raise wrong_page(WrongPage, page, f"a redirect to the front page {page.final_url}")


def _body(read: _Read, title: Extracted[str]) -> etree._Element | None:
    if read.box is None:
        return None
    return body_of(
        read.layout,
        read.box,
        title=title.value or "",
        description=read.declared.meta("description", "og:description")[0],
    )


def _without_text(
    read: _Read,
    page: Page,
    title: str,
    published: Moment,
    attached: Extracted[tuple[Media, ...]],
) -> tuple[etree._Element | None, Extracted[tuple[Media, ...]]]:
    """Return the body and the attached media of a page without a text; neither if it is an error.

    Publishers attach a picture to each item: without media of the page it proves nothing.
    """
    nothing: Extracted[tuple[Media, ...]] = Extracted((), attached.provenance)
    if not is_named_article(page, read.declared, title, published):
        return None, nothing
    body = media_body(page, read.root, read.declared, read.base, title)
    if body is not None:
        return body, nothing
    if any(one.kind != "picture" for one in attached.value or ()):
        return None, attached
    return None, declared_media(read.declared, read.base)


def _joined(
    source: Source, page: Page, read: _Read, body: etree._Element | Tag | str | None, title: str
) -> tuple[Node | Tag | str, _Following]:
    """Return the body of all pages, and what is known of the following ones."""
    first = body if isinstance(body, etree._Element) else None
    rest = _following(source, page, title, first, read.links)
    if not rest.bodies:
        whole = body if isinstance(body, Tag | str) else ""
        return (whole if first is None else node_of(first)), rest
    if first is None:
        first = _fragment(str(body or ""))
    bases = [one.base for one in (read, *rest.pages)]
    return node_of(join_bodies([first, *rest.bodies], bases, title)), rest


def _following(
    source: Source,
    page: Page,
    title: str,
    body: etree._Element | None,
    links: tuple[str, ...] = (),
) -> _Following:
    """Take the following pages apart, up to the first one that does not continue the article."""
    reads: list[_Read] = []
    bodies: list[etree._Element] = []
    for number, one in enumerate(page.next_pages, start=2):
        try:
            read, found = _continuation(source, one, title)
        except ParseError as error:
            end = f"page {number} of the article cannot be read: {error}"
            return _Following(pages=tuple(reads), bodies=tuple(bodies), end=end, is_end=True)
        if repeats(found, [*([body] if body is not None else []), *bodies]):
            return _Following(pages=tuple(reads), bodies=tuple(bodies), is_end=True)
        reads.append(read)
        bodies.append(found)
    end, url = "", next_page((page, *page.next_pages), links)
    if url and len(page.next_pages) + 1 >= MAX_PAGES:
        end = f"the article has more than {MAX_PAGES} pages"
    elif url:
        end = f"page {len(page.next_pages) + 2} of the article is missing: {url}"
    return _Following(pages=tuple(reads), bodies=tuple(bodies), end=end)


def _continuation(source: Source, page: Page, title: str) -> tuple[_Read, etree._Element]:
    """Return a following page and its body.

    Raises:
        ParseError: It is another page, or has no text.
    """
    selectors = selectors_of(source.options)
    page = without_removed(selectors, page)
    read = _take_apart(page)
    own = headline(read.root, read.declared, read.layout, read.box)
    if "body" in selectors:
        chosen = select_fields({"body": selectors["body"]}, page, read.base, None)
        body = _fragment(str(chosen.body)) if chosen.body else None
    else:
        body = _body(read, Extracted(title or own.value, own.provenance))
    text = "" if body is None else text_of(body)
    refuse_wrong_page(page, read.layout, read.declared, own.value or "", text)
    titles = (own.value or "", read.declared.page_title, read.declared.meta("og:title")[0])
    if title and any(titles) and not any(are_alike(title, one) for one in titles):
        raise wrong_page(WrongPage, page, f"a page with the title {titles[0] or titles[1]!r}")
    if body is None or not text:
        raise IncompleteArticle(f"{page.url}: expected a text, found none")
    return read, body


def _fragment(markup: str) -> etree._Element:
    root = parse_tree(f"<div>{markup}</div>")
    found = None if root is None else root.find(".//div")
    return etree.Element("div") if found is None else found


def _lines_behind(read: _Read) -> list[str]:
    """Return the lines after the last sentences, inside the box and just after it."""
    if read.box is None:
        return []
    blocks = read.layout.blocks[read.box.first : read.box.last + 2]
    last = max((place for place, block in enumerate(blocks) if block.weight > 0), default=0)
    return [block.text for block in blocks[last + 1 :]]


def _language(source: Source) -> str:
    given = source.text("language")
    return "" if given == AS_DECLARED else given


def _zone(source: Source, host: Host) -> ZoneInfo | None:
    configured = source.text("time_zone")
    name = configured if configured != NO_ZONE else host.zone
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise OptionError(
            f"time_zone: expected a zone like Asia/Shanghai or {NO_ZONE!r}, found {name!r}"
        ) from error


PARSER = Parser(
    name="generic",
    version="5",
    options={"time_zone": NO_ZONE, "language": AS_DECLARED, "select": ()},
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
    next_pages=next_pages,
    joins_incomplete=True,
    accepts_any_url=True,
)
