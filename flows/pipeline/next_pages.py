"""The following pages of an article: from the network, the archive or the quarantine.

Each parser names the next pages of the pages that were found so far, so that a chain of
``rel=next`` is followed link by link. All articles of a batch take their next step at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from flows.fetch import FetchFailure, FetchRequest, FetchResponse, decode_page
from flows.pipeline.batch import Batch, expected_body
from flows.pipeline.lookups import FetchRun
from parsers import registry
from parsers.errors import ParseError
from parsers.model import Page, Source

MAX_PAGES = 100
"""Pages of one article, whatever its parser links."""


def add_next_pages(source: Source, page: Page, get: Callable[[str], Page | None]) -> Page:
    """Return a page with the following pages of its article.

    Args:
        source: The source of the page.
        page: The first page.
        get: Returns the page of a URL, or ``None``; the article ends there.
    """
    asked: set[str] = set()
    while wanted := next_urls(source, page, asked):
        asked.update(wanted)
        found = [one for url in wanted if (one := get(url)) is not None]
        page = replace(page, next_pages=(*page.next_pages, *found))
        if len(found) < len(wanted):
            break
    return page


def next_urls(source: Source, page: Page, asked: set[str]) -> list[str]:
    """Return the URLs of following pages beyond those that were asked for."""
    urls: tuple[str, ...] = ()
    with suppress(ParseError):  # `parse` meets the same error and reports it
        urls = registry.next_pages(source, page)
    return [url for url in dict.fromkeys(urls) if url not in asked][: MAX_PAGES - len(asked)]


def fetch_next_pages(run: FetchRun, source: Source, batch: Batch) -> dict[int, list[FetchFailure]]:
    """Fetch the following pages of a batch's articles, and record their fetches.

    Returns:
        The failures of each page, by its number in the batch, that lacks a following page; none
        if the run was interrupted.
    """
    asked: dict[int, set[str]] = {
        number: set() for number, one in enumerate(batch.pages) if one.fetched is not None
    }
    results: dict[str, FetchResponse | FetchFailure] = {}
    incomplete: dict[int, list[FetchFailure]] = {}
    while wanted := {
        number: urls
        for number in asked
        if number not in incomplete
        and (urls := next_urls(source, batch.pages[number].page, asked[number]))
    }:
        new = dict.fromkeys(url for urls in wanted.values() for url in urls if url not in results)
        requests = [FetchRequest(url=url, expect=expected_body(source)) for url in new]
        results |= {one.request.url: one for one in run.fetch_all(requests)}
        for number, urls in wanted.items():
            asked[number].update(urls)
            one = batch.pages[number]
            found = [results[url] for url in urls if url in results]
            for result in found:
                batch.record_fetch(source, one.channel, result)
            pages = [decode_page(each, None) for each in found if isinstance(each, FetchResponse)]
            one.page = replace(one.page, next_pages=(*one.page.next_pages, *pages))
            if len(pages) < len(urls):
                incomplete[number] = [each for each in found if isinstance(each, FetchFailure)]
    return incomplete
