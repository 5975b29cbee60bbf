"""The feeds of a site: of all articles, of each source, and of each category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flows.import_export.feeds.atom import render_atom
from flows.import_export.feeds.json_feed import render_json_feed
from flows.import_export.feeds.model import Feed, FeedEntry, enclosures_of, urn_of
from flows.web.clean_html import clean_body_with_images
from flows.web.language import Language
from flows.web.site.articles import SiteArticle
from flows.web.site.lists import ArticleList
from flows.web.site.options import FEED_LENGTH, SiteOptions
from parsers.model import Media

FEEDS = (ATOM, JSON_FEED) = ("feed.xml", "feed.json")
"""The names of the feeds in the folder of their list."""


def has_feed(of: ArticleList) -> bool:
    """Whether a list has feeds: that of all articles, sources, and categories."""
    return of.kind in ("", "sources", "categories")


def has_texts(of: ArticleList) -> bool:
    """Whether the feeds of a list hold the texts; those of categories would repeat them."""
    return of.kind in ("", "sources")


def feed_articles(of: ArticleList) -> Sequence[SiteArticle]:
    """The articles in the feeds of a list, the newest first."""
    return of.articles[-FEED_LENGTH:][::-1]


def feed_files(
    of: ArticleList,
    options: SiteOptions,
    language: Language,
    bodies: Mapping[str, tuple[str, str | None]],
) -> dict[str, bytes]:
    """Return the feeds of a list by path.

    Entries lead to the pages of the site if its address is known, else to the articles' sources.

    Args:
        of: The list.
        options: Title and address of the site.
        language: Of the site.
        bodies: HTML and text of the articles by id, as they are stored; only of feeds with texts.
    """
    entries = tuple(_entry(one, options.base_url, bodies) for one in feed_articles(of))
    name = f"{options.title} · {of.name}" if of.name else options.title

    def feed(file: str) -> Feed:
        return Feed(
            id=urn_of(options.base_url or options.title, of.kind, of.name),
            title=name,
            entries=entries,
            home_url=options.base_url and options.base_url + of.path,
            feed_url=options.base_url and f"{options.base_url}{of.folder}{file}",
            language=language.code,
        )

    return {
        f"{of.folder}{ATOM}": render_atom(feed(ATOM)),
        f"{of.folder}{JSON_FEED}": render_json_feed(feed(JSON_FEED)),
    }


def _entry(
    article: SiteArticle, base_url: str, bodies: Mapping[str, tuple[str, str | None]]
) -> FeedEntry:
    body, text = bodies.get(article.article_id, (None, None))
    return FeedEntry(
        id=urn_of(article.article_id),
        title=article.title,
        url=base_url + article.path if base_url else article.url,
        related_url=article.url if base_url else "",
        updated_at=article.updated_at,
        published_at=article.published_at,
        authors=tuple(article.authors) or tuple(filter(None, (article.publisher,))),
        categories=(article.source, *article.categories, *article.tags),
        language=article.language,
        content_html=None if body is None else clean_body_with_images(body),
        image=article.lead_image,
        enclosures=enclosures_of(
            (Media(**one) for one in article.media), body or "", has_text=text is not None
        ),
    )
