"""Propose the selectors of a listing page, from links of articles that are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bs4 import Tag

from parsers import registry
from parsers.discovery import propose_list
from parsers.discovery.selectors import DATES
from parsers.errors import OptionError, ParseError
from parsers.html.select import document
from parsers.model import Entry, Listing, Page, Source
from parsers.repair.candidates import rank, steps
from parsers.repair.score import Share
from parsers.text.urls import absolute, canonicalize, is_http

MIN_LINKS = 3
LIMIT = 0.9
_OUTSIDE = frozenset({"nav", "footer", "header", "aside", "form", "dialog"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LinksRepair:
    """The selectors of a listing page, before and after.

    Attributes:
        changes: The new values of ``links``, ``date`` and ``next_page``.
        old: The values of the same keys as configured.
        before, after: How many of the known articles on the page are entries.
        error: Why the page cannot be read as configured; empty when it can.
    """

    changes: Mapping[str, str]
    old: Mapping[str, str]
    before: Share
    after: Share
    error: str

    @property
    def has_failed(self) -> bool:
        """Whether the listing is broken, and no selectors give its known articles."""
        return bool(self.error) and not self.changes


def repair_links(
    source: Source, listing: Listing, page: Page, known: Collection[str]
) -> LinksRepair:
    """Return selectors for a listing that cannot be read.

    Args:
        source: A source with the parser ``listing``.
        listing: Its listing.
        page: The page of today.
        known: The ids of stored articles.
    """
    anchors = _known_anchors(page, known)
    ids = {name for name, _ in anchors}
    found, error = _entries(source, listing, page)
    before = Share(right=len(ids & found), total=len(ids))
    same = LinksRepair(changes={}, old={}, before=before, after=before, error=error)
    if not error:
        return same
    if len(ids) < MIN_LINKS:
        return replace(same, error=f"{error}; it links fewer than {MIN_LINKS} known articles")
    for css in _ranked([node for _, node in anchors], len(ids)):
        for date in _dates(source):
            changes = {"links": css, "date": date, "next_page": _next_page(source, page)}
            changes = {key: css for key, css in changes.items() if css != source.text(key)}
            entries, problem = _entries(_with(source, changes), listing, page)
            after = Share(right=len(ids & entries), total=len(ids))
            if not problem and after.ratio >= LIMIT:
                old = {key: source.text(key) for key in changes}
                return replace(same, changes=changes, old=old, after=after)
    return same


def _known_anchors(page: Page, known: Collection[str]) -> list[tuple[str, Tag]]:
    found = []
    for anchor in document(page.text).find_all("a", href=True, limit=5000):
        url = absolute(page.final_url or page.url, str(anchor["href"])).partition("#")[0]
        is_outside = any(parent.name in _OUTSIDE for parent in anchor.parents)
        if is_http(url) and not is_outside and (name := canonicalize(url)) in known:
            found.append((str(name), anchor))
    return found


def _ranked(anchors: list[Tag], count: int) -> list[str]:
    """Return selectors of the anchors, those of most known links and clearest meaning first."""
    votes: Counter[str] = Counter()
    for anchor in anchors:
        own, around = list(steps(anchor)), list(anchor.parents)[:4]
        names = {one for one in own if one != "a"}
        names |= {
            f"{step} {one}"
            for parent in around
            if parent.name not in {"body", "html", "[document]"}
            for step in steps(parent)
            for one in own
        }
        votes.update(names)
    chosen = [css for css, number in votes.items() if number >= LIMIT * count]
    return sorted(chosen, key=lambda css: (-min(votes[css], count), rank(css), len(css), css))[:20]


def _dates(source: Source) -> list[str]:
    """Return the selectors of dates to try: the configured one, then usual ones."""
    configured = source.text("date")
    return [configured, *DATES] if configured else [""]


def _next_page(source: Source, page: Page) -> str:
    configured = source.text("next_page")
    if not configured or document(page.text).select_one(configured.removesuffix("?").strip()):
        return configured
    proposal = propose_list(page.text, page.final_url or page.url)
    return (proposal and proposal.next_page) or configured


def _entries(source: Source, listing: Listing, page: Page) -> tuple[set[str], str]:
    """Return the ids of the entries, and the error of a listing that cannot be read."""
    try:
        content = registry.read_listing(source, listing, page)
    except (ParseError, OptionError) as error:
        return set(), str(error)
    found = {one.source_article_id for one in content.entries if isinstance(one, Entry)}
    return found, "" if found else "the listing has no entries"


def _with(source: Source, changes: Mapping[str, str]) -> Source:
    return replace(source, options=MappingProxyType({**source.options, **changes}))
