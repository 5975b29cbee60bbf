"""The diff of two texts: exact, by word, by character where the text is Chinese."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import word_diff
from flows.word_diff import Operation, diff, render, words

TEXTS = st.text(alphabet="ab 天地。.,\n¶[-]{+}0é\u0301", max_size=60) | st.text(max_size=40)


def old_of(operations: tuple[Operation, ...]) -> str:
    return "".join(one.text for one in operations if one.kind != "insert")


def apply(operations: tuple[Operation, ...], old: str) -> str:
    """The new text, made of the old one and the inserted parts alone."""
    new, at = "", 0
    for one in operations:
        if one.kind == "insert":
            new += one.text
            continue
        if one.kind == "equal":
            new += old[at : at + len(one.text)]
        at += len(one.text)
    return new + old[at:]


@given(TEXTS, TEXTS)
def test_applying_the_diff_to_the_old_text_gives_the_new_one(old, new):
    operations = diff(old, new)

    assert apply(operations, old) == new
    assert old_of(operations) == old


@given(TEXTS, TEXTS)
def test_every_operation_has_text_and_another_kind_than_the_one_before(old, new):
    operations = diff(old, new)
    kinds = [one.kind for one in operations]

    assert all(one.text for one in operations)
    assert all(one != other for one, other in pairwise(kinds))
    assert ("insert", "delete") not in set(pairwise(kinds))


@given(TEXTS)
def test_equal_texts_have_no_change_and_nothing_to_show(text):
    assert {one.kind for one in diff(text, text)} <= {"equal"}
    assert [line for line in render(diff(text, text)) if "unchanged)" not in line] == []


@given(TEXTS)
def test_parts_of_every_split_joined_are_the_text(text):
    assert ["".join(split.findall(text)) for split in word_diff._SPLITS] == [text] * 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("央行降准0.5个百分点", ["央", "行", "降", "准", "0.5", "个", "百", "分", "点"]),
        ("don't pay 1,000.50!", ["don't", " ", "pay", " ", "1,000.50", "!"]),
        ("5G手机", ["5G", "手", "机"]),
        ("Cafe\u0301, naïve", ["Cafe\u0301", ",", " ", "naïve"]),
        ("３５％。", ["３５", "％", "。"]),
    ],
)
def test_han_is_split_by_character_other_text_by_word(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Monday is cold.", "Tuesday is warm.", "[-Monday-]{+Tuesday+} is [-cold-]{+warm+}."),
        ("降准0.5个百分点", "降准0.25个百分点", "降准[-0.5-]{+0.25+}个百分点"),
        ("央行宣布降准。", "央行今日宣布降准。", "央行{+今日+}宣布降准。"),
        ("", "A title", "{+A title+}"),
        ("a, b", "c, d", "[-a, b-]{+c, d+}"),
        ("\x1b[31mred", "blue", "[-\\u001b[31mred-]{+blue+}"),
    ],
)
def test_changes_are_marked_as_git_marks_words(old, new, expected):
    assert render(diff(old, new)) == [expected]


def test_characters_that_stay_by_chance_are_part_of_the_change():
    old, new = "市场人士普遍认为的观点", "专家们并不同意的说法呢"

    assert render(diff(old, new)) == [f"[-{old}-]{{+{new}+}}"]


def test_only_changed_paragraphs_and_their_neighbours_are_shown():
    old = [f"Paragraph number {number}." for number in range(12)]
    new = [*old[:5], "Paragraph number five.", *old[6:9], "One more.", *old[9:]]

    assert render(diff("\n\n".join(old), "\n\n".join(new))) == [
        "(4 unchanged)",
        "Paragraph number 4.",
        "Paragraph number [-5-]{+five+}.",
        "Paragraph number 6.",
        "(1 unchanged)",
        "Paragraph number 8.",
        "{+One more.+}",
        "Paragraph number 9.",
        "(2 unchanged)",
    ]


def test_long_equal_text_of_a_changed_paragraph_is_cut():
    (line,) = render(diff("x " * 200 + "old" + " y" * 200, "x " * 200 + "new" + " y" * 200))

    assert line == f"…{'x ' * 20}[-old-]{{+new+}}{' y' * 20}…"


def test_split_paragraph_has_a_sign():
    assert render(diff("One. Two.", "One.\n\nTwo.")) == ["One.[- -]{+¶+}", "Two."]


def test_mark_of_the_caller_gets_the_kind_and_escaped_text():
    lines = render(diff("a\x1b b", "a\x1b c"), mark=lambda kind, text: f"<{kind} {text}>")

    assert lines == ["a\\u001b <delete b><insert c>"]


def test_long_text_is_compared_only_where_it_differs(monkeypatch):
    compared = []
    count = word_diff._pair_count
    monkeypatch.setattr(
        word_diff, "_pair_count", lambda old, new: compared.append((old, new)) or count(old, new)
    )
    old = [f"第{number}段的内容没有变化，共有很多字。" * 5 for number in range(3000)]
    new = [*old[:1500], "另一段。", *old[1501:]]

    diff("\n".join(old), "\n".join(new))

    assert max(len(one) * len(other) for one, other in compared) < 1000


def test_part_with_too_many_equal_pairs_is_replaced_whole():
    operations = diff("天地" * 400, "地天" * 400 + "人")

    assert [one.kind for one in operations] == ["delete", "insert"]
    assert apply(operations, "天地" * 400) == "地天" * 400 + "人"
