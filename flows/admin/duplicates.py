"""Articles with the same or nearly the same text, on the snapshot: ``copydesk dupes``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from flows.admin.query import file_to_read
from flows.admin.revisions import unknown_article
from flows.callbacks import Notify
from flows.settings import Settings
from parsers.text.characters import single_line
from warehouse import connect_for_queries
from warehouse.read.articles import count_articles
from warehouse.read.revisions import has_article
from warehouse.syndication.query import Pair, PairsFound, find_pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatesReport:
    """Pairs of articles, as text and JSON.

    Attributes:
        article_id: The article that was asked for, if any.
    """

    article_id: str | None
    found: PairsFound

    def as_json(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "article_id": self.article_id,
            "pairs": [asdict(pair) for pair in self.found.pairs],
            "pair_count": self.found.pair_count,
            "missing_count": self.found.missing_count,
        }

    def message(self) -> str:
        """One block of lines per pair."""
        pairs = self.found.pairs
        if not pairs:
            return "no articles with the same text"
        blocks = [_block(pair) for pair in pairs]
        if len(pairs) < self.found.pair_count:
            blocks.append(f"{len(pairs):,} of {self.found.pair_count:,} pairs; --limit shows more")
        return "\n".join(blocks)

    def warning(self) -> str:
        """What was not compared; empty when everything was."""
        if not self.found.missing_count:
            return ""
        return (
            f"{self.found.missing_count:,} texts are not compared with the others yet. The next "
            "runs compare them; `copydesk compact` compares all of them now"
        )


def find_duplicates(
    settings: Settings,
    article_id: str | None,
    *,
    source: str | None,
    kind: str | None,
    since: datetime | None,
    limit: int,
    live: bool,
    notify: Notify,
) -> DuplicatesReport:
    """Find pairs of articles on the snapshot, or on the warehouse itself.

    Raises:
        WarehouseMissing: No snapshot was published yet.
        WarehouseTooOld: An earlier copydesk published it.
        NotFound: No article has the id; the message names the nearest known one.
        ConfigurationError: The source is not configured, and no article is of it.
    """
    with connect_for_queries(file_to_read(settings, live=live, notify=notify)) as db:
        found = find_pairs(
            db, article_id=article_id, source=source, kind=kind, since=since, limit=limit
        )
        if not found.pairs and article_id and not has_article(db, article_id):
            raise unknown_article(db, article_id)
        if not found.pairs and source and not count_articles(db, source=source):
            settings.source(source)
    return DuplicatesReport(article_id=article_id, found=found)


def _block(pair: Pair) -> str:
    lines = [
        f"{pair.kind}  jaccard {pair.jaccard:.2f}  containment {pair.containment:.2f}",
        _line(pair.article_id, pair.published_at, pair.title),
        _line(pair.other_article_id, pair.other_published_at, pair.other_title),
        f"    published first: {pair.published_first or 'unknown'}; "
        f"seen first: {pair.seen_first or 'both at once'}",
    ]
    if pair.declared_origin:
        named = f", which is {pair.origin_article_id}" if pair.origin_article_id else ""
        how = (pair.declared_by or "").replace("_", " ")
        lines.append(f"    declared origin: {single_line(pair.declared_origin)} ({how}){named}")
    return "\n".join(lines)


def _line(article_id: str, published_at: datetime | None, title: str | None) -> str:
    published = f"{published_at:%Y-%m-%d %H:%M}" if published_at else "no date"
    return f"    {single_line(article_id)}  {published}  {single_line(title or '(no title)')}"
