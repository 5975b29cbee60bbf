"""A seed imported and the same article fetched are one article."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from parsers import registry
from parsers.errors import ParseError
from parsers.frontmatter import read_post
from parsers.model import Article, Entry, Page, Source
from tests.site import serve
from tests.unit.import_export.conftest import SEEDS

IMPORTED = {
    path.name[:3]: read_post(path.read_bytes(), path.name).article
    for path in sorted(SEEDS.glob("*.txt"))
}


@pytest.fixture(scope="module")
def site_url() -> Iterator[str]:
    with serve() as news_site:
        yield news_site.url


def page(url: str, entry: Entry | None = None) -> Page:
    with requests.Session() as session:
        session.trust_env = False
        text = session.get(url, timeout=10).content.decode("utf-8")
    return Page(
        url=url, final_url=url, text=text, fetched_at=datetime(2022, 5, 1, tzinfo=UTC), entry=entry
    )


def fetched(source: Source) -> Iterator[Article]:
    for listing in source.parser.listings(source):
        for entry in source.parser.entries(source, listing, page(listing.url)):
            if not isinstance(entry, Entry):
                continue
            try:
                yield source.parser.parse(
                    source,
                    page(entry.url, entry)
                    if entry.content is None
                    else Page(
                        url=listing.url,
                        text="",
                        fetched_at=datetime(2022, 5, 1, tzinfo=UTC),
                        entry=entry,
                    ),
                )
            except ParseError:
                continue


@pytest.fixture(scope="module")
def finews(site_url: str) -> dict[str, Article]:
    source = registry.make_source(
        "finews",
        "finews",
        {
            "base_url": site_url,
            "article_base_url": site_url,
            "channels": ["media", "market-37", "market-38", "market-39"],
        },
    )
    return {article.article_id: article for article in fetched(source)}


@pytest.mark.parametrize("number", ["000", "003", "004"])
def test_a_finews_seed_is_the_article_of_the_test_site(
    number: str, finews: dict[str, Article]
) -> None:
    mine = IMPORTED[number]
    theirs = finews[mine.article_id]
    for name in (
        "content_hash", "title", "publisher", "published_at", "published_precision", "canonical_url",
        "categories", "tags", "language", "body_html", "lead_image", "authors",
    ):  # fmt: skip
        assert getattr(mine, name) == getattr(theirs, name), name


@pytest.mark.parametrize(
    ("number", "slug", "route"),
    [("001", "woshipm", "/woshipm/latest"), ("002", "ofweek", "/ofweek/news")],
)
def test_an_aggregator_seed_has_the_content_of_the_feeds_article(
    number: str, slug: str, route: str, site_url: str
) -> None:
    source = registry.make_source(slug, "rsshub", {"url": site_url + route})
    mine = IMPORTED[number]
    same = [each for each in fetched(source) if each.content_hash == mine.content_hash]
    assert len(same) == 1
    assert same[0].published_at == mine.published_at
    assert same[0].published_precision == mine.published_precision
