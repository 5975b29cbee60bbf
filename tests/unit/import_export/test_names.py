"""File names: inside their folder, on any disk, one article each."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.frontmatter import distinct_paths
from parsers.frontmatter.file_names import file_name, folded, is_inside, is_portable

HOSTILE = [
    "../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b/c", "a\\b", "a\nb", "a\0b", "con", "nul.md",
    "COM1", "aux ", ".htaccess", "\u202egpj.exe", "~root", "x" * 5000, "中" * 5000, "a:b|c?d*e\"<f>",
    "trailing.", "trailing ", "é", "e\u0301", "\ud800", "😀", "-rf", "%2e%2e%2f", "A", "a", "ﬁ", "ß", "ss",
]  # fmt: skip


@pytest.mark.parametrize("day", ["", "2022-03-14"])
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:16]))
def test_a_name_fits_every_disk(text: str, day: str) -> None:
    for source, number in ((text, "1"), ("site", text), (text, text)):
        name = file_name(source, number, day, ".md")
        assert is_portable(name)
        assert "/" not in name
        assert len(name.encode()) <= 200
        assert name.endswith(".md")


def test_hostile_ids_never_share_a_name() -> None:
    names = [folded(file_name("site", text, "", ".md")) for text in HOSTILE]
    assert len(set(names)) == len(HOSTILE)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from(["finews", "a", "a-b", "A"]), st.text(max_size=5)),
            st.text(st.one_of(st.sampled_from("aAbB-_./é\u0301ß"), st.characters()), max_size=8),
        ),
        unique=True,
        max_size=12,
    )
)
def test_different_articles_have_different_names(ids: list[tuple[str, str]]) -> None:
    names = [file_name(source, number, "2022-03-14", ".md") for source, number in ids]
    assert all(map(is_portable, names))
    assert len(set(map(folded, names))) == len(ids)


@pytest.mark.parametrize(
    ("source", "number", "name"),
    [
        ("finews", "NW202203142308441556", "2022-03-14-NW202203142308441556.md"),
        ("finews", "202205262391921712", "2022-03-14-202205262391921712.md"),
        ("woshipm", "5365424", "2022-03-14-woshipm_5365424.md"),
    ],
)
def test_an_id_that_fits_is_kept_as_it_is(source: str, number: str, name: str) -> None:
    assert file_name(source, number, "2022-03-14", ".md") == name


def test_an_id_that_was_changed_ends_in_its_hash() -> None:
    name = file_name("woshipm", "post/新媒体/最新文章", "", ".md")
    assert name.startswith("woshipm_post-新媒体-最新文章_")
    assert len(name) == len("woshipm_post-新媒体-最新文章_.md") + 12


def test_paths_that_a_disk_could_confuse_all_get_their_hash_whatever_the_order() -> None:
    wanted = [
        ("a:1", "x/A.md"),
        ("a:2", "x/a.md"),
        ("a:3", "x/é.md"),
        ("a:4", "x/e\u0301.md"),
        ("a:5", "y.md"),
    ]
    paths = distinct_paths(wanted)
    random.Random(7).shuffle(wanted)  # noqa: S311 - an order, not a secret
    assert distinct_paths(wanted) == paths
    assert len({folded(path) for path in paths.values()}) == 5
    assert paths["a:5"] == "y.md"
    assert all(path.startswith("x/") for path in list(paths.values())[:4])


def test_letters_that_fold_to_others_are_confused_too() -> None:
    assert not {"ß.md", "ss.md"} & {*distinct_paths([("a:1", "ß.md"), ("a:2", "ss.md")]).values()}


def test_who_keeps_its_path_is_not_renamed() -> None:
    paths = distinct_paths([("a:1", "x.md"), ("a:2", "x.md")], keep=frozenset({"a:2"}))
    assert paths["a:2"] == "x.md"
    assert paths["a:1"] != "x.md"


@pytest.mark.parametrize(
    "path", ["../x.md", "/x.md", "a/../x.md", ".git/x.md", "a//x.md", "a\0.md", ""]
)
def test_a_path_that_leads_out_becomes_a_plain_name(path: str) -> None:
    assert not is_inside(path)
    assert is_portable(distinct_paths([("a:1", path)])["a:1"])
