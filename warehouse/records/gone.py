"""Articles that their publisher removed: the URL answered 404 or 410.

An entry of a listing may be gone without ever being stored, so the ids need no article.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.times import micros

OPEN = """
    SELECT k.i, g.url, g.status, g.gone_at, g.last_checked_at, g.check_count
    FROM _store.gone g JOIN copydesk_ids k ON g.article_key = k.key::UUID
    WHERE g.live_at IS NULL
"""

AGAIN = """
    UPDATE _store.gone AS g
    SET status = k.status, url = k.url, run_id = ?, check_count = check_count + 1,
        last_checked_at = k.at
    FROM copydesk_ids k
    WHERE g.article_key = k.key::UUID AND g.live_at IS NULL AND g.last_checked_at < k.at
"""

FIRST = """
    INSERT INTO _store.gone
    SELECT k.key::UUID, k.article_id, k.source, k.url, k.status, k.at, k.at, 1, NULL, ?
    FROM copydesk_ids k
    WHERE NOT EXISTS (SELECT 1 FROM _store.gone g
                      WHERE g.article_key = k.key::UUID
                        AND (g.live_at IS NULL OR g.live_at > k.at))
"""

LIVE = """
    UPDATE _store.gone AS g SET live_at = k.at
    FROM copydesk_ids k
    WHERE g.article_key = k.key::UUID AND g.live_at IS NULL AND g.last_checked_at < k.at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneAnswer:
    """An answer of 404 or 410 to the request of an article.

    Attributes:
        status: 404 or 410.
        at: When the server answered, aware UTC.
    """

    article_id: str
    source: str
    url: str
    status: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneArticle:
    """An article, or an entry never stored, that is gone.

    Attributes:
        gone_at, last_checked_at: The first and the last such answer.
        check_count: Such answers in a row.
    """

    url: str
    status: int
    gone_at: datetime
    last_checked_at: datetime
    check_count: int


def gone_articles(db: DuckDBPyConnection, article_ids: Iterable[str]) -> dict[str, GoneArticle]:
    """Return those of the articles that are gone."""
    names = list(dict.fromkeys(article_ids))
    if not names:
        return {}
    with stage.staged(db, "copydesk_ids", stage.keyed(names)):
        return {names[row.pop("i")]: GoneArticle(**row) for row in stage.select(db, OPEN)}


def record_gone(db: DuckDBPyConnection, answers: Sequence[GoneAnswer], *, run_id: str) -> None:
    """Store that articles are gone, or still gone. The caller owns the transaction."""
    last = list({one.article_id: one for one in sorted(answers, key=lambda one: one.at)}.values())
    if not last:
        return
    rows = stage.keyed(
        [one.article_id for one in last],
        article_id=([one.article_id for one in last], stage.TEXT),
        source=([one.source for one in last], stage.TEXT),
        url=([one.url for one in last], stage.TEXT),
        status=([one.status for one in last], stage.SMALL),
        at=([micros(one.at) for one in last], stage.MOMENT),
    )
    with stage.staged(db, "copydesk_ids", rows):
        db.execute(AGAIN, [run_id])
        db.execute(FIRST, [run_id])


def record_live(db: DuckDBPyConnection, seen: Mapping[str, datetime]) -> None:
    """Store that articles were fetched again, by id; ignore those that were not gone.

    The caller owns the transaction.
    """
    if not seen:
        return
    rows = stage.keyed(list(seen), at=([micros(at) for at in seen.values()], stage.MOMENT))
    with stage.staged(db, "copydesk_ids", rows):
        db.execute(LIVE)
