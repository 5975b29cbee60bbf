"""Which articles are a pair, of which kind, which was first, and what an article declares."""

from __future__ import annotations

import random
import re
from datetime import timedelta

import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.warehouse.factories import HOUR, NOON, article, hash_of, upsert, with_text
from tests.unit.warehouse.syndication_texts import NOTICE, pledge_notice, sentences, story
from warehouse.syndication.query import Pair, find_pairs
from warehouse.syndication.sample import sample
from warehouse.syndication.shingles import shingle

TEXT = story(1)
OTHERS = sentences(2)


@pytest.fixture
def db(emptied: DuckDBPyConnection) -> DuckDBPyConnection:
    return emptied


def pairs(db: DuckDBPyConnection, **wanted: object) -> dict[tuple[str, str], Pair]:
    found = find_pairs(db, limit=10_000, **wanted).pairs  # type: ignore[arg-type]
    return {(one.article_id, one.other_article_id): one for one in found}


def kinds(db: DuckDBPyConnection) -> list[str]:
    return sorted(one.kind for one in pairs(db).values())


def rewritten(share: float) -> str:
    """The story, so many of its sentences replaced, the last one first."""
    own = sentences(1)
    for i in range(1, len(own) - 1, round(1 / share)):
        own[i] = OTHERS[i]
    return "。".join([own[-1], *own[:-1]])


# --- kinds -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TEXT, "same"),
        (" " + TEXT.replace("。", "，\n"), "same"),
        (TEXT.translate(str.maketrans("0123456789", "０１２３４５６７８９")), "same"),
        (f"（来源：示例日报）{TEXT}（责任编辑：示例）", "near"),
        ("。".join(sentences(1)[:14]), "near"),
        (TEXT + "。".join(OTHERS[:5]), "near"),
        ("。".join(sentences(1)[6:14]), "excerpt"),
        (rewritten(0.3), "rewritten"),
    ],
)
def test_a_reprint_is_a_pair_of_its_kind(db: DuckDBPyConnection, text: str, kind: str) -> None:
    upsert(db, article(1, TEXT, title="a"))
    upsert(
        db,
        article(2, text, source="ofweek", title="b", content_hash=hash_of("b")),
        article(3, story(3)),
    )

    (pair,) = pairs(db).values()

    assert {pair.article_id, pair.other_article_id} == {"finews:1", "ofweek:2"}
    assert pair.kind == kind


def test_traditional_characters_make_no_difference(db: DuckDBPyConnection) -> None:
    simplified = story(1) + "经济银行产业发电"
    upsert(db, article(1, simplified), article(2, story(1) + "經濟銀行產業發電"))

    assert kinds(db) == ["same"]


def test_shares_are_exact(db: DuckDBPyConnection) -> None:
    whole, part = story(1), "。".join(sentences(1)[:10])
    expected = len(set(shingle([part]).hashes) & set(shingle([whole]).hashes))
    upsert(db, article(1, whole), article(2, part))

    (pair,) = pairs(db).values()

    assert pair.containment == 1
    assert pair.jaccard == pytest.approx(expected / len(set(shingle([whole]).hashes)))


def test_one_content_under_several_ids_is_the_same_text_in_each_pair(
    db: DuckDBPyConnection,
) -> None:
    upsert(db, *(article(i, "降准", source=source) for i, source in enumerate("abc")))

    assert kinds(db) == ["same"] * 3


def test_a_content_of_very_many_articles_gives_pairs_with_the_first_only(
    db: DuckDBPyConnection,
) -> None:
    upsert(db, *(article(i, "暂无内容") for i in range(60)))

    assert len(pairs(db)) == 59


@pytest.mark.parametrize("count", [2, 90])
def test_articles_of_a_daily_template_are_no_pairs(db: DuckDBPyConnection, count: int) -> None:
    upsert(db, *(article(i, pledge_notice(i)) for i in range(count)))
    upsert(db, article("copy", f"转载：{pledge_notice(1)}", source="ofweek"))

    assert list(pairs(db)) == [("finews:1", "ofweek:copy")]


