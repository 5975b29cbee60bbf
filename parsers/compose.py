"""Build an Article from the values that a parser extracted."""

from __future__ import annotations

import html
from typing import Any

from bs4 import Tag

from parsers.content_hash import content_hash
from parsers.errors import IncompleteArticle
from parsers.html.clean import clean_body
from parsers.html.node import Node
from parsers.model import Article, CanonicalUrl, Extracted, Moment, Page, Source
from parsers.text.characters import visible
from parsers.text.dates import unknown_time, without_future

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
    original_url: Extracted[str] | None = None,
    base_url: str = "",
    title_is_optional: bool = False,
) -> Article:
    """Build an Article: sanitize the body, derive the rest from it, add the provenance.

    The body's credit line, first image and 原文链接 supply a publisher, lead image and
    original URL that the parser did not find.

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
        original_url: Where the article first appeared; ``None`` to take it from the body.
        base_url: The base of relative links in the body; the page's URL when empty.
        title_is_optional: The source may publish articles without a title.

    Raises:
        IncompleteArticle: The id, a required title or the text is empty.
    """
    cleaned = clean_body(body, base_url or page.final_url or page.url or url)
    article_id = source_article_id.strip()
    heading = one_line(title.value or "")
    missing = [
        name
        for name, value in (("id", article_id), ("title", heading), ("text", cleaned.text))
        if not value and not (name == "title" and title_is_optional)
    ]
    if missing:
        raise IncompleteArticle(
            f"{url}: expected an id, a title and a text, found no {' and no '.join(missing)} "
            f"(title: {title.provenance})",
            expected="an id, a title and a text",
            found=f"id {article_id!r}, title {heading[:80]!r}, "
            f"text of {len(cleaned.text)} characters",
        )
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
        body_html=cleaned.html,
        text=cleaned.text or None,
        content_hash=content_hash(heading, cleaned.text),
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
            "original_url": original.provenance,
        },
        original_url=original.value,
    )


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
