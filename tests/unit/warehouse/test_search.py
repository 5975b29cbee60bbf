"""What a search finds: terms, phrases, filters, partial matches, current contents."""

from __future__ import annotations

from datetime import timedelta

import pytest
from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import HOUR, NOON, article, fetched_later, upsert, with_text
from warehouse import transaction
from warehouse.care.erasure import erase
from warehouse.errors import BadQuery
from warehouse.search.query import SearchHit, search


def found(db: DuckDBPyConnection, query: str, **filters: object) -> list[str]:
    """The ids of the articles that hold all of a query, best first."""
    hits = search(db, query, **filters).hits  # type: ignore[arg-type]
    return [hit.article_id for hit in hits if hit.matched == "all"]


def test_a_hit_has_everything_that_a_reader_needs(db: DuckDBPyConnection) -> None:
    text = "开头。" * 30 + "央行宣布降准，释放长期资金。" + "结尾。" * 40
    upsert(db, article(1, text, title="货币政策", url="https://example.org/a"))

    (hit,) = search(db, "降准").hits

    assert hit == SearchHit(
        rank=1,
        article_id="finews:1",
        source="finews",
        title="货币政策",
        published_at=NOON - HOUR,
        url="https://example.org/a",
        snippet=hit.snippet,
        score=hit.score,
        matched="all",
    )
    assert "央行宣布降准，释放长期资金" in hit.snippet
    assert hit.snippet.startswith("…")
    assert hit.snippet.endswith("…")
    assert hit.score > 0


def test_every_term_has_to_be_there(db: DuckDBPyConnection) -> None:
    upsert(db, article(1, "腾讯承诺碳中和"), article(2, "碳中和"), article(3, "腾讯"))

    assert found(db, "碳中和 腾讯") == ["finews:1"]


def test_more_mentions_and_a_title_rank_higher(db: DuckDBPyConnection) -> None:
    upsert(
        db,
        article(1, "降准，其他内容很多很多", title="一"),
        article(2, "降准，降准，降准，内容很多", title="二"),
        article(3, "降准，降准，降准，内容很多", title="降准", published_at=NOON),
    )

    assert found(db, "降准") == ["finews:3", "finews:2", "finews:1"]


def test_without_a_full_match_partial_ones_are_marked(db: DuckDBPyConnection) -> None:
    upsert(db, article(1, "碳中和"), article(2, "无关"))

    hits = search(db, "碳中和 量子").hits

    assert [(hit.article_id, hit.matched) for hit in hits] == [("finews:1", "partial")]


def test_a_long_question_finds_the_article_with_most_of_its_words(db: DuckDBPyConnection) -> None:
    upsert(db, article(1, "碳中和政策影响行业"), article(2, "碳中和"), article(3, "其他"))

    hits = search(db, "碳中和政策如何影响行业").hits

    assert [(hit.article_id, hit.matched) for hit in hits] == [("finews:1", "partial")]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ('"净利润增长"', "公司净利润增长"),
        ('"Net Zero"', "A net zero plan"),
        ("A股", "今日A股市场"),
        ("5G网络", "建设5G网络"),
        ("第3季", "第3季度"),
        ("股", "持股人"),
        ("3.57%", "上涨3.57%。"),
        ("C++", "用C++写"),
        ("臺積電", "台积电财报"),
        ("台积电", "臺積電財報"),
        ("ＡＢＣ", "abc公司"),
        ("zurich", "Zürich"),
        ("🚀", "起飞🚀了"),
        ("“碳中和 目标”", "碳中和目标"),
        ("\u3000降准\u3000", "降准"),
        ("降\u200b准", "降准"),
    ],
)
def test_a_query_finds(db: DuckDBPyConnection, query: str, text: str) -> None:
    upsert(db, article(1, text, title="题"), article(2, "别的", title="题"))

    assert found(db, query) == ["finews:1"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ('"增长净利润"', "净利润增长"),
        ("国经", "中国，经济"),
        ("zero net", ""),
        ("A股", "A类股票"),
        ("股A", "A股"),
        ("57.3%", "3.57%"),
        ("碳中合", "碳中和"),
    ],
)
def test_a_query_does_not_find(db: DuckDBPyConnection, query: str, text: str) -> None:
    upsert(db, article(1, text, title="题"))

    assert found(db, query) == []


