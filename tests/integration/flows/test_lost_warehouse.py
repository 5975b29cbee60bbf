"""A warehouse, a snapshot or an archive that is missing or damaged is an error, never a new start."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from flows.admin.check import exit_code_of
from flows.admin.doctor import check_installation
from flows.admin.maintenance_tasks import clean_snapshots
from flows.errors import ConfigurationError
from flows.pipeline.restore import restore_steps, start_new_warehouse
from tests.integration.flows.conftest import Project
from warehouse.errors import WarehouseDamaged, WarehouseLost, WarehouseMissing

pytestmark = pytest.mark.e2e

Damage = Callable[[Path], object]
GARBAGE = b"not a database\n" * 5000
MISSING: Damage = Path.unlink
EMPTY: Damage = lambda path: path.write_bytes(b"")  # noqa: E731
RUBBISH: Damage = lambda path: path.write_bytes(GARBAGE)  # noqa: E731
CUT: Damage = lambda path: os.truncate(path, path.stat().st_size // 2)  # noqa: E731
CUT_BY_A_BYTE: Damage = lambda path: os.truncate(path, path.stat().st_size - 1)  # noqa: E731


def without_tables(path: Path) -> None:
    path.unlink()
    path.with_name(f"{path.name}.lock").unlink()
    duckdb.connect(str(path)).close()


DAMAGES = [
    pytest.param(MISSING, id="missing"),
    pytest.param(EMPTY, id="empty"),
    pytest.param(RUBBISH, id="garbage"),
    pytest.param(CUT, id="cut"),
    pytest.param(without_tables, id="no_tables"),
]


def is_sound(project: Project) -> bool:
    """Whether `doctor --verify`, which checks all that `doctor` checks, finds no error."""
    return exit_code_of(check_installation(project.settings, verify=True)) != 1


def errors_of(project: Project) -> dict[str, str]:
    """The errors of `doctor`, and the same objects have one with `--verify`."""
    found: list[dict[str, str]] = []
    for verify in (False, True):
        checks = check_installation(project.settings, verify=verify)
        found.append({one.name: one.message for one in checks if one.status == "error"})
        assert (exit_code_of(checks) == 1) == bool(found[-1])
    assert found[0].keys() <= found[1].keys()
    return found[0]


@pytest.mark.parametrize("damage", [*DAMAGES, pytest.param(CUT_BY_A_BYTE, id="cut_by_a_byte")])
def test_doctor_names_the_step_that_restores_a_warehouse(stored: Project, damage: Damage) -> None:
    before = stored.rows("SELECT count(*) FROM articles")
    path = stored.settings.warehouse.path
    damage(path)

    message = errors_of(stored)["warehouse"]
    for command in re.findall(r"`((?:mkdir|install).*?)`", message):
        subprocess.run(["sh", "-c", command], check=True, cwd=stored.folder)

    assert is_sound(stored)
    assert os.access(path, os.W_OK)
    assert stored.rows("SELECT count(*) FROM articles") == before
    assert stored.sync("ofweek").state.startswith("completed")


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_command_starts_a_new_warehouse_beside_files_of_an_earlier_one(
    stored: Project, damage: Damage, tmp_path: Path
) -> None:
    path, post = stored.settings.warehouse.path, tmp_path / "a.md"
    post.write_text("---\ntitle: a\n---\ntext\n")
    damage(path)
    left = path.read_bytes() if path.exists() else None

    for command in (lambda: stored.sync("ofweek"), lambda: stored.import_folder(post)):
        with pytest.raises((WarehouseMissing, WarehouseDamaged), match=r"--new-warehouse"):
            command()

    assert (path.read_bytes() if path.exists() else None) == left


def test_an_archive_alone_is_enough_to_refuse_a_new_warehouse(stored: Project) -> None:
    warehouse = stored.settings.warehouse
    for file in warehouse.path.parent.glob(f"{warehouse.path.stem}.*duckdb*"):
        file.unlink()

    with pytest.raises(WarehouseLost, match="backup"):
        stored.sync()
    with pytest.raises(WarehouseLost):
        clean_snapshots(stored.settings)
    assert "warehouse" in errors_of(stored)


def test_a_new_warehouse_keeps_the_files_of_the_earlier_one(stored: Project) -> None:
    warehouse = stored.settings.warehouse
    content = warehouse.snapshot.read_bytes()
    archived = sorted(stored.settings.archive.path.iterdir())
    warehouse.path.write_bytes(GARBAGE)

    folder = start_new_warehouse(stored.settings)
    stored.sync()

    assert folder is not None
    kept = {file.name: file.read_bytes() for file in folder.iterdir() if not file.is_symlink()}
    assert kept.pop(warehouse.path.name) == GARBAGE
    assert content in kept.values()
    assert set(archived) <= set(stored.settings.archive.path.iterdir())
    assert is_sound(stored)


def test_a_sound_warehouse_is_not_replaced_by_a_new_one(stored: Project) -> None:
    with pytest.raises(ConfigurationError):
        start_new_warehouse(stored.settings)


def test_where_nothing_was_stored_nothing_is_lost(project: Project) -> None:
    project.settings.warehouse.path.unlink()
    assert restore_steps(project.settings) == ""
    assert is_sound(project)
    assert start_new_warehouse(project.settings) is None
    assert is_sound(project)


@pytest.mark.parametrize("damage", [None, MISSING, EMPTY, RUBBISH, CUT, CUT_BY_A_BYTE])
def test_doctor_reports_a_snapshot_that_is_missing_or_damaged(
    stored: Project, damage: Damage | None
) -> None:
    link = stored.settings.warehouse.snapshot
    if damage is None:
        link.unlink()
    else:
        link.resolve().chmod(0o644)
        damage(link.resolve())

    assert "snapshot" in errors_of(stored)

    stored.sync("ofweek")
    assert is_sound(stored)


@pytest.mark.parametrize("damage", [CUT, CUT_BY_A_BYTE])
def test_no_reader_takes_a_part_of_a_snapshot_for_all_of_it(
    stored: Project, run_cli: Callable[..., tuple[int, str, str]], damage: Damage
) -> None:
    path = stored.settings.warehouse.snapshot.resolve()
    path.chmod(0o644)
    damage(path)

    export = ["export", stored.folder, "--format", "csv"]
    commands = ["query", "FROM gaps"], ["gaps"], ["quarantine", "list"], export
    for command in commands:
        code, _, errors = run_cli(*command, "--config", stored.config)
        assert (code, "damaged (" in errors, "`copydesk doctor`" in errors) == (1, True, True)


def test_a_block_that_cannot_be_read_is_no_error_of_the_statement(
    stored: Project, run_cli: Callable[..., tuple[int, str, str]]
) -> None:
    path = stored.settings.warehouse.snapshot.resolve()
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    for at in range(3 * 4096 + 8, len(data), 262144):  # the first bytes of each block
        data[at] ^= 1
    path.write_bytes(data)

    for command in (["query", "FROM articles"], ["export", stored.folder, "--format", "csv"]):
        code, _, errors = run_cli(*command, "--config", stored.config)
        assert (code, "damaged" in errors) == (1, True)


@pytest.mark.parametrize("what", ["folder", "file"])
def test_doctor_reports_an_archive_that_is_missing(stored: Project, what: str) -> None:
    archive = stored.settings.archive.path
    if what == "folder":
        shutil.rmtree(archive)
    else:
        ((name,),) = stored.rows("SELECT min(archive_file) FROM fetches")
        (archive / name).unlink()

    assert set(errors_of(stored)) == {"archive"}


def test_an_archive_file_that_was_cut_is_not_called_complete(stored: Project) -> None:
    (file,) = stored.settings.archive.path.glob("*.warc.gz")
    os.truncate(file, file.stat().st_size // 2 + 7)

    found = check_installation(stored.settings, verify=True)

    assert exit_code_of(found) == 1
    assert not any("no stored page is missing" in one.message for one in found)


def test_the_option_is_one_of_the_commands_that_may_start_a_warehouse(
    stored: Project, run_cli: Callable[..., tuple[int, str, str]]
) -> None:
    stored.settings.warehouse.path.unlink()
    config = ("--config", stored.config)

    refused = run_cli("import", stored.config, *config)
    started = run_cli("import", "--new-warehouse", stored.config, *config)

    assert refused[0] == 1
    assert started[0] == 3  # the file is no post
    assert shlex.quote("--new-warehouse") in refused[2]
