"""The folder that exports, publications and sites write into."""

from __future__ import annotations

import os

import pytest

from flows.output_folder import OutputFolder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    return OutputFolder(tmp_path / "out")


def names(folder):
    return sorted(
        str(file.relative_to(folder.root)) for file in folder.root.rglob("*") if file.is_file()
    )


@pytest.mark.parametrize("link", ["a/b/c.md", "a/b", "a"])
def test_no_file_is_read_written_moved_or_removed_through_a_link(folder, tmp_path, link):
    path = "a/b/c.md"
    outside = (tmp_path / "outside").joinpath(*path.split("/"))
    outside.parent.mkdir(parents=True)
    outside.write_text("mine")
    file = folder.root / link
    file.parent.mkdir(parents=True, exist_ok=True)
    file.symlink_to(tmp_path / "outside" / link)
    folder.write("d.md", b"1")

    for work in (
        lambda: folder.read(path),
        lambda: folder.write(path, b"1"),
        lambda: folder.move("d.md", path),
        lambda: folder.move(path, "e.md"),
        lambda: folder.remove(path),
    ):
        with pytest.raises(FileExistsError):
            work()

    assert outside.read_text() == "mine"


def test_pipe_in_the_place_of_a_file_is_an_error_at_once(folder):
    os.mkfifo(folder.root / "a.md")

    with pytest.raises(FileExistsError):
        folder.read("a.md")


def test_file_that_a_killed_process_left_half_written_is_removed(folder):
    ended, running = 999_999_999, os.getpid()
    for pid in (ended, running):
        (folder.root / f".copydesk-export-{pid}.tmp").write_text("half")
    folder.has("a.md")

    assert names(folder) == [f".copydesk-export-{running}.tmp"]


@pytest.mark.parametrize(("levels", "left"), [(0, []), (1, ["a"]), (2, ["a", "a/b"])])
def test_removed_file_takes_empty_folders_with_it(tmp_path, levels, left):
    folder = OutputFolder(tmp_path, lasting_levels=levels)
    folder.write("a/b/c/d.md", b"1")
    folder.remove("a/b/c/d.md")

    assert sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")) == left


def test_read_only_folder_reports_changes_and_makes_none(tmp_path):
    (tmp_path / "a.md").write_text("1")
    (tmp_path / "b.md").write_text("1")
    folder = OutputFolder(tmp_path, is_read_only=True)
    folder.move("a.md", "x/a.md")
    folder.remove("b.md")
    folder.write("c.md", b"1")

    assert [folder.has(path) for path in ("a.md", "b.md", "c.md", "x/a.md")] == [
        False, False, True, True
    ]  # fmt: skip
    assert folder.read("b.md") is None
    assert names(folder) == ["a.md", "b.md"]
