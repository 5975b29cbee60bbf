"""Several layouts of one site: the newest one that fits parses a page.

A layout that ended has a last valid date. Archived pages from before still parse with it. A
page that was fetched later and has it is an error: either the site went back to it, or the
date is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from parsers.errors import LayoutChanged, LayoutExpired
from parsers.model import Article, Page, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One layout of a site.

    Attributes:
        name: Such as the year in which it began.
        parse: The article of a page. Raises LayoutChanged when the page has another layout.
        valid_until: The last day (UTC) on which the site sent it; ``None`` while it does.
    """

    name: str
    parse: Callable[[Source, Page], Article]
    valid_until: date | None = None


def parse_by_layout(newest: Layout, *older: Layout) -> Callable[[Source, Page], Article]:
    """Return a ``parse`` that takes the first layout that fits, newest first."""

    def parse(source: Source, page: Page) -> Article:
        """Parse a page with the newest layout that fits.

        Raises:
            LayoutExpired: Only a layout fits that ended before the page was fetched.
            LayoutChanged: None fits; the error is that of the newest layout.
        """
        first: LayoutChanged | None = None
        for layout in (newest, *older):
            try:
                article = layout.parse(source, page)
            except LayoutChanged as error:
                first = first or error
                continue
            _refuse_expired(layout, newest, page)
            return article
        raise first or LayoutChanged(expected="a layout", found="none")

    return parse


def _refuse_expired(layout: Layout, newest: Layout, page: Page) -> None:
    end = layout.valid_until
    if end is not None and page.fetched_at.date() > end:
        raise LayoutExpired(
            where=page.url,
            expected=f"the layout {newest.name!r}",
            found=f"the layout {layout.name!r}, whose last valid date is {end}",
            hint="check its fields, then set a later valid_until, or repair the newer layout, and "
            "run `copydesk quarantine replay`",
        )
