"""Build an Article from the values that a parser extracted."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TypeVar

from bs4 import Tag

from parsers.content_hash import content_hash
from parsers.errors import IncompleteArticle
from parsers.html.clean import clean_body
from parsers.model import Article, CanonicalUrl, Extracted, Moment, Page, Source
from parsers.text.characters import visible
from parsers.text.dates import unknown_time

T = TypeVar("T")

NOTHING: Extracted[tuple[str, ...]] = Extracted((), "absent: this source names none")


def compose(
    source: Source,
    page: Page,
    *,
    source_article_id: str,
    url: str,
    canonical_url: CanonicalUrl,
    title: Extracted[str],
    body: str | Tag,
    published: Moment,
    publisher: Extracted[str] | None = None,
    authors: Extracted[tuple[str, ...]] | None = None,
    updated: Moment | None = None,
    categories: Extracted[tuple[str, ...]] | None = None,
    tags: Extracted[tuple[str, ...]] | None = None,
    language: Extracted[str] | None = None,
    lead_image: Extracted[str] | None = None,
    original_url: Extracted[str] | None = None,
) -> Article:
    """Build an Article: sanitize the body, derive the rest from it, add the provenance.

    The body's credit line, first image and 原文链接 supply a publisher, lead image and
    original URL that the parser did not find.

    Args:
        source: The source of the page.
        page: The page; its URL is the base of relative links in the body.
        source_article_id: The id that the source gives the article.
        url: The URL for readers.
        canonical_url: The canonical form of ``url``.
        title: The title; may contain HTML entities.
        body: The body as HTML or as a tree.
        published: The time of publication.
        publisher: The publication; ``None`` to take it from the body.
        authors: The authors; ``None`` when the source has none.
        updated: The time of the last change; ``None`` when the source has none.
        categories: The categories; ``None`` when the source has none.
        tags: The tags; ``None`` when the source has none.
        language: A BCP 47 tag; ``None`` when the source declares none.
        lead_image: The URL of the lead image; ``None`` to take it from the body.
        original_url: Where the article first appeared; ``None`` to take it from the body.

    Raises:
        IncompleteArticle: The id, the title or the text is empty.
    """
    cleaned = clean_body(body, page.final_url or page.url or url)
    heading = one_line(title.value or "")
    article_id = source_article_id.strip()
    _demand(article_id, heading, title.provenance, cleaned.text, url)

    named = _first(publisher, Extracted(cleaned.publisher, "body: credit line"), "no credit line")
    image = _first(
        lead_image, Extracted(cleaned.lead_image, "body: first image"), "no image in the body"
    )
    original = _first(
        original_url,
        Extracted(cleaned.original_url, "body: 原文链接"),
        "the body names no original",
    )
    changed = updated or unknown_time("", "this source names no time of change")
    lists = {
        "authors": authors or NOTHING,
        "categories": categories or NOTHING,
        "tags": tags or NOTHING,
    }
    words = language or Extracted(None, "absent: this source declares no language")
    return Article(
        article_id=f"{source.slug}:{article_id}",
        source=source.slug,
        source_article_id=article_id,
        url=url,
        canonical_url=canonical_url,
        title=heading,
        authors=_names(lists["authors"]),
        publisher=named.value,
        published_at=published.at,
        published_raw=published.raw,
        published_precision=published.precision,
        published_timezone_source=published.timezone_source,
        updated_at=changed.at,
        categories=_names(lists["categories"]),
        tags=_names(lists["tags"]),
        language=words.value,
        lead_image=image.value,
        body_html=cleaned.html,
        text=cleaned.text,
        content_hash=content_hash(heading, cleaned.text),
        parser=source.parser.name,
        parser_version=source.parser.version,
        provenance=_provenance(
            title=title.provenance,
            publisher=named.provenance,
            published_at=published.provenance,
            updated_at=changed.provenance,
            language=words.provenance,
            lead_image=image.provenance,
            original_url=original.provenance,
            **{name: _list_how(found) for name, found in lists.items()},
        ),
        original_url=original.value,
    )


def one_line(words: str) -> str:
    """Return a title as plain text on one line: decode entities once, fold white space."""
    return " ".join(visible(html.unescape(words)).split())


def _demand(article_id: str, title: str, title_how: str, text: str, url: str) -> None:
    missing = [
        name for name, value in (("id", article_id), ("title", title), ("text", text)) if not value
    ]
    if missing:
        raise IncompleteArticle(
            f"{url}: expected an id, a title and a text, found no {' and no '.join(missing)} "
            f"(title: {title_how})",
            expected="an id, a title and a text",
            found=f"id {article_id!r}, title {title[:80]!r}, text of {len(text)} characters",
        )


def _first(given: Extracted[str] | None, derived: Extracted[str], why_not: str) -> Extracted[str]:
    value = one_line(given.value) if given is not None and given.value else ""
    if given is not None and value:
        return Extracted(value, given.provenance)
    if derived.value:
        return derived
    return Extracted(
        None,
        given.provenance if given is not None and given.value is None else f"absent: {why_not}",
    )


def _names(found: Extracted[tuple[str, ...]]) -> tuple[str, ...]:
    lines = (one_line(name) for name in found.value or ())
    return tuple(dict.fromkeys(line for line in lines if line))


def _list_how(found: Extracted[tuple[str, ...]]) -> str:
    if _names(found) or found.provenance.startswith("absent"):
        return found.provenance
    return f"absent: {found.provenance} names none"


def _provenance(**how: str) -> Mapping[str, str]:
    fixed = {
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
    for name in ("published_raw", "published_precision", "published_timezone_source"):
        fixed[name] = how["published_at"]
    return fixed | how
