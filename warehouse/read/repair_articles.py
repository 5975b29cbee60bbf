"""Articles whose pages show where a source has its fields now: what a repair fetches again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.read.articles import article_row
from warehouse.rows import ARTICLE_COLUMNS, ArticleRow

# An article whose fields came from selectors is known best. One that was seen before the break is
# certainly of the old layout.
_ARTICLES = f"""
    SELECT {", ".join(f"a.{name}" for name in ARTICLE_COLUMNS)}, a.last_seen_at
    FROM articles a
    WHERE a.source = $source AND a.completeness <> 'teaser'
      AND NOT EXISTS (SELECT 1 FROM _store.gone g
                      WHERE g.article_id = a.article_id AND g.live_at IS NULL)
    ORDER BY a.completeness = 'full' DESC,
             len([mark FOR mark IN $marks::VARCHAR[] IF contains(a.provenance, mark)]) DESC,
             coalesce(a.first_seen_at < $before, true) DESC,
             coalesce(a.published_at, a.first_seen_at) DESC, a.article_id
    LIMIT $limit
"""  # noqa: S608
_ENTRIES = """
    SELECT url, final_url, listing_entry FROM _store.fetches
    WHERE source = ? AND length(listing_entry) > 2
      AND (list_contains(?::VARCHAR[], url) OR list_contains(?::VARCHAR[], final_url))
    ORDER BY fetched_at
"""
_BROKEN = """
    SELECT min(fetched_at) FROM _store.quarantine
    WHERE source = ? AND resolved_at IS NULL
      AND reason IN ('layout_changed', 'incomplete_article', 'bad_listing')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArticle:
    """A stored article and the entry that led to its page.

    Attributes:
        entry: JSON text of the entry of the last fetch; empty when none is recorded.
    """

    row: ArticleRow
    entry: str


def recent_articles(
    db: DuckDBPyConnection, source: str, *, selectors: tuple[str, ...], limit: int
) -> list[StoredArticle]:
    """Return the recent articles of a source whose values are known best.

    Args:
        db: The warehouse.
        source: The source.
        selectors: As configured; values that they gave come first.
        limit: How many at most.
    """
    marks = [f"css:{one}".replace("\\", "\\\\").replace('"', '\\"') for one in selectors]
    values = {"source": source, "marks": marks, "before": broken_since(db, source), "limit": limit}
    found = db.execute(_ARTICLES, values).fetchall()
    articles = [article_row(list(row), seen_at) for *row, seen_at in found]
    urls = [one.url for one in articles]
    entries: dict[str, str] = {}
    for one in stage.select(db, _ENTRIES, [source, urls, urls]):
        entries |= dict.fromkeys({one["url"], one["final_url"]}, one["listing_entry"])
    return [StoredArticle(row=one, entry=entries.get(one.url, "")) for one in articles]


def broken_since(db: DuckDBPyConnection, source: str) -> datetime | None:
    """Return when the first page was fetched that today's parser cannot read; ``None`` if none."""
    ((at,),) = db.execute(_BROKEN, [source]).fetchall()
    return at  # type: ignore[no-any-return]


def article_ids(db: DuckDBPyConnection, source: str) -> set[str]:
    """Return the ids of the stored articles of a source, without its name."""
    sql = "SELECT DISTINCT source_article_id FROM articles WHERE source = ?"
    return {name for (name,) in db.execute(sql, [source]).fetchall()}
