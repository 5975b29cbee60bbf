"""Import of an archive like finews': compared with its oracle, once and again."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from flows.import_export import import_files, known_posts
from flows.import_export.find_posts import PostPath, UnreadablePost, find_posts
from flows.import_export.read_posts import PostReader
from flows.serve import run_local
from parsers.frontmatter.read import POST_PARSER
from tests.integration.import_export.archive import Oracle, write_archive
from tests.integration.import_export.archive_forms import MARK
from tests.integration.import_export.archive_project import (
    POSTS_IN_ARCHIVE,
    counted,
    everything,
    import_folder,
    rows_of,
    settings_of,
    some_posts,
)
from tests.unit.import_export.conftest import read_posts

# --- the generator ---------------------------------------------------------------------


def test_the_same_seed_writes_the_same_archive(
    archive: tuple[Path, Oracle], tmp_path: Path
) -> None:
    folder, oracle = archive
    again = write_archive(tmp_path / "again", posts=POSTS_IN_ARCHIVE)
    other = write_archive(tmp_path / "other", posts=POSTS_IN_ARCHIVE, seed=2)

    def bytes_of(root: Path) -> dict[str, bytes]:
        files = (path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    assert bytes_of(folder).keys() == oracle.files.keys()
    assert bytes_of(folder) == bytes_of(tmp_path / "again")
    assert (again, other == oracle) == (oracle, False)


def test_an_archive_holds_what_the_real_ones_are_known_for(archive: tuple[Path, Oracle]) -> None:
    folder, oracle = archive
    names = Counter(Path(path).name for path in oracle.files)
    heads = [(folder / path).read_bytes() for path in oracle.files]

    assert POSTS_IN_ARCHIVE <= len(oracle.files) <= POSTS_IN_ARCHIVE + 10
    assert sum(number > 1 for number in names.values()) > POSTS_IN_ARCHIVE / 8
    files = Counter(article for article in oracle.files.values() if article)
    assert 6 <= max(files.values()) <= 9
    assert max(len(versions) for versions in oracle.revisions.values()) >= 4
    assert oracle.repaired < oracle.reasons.keys()
    for found in (
        b'\ntitle: ""\ndate:  +0800\n', b"\n<>\n", b"\n---\nlayout", b"EM_StockImg_Start",
        b"&lt;", b"&imageType=k", "（文章来源：上海<span".encode(), b"Career In touxingPEVC",
        b"picsum.photos", b"Invalid Date", b"&#123;", "- | 最新文章".encode(), b"cors.zfour",
        b"(./emnews/)", b"(../emnews/)", b"//finews.zning.me/", b"choicewzp1", b"<table>",
    ):  # fmt: skip
        assert any(found in head for head in heads), found


# --- the first import ------------------------------------------------------------------


def test_an_archive_becomes_the_articles_contents_and_revisions_it_holds(
    archive: tuple[Path, Oracle], imported: Path
) -> None:
    oracle = archive[1]
    found: dict[str, list[tuple[str, str]]] = {}
    for article_id, title, text in rows_of(
        imported, "SELECT article_id, title, text FROM revisions ORDER BY article_id, revision"
    ):
        mark = MARK.search(text)
        assert mark, article_id
        found.setdefault(article_id, []).append((title, mark[1]))

    assert found == {
        article_id: [(one.title, one.mark) for one in versions]
        for article_id, versions in oracle.revisions.items()
    }
    assert rows_of(imported, "SELECT count(*) FROM _store.contents") == [(len(oracle.contents),)]
    assert rows_of(imported, "SELECT count(*) FROM _store.posts") == [
        (sum(article != "" for article in oracle.files.values()),)
    ]


def test_files_that_are_no_article_wait_in_quarantine_unless_another_file_completes_them(
    archive: tuple[Path, Oracle], imported: Path
) -> None:
    oracle = archive[1]
    sql = "SELECT url, reason, resolved_at IS NOT NULL FROM quarantine"
    assert {url: (reason, done) for url, reason, done in rows_of(imported, sql)} == {
        path: (reason, path in oracle.repaired) for path, reason in oracle.reasons.items()
    }


@pytest.mark.usefixtures("by_processes")
def test_reading_in_processes_gives_what_reading_in_this_one_gives(
    archive: tuple[Path, Oracle], imported: Path, tmp_path: Path
) -> None:
    folder, oracle = archive
    report = import_folder(tmp_path / "b.duckdb", folder)

    counts = counted(report)
    assert counts["new"] + counts["duplicate"] == len(oracle.revisions)
    assert counts["quarantined"] == len(oracle.reasons)
    assert everything(tmp_path / "b.duckdb") == everything(imported)


def test_a_copy_that_is_read_once_is_the_post_that_reading_it_gives(
    archive: tuple[Path, Oracle],
) -> None:
    found = sorted(find_posts([archive[0]]), key=lambda one: one.file.name)
    reader, copies = PostReader("posts"), 0
    for one, plainly in zip(found, read_posts(found, source="posts"), strict=True):
        assert isinstance(one, PostPath)
        before = reader._last
        assert reader._post(one) == plainly or isinstance(plainly, UnreadablePost)
        copies += (
            not isinstance(plainly, UnreadablePost)
            and plainly.is_movable
            and reader._last is before
        )
    assert copies > POSTS_IN_ARCHIVE / 8


def test_what_a_site_shows_is_current_where_two_files_speak_for_one_time(tmp_path: Path) -> None:
    head = (
        "---\ntitle: A ferry returns\narticle_id: x:1\ndate: 2022-03-14 08:00:00 +08:00\n---\n{}\n"
    )
    for folder, text in (("_posts", "It is back."), ("old_post", "It may come back.")):
        (tmp_path / "site" / folder).mkdir(parents=True)
        (tmp_path / "site" / folder / "a.md").write_text(head.format(text))
        os.utime(tmp_path / "site" / folder / "a.md", (2000, 2000))
    for number, names in enumerate((("_posts", "old_post"), ("old_post", "_posts"), ("",))):
        warehouse = tmp_path / f"{number}.duckdb"
        import_folder(warehouse, *(tmp_path / "site" / name for name in names))
        assert rows_of(warehouse, "SELECT text, revision_count FROM articles") == [
            ("It is back.", 2)
        ]


def test_files_of_two_folders_are_reported_apart_by_their_folders(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "index.md").write_text(f"---\ntitle: {folder}\n---\nThe words.\n")
    import_folder(tmp_path / "w.duckdb", tmp_path / "a", tmp_path / "b")

    sql = "SELECT article_id FROM articles ORDER BY 1"
    assert rows_of(tmp_path / "w.duckdb", sql) == [("posts:a/index.md",), ("posts:b/index.md",)]


@pytest.mark.parametrize("few", [0, 100], ids=["in_processes", "in_this_process"])
def test_progress_is_reported_from_the_first_file_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(import_files, "BATCH_SIZE", 4)
    monkeypatch.setattr(import_files, "MIN_FILES_FOR_PROCESSES", few)
    reported: list[tuple[str, int, int]] = []
    run_local.run_import(
        settings_of(tmp_path / "w.duckdb"),
        [some_posts(tmp_path, count=10)],
        source=None,
        notify=lambda _message: None,
        progress=lambda *step: reported.append(step),
    )
    assert reported == [("import", done, 10) for done in (0, 4, 8, 10)]


# --- again -----------------------------------------------------------------------------


def test_a_second_import_reads_nothing_and_changes_nothing(
    archive: tuple[Path, Oracle], copy: Path, parsed_again: list[str]
) -> None:
    folder, oracle = archive
    before = everything(copy)

    report = import_folder(copy, folder)

    open_failures = len(oracle.reasons) - len(oracle.repaired)
    assert counted(report) == {
        "new": 0,
        "updated": 0,
        "unchanged": len(oracle.files) - open_failures,
        "duplicate": 0,
        "quarantined": open_failures,
        "failed": 0,
    }
    assert len(report.errors) >= open_failures
    assert report.exit_code == 3
    assert parsed_again == []
    assert everything(copy) == before


def test_changed_added_and_repaired_files_are_read_and_no_others(
    archive: tuple[Path, Oracle], copy: Path, tmp_path: Path, parsed_again: list[str]
) -> None:
    site = tmp_path / "site"
    shutil.copytree(archive[0], site)
    changed = next(path for path, article in archive[1].files.items() if article[:9] == "finews:NW")
    repaired, added = "old_post/2022-01-08-bare.md", "_posts/2022-01-10-new.md"
    (site / changed).write_bytes((site / changed).read_bytes() + b"\n")
    (site / repaired).write_text("---\ntitle: mended\n---\nThe words.\n")
    (site / added).write_text("---\ntitle: added\n---\nThe words.\n")

    report = import_folder(copy, site)

    assert sorted(parsed_again) == sorted([changed, repaired, added])
    assert report.totals()["new"] == 2
    sql = f"SELECT resolved_at IS NOT NULL FROM quarantine WHERE url = '{repaired}'"
    assert rows_of(copy, sql) == [(True,)]


def test_a_changed_parser_reads_all_again(
    archive: tuple[Path, Oracle],
    copy: Path,
    parsed_again: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(known_posts, "POST_PARSER", replace(POST_PARSER, version="later"))
    report = import_folder(copy, archive[0])
    assert sorted(parsed_again) == sorted(archive[1].files)
    assert (counted(report)["new"], counted(report)["updated"]) == (0, 0)


def test_posts_that_do_not_name_their_source_are_read_again_for_another(
    archive: tuple[Path, Oracle], copy: Path, parsed_again: list[str]
) -> None:
    folder, oracle = archive
    report = import_folder(copy, folder, source="harbour")

    by_hand = {path for path, article in oracle.files.items() if article[:6] == "posts:"}
    nobodys = {path for path in oracle.reasons if not re.search(r"\d{18}", path)}
    assert set(parsed_again) == by_hand | nobodys
    # The same words under another id.
    assert {t.source: t.counts["duplicate"] for t in report.stats}["harbour"] == len(by_hand)


def test_a_good_file_of_another_site_with_the_same_name_resolves_no_failure(
    tmp_path: Path,
) -> None:
    for name, text in (("bad", "no head"), ("good", "---\ntitle: a\n---\nThe words.\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.md").write_text(text)
    warehouse = tmp_path / "w.duckdb"
    import_folder(warehouse, tmp_path / "bad", source="one")
    import_folder(warehouse, tmp_path / "good", source="other")
    sql = "SELECT source, resolved_at IS NULL FROM quarantine"
    assert rows_of(warehouse, sql) == [("one", True)]


def test_a_file_that_returns_to_earlier_bytes_is_read_again_when_it_was_written_later(
    tmp_path: Path,
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    post, warehouse = site / "a.md", tmp_path / "w.duckdb"
    for at, text in ((1000, "first"), (2000, "second"), (3000, "first"), (3000, "first")):
        post.write_text(f"---\ntitle: a\n---\n{text}\n")
        os.utime(post, (at, at))
        import_folder(warehouse, site)
    assert rows_of(warehouse, "SELECT text FROM revisions ORDER BY revision") == [
        ("first",), ("second",), ("first",),
    ]  # fmt: skip
