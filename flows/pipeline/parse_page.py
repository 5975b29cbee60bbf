"""One page to one article, nothing stored: the work behind ``copydesk parse``."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from flows.errors import ConfigurationError, RunFailed
from flows.fetch import Fetcher, decode_page
from flows.pipeline.article_json import article_json
from flows.pipeline.batch import build_request
from flows.pipeline.gunzip import gunzip
from flows.pipeline.run import fetch_policy
from flows.settings import Settings
from parsers import registry
from parsers.errors import ParseError
from parsers.frontmatter import Dialect, write_post
from parsers.model import Article, Entry, Page, Source
from parsers.sources import generic
from parsers.text.characters import escape_controls
from parsers.text.charset import decode
from parsers.text.urls import is_http

MAX_PAGE_BYTES = 50_000_000


def parse_page(
    settings: Settings, page: str, *, source: str | None, url: str | None, format_: str
) -> str:
    """The article of a page, as JSON or as a post.

    Args:
        settings: The configured sources and how to fetch.
        page: An address, a file (also ``.gz``), or ``-`` for standard input.
        source: A configured source or a parser; by the address when not given.
        url: The address of a page that comes from a file.
        format_: json, jekyll, hexo or hugo.

    Raises:
        ConfigurationError: There is no such source or parser, no such file, or an address
            that is none.
        FetchError: The page could not be fetched.
        ParseError: The page could not be read.
        RunFailed: A page without an address could not be read, or its file is damaged.
    """
    if not page:
        raise ConfigurationError(
            "expected a file, an address that begins with http:// or https://, or - for standard "
            "input, found an empty name"
        )
    if url is not None and not is_http(url):
        raise ConfigurationError(f"--url: expected an http or https address, found {url!r}")
    address = url or (page if is_http(page) else "")
    chosen = _source(settings, source, address)
    if is_http(page):
        article = _fetched(settings, chosen, page)
    elif address:
        article = registry.parse(chosen, _from_file(chosen, page, address))
    else:
        article = _without_address(chosen, page)
    return _written(article, format_)


def _without_address(source: Source, name: str) -> Article:
    page = _from_file(source, name, "")
    try:
        return registry.parse(source, page)
    except ParseError as error:
        what = "standard input" if name == "-" else name
        raise RunFailed(
            f"{what}: {str(error).removeprefix(': ')}\n"
            "the page's address is not known, and most of them need it: give it with --url, such "
            "as --url https://www.example.org/news/1.html"
        ) from error


def _source(settings: Settings, name: str | None, address: str) -> Source:
    """The source by name, else the one that recognizes the address, else any site's."""
    if name is not None:
        is_parser = name in registry.PARSERS and name not in settings.sources
        return _unconfigured(name) if is_parser else settings.source(name)
    for source in settings.selected_sources() if address else ():
        if _entry(source, address):
            return source
    parser = registry.parser_for(address) if address else None
    return _unconfigured(parser.name if parser else generic.PARSER.name)


def _unconfigured(parser: str) -> Source:
    try:
        return registry.make_source(parser, parser, {})
    except registry.OptionError as error:
        raise ConfigurationError(
            f"parser {parser!r} needs a configured source: {error}; "
            f"add a [sources.<name>] section with parser = {parser!r}"
        ) from None


def _entry(source: Source, address: str) -> Entry | None:
    if source.parser.name in ("feed", "generic"):
        return None  # these take any address, so they recognize none
    try:
        return source.parser.entry_of(source, address)
    except Exception:  # noqa: BLE001 - an address it does not know, in whatever words
        return None


def _fetched(settings: Settings, source: Source, address: str) -> Article:
    entry = source.parser.entry_of(source, address)
    with Fetcher(fetch_policy(settings.fetch, [source, *settings.selected_sources()])) as fetcher:
        page = decode_page(fetcher.fetch(build_request(entry.url, None)), entry)
        following = [
            decode_page(fetcher.fetch(build_request(one, None)), None)
            for one in registry.next_pages(source, page)
        ]
    return registry.parse(source, replace(page, next_pages=tuple(following)))


def _from_file(source: Source, name: str, address: str) -> Page:
    try:
        data = gunzip(_bytes_of(name), name, most=MAX_PAGE_BYTES)
    except ValueError as error:
        raise RunFailed(str(error)) from None
    decoded = decode(data)
    entry = _entry(source, address) if address else None
    return Page(
        url=entry.url if entry else address,
        final_url=address,
        text=decoded.text,
        fetched_at=datetime.now(UTC),
        encoding=decoded.encoding,
        replacement_count=decoded.replacement_count,
        entry=entry,
    )


def _bytes_of(name: str) -> bytes:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_PAGE_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_PAGE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigurationError(f"{name}: {_no_such_file(name)}") from None
    except IsADirectoryError:
        raise ConfigurationError(
            f"{name}: a folder, expected one file; many pages are read with --batch "
            "MANIFEST.jsonl OUT.json"
        ) from None
    if len(data) > MAX_PAGE_BYTES:
        raise RunFailed(f"{name}: larger than {MAX_PAGE_BYTES} bytes: that is no page")
    return data


def _no_such_file(name: str) -> str:
    if "://" in name:
        return "only addresses that begin with http:// or https:// can be fetched"
    ways = "give a file, an address that begins with http:// or https://, or - for standard input"
    host = name.partition("/")[0]
    if host.startswith("www.") or ("/" in name and "." in host.strip(".")):
        return f"no such file; if it is an address, write https://{name}"
    return f"no such file; {ways}"


def _written(article: Article, format_: str) -> str:
    if format_ == "json":
        return escape_controls(json.dumps(article_json(article), ensure_ascii=False, indent=2))
    return write_post(article, cast(Dialect, format_)).data.decode("utf-8")
