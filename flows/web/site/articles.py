"""The articles of a site, read from a snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from duckdb import DuckDBPyConnection
from markupsafe import escape

from flows.web.site.names import article_path
from parsers.text.urls import is_http
from warehouse import stage

# The hashes stand for all that a page of the article, or a line about it in a list, shows.
_ARTICLES = """
    SELECT article_id, source, title, authors, publisher, published_at, published_on,
           published_precision, published_timezone, updated_at, categories, tags, language,
           lead_image, media, url, completeness, state, revision_count, first_seen_at,
           hash(article_id, source, title, publisher, published_at, published_on,
                published_precision, published_timezone, language, revision_count > 1)
               AS line_hash,
           hash(title, authors, publisher, categories, tags) AS search_hash,
           hash(title, authors, publisher, published_at, published_on, published_precision,
                published_timezone, updated_at, categories, tags, language, lead_image, media,
                url, completeness, state, revision_count, body_html, content_hash) AS page_hash
    FROM articles
    WHERE len($sources) = 0 OR list_contains($sources, source)
    QUALIFY $all OR row_number() OVER (
        PARTITION BY content_hash ORDER BY coalesce(published_at, first_seen_at), article_id) = 1
    ORDER BY coalesce(published_at, first_seen_at), article_id
"""
_BODIES = """
    SELECT article_id, body_html, text FROM articles SEMI JOIN copydesk_ids USING (article_id)
"""
_IDS_EACH = 5000
_ROWS_EACH = 500


class SiteArticle(NamedTuple):
    """An article without its text.

    ``line_hash`` changes with what a list shows, ``search_hash`` with what a search finds it by,
    ``page_hash`` with anything on its page. ``published_on`` is the day at its source. Each of
    ``media`` has kind, url, type, length and duration.
    """

    article_id: str
    source: str
    title: str | None
    authors: Sequence[str]
    publisher: str | None
    published_at: datetime | None
    published_on: date | None
    published_precision: str
    published_timezone: str | None
    updated_at: datetime | None
    categories: Sequence[str]
    tags: Sequence[str]
    language: str | None
    lead_image: str | None
    media: Sequence[Mapping[str, Any]]
    url: str
    completeness: str
    state: str
    revision_count: int
    first_seen_at: datetime
    line_hash: int
    search_hash: int
    page_hash: int
    path: str


def media_apart(article: SiteArticle, body_html: str) -> list[Mapping[str, Any]]:
    """The media of an article that its HTML does not show; only those with a public address."""
    return [
        one for one in article.media if is_http(one["url"]) and not shows(body_html, one["url"])
    ]


def shows(body_html: str, url: str) -> bool:
    """Whether HTML has an address."""
    return url in body_html or str(escape(url)) in body_html


def read_site_articles(
    db: DuckDBPyConnection, sources: Sequence[str], *, one_per_content: bool
) -> list[SiteArticle]:
    """Return the current articles, the oldest publication first.

    An article without a time has the place of the time at which it was first seen.

    Args:
        db: A snapshot.
        sources: Only these; empty for all.
        one_per_content: Of articles with the same content, only the first that was published.
    """
    values = {"sources": list(sources), "all": not one_per_content}
    rows = db.execute(_ARTICLES, values).fetchall()
    return [SiteArticle._make((*row, article_path(row[0]))) for row in rows]


def read_bodies(
    db: DuckDBPyConnection, article_ids: Sequence[str]
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield id, HTML and text of some articles, in any order.

    The connection may not be used for anything else until the iterator is exhausted.
    """
    # DuckDB holds the texts of a part in memory until they are read.
    for at in range(0, len(article_ids), _IDS_EACH):
        ids = stage.table(article_id=(article_ids[at : at + _IDS_EACH], stage.TEXT))
        with stage.staged(db, "copydesk_ids", ids):
            db.execute(_BODIES)
            while found := db.fetchmany(_ROWS_EACH):
                yield from found
