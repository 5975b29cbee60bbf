"""The articles of a site, read from a snapshot."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from duckdb import DuckDBPyConnection
from markupsafe import escape

from flows.web.site.names import article_path
from parsers.text.urls import is_http
from warehouse.read.current import CURRENT_ARTICLES

# The hashes stand for all that a page of the article, or a line about it in a list, shows. Times
# are numbers: Python's own would be a third of the CPU.
_ARTICLES = f"""
    SELECT article_id, source, title, authors, publisher, epoch_us(published_at), published_on,
           published_precision, published_timezone, epoch_us(updated_at), categories, tags,
           language, lead_image, media, url, completeness, state, revision_count,
           epoch_us(first_seen_at),
           hash(article_id, source, title, publisher, published_at, published_on,
                published_precision, published_timezone, language, revision_count > 1),
           hash(title, authors, publisher, categories, tags),
           hash(title, authors, publisher, published_at, published_on, published_precision,
                published_timezone, updated_at, categories, tags, language, lead_image, media,
                url, completeness, state, revision_count, record_key, content_key)
    FROM ({CURRENT_ARTICLES})
    WHERE len($sources) = 0 OR list_contains($sources, source)
    QUALIFY $all OR row_number() OVER (
        PARTITION BY content_key ORDER BY coalesce(published_at, first_seen_at), article_id) = 1
    ORDER BY coalesce(published_at, first_seen_at), article_id
"""  # noqa: S608
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SiteArticle(NamedTuple):
    """An article without its text.

    ``line_hash`` changes with what a list shows, ``search_hash`` with what a search finds it by,
    ``page_hash`` with anything on its page. ``published_on`` is the day at its source; other
    times are microseconds since 1970. Each of ``media`` has kind, url, type, length and duration.
    """

    article_id: str
    source: str
    title: str | None
    authors: Sequence[str]
    publisher: str | None
    published_us: int | None
    published_on: date | None
    published_precision: str
    published_timezone: str | None
    updated_us: int | None
    categories: Sequence[str]
    tags: Sequence[str]
    language: str | None
    lead_image: str | None
    media: Sequence[Mapping[str, Any]]
    url: str
    completeness: str
    state: str
    revision_count: int
    first_seen_us: int
    line_hash: int
    search_hash: int
    page_hash: int
    path: str

    @property
    def published_at(self) -> datetime | None:
        """When it was published, UTC; ``None`` when unknown."""
        return None if self.published_us is None else _time(self.published_us)

    @property
    def updated_at(self) -> datetime:
        """Its last change as its source declares it, else when it was published or first seen."""
        known = (self.updated_us, self.published_us, self.first_seen_us)
        return _time(next(one for one in known if one is not None))


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
    with _no_collection():
        rows = db.execute(_ARTICLES, values).fetchall()
        return [SiteArticle._make((*row, article_path(row[0]))) for row in rows]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Switch the garbage collector off: it would read the rows again and again as they grow."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
