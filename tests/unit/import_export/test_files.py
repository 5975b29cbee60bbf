"""Posts on disk: found, read, written, compared; and JSON lines and CSV."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.csv_cells import safe_cell
from flows.import_export.export_journal import JOURNAL
from flows.import_export.find_posts import PostPath, UnreadablePost, find_posts
from flows.import_export.jsonl_csv import write_csv, write_jsonl
from flows.pipeline.article_json import ARTICLE_KEYS
from parsers.errors import BadFrontMatter, BrokenParser
from parsers.frontmatter import Dialect, Post
from parsers.model import Article
from tests.unit.import_export.conftest import SEEDS, make_article, read_posts, write_posts
from warehouse.rows import StoredPost


def relatives(paths: list[Path]) -> list[str]:
    return [found.relative for found in find_posts(paths)]


def imported(*folders: Path) -> list[tuple[Article, StoredPost | None]]:
    rows = []
    for post in read_posts(find_posts(folders)):
        assert isinstance(post, Post), post
        own = StoredPost(dialect=post.dialect, path=post.path, data=post.data)
        rows.append((post.article, own))
    return rows


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    for number, seed in enumerate(sorted(SEEDS.glob("*.txt"))):
        file = folder / ("_posts" if number % 2 else "old_post/2022") / seed.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(seed.read_bytes())
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_posts_are_found_sorted_below_what_was_named(tmp_path: Path) -> None:
    for name in (
        "b.md",
        "a/z.markdown",
        "a/b.HTML",
        "c.txt",
        "d.png",
        ".git/x.md",
        ".x.md",
        "a/README",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert relatives([tmp_path]) == ["a/b.HTML", "a/z.markdown", "b.md", "c.txt"]
    assert relatives([tmp_path / "a/README", tmp_path / "b.md", tmp_path / "b.md"]) == [
        "README",
        "b.md",
    ]


def test_links_are_not_followed_and_those_that_lead_out_are_reported(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.md").write_text("x")
    (inside / "a.md").write_text("x")
    (inside / "same.md").symlink_to(inside / "a.md")
    (inside / "away.md").symlink_to(outside / "secret.md")
    (inside / "folder").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    found = list(find_posts([inside]))
    assert [each.relative for each in found if isinstance(each, PostPath)] == ["a.md"]
    bad = {each.relative: str(each.error) for each in found if isinstance(each, UnreadablePost)}
    assert bad.keys() == {"away.md", "folder"}
    assert "link out of the folder" in bad["folder"]


def test_what_cannot_be_read_is_reported_with_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.import_export.find_posts.MAX_POST_BYTES", 1000)
    (tmp_path / "bad.md").write_bytes(b"no head")
    (tmp_path / "big.md").write_bytes(b"x" * 1001)
    (tmp_path / os.fsdecode(b"\xff.md")).write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.md")
    posts = list(read_posts(find_posts([tmp_path, tmp_path / "gone.md"])))
    bad = {post.relative: post for post in posts if isinstance(post, UnreadablePost)}
    assert len(bad) == len(posts) == 5
    assert isinstance(bad["bad.md"].error, BadFrontMatter)
    assert bad["bad.md"].data == b"no head"
    assert "more than 1,000 bytes" in str(bad["big.md"].error)
    assert "no regular file" in str(bad["pipe.md"].error)
    assert "not UTF-8" in str(bad["\\udcff.md"].error)
    assert "no such file" in str(bad["gone.md"].error)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    (tmp_path / "a.md").chmod(0)
    (post,) = read_posts(find_posts([tmp_path]))
    assert isinstance(post, UnreadablePost)
    assert isinstance(post.error, PermissionError)


def test_an_unexpected_file_does_not_end_the_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = ZeroDivisionError("here")

    def broken(*_: object, **__: object) -> None:
        raise bug

    (tmp_path / "a.md").write_text("x")
    monkeypatch.setattr("flows.import_export.find_posts.read_post", broken)
    (post,) = read_posts(find_posts([tmp_path]))
    assert isinstance(post, UnreadablePost)
    assert isinstance(post.error, BrokenParser)
    assert post.error.__cause__ is bug


@pytest.mark.parametrize("dialect", ["jekyll", "hexo", "hugo"])
def test_an_imported_folder_is_identical_whatever_the_dialect(site: Path, dialect: Dialect) -> None:
    before = files_of(site)
    checked = write_posts(imported(site), site, dialect, check=True)
    assert checked.counts() == dict.fromkeys(checked.counts(), 0) | {"identical": 5}
    assert checked.is_same
    assert write_posts(imported(site), site, dialect).counts()["identical"] == 5
    assert files_of(site) == before


def test_a_fresh_folder_gets_own_files_verbatim_and_the_rest_converted(
    site: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    rows = imported(site)
    exported = write_posts(rows, out, "jekyll")
    assert exported.counts()["written"] == 5
    written = files_of(out)
    own = {post.path: post.data for _, post in rows if post and post.dialect == "jekyll"}
    assert len(own) == 3
    assert {path: written[path] for path in own} == own
    converted = sorted(path for path in written if path not in own and path != JOURNAL)
    assert [path[:27] for path in converted] == [
        "_posts/2021-05-28-ofweek_po", "_posts/2022-03-23-woshipm_p",
    ]  # fmt: skip
    assert write_posts(rows, out, "jekyll", check=True).counts()["identical"] == 5
    assert write_posts(rows, out, "jekyll").counts()["identical"] == 5


def test_a_check_writes_nothing_and_names_each_difference(site: Path) -> None:
    rows = imported(site)
    name, gone = sorted(path for path, data in files_of(site).items() if b"layout: post" in data)[
        :2
    ]
    (site / name).write_bytes((site / name).read_bytes().replace(b"layout: post", b"layout: page"))
    (site / gone).unlink()
    (site / "other.md").write_text("---\n---\nx")
    before = files_of(site)
    checked = write_posts(rows, site, "jekyll", check=True)
    assert (checked.changed, checked.extra) == ([name], ["other.md"])
    assert checked.missing == [gone]
    assert checked.differences[name].startswith("line 2: expected 'layout: post'")
    assert not checked.is_same
    assert files_of(site) == before


def test_a_check_of_a_folder_that_is_not_there_makes_none(tmp_path: Path) -> None:
    rows = [(make_article(), None)]
    checked = write_posts(rows, tmp_path / "none", "jekyll", check=True)
    assert checked.missing == ["_posts/2022-03-14-NW202203142308441556.md"]
    assert not (tmp_path / "none").exists()


def test_an_earlier_export_is_replaced_but_an_edited_or_foreign_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "_posts/2022-03-14-NW202203142308441556.md"

    def export(title: str) -> dict[str, int]:
        counts = write_posts([(make_article(title=title), None)], tmp_path, "jekyll").counts()
        return {kind: number for kind, number in counts.items() if number}

    path.parent.mkdir()
    path.write_text("mine")
    assert export("a") == {"changed": 1}
    assert path.read_text() == "mine"
    path.unlink()
    assert export("a") == {"written": 1}
    assert export("b") == {"updated": 1}
    path.write_text(path.read_text() + "edited")
    assert export("c") == {"changed": 1}
    assert path.read_text().endswith("edited")


def test_two_articles_of_one_path_get_two_files_and_the_standing_one_keeps_its_name(
    tmp_path: Path,
) -> None:
    head = b"---\ntitle: %s\narticle_id: 'x:%s'\n---\nwords\n"
    for name in (b"a", b"b"):
        (tmp_path / name.decode()).mkdir()
        (tmp_path / name.decode() / "post.md").write_bytes(head % (name, name))
    rows = imported(tmp_path / "a", tmp_path / "b")
    checked = write_posts(rows, tmp_path / "b", "jekyll", check=True)
    assert checked.identical == ["post.md"]
    assert len(checked.missing) == 1
    exported = write_posts(rows, tmp_path / "out", "jekyll")
    assert len(exported.written) == 2
    assert sorted(files_of(tmp_path / "out")) == sorted([JOURNAL, *exported.written])


@pytest.mark.parametrize(
    "path", ["../escaped.md", "/escaped.md", "_posts/../../escaped.md", ".ssh/x.md"]
)
def test_no_file_is_written_outside_of_the_folder(tmp_path: Path, path: str) -> None:
    out = tmp_path / "deep/out"
    own = StoredPost(dialect="jekyll", path=path, data=b"x")
    exported = write_posts([(make_article(), own)], out, "jekyll")
    assert len(exported.written) == 1
    assert files_of(tmp_path).keys() == {
        f"deep/out/{exported.written[0]}",
        f"deep/out/{JOURNAL}",
    }
    assert "/" not in exported.written[0]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    out.mkdir()
    (out / "_posts").symlink_to(elsewhere)
    exported = write_posts([(make_article(), None)], out, "jekyll")
    assert list(exported.failed) == ["_posts/2022-03-14-NW202203142308441556.md"]
    assert not any(elsewhere.iterdir())


def test_a_disk_that_fails_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OSError(28, "No space left on device")

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "replace", full)
    exported = write_posts([(make_article(), None)], tmp_path, "jekyll")
    assert list(exported.failed.values()) == [str(error)]
    assert files_of(tmp_path).keys() == {JOURNAL}


@given(st.text(alphabet="'=+-@\t ab＝", max_size=6), st.text(alphabet="'=+-@\t ab＝", max_size=6))
def test_cells_of_different_values_differ_and_one_apostrophe_less_is_the_value(
    one: str, other: str
) -> None:
    cells = [safe_cell(value) for value in (one, other)]

    assert (cells[0] == cells[1]) == (one == other)
    assert cells[0] in (one, f"'{one}")


def test_json_lines_hold_the_article_json(tmp_path: Path) -> None:
    articles = [make_article(title="a\u2028b 😀"), make_article(published_at=None)]
    assert write_jsonl(articles, tmp_path / "sub/out.jsonl") == 2
    lines = (tmp_path / "sub/out.jsonl").read_text("utf-8").split("\n")
    first = json.loads(lines[0])
    assert tuple(first) == ARTICLE_KEYS
    assert (first["title"], first["published_at"]) == ("a\u2028b 😀", "2022-03-14T12:43:16Z")
    assert (first["authors"], first["provenance"]) == ([], {})
    assert json.loads(lines[1])["published_at"] is None
    assert lines[2:] == [""]


@pytest.mark.parametrize("title", ["=1+1", "+1", "-2+3", "@SUM(1)", "plain", 'a "b", c\nd'])
def test_no_cell_of_the_csv_is_a_formula(tmp_path: Path, title: str) -> None:
    assert write_csv([make_article(title=title)], tmp_path / "out.csv") == 1
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        header, row = csv.reader(file)
    cells = dict(zip(header, row, strict=True))
    assert cells["title"] == (f"'{title}" if title[0] in "=+-@" else title)
    assert json.loads(cells["tags"]) == ["财联社新闻"]
