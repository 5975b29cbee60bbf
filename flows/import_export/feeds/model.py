"""What a feed is made of, before it has a format."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from html import escape
from mimetypes import MimeTypes
from urllib.parse import urljoin, urlsplit

import lxml.html

from parsers.media import is_file
from parsers.model import Article, Media
from parsers.text.characters import display_line, printable
from parsers.text.urls import is_http
from warehouse.keys import as_uuid, key_of

NO_TITLE = "(no title)"
AUTHOR = "copydesk"
"""The author of a feed, and of an article that names none."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_NOT_IN_URLS = re.compile(r"%(?![0-9A-Fa-f]{2})|[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")
_RELATIVE = re.compile(r"""\b(?:href|src|poster)\s*=\s*["']?(?![\s"'#]|[a-z][a-z0-9+.-]*:)""", re.IGNORECASE)  # fmt: skip
_TYPES = MimeTypes()  # Python's own table: that of the machine would change the bytes
_ANY_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A file that belongs to an entry.

    Attributes:
        url: Absolute.
        media_type: Such as ``audio/mpeg``; guessed from the address where it is empty.
        length: Bytes; ``None`` when unknown.
        seconds: Duration; ``None`` when unknown.
    """

    url: str
    media_type: str = ""
    length: int | None = None
    seconds: float | None = None

    @property
    def known_type(self) -> str:
        """The media type, which JSON Feed requires."""
        guessed, _ = _TYPES.guess_type(urlsplit(self.url).path)
        return self.media_type or guessed or _ANY_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """One entry of a feed.

    Attributes:
        id: A URI that never changes; see ``urn_of``.
        title: ``None`` when the publisher gives none.
        url: The page of the entry; empty when it has none.
        updated_at: Last change that a reader should notice, aware.
        published_at: Aware; ``None`` when unknown.
        language: BCP 47; left out where it is no such tag.
        categories: Categories and tags.
        content_html: All of it; ``None`` in a feed without texts.
        image: Address of a picture.
        related_url: A second page about the entry.
    """

    id: str
    title: str | None
    url: str
    updated_at: datetime
    published_at: datetime | None = None
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    language: str | None = None
    content_html: str | None = None
    image: str | None = None
    enclosures: tuple[Enclosure, ...] = ()
    related_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed.

    Attributes:
        id: A URI that never changes, whatever the address of the feed; see ``urn_of``.
        home_url: The page with the same articles; empty when there is none.
        feed_url: The address of the feed itself; empty when it is unknown.
    """

    id: str
    title: str
    entries: tuple[FeedEntry, ...]
    home_url: str = ""
    feed_url: str = ""
    language: str | None = None

    @property
    def updated_at(self) -> datetime:
        """The latest change of an entry; a fixed time without entries."""
        return max((one.updated_at for one in self.entries), default=_EPOCH)


def urn_of(*parts: str) -> str:
    """Return the id of what these names identify: the same in every feed and installation."""
    return as_uuid(key_of(*parts)).urn


def entry_of(
    article: Article, *, first_seen_at: datetime, corrected_at: datetime | None = None
) -> FeedEntry:
    """Return the entry of an article.

    Args:
        article: In its current revision.
        first_seen_at: When it was first seen; the time of the entry if the article has none.
        corrected_at: Since when the current content is known, if an earlier one was known.
    """
    published = article.published_at
    if published is None and article.published_on is not None:
        published = datetime.combine(article.published_on, time(), UTC)
    return FeedEntry(
        id=urn_of(article.article_id),
        title=article.title,
        url=article.url,
        updated_at=corrected_at or article.updated_at or published or first_seen_at,
        published_at=published,
        authors=article.authors or tuple(filter(None, (article.publisher,))),
        categories=(article.source, *article.categories, *article.tags),
        language=article.language,
        content_html=absolute_links(article.body_html or "", article.url),
        image=article.lead_image,
        enclosures=enclosures_of(
            article.media, article.body_html, has_text=article.text is not None
        ),
    )


def enclosures_of(
    media: Iterable[Media], body_html: str, *, has_text: bool
) -> tuple[Enclosure, ...]:
    """Return the files of an article, except pictures that its body shows beside a text.

    The page of a player is no enclosure: a reader would download it.

    Args:
        media: Of the article.
        body_html: Of the entry; empty if the feed has no texts.
        has_text: The article is more than its media.
    """
    return tuple(
        Enclosure(url=one.url, media_type=one.type or "", length=one.length, seconds=one.duration)
        for one in media
        if is_http(one.url)
        and is_file(one)
        and not (has_text and one.kind == "picture" and escape(one.url) in body_html)
    )


def absolute_links(html: str, base_url: str) -> str:
    """Return HTML whose relative addresses start at ``base_url``; other HTML stays as it is."""
    if not base_url or not _RELATIVE.search(html):
        return html
    root = lxml.html.fragment_fromstring(html, create_parent="div")
    for element, attribute, link, _ in list(root.iterlinks()):
        if attribute is not None:
            element.set(attribute, urljoin(base_url, link))
    whole: str = lxml.html.tostring(root, encoding="unicode")
    return whole.removeprefix("<div>").removesuffix("</div>")


def language_tag(given: str | None) -> str | None:
    """Return a language that is a tag of BCP 47; ``None`` for any other."""
    text = (given or "").strip().replace("_", "-")
    return text if _LANGUAGE.fullmatch(text) else None


def safe_url(url: str) -> str:
    """Return an address as a URI: what a URI may not contain is percent-encoded."""
    return _NOT_IN_URLS.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), printable(url.strip())
    )


def timestamp(moment: datetime) -> str:
    """Return an aware time as RFC 3339, UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Return names without empty and repeated ones, on one line each."""
    return tuple(dict.fromkeys(filter(None, map(display_line, names))))
