"""Build an Article from the values that a parser extracted."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any

from bs4 import BeautifulSoup, Tag

from parsers.content_hash import content_hash
from parsers.errors import IncompleteArticle
from parsers.html.clean import Cleaned, clean_body
from parsers.html.node import Node
from parsers.media import distinct_media, markup_of, media_address
from parsers.model import Article, CanonicalUrl, Extracted, Media, Moment, Page, Source
from parsers.text.characters import visible
from parsers.text.dates import unknown_time, without_future
from parsers.text.plain import BESIDE_TEXT
from parsers.text.urls import is_http

_DERIVED = {
    "article_id": "source and source_article_id",
    "source": "configuration",
    "source_article_id": "the source's rule",
    "url": "the page",
    "canonical_url": "the source's rule",
    "body_html": "body, cleaned",
    "text": "visible words of body_html",
    "content_hash": "c1 of title and text",
    "parser": "configuration",
    "parser_version": "the parser",
}
BODY_MEDIA = "body"
"""The last part of the provenance of media, if the body shows some."""

_PARTS = "an id, a title, and a text or media"
_NO_TEXT = "absent: the article is its media alone"
TIME_FIELDS = (
    "published_at", "published_raw", "published_precision", "published_timezone_source",
)  # fmt: skip


def compose(
    source: Source,
    page: Page,
    *,
    source_article_id: str,
    url: str,
    canonical_url: CanonicalUrl,
    title: Extracted[str],
    body: str | Tag | Node,
    published: Moment,
    publisher: Extracted[str] | None = None,
    authors: Extracted[tuple[str, ...]] | None = None,
    updated: Moment | None = None,
    categories: Extracted[tuple[str, ...]] | None = None,
    tags: Extracted[tuple[str, ...]] | None = None,
    language: Extracted[str] | None = None,
    lead_image: Extracted[str] | None = None,
    media: Extracted[tuple[Media, ...]] | None = None,
    preview: Extracted[str] | None = None,
    original_url: Extracted[str] | None = None,
    base_url: str = "",
    title_is_optional: bool = False,
    takes_embed: bool = False,
) -> Article:
    """Build an Article: sanitize the body, derive the rest from it, add the provenance.

    The body's credit line, first image and 原文链接 supply a publisher, lead image and
    original URL that the parser did not find. An article without a text is one of its media:
    its body shows all of them.

    Args:
        source: The source of the page.
        page: The page.
        source_article_id: The id that the source gives the article.
        url: The URL for readers.
        canonical_url: The canonical form of ``url``.
        title: The title; may contain HTML entities.
        body: The body as HTML or as a tree.
        published: The time of publication; unknown if it is after the fetch of the page.
        publisher: The publication; ``None`` to take it from the body.
        authors: The authors; ``None`` when the source has none.
        updated: The time of the last change; ``None`` when the source has none.
        categories: The categories; ``None`` when the source has none.
        tags: The tags; ``None`` when the source has none.
        language: A BCP 47 tag; ``None`` when the source declares none.
        lead_image: The URL of the lead image; ``None`` to take it from the body.
        media: What the entry attaches; those of the body follow.
        preview: The URL of a picture that is the media of an article with neither text nor other media.
        original_url: Where the article first appeared; ``None`` to take it from the body.
        base_url: The base of relative links in the body; the page's URL when empty.
        title_is_optional: The source may publish articles without a title.
        takes_embed: A document that the body embeds is a video, if there is neither a text nor
            other media. The body links it.

    Raises:
        IncompleteArticle: The id or a required title is empty, or there is neither a text nor
            media.
    """
    cleaned = clean_body(body, base_url or page.final_url or page.url or url)
    article_id = source_article_id.strip()
    heading = one_line(title.value or "")
    shown = _media(media, cleaned)
    if preview and preview.value and not cleaned.text and not shown.value:
        shown = Extracted((Media(kind="picture", url=preview.value),), preview.provenance)
    if takes_embed and not cleaned.text and not shown.value and (embedded := _embedded(cleaned)):
        shown = Extracted((Media(kind="video", url=embedded),), "body: embedded document")
        cleaned = replace(cleaned, media=shown.value or ())
    found = {
        "id": article_id,
        "title": heading or title_is_optional,
        "text or media": cleaned.text or shown.value,
    }
    if missing := [name for name, value in found.items() if not value]:
        raise IncompleteArticle(
            f"{url}: expected {_PARTS}, found no {' and no '.join(missing)} "
            f"(title: {title.provenance})",
            expected=_PARTS,
            found=f"id {article_id!r}, title {heading[:80]!r}, "
            f"text of {len(cleaned.text)} characters",
        )
    pictures = shown.value or ()
    text = Extracted(cleaned.text or None, _DERIVED["text"] if cleaned.text else _NO_TEXT)
    medium = _first(publisher, cleaned.publisher, "body: credit line", "no credit line")
    image = _first(lead_image, cleaned.lead_image, "body: first image", "no image in the body")
    original = _first(
        original_url, cleaned.original_url, "body: 原文链接", "the body names no original"
    )
    published = without_future(published, page.fetched_at)
    changed = updated or unknown_time("", "this source names no time of change")
    changed = without_future(changed, page.fetched_at)
    times = published_fields(published)
    writers, sections, keywords = (_names(found) for found in (authors, categories, tags))
    declared = language or Extracted(None, "absent: this source declares no language")
    return Article(
        article_id=f"{source.slug}:{article_id}",
        source=source.slug,
        source_article_id=article_id,
        url=url,
        canonical_url=canonical_url,
        title=heading or None,
        authors=writers.value or (),
        publisher=medium.value,
        **times,
        updated_at=changed.at,
        categories=sections.value or (),
        tags=keywords.value or (),
        language=declared.value,
        lead_image=image.value,
        media=pictures,
        body_html=cleaned.html if text.value else _with_all(pictures, cleaned),
        text=text.value,
        content_hash=content_hash(heading, text.value, [one.url for one in pictures]),
        parser=source.parser.name,
        parser_version=source.parser.version,
        provenance=_DERIVED
        | dict.fromkeys(TIME_FIELDS, published.provenance)
        | {
            "title": title.provenance,
            "authors": writers.provenance,
            "publisher": medium.provenance,
            "updated_at": changed.provenance,
            "categories": sections.provenance,
            "tags": keywords.provenance,
            "language": declared.provenance,
            "lead_image": image.provenance,
            "media": shown.provenance,
            "text": text.provenance,
            "content_hash": _DERIVED["content_hash"] if text.value else "c1 of title and media",
            "original_url": original.provenance,
        },
        original_url=original.value,
    )


def _media(
    given: Extracted[tuple[Media, ...]] | None, cleaned: Cleaned
) -> Extracted[tuple[Media, ...]]:
    """Return the attached media, then those of the body, each once, or why there are none."""
    attached = (given and given.value) or ()
    found = distinct_media((*attached, *cleaned.media))
    origins = [given.provenance] if given and attached else []
    origins += [BODY_MEDIA] if cleaned.media else []
    return Extracted(found, "; ".join(origins) or "absent: neither the entry nor the body has any")


def _embedded(cleaned: Cleaned) -> str:
    """Return the address of the first document that a body embeds; empty if it embeds none."""
    link = BeautifulSoup(cleaned.html, "html.parser").select_one(f"figure.{BESIDE_TEXT} > a[href]")
    url = "" if link is None else str(link["href"])
    return url if is_http(url) else ""


def _with_all(media: tuple[Media, ...], cleaned: Cleaned) -> str:
    """Return the body of an article without a text, with the media that it does not show."""
    shown = {media_address(one.url) for one in cleaned.media}
    others = [one for one in media if media_address(one.url) not in shown]
    more = clean_body(markup_of(others), "").html if others else ""
    return "\n".join(filter(None, (cleaned.html, more)))


def published_fields(published: Moment) -> dict[str, Any]:
    """Return the fields of an Article for its time of publication."""
    return {
        "published_at": published.at,
        "published_raw": published.raw,
        "published_precision": published.precision,
        "published_timezone_source": published.timezone_source,
        "published_on": published.on,
        "published_timezone": published.timezone,
    }


def one_line(words: str) -> str:
    """Return a title as plain text on one line: decode entities once, fold white space."""
    return " ".join(visible(html.unescape(words)).split())


def _first(
    given: Extracted[str] | None, derived: str | None, provenance: str, why_not: str
) -> Extracted[str]:
    """Return the given value, else the derived one, else why there is none."""
    if given is not None and given.value and (value := one_line(given.value)):
        return Extracted(value, given.provenance)
    if derived:
        return Extracted(derived, provenance)
    is_named_absence = given is not None and given.value is None
    return Extracted(None, given.provenance if given and is_named_absence else f"absent: {why_not}")


def _names(given: Extracted[tuple[str, ...]] | None) -> Extracted[tuple[str, ...]]:
    """Return the names without repeats and empty ones, or why there is none."""
    found = given or Extracted((), "absent: this source names none")
    names = tuple(dict.fromkeys(filter(None, map(one_line, found.value or ()))))
    if names or found.provenance.startswith("absent"):
        return Extracted(names, found.provenance)
    return Extracted(names, f"absent: {found.provenance} names none")