@pytest.mark.parametrize(
    "query", ["", " ", '"', '""', "。，！", "'; DROP TABLE articles; --", "\x00", "%' OR 1=1", "{}"]
)
def test_an_odd_query_finds_nothing_and_breaks_nothing(db: DuckDBPyConnection, query: str) -> None:
    upsert(db, article(1, "降准"))

    assert search(db, query).hits == ()
    assert found(db, "降准") == ["finews:1"]


def test_a_query_of_ten_thousand_characters_is_cut(db: DuckDBPyConnection) -> None:
    text = "".join(chr(0x4E00 + i) for i in range(5000))
    upsert(db, article(1, text))

    assert found(db, text[:4000] + "无" * 6000) == ["finews:1"]


def test_a_lone_surrogate_in_a_query_is_refused(db: DuckDBPyConnection) -> None:
    with pytest.raises(BadQuery):
        search(db, "碳\udce4")


def test_filters_are_those_of_each_article(db: DuckDBPyConnection) -> None:
    early, late = NOON - timedelta(days=400), NOON
    upsert(
        db,
        article(1, "降准", published_at=early),
        article(2, "降准", published_at=late, source="ofweek"),
        article(3, "降准", published_at=None),
    )

    assert found(db, "降准", source="ofweek") == ["ofweek:2"]
    assert found(db, "降准", since=late) == ["ofweek:2"]
    assert found(db, "降准", until=late) == ["finews:1"]
    assert found(db, "降准", source="finews", since=late) == []
    assert len(found(db, "降准")) == 3
    assert len(found(db, "降准", limit=2)) == 2


def test_a_partial_match_outside_the_filter_is_no_result(db: DuckDBPyConnection) -> None:
    upsert(db, article(1, "降准 加息", source="ofweek"), article(2, "降准"))

    hits = search(db, "降准 加息", source="finews").hits

    assert [(hit.article_id, hit.matched) for hit in hits] == [("finews:2", "partial")]


def test_a_long_article_is_found_by_its_end(db: DuckDBPyConnection) -> None:
    upsert(db, article(1, "前文，" * 40_000 + "结语碳中和"), article(2, "别的"))

    (hit,) = search(db, "结语碳中和").hits

    assert hit.article_id == "finews:1"
    assert "结语碳中和" in hit.snippet


def test_a_phrase_over_the_border_of_two_slots_is_found(db: DuckDBPyConnection) -> None:
    text = "".join(chr(0x4E00 + i) for i in range(2500))
    upsert(db, article(1, text, title=""))

    for start in range(940, 980):
        assert found(db, text[start : start + 12]) == ["finews:1"]


def test_a_correction_is_found_and_the_old_text_no_longer(db: DuckDBPyConnection) -> None:
    first = article(1, "央行降息")
    upsert(db, first)

    upsert(db, with_text(fetched_later(first), "央行降准"))

    assert found(db, "降准") == ["finews:1"]
    assert search(db, "降息").hits == ()


def test_a_page_older_than_the_current_one_changes_no_result(db: DuckDBPyConnection) -> None:
    first = article(1, "央行降准")
    upsert(db, first)

    upsert(db, with_text(fetched_later(first, -1), "央行降息"))

    assert found(db, "降准") == ["finews:1"]
    assert search(db, "降息").hits == ()


def test_duplicates_share_one_content_and_are_both_found(db: DuckDBPyConnection) -> None:
    upsert(db, article(1, "降准"))
    upsert(db, article(2, "降准"))

    assert sorted(found(db, "降准")) == ["finews:1", "finews:2"]
    assert search(db, "降准").indexed_count == 1


def test_an_erased_article_is_not_found(db: DuckDBPyConnection) -> None:
    upsert(db, article(1, "降准"), article(2, "降准", source="ofweek"), article(3, "降准加息"))

    with transaction(db):
        erase(db, ["finews:1"])
        erase(db, source="ofweek")

    assert found(db, "降准") == ["finews:3"]
