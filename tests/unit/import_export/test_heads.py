"""Simple heads give the same values without and with the YAML parser."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.frontmatter.block import split
from parsers.frontmatter.fast_head import fast_fields
from parsers.frontmatter.yaml_head import parsed_fields
from tests.integration.import_export.archive import write_archive

PIECES = st.lists(
    st.sampled_from(
        ["a", "b", "标题", "：", ":", " ", "  ", "#", "-", "'", '"', "\\", "~", "null", "yes", "0800",
         "12:30", ": ", " #", "- ", ",", "[", "]", "{", "}", "&", "*", "!", "|", ">", "%", "@", "`",
         "?", "? ", "=", "<<", "+", ".", "...", "---", "\t", "\r", "\x85", "\u2028", "\xa0", "\ufeff",
         "\x7f", "\0", "😀", "(", ")", "/", "\u3000", "é"]
    ),
    max_size=6,
).map("".join)  # fmt: skip
QUOTED = PIECES.map(lambda text: f'"{text}"') | PIECES.map(lambda text: f"'{text}'")
VALUES = PIECES | QUOTED | QUOTED.flatmap(lambda text: PIECES.map(lambda more: text + more))
KEYS = st.sampled_from(["title", "date", "tags", "a-b", "_x", "null", "a"]) | PIECES
LINES = st.one_of(
    st.builds("{}: {}".format, KEYS, VALUES),
    st.builds("{}:{}".format, KEYS, VALUES),
    st.builds("{}- {}".format, st.sampled_from(["", " ", "  ", "    "]), VALUES),
    st.sampled_from(["", " ", "tags:", "tags: ", "title: x", "date:  +0800", "- x", " - y"]),
)


@given(st.lists(LINES, max_size=6).map("\n".join))
def test_a_simple_head_is_what_yaml_makes_of_it(head: str) -> None:
    simple = fast_fields(head)
    if simple is not None:
        assert list(simple.items()) == list(parsed_fields(head, 1, "a.md").items())


@pytest.mark.parametrize(
    "head",
    [
        'title: "a\\nb"', "title: a # b", "title: a: b", "title: [a, b]", "title: a\n  b", "a: ''''",
        "title: 'it''s'", "title: |\n  a", "a: 1\na: 2", "null: 1", 'tags: ""\n - x', "tags: ~\n- x",
        "tags:\n - x\n  - y", "tags:\n- x: y", "tags:\n- ", "- x", "a:b", "a: &x b", "a: *x", "a: !x b",
        "a: @b", "a: `b`", "a: %b", "a: ? b", "a: 'b' c", 'a: "b" # c', "\ta: b", "a: b\tc", "a:\n\n b",
    ],
)  # fmt: skip
def test_a_head_that_may_mean_more_is_left_to_yaml(head: str) -> None:
    assert fast_fields(head) is None


def test_nearly_every_head_of_an_archive_is_simple(tmp_path: Path) -> None:
    oracle = write_archive(tmp_path, posts=200)
    read = [path for path, article in oracle.files.items() if article]
    heads = [split((tmp_path / path).read_bytes(), path).head for path in read]
    assert sum(fast_fields(head) is not None for head in heads) > len(heads) * 0.6
