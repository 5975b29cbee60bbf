"""Read the view ``syndication``: pairs of articles with the same or nearly the same text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb
from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.errors import WarehouseTooOld
from warehouse.syndication.index import count_missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One row of the view ``syndication``; its columns have comments there."""

    article_id: str
    other_article_id: str
    source: str
    other_source: str
    kind: str
    jaccard: float
    containment: float
    title: str | None
    other_title: str | None
    publisher: str | None
    other_publisher: str | None
    published_at: datetime | None
    other_published_at: datetime | None
    published_first: str | None
    first_seen_at: datetime
    other_first_seen_at: datetime
    seen_first: str | None
    declared_origin: str | None
    declared_by: str | None
    origin_article_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsFound:
    """Some pairs.

    Attributes:
        pairs: Those whose second article was seen last come first.
        pair_count: How many there are without the limit.
        missing_count: How many contents are not compared yet.
    """

    pairs: tuple[Pair, ...]
    pair_count: int
    missing_count: int


_PAIRS = f"""
    SELECT {", ".join(Pair.__dataclass_fields__)}, count(*) OVER () AS pair_count
    FROM syndication
    WHERE ($1::VARCHAR IS NULL OR $1 IN (article_id, other_article_id))
      AND ($2::VARCHAR IS NULL OR $2 IN (source, other_source))
      AND ($3::VARCHAR IS NULL OR kind = $3)
      AND ($4::TIMESTAMPTZ IS NULL OR greatest(first_seen_at, other_first_seen_at) >= $4)
    ORDER BY greatest(first_seen_at, other_first_seen_at) DESC, article_id, other_article_id
    LIMIT $5
"""  # noqa: S608


def find_pairs(
    db: DuckDBPyConnection,
    *,
    article_id: str | None = None,
    source: str | None = None,
    kind: str | None = None,
    since: datetime | None = None,
    limit: int,
) -> PairsFound:
    """Return pairs of articles, the newest first.

    Args:
        db: A snapshot or a warehouse.
        article_id: Only pairs with this article.
        source: Only pairs with an article of this source.
        kind: ``same``, ``near``, ``excerpt`` or ``rewritten``.
        since: Only pairs with an article first seen at this time or later.
        limit: How many.

    Raises:
        WarehouseTooOld: The file has no view ``syndication``.
    """
    try:
        found = stage.select(db, _PAIRS, [article_id, source, kind, since, limit])
        missing_count = count_missing(db)
    except duckdb.CatalogException as error:
        raise WarehouseTooOld(
            "the file has no fingerprints: an earlier copydesk wrote it. The next run "
            "(`copydesk sync`) upgrades the warehouse and publishes a new snapshot"
        ) from error
    counts = [row.pop("pair_count") for row in found]
    return PairsFound(
        pairs=tuple(Pair(**row) for row in found),
        pair_count=counts[0] if counts else 0,
        missing_count=missing_count,
    )
