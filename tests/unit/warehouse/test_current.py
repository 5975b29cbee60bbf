"""Current articles without their texts, against the view."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.warehouse.factories import NOON, article, fetched_later, rows_of, upsert, with_text
from warehouse import connect, transaction
from warehouse.read.current import CURRENT_ARTICLES, read_texts
from warehouse.records import gone

COLUMNS = """
    article_id, source, title, authors, publisher, published_at, published_on, published_precision,
    published_timezone, updated_at, categories, tags, language, lead_image, media, url,
    completeness, state, revision_count, first_seen_at
"""


def test_current_articles_and_their_texts_are_those_of_the_view():
    with connect(":memory:") as db:
        first, second = article("a", "one"), article("b", "two", published_at=None)
        upsert(db, first, second, article("c", "one", source="gazette", body_html="<i>one</i>"))
        for hours, text in enumerate(("one", "three", "one", "four"), 1):
            upsert(db, with_text(fetched_later(first, hours), text))
        upsert(db, article("d", "", text=None, body_html="", fetched_at=NOON + timedelta(days=1)))
        with transaction(db):
            answer = gone.GoneAnswer(
                article_id="finews:b",
                source="finews",
                url="https://example.org/b",
                status=404,
                at=NOON,
            )
            gone.record_gone(db, [answer], run_id="run")
        expected = rows_of(db, f"SELECT {COLUMNS} FROM articles ORDER BY article_id")
        found = rows_of(db, f"SELECT {COLUMNS} FROM ({CURRENT_ARTICLES}) ORDER BY article_id")
        texts = rows_of(db, "SELECT article_id, body_html, text FROM articles ORDER BY article_id")
        ids = [str(row[0]) for row in texts]

        assert found == expected
        assert sorted(read_texts(db, ids)) == texts
        assert list(read_texts(db, [])) == []
