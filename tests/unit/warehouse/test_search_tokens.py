"""Tokens of the search index: classes, folding, positions; the macro makes the same of a query."""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import example, given
from hypothesis import strategies as st

from warehouse.migrate import migrations
from warehouse.search import characters
from warehouse.search.layout import SLOT_BITS, TITLE_POSITIONS, lay_out
from warehouse.search.tokens import tokenize

TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=("Cs",)),
        st.sampled_from("碳中和騰讯ＡＢａÉé́ｶ한กС+#%$&@¥🚀 \n\"'\\_-.,3７零〇々ー"),
    ),
    max_size=40,
)


def shown(text: str) -> list[str]:
    """The tokens of a text: bigrams as characters, words as ``w``, symbols as themselves."""
    found = []
    for token in tokenize([text]).tokens.tolist():
        if token >> 62:
            found.append("w")
        elif token < 1 << 21:
            found.append(chr(token))
        else:
            second = token & 0x1FFFFF
            found.append(chr(token >> 21) + (chr(second) if second else ""))
    return found


def test_chinese_is_pairs_of_neighbours_and_the_last_character() -> None:
    assert shown("碳中和") == ["碳中", "中和", "和"]


def test_a_word_a_number_and_a_symbol_are_one_token_each() -> None:
    assert shown("C++ 3.57%") == ["w", "+", "+", "w", "w", "%"]


def test_punctuation_and_space_separate_pairs() -> None:
    assert shown("中国，经济 好") == ["中国", "国", "经济", "济", "好"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("臺積電", "台积电"),
        ("ＡＢＣ１２３％", "abc123%"),
        ("Zürich Ａé", "zurich ae"),
        ("e\u0301tude", "étude"),
        ("ｶﾀｶﾅ", "カタカナ"),
        ("soft\u00adhyphen", "softhyphen"),
        ("ΑΒΓ", "αβγ"),
        ("МОСКВА", "москва"),
    ],
)
def test_forms_of_the_same_text_have_the_same_tokens(one: str, other: str) -> None:
    assert tokenize([one]).tokens.tolist() == tokenize([other]).tokens.tolist()


def test_folding_a_folded_character_changes_nothing() -> None:
    sources, targets = characters.folding()

    assert not set(sources) & set(targets)
    assert len(set(sources)) == len(sources)


def test_texts_of_a_batch_do_not_touch() -> None:
    batch = tokenize(["碳中", "", "和\x00碳"])

    assert batch.counts.tolist() == [2, 0, 2]
    assert batch.positions().tolist() == [0, 1, 0, 1]
    assert batch.tokens.tolist() == [*tokenize(["碳中"]).tokens, *tokenize(["和\x00碳"]).tokens]


@given(st.lists(TEXTS, max_size=4))
def test_a_batch_has_the_tokens_of_its_texts(texts: list[str]) -> None:
    batch = tokenize(texts)

    assert batch.tokens.tolist() == [one for text in texts for one in tokenize([text]).tokens]


# --- the macro ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokens_in_sql() -> Iterator[DuckDBPyConnection]:
    """A connection with a macro that returns the tokens of a query, cut out of ``search``."""
    sql = next(one.sql for one in reversed(migrations()) if "MACRO search(" in one.sql)
    head = sql[sql.index("WITH words AS") : sql.index("), hits AS")].replace("[:48]", "")
    body = f"{head}) SELECT term, shift, token, is_single FROM tokens ORDER BY term, shift"
    with duckdb.connect() as db:
        db.execute(f"CREATE MACRO query_tokens(query) AS TABLE {body}")
        yield db


def expected(text: str) -> list[tuple[int, int, bool]]:
    """Position, token and ``is_single`` of one term, by the tokenizer of texts.

    A query leaves out the last character of a run of two or more: any character may follow it.
    """
    batch = tokenize([text])
    found = []
    was_pair = False
    for position, token in enumerate(batch.tokens.tolist()):
        is_pair = 1 << 21 <= token < 1 << 62
        is_last = is_pair and not token & 0x1FFFFF
        if not (is_last and was_pair):
            found.append((position, token, is_last))
        was_pair = is_pair and not is_last
    return found


@given(text=TEXTS)
@example(text="第3季A股涨3%")
@example(text="𠀀𠀁🚀\U0001f468\u200d\U0001f469")
def test_the_macro_makes_the_tokens_of_the_index(
    tokens_in_sql: DuckDBPyConnection, text: str
) -> None:
    text = re.sub(r"[\s\"\x00]", "", text)
    folded, _ = characters.folding()
    text = "".join(one for one in text if one not in folded or one not in _SEPARATING)

    rows = tokens_in_sql.execute("FROM query_tokens(?)", [text]).fetchall()

    assert [(shift, token, single) for _, shift, token, single in rows] == expected(text)


_SEPARATING = {
    source for source, target in zip(*characters.folding(), strict=False) if target in ' "'
}


def test_the_macro_folds_every_character_as_the_index_does(
    tokens_in_sql: DuckDBPyConnection,
) -> None:
    sources = sorted(set(characters.folding()[0]) - _SEPARATING)
    wrong = []
    for i in range(0, len(sources), 20):
        part = [source * 2 for source in sources[i : i + 20]]
        found: dict[int, list[tuple[int, int, bool]]] = {}
        for term, *row in tokens_in_sql.execute(
            "FROM query_tokens(?)", [" ".join(part)]
        ).fetchall():
            found.setdefault(term, []).append((row[0], row[1], row[2]))
        with_tokens = [one for one in part if expected(one)]
        wrong += [
            one
            for one, rows in zip(with_tokens, found.values(), strict=True)
            if rows != expected(one)
        ]

    assert wrong == []


# --- positions -----------------------------------------------------------------------------------


def test_a_long_text_has_slots_to_its_end() -> None:
    layout = lay_out(tokenize(["题"]), tokenize(["文" * 3000]), 5)

    assert layout.slot_counts.tolist() == [3]
    assert layout.token_counts.tolist() == [3001]
    last = (5 << SLOT_BITS) + TITLE_POSITIONS + 2999
    assert max(layout.positions.tolist()) == last


def test_a_long_title_is_indexed_to_its_end_and_does_not_touch_the_text() -> None:
    layout = lay_out(tokenize(["题" * 100]), tokenize(["文"]), 1)

    positions = sorted(layout.positions.tolist())
    assert positions[:100] == list(range(1 << SLOT_BITS, (1 << SLOT_BITS) + 100))
    assert positions[100] - positions[99] > 2


def test_the_next_content_starts_after_a_gap() -> None:
    size = (1 << SLOT_BITS) - TITLE_POSITIONS

    layout = lay_out(tokenize(["", ""]), tokenize(["文" * (size - 1), "文"]), 1)

    assert layout.first_slots.tolist() == [1, 3]


def test_a_migration_holds_the_macro_of_these_classes() -> None:
    sql = next(one.sql for one in reversed(migrations()) if "MACRO search(" in one.sql)

    for ranges in (characters.BIGRAM_RANGES, characters.WORD_RANGES, characters.SYMBOL_RANGES):
        assert f"[{characters.regex_class(ranges)}]" in sql
