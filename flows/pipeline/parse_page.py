"""Parse one page into one article; store nothing."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from flows.errors import ConfigurationError, RunFailed, UnusableParser
from flows.fetch import Fetcher, FetchError, decode_page, stored_response
from flows.pipeline.article_json import article_json
from flows.pipeline.batch import build_request
from flows.pipeline.gunzip import gunzip
from flows.pipeline.next_pages import add_next_pages
from flows.pipeline.run import fetch_policy
from flows.secrets.redact import redact_text
from flows.secrets.urls import SECRETS
from flows.settings import Settings
from parsers import registry
from parsers.errors import ParseError
from parsers.frontmatter import Dialect, write_post
from parsers.model import Article, Entry, Page, Source
from parsers.sources import generic
from parsers.text.characters import escape_controls
from parsers.text.urls import is_http

MAX_PAGE_BYTES = 50_000_000


def parse_page(
    settings: Settings, page: str, *, source: str | None, url: str | None, format_: str
) -> str:
    """Return the article of a page as JSON, or as a post.

    Args:
        settings: The configured sources and how to fetch.
        page: A URL, a file (also ``.gz``), or ``-`` for standard input.
        source: A configured source or a parser; chosen by the URL by default.
        url: The URL of a page that comes from a file.
        format_: json, jekyll, hexo or hugo.

    Raises:
        ConfigurationError: The source, the parser or the file is unknown, or the URL is none.
        FetchError: The page cannot be fetched.
        ParseError: The page cannot be parsed.
        RunFailed: A page without a URL cannot be parsed, or its file is damaged.
    """
    if not page:
        raise ConfigurationError(
            "expected a file, a URL that begins with http:// or https://, or - for standard "
            "input, found an empty name"
        )
    if url is not None and not is_http(url):
        raise ConfigurationError(
            f"--url: expected an http or https URL, found {redact_text(url)!r}"
        )
    if is_http(page):
        page = SECRETS.mask_page(page)
    url = SECRETS.mask_page(url) if url else (page if is_http(page) else "")
    chosen = _source(settings, source, url)
    if is_http(page):
        article = _fetch_and_parse(settings, chosen, page)
    else:
        try:
            article = registry.parse(chosen, _page_from_file(chosen, page, url))
        except ParseError as error:
            if url:
                raise
            name = "standard input" if page == "-" else page
            raise RunFailed(
                f"{name}: {str(error).removeprefix(': ')}\n"
                "most parsers need the page's URL: give it with --url, such as "
                "--url https://www.example.org/news/1.html"
            ) from error
    if format_ == "json":
        return escape_controls(json.dumps(article_json(article), ensure_ascii=False, indent=2))
    return write_post(article, cast(Dialect, format_)).data.decode("utf-8")


def _source(settings: Settings, name: str | None, url: str) -> Source:
    """The source of that name, else the one that knows the URL, else the generic one."""
    if name is not None:
        is_parser = name in registry.PARSERS and name not in settings.sources
        return _default_source(name) if is_parser else settings.source(name)
    for source in settings.usable_sources() if url else ():
        if _entry(source, url):
            return source
    parser = registry.parser_for(url) if url else None
    return _default_source(parser.name if parser else generic.PARSER.name)


def _default_source(parser: str) -> Source:
    try:
        return registry.make_source(parser, parser, {})
    except registry.OptionError as error:
        raise ConfigurationError(
            f"parser {parser!r} needs a configured source: {error}; "
            f"add a [sources.<name>] section with parser = {parser!r}"
        ) from None
    except registry.BrokenPlugin as error:
        raise UnusableParser(str(error)) from error


def _entry(source: Source, url: str) -> Entry | None:
    if source.parser.accepts_any_url:
        return None  # such parsers accept every URL, so they recognize none
    try:
        return source.parser.entry_of(source, url)
    except Exception:  # noqa: BLE001 - parsers of other packages raise what they like
        return None


def _fetch_and_parse(settings: Settings, source: Source, url: str) -> Article:
    entry = source.parser.entry_of(source, url)
    with Fetcher(fetch_policy(settings, [source, *settings.usable_sources()])) as fetcher:
        page = decode_page(fetcher.fetch(build_request(entry.url, None)), entry)

        def fetched(following: str) -> Page | None:
            try:
                return decode_page(fetcher.fetch(build_request(following, None)), None)
            except FetchError:
                if not source.parser.joins_incomplete:
                    raise
                return None  # the article is partial

        page = add_next_pages(source, page, fetched)
    return registry.parse(source, page)


def _page_from_file(source: Source, name: str, url: str) -> Page:
    try:
        data = gunzip(_read(name), name, max_bytes=MAX_PAGE_BYTES)
    except ValueError as error:
        raise RunFailed(str(error)) from None
    entry = _entry(source, url) if url else None
    response = stored_response(entry.url if entry else url, data, fetched_at=datetime.now(UTC))
    return replace(decode_page(response, entry), final_url=url)


def _read(name: str) -> bytes:
    try:
        with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
            data = file.read(MAX_PAGE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigurationError(f"{name}: {_no_such_file(name)}") from None
    except IsADirectoryError:
        raise ConfigurationError(
            f"{name}: a folder, expected one file; --batch MANIFEST.jsonl OUT.json parses many"
        ) from None
    if len(data) > MAX_PAGE_BYTES:
        raise RunFailed(f"{name}: expected a page of at most {MAX_PAGE_BYTES} bytes, found more")
    return data


def _no_such_file(name: str) -> str:
    if "://" in name:
        return "only URLs that begin with http:// or https:// can be fetched"
    host = name.partition("/")[0]
    if host.startswith("www.") or ("/" in name and "." in host.strip(".")):
        return f"no such file; if it is a URL, write https://{name}"
    return (
        "no such file; give a file, a URL that begins with http:// or https://, or - for standard "
        "input"
    )
