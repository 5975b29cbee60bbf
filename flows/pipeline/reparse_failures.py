"""What a reparse could not read, judged once it has read all.

An archive keeps every page: those that failed for an hour, and the later ones that mended
them. A page that cannot be read needs somebody only while nothing later of its article was
read, and once, however often it was fetched: just as it stands in quarantine.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """What became of the failures of one source.

    Attributes:
        pages: The article and one sentence for each failed page of one that stands.
        listings: One sentence for each failed listing that stands.
        pages_over: How many failed article pages are older than what was read later.
        listings_over: How many failed listings were read later.
    """

    pages: list[tuple[str, str]]
    listings: list[str]
    pages_over: int
    listings_over: int


@dataclass(slots=True)
class ReparseFailures:
    """The failures of one source so far, the latest one of each page; without their bytes."""

    source: str
    _pages: dict[tuple[str, str], NewQuarantineEntry] = field(default_factory=dict)
    _listings: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    _read: dict[str, datetime] = field(default_factory=dict)

    def page(self, bad: NewQuarantineEntry) -> None:
        """A page of an article, or the text that a feed carried, could not be read."""
        key = bad.article_id or "", bad.url
        before = self._pages.get(key)
        if before is None or before.fetched_at <= bad.fetched_at:
            self._pages[key] = replace(bad, page=b"", page_more=(), facts="")

    def listing(self, url: str, at: datetime, words: str) -> None:
        """A listing that carries articles, fetched then, could not be read."""
        if url not in self._listings or self._listings[url][0] <= at:
            self._listings[url] = at, words

    def was_read(self, rows: Sequence[ArticleRow]) -> None:
        """These could be read."""
        for row in rows:
            at = self._read.get(row.article_id, row.fetched_at)
            self._read[row.article_id] = max(at, row.fetched_at)

    def judged(self, store: DuckDBPyConnection | None) -> UnresolvedFailures:
        """What stands of all that failed; all of it where the warehouse cannot be asked."""
        rows = list(self._pages.values())
        late: set[int] = set()
        resolved: dict[str, datetime] = {}
        if store is not None:
            with suppress(WarehouseError):
                forbidden = SuppressionList(suppression.list_suppressions(store))
                rows = [row for row in rows if (row.article_id or "") not in forbidden]
                late = quarantine.superseded(store, rows)
                resolved = quarantine.resolved_listings(store, self.source, self._listings)
        pages = [
            _words(row) for i, row in enumerate(rows) if i not in late and not self._is_older(row)
        ]
        listings = [
            f"{url}: {words}"
            for url, (at, words) in self._listings.items()
            if url not in resolved or resolved[url] < at
        ]
        return UnresolvedFailures(
            pages=pages,
            listings=listings,
            pages_over=len(rows) - len(pages),
            listings_over=len(self._listings) - len(listings),
        )

    def _is_older(self, row: NewQuarantineEntry) -> bool:
        read = self._read.get(row.article_id or "")
        return read is not None and read > row.fetched_at


def _words(row: NewQuarantineEntry) -> tuple[str, str]:
    return (row.article_id or "").partition(":")[2], row.message.partition("\n")[0]
