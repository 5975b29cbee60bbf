"""What is stored of the entries of a batch: from the warehouse, or as values of an order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from duckdb import DuckDBPyConnection

from flows.fetch import FetchFailure, FetchRequest, FetchResponse
from flows.pipeline.stats import SourceStats
from warehouse.records import fetches, gone, not_modified
from warehouse.records.gone import GoneArticle
from warehouse.rows import Validators

GONE_STATUSES = (404, 410)

GoneArticles = tuple[dict[str, GoneArticle], dict[str, str]]
"""The articles that are gone, by id, and the entry that led to each of their addresses."""


class Lookups(Protocol):
    """What fetching some entries needs to know."""

    def gone(self, ids: Sequence[str]) -> GoneArticles:
        """Those articles that are gone."""

    def validators(self, source: str, urls: Iterable[str]) -> Mapping[str, Validators]:
        """The validators of the last whole response of each address."""

    def stored_ids(self, ids: Iterable[str]) -> set[str]:
        """Those article ids that have an article."""


class FetchRun(Protocol):
    """The part of a run that fetching needs, in its process or on a worker."""

    @property
    def flow(self) -> str:
        """Its name."""

    @property
    def stats(self) -> Mapping[str, SourceStats]:
        """The counters of each source."""

    @property
    def lookups(self) -> Lookups:
        """What is stored."""

    @property
    def trusted_since(self) -> datetime:
        """Validators of an older response are not sent."""

    def fetch_all(self, requests: Iterable[FetchRequest]) -> Iterator[FetchResponse | FetchFailure]:
        """Fetch each, whole or not at all."""


class WarehouseLookups:
    """Reads the warehouse of a run.

    Args:
        reading: Opens the warehouse.
        combine: Answers a request with those that wait in other threads.
    """

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[DuckDBPyConnection]],
        combine: Callable[..., Any],
    ) -> None:
        self._reading = reading
        self._combine = combine

    def gone(self, ids: Sequence[str]) -> GoneArticles:
        """Those articles that are gone."""
        found: GoneArticles = self._combine(_read_gone, tuple(ids)) if ids else ({}, {})
        return found

    def validators(self, source: str, urls: Iterable[str]) -> Mapping[str, Validators]:
        """The validators of the last whole response of each address."""
        if not (urls := list(urls)):
            return {}
        with self._reading() as db:
            return fetches.validators(db, urls, source=source)

    def stored_ids(self, ids: Iterable[str]) -> set[str]:
        """Those article ids that have an article."""
        with self._reading() as db:
            return set(not_modified.stored_ids(db, list(ids)))


def _read_gone(db: DuckDBPyConnection, requests: Sequence[tuple[str, ...]]) -> list[GoneArticles]:
    known = gone.gone_articles(db, [one for ids in requests for one in ids])
    urls = [one.url for one in known.values()]
    asked = fetches.last_entries(db, urls, statuses=GONE_STATUSES)
    return [({one: known[one] for one in ids if one in known}, asked) for ids in requests]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLookups:
    """The answers for the entries of one order.

    Attributes:
        asked: Article ids of the entries.
        stored: Those of them that have an article.
    """

    gone_articles: GoneArticles
    known: Mapping[str, Validators]
    asked: frozenset[str]
    stored: frozenset[str]

    @classmethod
    def read(
        cls, lookups: Lookups, source: str, ids: Sequence[str], urls: Iterable[str]
    ) -> KnownLookups:
        """Read the answers for some entries."""
        return cls(
            gone_articles=lookups.gone(ids),
            known=lookups.validators(source, urls),
            asked=frozenset(ids),
            stored=frozenset(lookups.stored_ids(ids) if ids else ()),
        )

    def gone(self, ids: Sequence[str]) -> GoneArticles:
        """Those articles that are gone."""
        known, asked = self.gone_articles
        return {one: known[one] for one in ids if one in known}, asked

    def validators(self, source: str, urls: Iterable[str]) -> Mapping[str, Validators]:
        """The validators of the last whole response of each address."""
        del source  # an order has one
        return {url: self.known[url] for url in urls if url in self.known}

    def stored_ids(self, ids: Iterable[str]) -> set[str]:
        """Those article ids that may have an article: an id that no entry has counts, too.

        A page that may arrive later must never take a part of a stored article away.
        """
        return {one for one in ids if one in self.stored or one not in self.asked}
