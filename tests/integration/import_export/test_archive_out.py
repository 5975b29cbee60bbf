"""An imported archive back out: checked against its folder, and written to a fresh one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.import_export.export_posts import export_articles
from tests.integration.import_export.archive import Oracle
from tests.integration.import_export.archive_project import (
    counted,
    everything,
    import_folder,
    settings_of,
)


@pytest.mark.parametrize("dialect", ["jekyll", "hexo"])
def test_every_imported_file_is_checked_byte_for_byte(
    archive: tuple[Path, Oracle], copy: Path, dialect: str
) -> None:
    folder, oracle = archive
    import_folder(copy, folder)  # publishes the copy

    checked = export_articles(settings_of(copy), folder, dialect, check=True)

    good = sorted(path for path, article in oracle.files.items() if article)
    assert sorted(checked.exported.identical) == good
    assert sorted(checked.exported.extra) == sorted(oracle.reasons)
    assert checked.exit_code == 0


@pytest.mark.parametrize(("dialect", "is_own"), [("jekyll", True), ("hexo", False)])
def test_a_fresh_folder_gets_every_file_of_the_dialect_as_it_was(
    archive: tuple[Path, Oracle], copy: Path, tmp_path: Path, dialect: str, *, is_own: bool
) -> None:
    folder, oracle = archive
    import_folder(copy, folder)
    out = tmp_path / "out"

    exported = export_articles(settings_of(copy), out, dialect).exported

    good = {path for path, article in oracle.files.items() if article}
    own = {path for path in good if (path.split("/")[0] in ("_posts", "old_post")) == is_own}
    for path in own:
        assert (out / path).read_bytes() == (folder / path).read_bytes(), path
    others = {oracle.files[path] for path in good - own}
    assert len(exported.written) == len(own) + len(others)
    again = export_articles(settings_of(copy), out, dialect, check=True)
    assert (len(again.exported.identical), again.exit_code) == (len(exported.written), 0)


def test_a_copy_that_was_moved_away_is_not_missing_from_its_site(
    archive: tuple[Path, Oracle], copy: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    shutil.copytree(archive[0], site)
    import_folder(copy, site)
    moved = next(path for path in archive[1].files if (site / f"_posts{path[8:]}").exists()
                 and path.startswith("old_post/"))  # fmt: skip
    (site / moved).unlink()

    checked = export_articles(settings_of(copy), site, "jekyll", check=True)

    assert (checked.exported.missing, checked.exit_code) == ([], 0)
    assert moved not in checked.exported.identical


def test_a_folder_of_a_site_is_checked_for_what_was_imported_from_it(
    archive: tuple[Path, Oracle], copy: Path
) -> None:
    folder, oracle = archive
    import_folder(copy, folder)
    checked = export_articles(settings_of(copy), folder / "_posts", "jekyll", check=True)

    there = {path: article for path, article in oracle.files.items() if path.startswith("_posts/")}
    assert sorted(checked.exported.identical) == sorted(path for path in there if there[path])
    assert sorted(checked.exported.extra) == sorted(path for path in there if not there[path])
    assert checked.exit_code == 0


@pytest.mark.parametrize("dialect", ["jekyll", "hexo", "hugo"])
def test_an_archive_imported_from_its_export_changes_nothing(
    archive: tuple[Path, Oracle], copy: Path, tmp_path: Path, dialect: str
) -> None:
    import_folder(copy, archive[0])
    before = everything(copy)
    export_articles(settings_of(copy), tmp_path / "out", dialect)

    counts = counted(import_folder(copy, tmp_path / "out"))

    assert counts["unchanged"] == sum(counts.values()) > 0
    assert everything(copy) == before
