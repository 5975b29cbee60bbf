"""The failures of a reparse, resolved at its end.

An archive keeps the pages that failed and the later ones that parsed. A failure is
unresolved if no later page of its article parsed; it counts once for each page URL.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from duckdb import DuckDBPyConnection

from warehouse.errors import WarehouseError
from warehouse.records import quarantine, suppression
from warehouse.records.suppression import SuppressionList
from warehouse.rows import ArticleRow, NewQuarantineEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class UnresolvedFailures:
    """The failures of one source that no later page resolved.

    Attributes:
        pages: Failed pages of articles.
        listings: Failed listings that carry articles.
        resolved_pages: How many failed pages are older than a page that parsed.
        resolved_listings: How many failed listings are older than one that parsed.
    """

    pages: list[NewQuarantineEntry]
    listings: list[NewQuarantineEntry]
    resolved_pages: int
    resolved_listings: int


@dataclass(slots=True)
class ReparseFailures:
    """The latest failure of each page of one source, without its bytes.

    Attributes:
        page_count: How many pages of articles failed.
    """

    source: str
    page_count: int = 0
    _latest: dict[tuple[str, str], NewQuarantineEntry] = field(default_factory=dict)
    _parsed_at: dict[str, datetime] = field(default_factory=dict)

    def add(self, failure: NewQuarantineEntry) -> None:
        """Add the failure of a page or of a listing."""
        self.page_count += failure.article_id is not None
        key = failure.article_id or "", failure.url
        before = self._latest.get(key)
        if before is None or before.fetched_at <= failure.fetched_at:
            self._latest[key] = replace(failure, page=b"", page_more=(), listing_entry="")

    def add_parsed(self, rows: Iterable[ArticleRow]) -> None:
        """Add articles that parsed."""
        for row in rows:
            at = self._parsed_at.get(row.article_id, row.fetched_at)
            self._parsed_at[row.article_id] = max(at, row.fetched_at)

    def unresolved(self, store: DuckDBPyConnection | None) -> UnresolvedFailures:
        """Return the unresolved failures; all of them if the warehouse cannot be read."""
        pages = [one for one in self._latest.values() if one.article_id]
        listings = [one for one in self._latest.values() if not one.article_id]
        late: set[int] = set()
        resolved: dict[str, datetime] = {}
        if store is not None:
            with suppress(WarehouseError):
                suppressed = SuppressionList(suppression.list_suppressions(store))
                pages = [one for one in pages if (one.article_id or "") not in suppressed]
                late = quarantine.superseded(store, pages)
                urls = [one.url for one in listings]
                resolved = quarantine.resolved_listings(store, self.source, urls)
        open_pages = [
            one
            for i, one in enumerate(pages)
            if i not in late
            and self._parsed_at.get(one.article_id or "", one.fetched_at) <= one.fetched_at
        ]
        open_listings = [
            one for one in listings if one.url not in resolved or resolved[one.url] < one.fetched_at
        ]
        return UnresolvedFailures(
            pages=open_pages,
            listings=open_listings,
            resolved_pages=len(pages) - len(open_pages),
            resolved_listings=len(listings) - len(open_listings),
        )
