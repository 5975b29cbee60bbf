"""Full-text search on the snapshot: ``copydesk search``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from flows.admin.query import file_to_read
from flows.callbacks import Notify
from flows.settings import Settings
from warehouse import connect_for_queries
from warehouse.read.articles import count_articles
from warehouse.search.query import SearchHit, SearchResult, search


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchReport:
    """The articles that a search found, as text and JSON."""

    query: str
    result: SearchResult

    def as_json(self) -> dict[str, Any]:
        """The JSON document."""
        hits = [
            {**asdict(hit), "published_at": hit.published_at and hit.published_at.isoformat()}
            for hit in self.result.hits
        ]
        return {
            "query": self.query,
            "hits": hits,
            "content_count": self.result.content_count,
            "indexed_count": self.result.indexed_count,
        }

    def message(self) -> str:
        """One block of lines per article."""
        hits = self.result.hits
        if not hits:
            return "no articles match"
        lines = [] if hits[0].matched == "all" else ["no article holds all of it; partial matches:"]
        return "\n".join([*lines, *(_block(hit) for hit in hits)])

    def warning(self) -> str:
        """What the search could not read; empty when the index is complete."""
        missing = self.result.content_count - self.result.indexed_count
        if not missing:
            return ""
        return (
            f"the search index is incomplete: {missing:,} of {self.result.content_count:,} texts "
            "are missing. The next runs add them; `copydesk compact` adds all of them now"
        )


def search_articles(
    settings: Settings,
    query: str,
    *,
    source: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    live: bool,
    notify: Notify,
) -> SearchReport:
    """Search the snapshot, or the warehouse itself.

    Raises:
        WarehouseMissing: No snapshot was published yet.
        WarehouseTooOld: An earlier copydesk published it.
        BadQuery: The query is not valid text.
        ConfigurationError: The source is not configured, and no article is of it.
    """
    with connect_for_queries(file_to_read(settings, live=live, notify=notify)) as db:
        return search_in(db, settings, query, source=source, since=since, until=until, limit=limit)


def search_in(
    db: DuckDBPyConnection,
    settings: Settings,
    query: str,
    *,
    source: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> SearchReport:
    """Search an open snapshot or warehouse.

    Raises:
        WarehouseError: As ``search_articles``.
        ConfigurationError: The source is not configured, and no article is of it.
    """
    found = search(db, query, source=source, since=since, until=until, limit=limit)
    if source and not found.hits and not count_articles(db, source=source):
        settings.source(source)
    return SearchReport(query=query, result=found)


def _block(hit: SearchHit) -> str:
    published = f"{hit.published_at:%Y-%m-%d %H:%M}" if hit.published_at else "no date"
    return (
        f"{hit.rank:>3}  {hit.title or '(no title)'}\n"
        f"     {hit.source}  {published}  {hit.article_id}\n"
        f"     {hit.snippet}"
    )
