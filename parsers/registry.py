"""Every parser, one line each, and the one door through which pages are read.

To add a source: one module in ``parsers/sources`` with its ``PARSER``, one folder of
recorded cases in ``tests/fixtures``, one line in ``_MODULES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from parsers.errors import BrokenParser, ParseError, UnknownUrl
from parsers.listings import entry_or_error
from parsers.model import Article, BadEntry, Entry, Listing, Option, Page, Parser, Source
from parsers.options import OptionError, nearest
from parsers.sources import feed, finews, generic, ofweek, rsshub, woshipm

T = TypeVar("T")

SHARE_LINK = "share"
"""The channel of articles that the configuration names one by one."""

__all__ = [
    "PARSERS",
    "SHARE_LINK",
    "OptionError",
    "article_url_entries",
    "entries",
    "make_source",
    "next_pages",
    "parse",
    "parser_for",
]

_MODULES = (
    finews.PARSER,
    woshipm.PARSER,
    ofweek.PARSER,
    rsshub.PARSER,
    feed.PARSER,
    generic.PARSER,
)

PARSERS: Mapping[str, Parser] = MappingProxyType({parser.name: parser for parser in _MODULES})


def make_source(slug: str, parser: str | Parser, options: Mapping[str, object]) -> Source:
    """A configured source, defaults filled in and every option checked.

    Args:
        slug: The source's own name.
        parser: The name of a parser, or a parser that is not registered.
        options: As the configuration gives them: lists may be lists, and a table of
            texts stands for a list of ``key=value``.

    Raises:
        OptionError: The parser or an option is unknown, a value is of the wrong kind or
            not one of those allowed, or an option that must be given is missing.
    """
    known = parser if isinstance(parser, Parser) else _named(parser)
    if unknown := next((name for name in options if name not in known.options), None):
        raise OptionError(
            f"{unknown}: unknown key{nearest(unknown, known.options)}; "
            f"parser {known.name!r} knows {', '.join(known.options)}"
        )
    values = {
        name: _value(name, options[name], default) if name in options else default
        for name, default in known.options.items()
    }
    if missing := next((name for name in _required(known) if not values[name]), None):
        raise OptionError(f"{missing}: this key must be given")
    made = Source(slug=slug, parser=known, options=MappingProxyType(values))
    known.listings(made)  # a channel or a choice that does not exist is told now
    return made


def parse(source: Source, page: Page) -> Article:
    """Read one page with the parser of its source.

    Raises:
        ParseError: For every failure, so that one page never stops a run.
    """
    return _asked(source, page, lambda: source.parser.parse(source, page))


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """Read one listing with the parser of its source.

    Raises:
        ParseError: For every failure; BadListing when the listing cannot be read.
    """
    return _asked(source, page, lambda: source.parser.entries(source, listing, page))


def next_pages(source: Source, page: Page) -> tuple[str, ...]:
    """The addresses of the following pages of an article, given its first.

    Raises:
        ParseError: For every failure.
    """
    return _asked(source, page, lambda: source.parser.more(source, page))


def article_url_entries(source: Source) -> tuple[Entry | BadEntry, ...]:
    """The entries of the source's ``share_links``, which no listing is needed for.

    An address that the source does not recognize is a bad entry.
    """
    if "share_links" not in source.options:
        return ()
    return tuple(
        entry_or_error(SHARE_LINK, link, partial(source.parser.entry_of, source, link))
        for link in source.texts("share_links")
    )


def parser_for(url: str) -> Parser | None:
    """The parser that recognizes an address as one of its own articles."""
    for parser in PARSERS.values():
        if _required(parser) or parser is generic.PARSER:
            continue  # reads any site, so it recognizes none
        try:
            parser.entry_of(make_source(parser.name, parser, {}), url)
        except UnknownUrl:
            continue
        return parser
    return None


def _asked(source: Source, page: Page, work: Callable[[], T]) -> T:
    try:
        return work()
    except ParseError as error:
        error.add_note(f"{source.slug}: {page.url}")
        raise
    except Exception as error:
        # The only blind except: source modules meet pages nobody has seen yet.
        raise BrokenParser(
            f"{source.slug}: {page.url}: {error!r}", found=repr(error)[:300]
        ) from error


def _named(name: str) -> Parser:
    if name not in PARSERS:
        raise OptionError(
            f"parser: there is no parser {name!r}{nearest(name, PARSERS)}; "
            f"there are: {', '.join(PARSERS)}"
        )
    return PARSERS[name]


def _required(parser: Parser) -> list[str]:
    # An address has no default that makes sense; any other empty text means "not declared".
    return [name for name, value in parser.options.items() if value == "" and name.endswith("url")]


def _value(name: str, given: object, default: Option) -> Option:
    if isinstance(default, bool):
        wanted, fits = "true or false", isinstance(given, bool)
    elif isinstance(default, str):
        wanted, fits = "a text", isinstance(given, str)
    else:
        if isinstance(given, Mapping):
            given = tuple(f"{key}={value}" for key, value in given.items())
        wanted, fits = "a list of texts", _is_texts(given)
    if not fits:
        raise OptionError(f"{name}: expected {wanted}, found {given!r}")
    return tuple(given) if isinstance(given, list) else given  # type: ignore[return-value]


def _is_texts(given: object) -> bool:
    return isinstance(given, list | tuple) and all(isinstance(text, str) for text in given)