def test_different_articles_with_one_disclaimer_are_no_pair(db: DuckDBPyConnection) -> None:
    own = [re.sub(r"\d+万元", "", story(i, 5)) for i in range(4)]
    upsert(db, article(1, own[0] + NOTICE), article(2, own[1] + NOTICE))
    head = NOTICE[::-1]
    upsert(db, article(3, head + own[2]), article(4, head + own[3]))

    assert pairs(db) == {}


def test_short_texts_are_pairs_only_with_an_equal_hash(db: DuckDBPyConnection) -> None:
    text = "快讯：三大股指集体{}开，两市成交额较前一交易日明显放大"
    upsert(db, article(1, text.format("高")), article(2, text.format("低")))

    assert pairs(db) == {}


@pytest.mark.parametrize("source", ["finews", "ofweek"])
def test_a_correction_is_no_pair_with_its_own_article(db: DuckDBPyConnection, source: str) -> None:
    first = article(1, TEXT)
    upsert(db, first)
    upsert(db, with_text(first, f"{TEXT}。更正：{OTHERS[0]}"))
    assert pairs(db) == {}

    upsert(db, article(2, TEXT[:-20], source=source))

    (pair,) = pairs(db).values()
    assert {pair.article_id, pair.other_article_id} == {"finews:1", f"{source}:2"}


def test_a_copy_of_a_text_that_was_corrected_later_stays_a_pair(db: DuckDBPyConnection) -> None:
    first = article(1, TEXT)
    upsert(db, first, article(2, TEXT + "。", source="ofweek", content_hash=hash_of("copy")))
    upsert(db, with_text(first, story(9)))

    assert kinds(db) == ["same"]


# --- which was first -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "published_first", "seen_first"),
    [
        ({"published_at": NOON}, "finews:1", None),
        ({"published_at": NOON - 2 * HOUR}, "ofweek:2", None),
        ({"published_at": None, "published_precision": "unknown"}, None, None),
        ({"fetched_at": NOON + HOUR}, None, "finews:1"),
        ({"fetched_at": NOON - HOUR, "published_at": NOON}, "finews:1", "ofweek:2"),
        (
            {
                "published_precision": "minute",
                "published_at": NOON - HOUR + timedelta(seconds=30),
            },
            None,
            None,
        ),
        ({"published_precision": "day", "published_on": NOON.date()}, None, None),
        (
            {"published_precision": "day", "published_on": (NOON - 24 * HOUR).date()},
            "ofweek:2",
            None,
        ),
    ],
)
def test_the_first_article_is_the_one_published_first_else_seen_first(
    db: DuckDBPyConnection,
    changes: dict[str, object],
    published_first: str | None,
    seen_first: str | None,
) -> None:
    upsert(db, article(1, TEXT, published_on=NOON.date()))
    upsert(db, article(2, TEXT, source="ofweek", **changes))

    (pair,) = pairs(db).values()

    assert (pair.published_first, pair.seen_first) == (published_first, seen_first)
    assert pair.article_id == (published_first or seen_first or "finews:1")


# --- declared origin -------------------------------------------------------------------

# The name of a source is the publisher of most of its articles.
NAMED = [article(i, story(20 + i), source="ofweek", publisher="OFweek") for i in (7, 8, 9)]


