"""The state of a publication outlives a crash, a torn line and another folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.publication.state import Entry, PublicationState

SITE = Path("/site")


def entry(key: str, sha: str = "") -> Entry:
    return Entry(key=key, path=f"_posts/{key}.md", version="1", sha256=sha)


def opened(file: Path, folder: Path = SITE) -> PublicationState:
    with PublicationState(file, folder, is_read_only=True) as state:
        return state


@pytest.mark.parametrize("torn", [b'{"key": "thr', '{"key": "三'.encode()[:-1]])
def test_state_after_a_kill_in_the_middle_of_a_line_has_all_whole_lines(tmp_path, torn):
    file = tmp_path / "blog.jsonl"
    with PublicationState(file, SITE) as state:
        state.set_pending(0)
        state.put(entry("one"))
        state.intend("two", b"bytes")
    with file.open("ab") as out:
        out.write(torn)
    with PublicationState(file, SITE) as state:
        state.put(entry("four"))

    found = opened(file)

    assert set(found.entries) == {"one", "four"}
    assert (found.pending, found.wrote("two", b"bytes"), found.wrote("two", b"x")) == (
        0,
        True,
        False,
    )


def test_unchanged_state_is_not_written(tmp_path):
    file = tmp_path / "blog.jsonl"
    with PublicationState(file, SITE) as state:
        state.put(entry("one"))
        state.set_options(["pinned"], "{id}")
    before = file.stat().st_mtime_ns

    with PublicationState(file, SITE) as state:
        state.put(entry("one"))
        state.set_options([], "{id}")
        state.set_pending(None)

    assert file.stat().st_mtime_ns == before
    assert (opened(file).keys, opened(file).file_name) == ({"pinned"}, "{id}")


def test_files_of_another_folder_are_not_known(tmp_path):
    file, other = tmp_path / "blog.jsonl", Path("/other")
    for folder, key in ((SITE, "one"), (other, "two"), (SITE, "three")):
        with PublicationState(file, folder) as state:
            state.put(entry(key))
            state.set_pending(1)

    assert list(opened(file).entries) == ["three"]
    assert opened(file, other).entries == {}


def test_long_state_is_written_anew_with_what_is_valid(tmp_path):
    file = tmp_path / "blog.jsonl"
    with PublicationState(file, SITE) as state:
        for number in range(200):
            state.put(entry("one", sha=str(number)))
        state.put(entry("two"))
        state.remove("two")
        state.set_pending(3)
        state.set_warehouse("a")

    assert len(file.read_text().splitlines()) == 3
    assert opened(file).entries == {"one": entry("one", sha="199")}
    assert (opened(file).pending, opened(file).warehouse_id) == (3, "a")


def test_dry_run_writes_no_state(tmp_path):
    file = tmp_path / "blog.jsonl"
    with PublicationState(file, SITE, is_read_only=True) as state:
        state.put(entry("one"))

    assert set(state.entries) == {"one"}
    assert not file.exists()


@pytest.mark.parametrize("line", ["[]", "1", "null", '{"key": 1, "path": 2}', '{"keys": 1}'])
def test_line_of_another_form_is_skipped(tmp_path, line):
    file = tmp_path / "blog.jsonl"
    with PublicationState(file, SITE) as state:
        state.put(entry("one"))
    with file.open("a") as out:
        out.write(f"{line}\n")

    assert set(opened(file).entries) == {"one"}
