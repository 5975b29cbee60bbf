from __future__ import annotations

from dataclasses import astuple, replace

from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import article, fetched_later, rows_of, upsert, with_text
from warehouse.read.revisions import Revision, nearest_article_id, read_revisions
from warehouse.rows import MediaRow

AUDIO = MediaRow(kind="audio", url="https://example.org/1.mp3", length=9, duration=1.5)
COLUMNS = ", ".join(Revision.__dataclass_fields__)


SEEN = (
    [("甲", 0)],
    [("甲", 0), ("乙", 1), ("甲", 2)],
    [("甲", 0), ("乙", 0), ("丙", -1), ("丙", 3)],
)
"""Contents of one article, each with the hour of its fetch."""


def test_revisions_of_one_article_are_those_of_the_view(db: DuckDBPyConnection) -> None:
    for number, contents in enumerate(SEEN):
        for text, hours in contents:
            row = replace(article(number), media=(AUDIO, MediaRow(kind="picture", url="p")))
            upsert(db, fetched_later(with_text(row, text), hours))

    for number in range(len(SEEN)):
        name = f"finews:{number}"
        sql = f"SELECT {COLUMNS} FROM revisions WHERE article_id = ? ORDER BY revision"
        expected = [
            tuple(
                tuple(tuple(one.values()) for one in v) if isinstance(v, list) else v for v in row
            )
            for row in rows_of(db, sql, name)
        ]
        assert list(map(astuple, read_revisions(db, name))) == expected
        assert len(expected) == len(SEEN[number])


def test_unknown_article_has_no_revisions(db: DuckDBPyConnection) -> None:
    upsert(db, article(1))

    assert read_revisions(db, "finews:3") == []


def test_nearest_id_differs_in_at_most_a_fifth_of_its_characters(db: DuckDBPyConnection) -> None:
    upsert(db, article("NW20220314"), article("NW20220399"))

    assert nearest_article_id(db, "finews:NW20220313") == "finews:NW20220314"
    assert nearest_article_id(db, "finews:XY11110000") is None
    assert nearest_article_id(db, "x" * 5000) is None


def test_address_and_source_id_lead_to_the_article(db: DuckDBPyConnection) -> None:
    upsert(db, article("NW20220314"))

    assert nearest_article_id(db, "NW20220314") == "finews:NW20220314"
    assert nearest_article_id(db, "https://example.org/NW20220314") == "finews:NW20220314"
