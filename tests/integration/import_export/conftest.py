"""An archive of posts, and a warehouse that it was imported into."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.import_export import import_files
from flows.import_export.find_posts import PostPath
from flows.import_export.read_posts import PostOutcome, PostReader
from tests.integration.import_export.archive import Oracle, write_archive
from tests.integration.import_export.archive_project import POSTS_IN_ARCHIVE, import_folder
from tests.integration.import_export.desk import Desk


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Oracle]:
    folder = tmp_path_factory.mktemp("archive")
    return folder, write_archive(folder, posts=POSTS_IN_ARCHIVE)


@pytest.fixture(scope="session")
def imported(archive: tuple[Path, Oracle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = tmp_path_factory.mktemp("imported") / "a.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_files, "BATCH_SIZE", 50)
        patch.setattr(import_files, "process_count", lambda: 1)
        import_folder(warehouse, archive[0])
    return warehouse


@pytest.fixture
def copy(imported: Path, tmp_path: Path) -> Path:
    shutil.copy(imported, tmp_path / "a.duckdb")
    return tmp_path / "a.duckdb"


@pytest.fixture
def parsed_again(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are read, in this process."""
    paths: list[str] = []
    plainly = PostReader.read

    def noted(self: PostReader, found: PostPath) -> PostOutcome:
        paths.append(found.relative)
        return plainly(self, found)

    monkeypatch.setattr(PostReader, "read", noted)
    monkeypatch.setattr(import_files, "process_count", lambda: 1)
    return paths


@pytest.fixture
def by_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_files, "BATCH_SIZE", 50)
    monkeypatch.setattr(import_files, "MIN_FILES_FOR_PROCESSES", 0)
    monkeypatch.setattr(import_files, "process_count", lambda: 2)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.configure()
    return made