@pytest.mark.parametrize(
    ("first", "second", "declared"),
    [
        ({}, {}, ("OFweek", "credit_line", "ofweek:1")),
        ({}, {"publisher": "示例日报"}, ("示例日报", "credit_line", None)),
        ({}, {"publisher": None}, (None, None, None)),
        ({"publisher": "示例日报"}, {"publisher": "另一日报"}, (None, None, None)),
        ({"publisher": "示例日报"}, {"publisher": None}, ("示例日报", "credit_line", None)),
        ({"original_url": "http://example.org/1/"}, {"publisher": None}, (None, None, None)),
        (
            {},
            {"original_url": "http://example.org/1/"},
            ("http://example.org/1/", "original_link", "ofweek:1"),
        ),
        (
            {"original_url": "https://example.org/1"},
            {"original_url": "https://other.example/7"},
            ("https://other.example/7", "original_link", None),
        ),
    ],
)
def test_the_origin_is_the_original_link_or_the_credited_publication(
    db: DuckDBPyConnection,
    first: dict[str, object],
    second: dict[str, object],
    declared: tuple[str | None, str | None, str | None],
) -> None:
    upsert(db, *NAMED, *(article(30 + i, story(30 + i), publisher=f"{i}") for i in range(5)))
    upsert(db, article(1, TEXT, **{"source": "ofweek", "publisher": "OFweek", **first}))
    upsert(db, article(2, TEXT[:-9], **{"publisher": "OFweek", **second}))

    (pair,) = pairs(db).values()

    assert (pair.declared_origin, pair.declared_by, pair.origin_article_id) == declared


# --- selection -------------------------------------------------------------------------


def test_pairs_are_selected_by_article_source_kind_and_time(db: DuckDBPyConnection) -> None:
    upsert(db, article(1, TEXT), article(2, TEXT[:-9], source="a"))
    upsert(
        db,
        article(3, story(5), fetched_at=NOON + HOUR),
        article(4, story(5)[:200], source="b", fetched_at=NOON + HOUR),
    )
    old, new = ("a:2", "finews:1"), ("b:4", "finews:3")

    assert list(pairs(db)) == [new, old]
    assert list(pairs(db, article_id="finews:1")) == [old]
    assert list(pairs(db, source="b")) == [new]
    assert list(pairs(db, kind="near")) == [old]
    assert list(pairs(db, since=NOON + HOUR)) == [new]
    found = find_pairs(db, limit=1)
    assert (len(found.pairs), found.pair_count, found.missing_count) == (1, 2, 0)


# --- shingles and samples --------------------------------------------------------------

TEXTS = st.text(st.sampled_from("ab1 ,。中文字經经\u0301\U0010ffff１"), max_size=40)


@given(st.lists(TEXTS, max_size=5))
def test_a_text_has_the_same_shingles_alone_and_in_a_batch(texts: list[str]) -> None:
    batch = shingle(texts)

    assert batch.counts.sum() == len(batch.hashes)
    for text, part, numbers in zip(texts, batch.by_text(), batch.numbers, strict=bool(texts)):
        alone = shingle([text])
        assert part.tolist() == alone.hashes.tolist()
        assert numbers == alone.numbers[0]


@given(TEXTS, st.integers(0, 40))
def test_spaces_and_punctuation_change_no_shingle(text: str, at: int) -> None:
    changed = f"{text[:at]} ，\n{text[at:]}"

    # An accent that folding deletes belongs to the character before it.
    assert shingle([changed]).hashes.tolist() == shingle([text]).hashes.tolist()


@given(st.integers(0, 1000), st.integers(32, 1500))
def test_a_text_and_its_part_have_the_same_fingerprints_below_the_common_bound(
    seed: int, size: int
) -> None:
    rng = random.Random(seed)  # noqa: S311
    whole = "".join(rng.choices([chr(c) for c in range(0x4E00, 0x5200)], k=2000))
    part = whole[: size + 4]
    found = sample(shingle([whole, part]))
    bound = 1 << (32 - int(found.levels.max()))
    of_whole, of_part = (set(found.prints[found.texts == i].tolist()) for i in (0, 1))

    assert {one for one in of_part if one < bound} <= of_whole
    assert len(of_part) >= 10


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,234.5万元，同比12.5%", {"1234.5", "12.5"}),
        ("３月14日5，6", {"3", "14", "5", "6"}),
        ("1,2,3", {"1", "2", "3"}),
        ("无", set()),
    ],
)
def test_numbers_of_a_text(text: str, numbers: set[str]) -> None:
    assert shingle([text]).numbers == (frozenset(numbers),)
