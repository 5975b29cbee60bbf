"""Files of others in an export: left alone, or taken over with their bytes kept."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from flows.import_export.export_journal import JOURNAL, Journal
from flows.import_export.plan_posts import plan_posts, posts_of_others, with_other_paths
from flows.import_export.write_files import REPLACED, ExportResult, PlannedFile, write_files
from parsers.frontmatter import write_post
from tests.unit.import_export.conftest import make_article
from warehouse.records.posts import ArticleInfo, StoredFile

ARTICLE = make_article()
PATH = "_posts/2022-03-14-NW202203142308441556.md"
INFO = ArticleInfo(
    article_id=ARTICLE.article_id,
    source=ARTICLE.source,
    source_article_id=ARTICLE.source_article_id,
    published_at=ARTICLE.published_at,
    published_precision=ARTICLE.published_precision,
)


def put(folder: Path, path: str, data: bytes) -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def counts(exported: ExportResult) -> dict[str, int]:
    return {kind: number for kind, number in exported.counts().items() if number}


def write(folder: Path, data: bytes, *, take_over: bool = False) -> dict[str, int]:
    """Export the article as these bytes."""
    plan = plan_posts([INFO], [], folder, "jekyll").files
    plan = with_other_paths(plan, folder, Journal(folder).taken_over)
    if take_over:
        plan = with_other_paths(plan, folder, posts_of_others(plan, folder))
    contents = [(ARTICLE.article_id, data)]
    return counts(write_files(plan, contents, folder, take_over=take_over))


def test_a_file_of_others_is_replaced_when_taken_over_and_its_bytes_are_kept(
    tmp_path: Path,
) -> None:
    file = put(tmp_path, PATH, b"theirs")

    assert write(tmp_path, b"ours") == {"changed": 1}
    assert file.read_bytes() == b"theirs"
    assert write(tmp_path, b"ours", take_over=True) == {"taken_over": 1}

    assert file.read_bytes() == b"ours"
    (kept,) = (tmp_path / REPLACED).rglob("*.md.*")
    assert kept.read_bytes() == b"theirs"
    assert kept.parent.name == "_posts"
    assert write(tmp_path, b"corrected") == {"updated": 1}
    file.write_bytes(b"edited")
    assert write(tmp_path, b"again") == {"changed": 1}


def test_the_post_of_the_article_under_another_name_is_updated_there(tmp_path: Path) -> None:
    theirs = write_post(ARTICLE, "jekyll").data.replace(b" +08:00\n", b" +0800\n")
    file = put(tmp_path, "_posts/renamed.md", theirs)
    put(tmp_path, "about.md", b"no post")
    (tmp_path / "_posts/link.md").symlink_to(file)

    assert write(tmp_path, b"ours", take_over=True) == {"taken_over": 1, "extra": 2}
    assert file.read_bytes() == b"ours"
    assert not (tmp_path / PATH).exists()
    assert write(tmp_path, b"corrected") == {"updated": 1, "extra": 2}
    assert file.read_bytes() == b"corrected"

    file.unlink()  # then the article gets its own file
    assert write(tmp_path, b"corrected")["written"] == 1
    assert (tmp_path / PATH).read_bytes() == b"corrected"


def test_an_equal_file_of_others_that_is_taken_over_is_updated_later(tmp_path: Path) -> None:
    file = put(tmp_path, PATH, b"same")
    assert write(tmp_path, b"same", take_over=True) == {"identical": 1}
    assert write(tmp_path, b"corrected") == {"updated": 1}
    assert file.read_bytes() == b"corrected"


def test_an_imported_file_is_replaced_by_a_correction_unless_it_was_edited(tmp_path: Path) -> None:
    stored = StoredFile(
        seq=1, article_id=ARTICLE.article_id, dialect="jekyll", path="_posts/own.md",
        digest=sha256(b"imported").hexdigest(), has_record=False, has_content=False,
    )  # fmt: skip
    file = put(tmp_path, stored.path, b"imported")
    plan = plan_posts([INFO], [stored], tmp_path, "jekyll")
    contents = [(ARTICLE.article_id, b"corrected")]

    assert plan.dialects == {ARTICLE.article_id: "jekyll"}
    assert counts(write_files(plan.files, contents, tmp_path)) == {"updated": 1}
    assert file.read_bytes() == b"corrected"
    assert not (tmp_path / REPLACED).exists()
    file.write_bytes(b"edited")
    assert counts(write_files(plan.files, contents, tmp_path)) == {"changed": 1}


def test_an_imported_file_with_values_of_a_source_keeps_its_bytes_and_its_copies(
    tmp_path: Path,
) -> None:
    def stored(seq: int, path: str, *, has_content: bool) -> StoredFile:
        return StoredFile(
            seq=seq, article_id=ARTICLE.article_id, dialect="jekyll", path=path,
            digest=str(seq), has_record=False, has_content=has_content,
        )  # fmt: skip

    files = [stored(1, "_posts/a.md", has_content=True), stored(2, "b.md", has_content=False)]
    for one in files:
        put(tmp_path, one.path, b"x")

    plan = plan_posts([INFO], files, tmp_path, "jekyll")

    assert plan.dialects == {}
    assert set(plan.imported) == {1, 2}
    assert plan.imported[1] == ARTICLE.article_id


@pytest.mark.parametrize("link", [REPLACED, f"{REPLACED}/_posts"])
def test_no_bytes_are_kept_through_a_link(tmp_path: Path, link: str) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    file = put(site, PATH, b"theirs")
    (site / link).parent.mkdir(exist_ok=True)
    (site / link).symlink_to(elsewhere)

    assert write(site, b"ours", take_over=True) == {"failed": 1}
    assert file.read_bytes() == b"theirs"
    assert list(elsewhere.iterdir()) == []


def test_a_torn_line_of_the_journal_does_not_tear_the_next_one(tmp_path: Path) -> None:
    write(tmp_path, b"first")
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"path": "_pos')
    write(tmp_path, b"second")
    assert write(tmp_path, b"third") == {"updated": 1}


def test_a_planned_file_of_other_bytes_than_imported_has_a_rewritten_head(tmp_path: Path) -> None:
    digest = sha256(b"imported").hexdigest()
    plan = [PlannedFile(key="a:1", path="a.md", digest=digest)]
    put(tmp_path, "a.md", b"imported")

    assert counts(write_files(plan, [("a:1", b"imported")], tmp_path)) == {"identical": 1}
    assert counts(write_files(plan, [("a:1", b"mended")], tmp_path)) == {"rewritten": 1}
    assert Journal(tmp_path).rewritten == {"a.md": (digest, sha256(b"mended").hexdigest())}
    assert counts(write_files(plan, [("a:1", b"mended")], tmp_path)) == {"identical": 1}
