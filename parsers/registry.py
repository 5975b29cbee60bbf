"""The registered parsers, and the calls through which the flows use them.

To add a source: a module in ``parsers/sources`` with its ``PARSER``, a folder of recorded
cases in ``tests/fixtures``, and a line in ``_REGISTERED``. A source of another package needs an
entry point instead (``parsers.plugins``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from types import MappingProxyType
from typing import TypeVar

from parsers.errors import (
    BrokenParser,
    BrokenPlugin,
    NotText,
    OptionError,
    ParseError,
    did_you_mean,
)
from parsers.listings import entry_or_error
from parsers.model import (
    SHARE_LINK,
    Article,
    BadEntry,
    Entry,
    Listing,
    ListingContent,
    OptionValue,
    Page,
    Parser,
    Source,
)
from parsers.plugins import ParserRegistry
from parsers.sources import (
    feed,
    finews,
    generic,
    listing,
    ofweek,
    rsshub,
    sitemap,
    woshipm,
)
from parsers.text.characters import is_binary

T = TypeVar("T")

__all__ = [
    "PARSERS",
    "SHARE_LINK",
    "BrokenPlugin",
    "OptionError",
    "article_url_entries",
    "entries",
    "make_source",
    "next_pages",
    "parse",
    "parser_for",
    "plugin_problems",
    "read_listing",
    "usable_parsers",
]

_REGISTERED = (
    finews.PARSER,
    woshipm.PARSER,
    ofweek.PARSER,
    rsshub.PARSER,
    feed.PARSER,
    sitemap.PARSER,
    listing.PARSER,
    generic.PARSER,
)

PARSERS: Mapping[str, Parser] = ParserRegistry(_REGISTERED)


def make_source(slug: str, parser: str | Parser, options: Mapping[str, object]) -> Source:
    """Build a source: fill in the defaults and check every option.

    Args:
        slug: The name of the source.
        parser: The name of a registered parser, or any parser.
        options: The configured values. A table of texts becomes a list of ``key=value``.

    Raises:
        OptionError: The parser or an option is unknown, a value has a wrong type or is not
            allowed, or a required option is missing.
        BrokenPlugin: The parser is of another package, and cannot be used.
    """
    known = parser if isinstance(parser, Parser) else _named(parser)
    if unknown := next((name for name in options if name not in known.options), None):
        raise OptionError(
            f"{unknown}: unknown key{did_you_mean(unknown, known.options)}; "
            f"parser {known.name!r} knows {', '.join(known.options)}"
        )
    values = {
        name: _value(name, options[name], default) if name in options else default
        for name, default in known.options.items()
    }
    if missing := next((name for name in _required(known) if not values[name]), None):
        raise OptionError(f"{missing}: this key is required")
    source = Source(slug=slug, parser=known, options=MappingProxyType(values))
    try:
        known.listings(source)
    except OptionError:  # a value that the parser does not allow
        raise
    except Exception as error:
        raise BrokenPlugin(
            f"parser {known.name!r} of {known.parse.__module__}: its listings raised {error!r}; "
            "repair or uninstall the package"
        ) from error
    return source


def parse(source: Source, page: Page) -> Article:
    """Parse one page with the parser of its source.

    Raises:
        ParseError: The page cannot be parsed. No other exception is raised.
    """
    return _call_with_text(source, page, lambda: source.parser.parse(source, page))


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """Parse one listing with the parser of its source.

    Raises:
        ParseError: The listing cannot be parsed. No other exception is raised.
    """
    return _call(source, page.url, lambda: source.parser.entries(source, listing, page))


def read_listing(source: Source, listing: Listing, page: Page) -> ListingContent:
    """Parse one listing, and find the listings that it names.

    Raises:
        ParseError: The listing cannot be parsed. No other exception is raised.
    """
    read = source.parser.read_listing
    if read is None:
        return ListingContent(entries=entries(source, listing, page))
    return _call(source, page.url, lambda: read(source, listing, page))


def next_pages(source: Source, page: Page) -> tuple[str, ...]:
    """Return the URLs of an article's following pages, given its first page.

    Raises:
        ParseError: The page cannot be parsed. No other exception is raised.
    """
    return _call_with_text(source, page, lambda: source.parser.next_pages(source, page))


def article_url_entries(source: Source) -> tuple[Entry | BadEntry, ...]:
    """Return the entries of the option ``article_urls``.

    A URL that the source does not recognize becomes a BadEntry.
    """
    if "article_urls" not in source.options:
        return ()
    return tuple(
        entry_or_error(SHARE_LINK, url, partial(source.parser.entry_of, source, url))
        for url in source.texts("article_urls")
    )


def usable_parsers() -> Iterator[Parser]:
    """Yield every parser except those of other packages that cannot be used."""
    for name in PARSERS:
        with suppress(BrokenPlugin):
            yield PARSERS[name]


def plugin_problems() -> dict[str, str]:
    """Return why parsers of other packages cannot be used, by name."""
    return PARSERS.problems() if isinstance(PARSERS, ParserRegistry) else {}


def parser_for(url: str) -> Parser | None:
    """Return the parser of the site whose article has this URL; ``None`` if there is none."""
    for parser in usable_parsers():
        if parser.accepts_any_url or _required(parser):
            continue
        with suppress(ParseError, BrokenPlugin):  # BrokenParser is a bug in another package
            source = _default_source(parser)
            _call(source, url, partial(parser.entry_of, source, url))
            return parser
    return None


@lru_cache(maxsize=64)  # parser_for is asked for each page without a source
def _default_source(parser: Parser) -> Source:
    return make_source(parser.name, parser, {})


def _call(source: Source, url: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except ParseError as error:
        error.add_note(f"{source.slug}: {url}")
        raise
    except Exception as error:  # a page may break any parser
        raise BrokenParser(f"{source.slug}: {url}: {error!r}", found=repr(error)[:300]) from error


def _call_with_text(source: Source, page: Page, call: Callable[[], T]) -> T:
    if is_binary(page.text):
        raise NotText(
            where=f"{source.slug}: {page.url}",
            expected="a page of text",
            found=f"compressed or other binary data: {page.text[:40]!r}",
            hint="a browser shows whether the server sends the article",
        )
    return _call(source, page.url, call)


def _named(name: str) -> Parser:
    if name not in PARSERS:
        raise OptionError(
            f"parser: there is no parser {name!r}{did_you_mean(name, PARSERS)}; "
            f"there are: {', '.join(PARSERS)}"
        )
    return PARSERS[name]


def _required(parser: Parser) -> list[str]:
    return [name for name, value in parser.options.items() if value == "" and name.endswith("url")]


def _value(name: str, given: object, default: OptionValue) -> OptionValue:
    if isinstance(default, bool):
        wanted, fits = "true or false", isinstance(given, bool)
    elif isinstance(default, int):
        fits = isinstance(given, int) and not isinstance(given, bool) and given >= 0
        wanted = "a whole number"
    elif isinstance(default, str):
        wanted, fits = "a text", isinstance(given, str)
    else:
        if isinstance(given, Mapping) and _is_texts(list(given.values())):
            given = tuple(f"{key}={value}" for key, value in given.items())
        wanted, fits = "a list of texts", _is_texts(given)
    if not fits:
        raise OptionError(f"{name}: expected {wanted}, found {given!r}")
    return tuple(given) if isinstance(given, list) else given  # type: ignore[return-value]


def _is_texts(given: object) -> bool:
    return isinstance(given, list | tuple) and all(isinstance(text, str) for text in given)
