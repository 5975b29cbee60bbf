"""The option ``select``: one CSS selector for each field of an article page.

    select = { body = "article .text", title = "h1", published = "time[datetime]" }

The selectors of body, title and published must match, so that a new layout becomes an error
and never another text. ``?`` behind a selector lets the generic rules take its place. The
other fields fall back to the generic rules without a mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from zoneinfo import ZoneInfo

from bs4 import BeautifulSoup, Tag

from parsers.errors import LayoutChanged, OptionError, did_you_mean
from parsers.extract.published import moment_of
from parsers.html.select import document, text_of
from parsers.html.selector import Selector, parse_selector
from parsers.model import Extracted, Moment, OptionValue, Page
from parsers.text.people import author_names
from parsers.text.urls import absolute, is_http

FIELDS = (
    "body", "title", "published", "updated", "authors", "publisher", "categories", "tags",
    "language", "lead_image", "remove",
)  # fmt: skip
_MAX_TIMES, _MAX_VALUES = 5, 50
MUST_MATCH = frozenset({"body", "title", "published"})

Names = Extracted[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The values of the selectors; ``None`` where the generic rules apply.

    Attributes:
        body: The HTML of the body.
        body_text: The text of the body on one line.
        missing: The error of the first selector that must match and does not.
    """

    title: Extracted[str] | None = None
    body: str | Tag | None = None
    body_text: str = ""
    published: Moment | None = None
    updated: Moment | None = None
    authors: Names | None = None
    publisher: Extracted[str] | None = None
    categories: Names | None = None
    tags: Names | None = None
    language: Extracted[str] | None = None
    lead_image: Extracted[str] | None = None
    missing: LayoutChanged | None = None


@cache
def parse_select(option: tuple[str, ...]) -> Mapping[str, Selector]:
    """Parse the option ``select``.

    Args:
        option: ``field=selector`` each.

    Raises:
        OptionError: A field is unknown, or a selector is no CSS selector.
    """
    selectors = {}
    for one in option:
        name, is_pair, css = one.partition("=")
        if name not in FIELDS or not is_pair:
            raise OptionError(
                f"select.{name}: unknown field{did_you_mean(name, FIELDS)}; "
                f"the fields are {', '.join(FIELDS)}"
            )
        selectors[name] = parse_selector(f"select.{name}", css)
    return selectors


def selectors_of(options: Mapping[str, OptionValue]) -> Mapping[str, Selector]:
    """Return the selectors of a source by field; none without the option ``select``.

    Raises:
        OptionError: One of them cannot be used.
    """
    option = options.get("select", ())
    return parse_select(option) if isinstance(option, tuple) else {}


def without_removed(selectors: Mapping[str, Selector], page: Page) -> Page:
    """Return the page without the elements that the selector ``remove`` matches.

    Raises:
        LayoutChanged: The page is too large.
    """
    if "remove" not in selectors:
        return page
    soup = document(page.text)
    for node in selectors["remove"].elements(soup):
        node.decompose()
    return replace(page, text=str(soup))


def select_fields(
    selectors: Mapping[str, Selector], page: Page, base: str, zone: ZoneInfo | None
) -> Selected:
    """Apply the selectors of a source to a page.

    Args:
        selectors: By field.
        page: An article page.
        base: The base of its links.
        zone: The declared time zone of the source.

    Raises:
        LayoutChanged: The page is too large.
    """
    if not selectors.keys() - {"remove"}:
        return Selected()
    return read_fields(selectors, document(page.text), base, zone)


def read_fields(
    selectors: Mapping[str, Selector], soup: BeautifulSoup, base: str, zone: ZoneInfo | None
) -> Selected:
    """Apply the selectors of a source to the tree of a page; the rest is as in select_fields."""
    reader = _Reader(soup, selectors)
    body = reader.elements("body")
    image = reader.image(base)
    return Selected(
        title=reader.text("title"),
        body=_html(body),
        body_text=" ".join(map(text_of, body)),
        published=reader.time("published", zone),
        updated=reader.time("updated", zone),
        authors=reader.authors(),
        publisher=reader.text("publisher"),
        categories=reader.names("categories"),
        tags=reader.names("tags"),
        language=reader.text("language"),
        lead_image=image,
        missing=reader.missing,
    )


class _Reader:
    """The values of one page."""

    def __init__(self, soup: BeautifulSoup, selectors: Mapping[str, Selector]) -> None:
        self.soup = soup
        self.selectors = selectors
        self.missing: LayoutChanged | None = None

    def elements(self, name: str) -> list[Tag]:
        selector = self.selectors.get(name)
        found = [one for one in selector.elements(self.soup) if text_of(one)] if selector else []
        self._note_missing(name, bool(found))
        return found

    def text(self, name: str) -> Extracted[str] | None:
        value = next(iter(self._values(name)), "")
        self._note_missing(name, bool(value))
        return Extracted(value, self.selectors[name].provenance) if value else None

    def time(self, name: str, zone: ZoneInfo | None) -> Moment | None:
        values = self._values(name)
        self._note_missing(name, bool(values))
        moments = [
            moment_of(one, zone, self.selectors[name].provenance) for one in values[:_MAX_TIMES]
        ]
        return next((one for one in moments if one.at), moments[0] if moments else None)

    def names(self, name: str) -> Names | None:
        values = tuple(dict.fromkeys(self._values(name)))[:_MAX_VALUES]
        return Extracted(values, self.selectors[name].provenance) if values else None

    def authors(self) -> Names | None:
        names = author_names(self._values("authors"))
        return Extracted(names, self.selectors["authors"].provenance) if names else None

    def image(self, base: str) -> Extracted[str] | None:
        selector = self.selectors.get("lead_image")
        for value in selector.pictures(self.soup) if selector else ():
            if is_http(url := absolute(base, value)):
                return Extracted(url, selector.provenance if selector else "")
        return None

    def _values(self, name: str) -> list[str]:
        selector = self.selectors.get(name)
        return list(selector.values(self.soup)) if selector else []

    def _note_missing(self, name: str, is_found: bool) -> None:
        selector = self.selectors.get(name)
        if selector is None or is_found or selector.is_optional or name not in MUST_MATCH:
            return
        self.missing = self.missing or LayoutChanged(
            where=f"select.{name}",
            expected=f"a match of {selector.text!r} with a text",
            found=f"none in the page that begins {text_of(self.soup)[:80]!r}",
            hint="the layout changed, or the selector needs a ? because pages may lack it",
        )


def _html(elements: list[Tag]) -> str | Tag | None:
    if len(elements) < 2:
        return elements[0] if elements else None
    return "".join(f"<{one.name}>{one.decode_contents()}</{one.name}>" for one in elements)
