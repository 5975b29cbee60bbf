from __future__ import annotations

from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import HOUR, NOON, article, rows_of, upsert
from warehouse import transaction
from warehouse.records import gone

URL = "https://example.org/1"
STATES = "SELECT state FROM articles_as_of(?::TIMESTAMPTZ)"


def answer(hours: int, status: int = 404, article_id: str = "finews:1") -> gone.GoneAnswer:
    return gone.GoneAnswer(
        article_id=article_id, source="finews", url=URL, status=status, at=NOON + hours * HOUR
    )


def record(db: DuckDBPyConnection, *answers: gone.GoneAnswer) -> None:
    with transaction(db):
        gone.record_gone(db, answers, run_id="run")


def record_live(db: DuckDBPyConnection, hours: int) -> None:
    with transaction(db):
        gone.record_live(db, {"finews:1": NOON + hours * HOUR})


def states(db: DuckDBPyConnection, *hours: int) -> list[object]:
    return [rows_of(db, STATES, NOON + one * HOUR)[0][0] for one in hours]


def test_an_article_is_gone_from_the_first_answer_until_it_is_fetched_again(
    db: DuckDBPyConnection,
) -> None:
    upsert(db, article())
    record(db, answer(1))
    record(db, answer(3, 410))

    assert gone.gone_articles(db, ["finews:1", "finews:2"]) == {
        "finews:1": gone.GoneArticle(
            url=URL,
            status=410,
            gone_at=NOON + HOUR,
            last_checked_at=NOON + 3 * HOUR,
            check_count=2,
        )
    }
    assert states(db, 0, 1, 4) == ["live", "gone", "gone"]

    record_live(db, 5)

    assert gone.gone_articles(db, ["finews:1"]) == {}
    assert states(db, 0, 1, 4, 5) == ["live", "gone", "gone", "live"]
    assert rows_of(db, "SELECT state FROM articles") == [("live",)]


def test_an_article_may_be_gone_twice(db: DuckDBPyConnection) -> None:
    upsert(db, article())
    record(db, answer(1))
    record_live(db, 2)
    record(db, answer(3))

    assert states(db, 1, 2, 3) == ["gone", "live", "gone"]


def test_an_entry_never_stored_may_be_gone(db: DuckDBPyConnection) -> None:
    record(db, answer(1, article_id="finews:never"), answer(2, article_id="finews:never"))

    assert gone.gone_articles(db, ["finews:never"])["finews:never"].check_count == 1
    assert rows_of(db, "SELECT * FROM articles") == []


def test_an_older_answer_changes_nothing(db: DuckDBPyConnection) -> None:
    record(db, answer(3))
    before = rows_of(db, "FROM _store.gone")

    record(db, answer(1))
    record_live(db, 2)

    assert rows_of(db, "FROM _store.gone") == before
