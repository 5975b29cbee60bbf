"""The messages of errors: they name the remedy, and show no traceback."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.cli.console import Console
from flows.cli.exit_codes import exit_code_of
from warehouse.duckdb_errors import translate_error


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EROFS, "mounted read-only: mount it writable"),
        (errno.ENOSPC, "the disk is full: free some space and try again"),
        (errno.EACCES, "change its owner or its permissions"),
    ],
)
def test_message_of_a_disk_error_names_the_remedy(capsys, number, remedy):
    error = OSError(number, "the system's own words", "/data/prefect")

    code = Console().fail_with(error)

    output = capsys.readouterr().err
    assert code == 1
    assert "/data/prefect" in output
    assert remedy in output


def test_error_without_a_known_remedy_is_reported_unchanged(capsys):
    Console().fail_with(OSError(errno.EPIPE, "Broken pipe"))

    assert capsys.readouterr().err == "copydesk: [Errno 32] Broken pipe\n"


def test_exhausted_memory_is_an_expected_error_with_a_remedy(capsys):
    code = Console().fail_with(MemoryError())

    printed = capsys.readouterr().err
    assert code == 1
    assert "run.batch_size" in printed
    assert "bug" not in printed


def test_query_beyond_the_memory_is_no_error_of_usage():
    error = translate_error(duckdb.OutOfMemoryException("could not allocate block"), "a.duckdb")

    assert exit_code_of(error) == 1
    assert "a.duckdb" in str(error)


# --- missing permission ----------------------------------------------------------------------

# Root without the capabilities to pass over permissions, because tests may run as root.
NO_OVERRIDE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
# A sync and `doctor` of each configuration: their exit codes, the error and the messages.
COMMANDS = """
import json, sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from flows import settings
from flows.admin.check import exit_code_of
from flows.admin.doctor import check_installation
from flows.cli.console import Console
from flows.serve.run_local import sync_without_prefect
for config in sys.argv[1:]:
    chosen, printed, code = settings.load(Path(config), {}), StringIO(), 0
    with redirect_stderr(printed):
        try:
            sync_without_prefect(chosen, ["ofweek"])
        except Exception as error:
            code = Console().fail_with(error)
    checks = check_installation(chosen)
    messages = [one.message for one in checks]
    print(json.dumps([code, printed.getvalue(), exit_code_of(checks), messages]))
"""
NAMES = ["", "archive", "locks", "copydesk.duckdb", "locks/ofweek.lock", "copydesk.duckdb.lock"]


@pytest.fixture(scope="module")
def refused(synced, tmp_path_factory) -> dict[str, tuple[Path, list[Any]]]:
    """By name: the path without permission, and what the commands of its project gave."""
    prefix = NO_OVERRIDE if os.geteuid() == 0 else []
    if prefix and not shutil.which(prefix[0]):
        pytest.skip("needs setpriv, or another user than root")
    modes: dict[Path, int] = {}
    configs: list[Path] = []
    for name in NAMES:
        folder = tmp_path_factory.mktemp("refused") / "project"
        shutil.copytree(synced.folder, folder, symlinks=True)
        configs.append(folder / "copydesk.toml")
        path = folder / name
        modes[path] = path.stat().st_mode
        if name == "locks":
            (path / "ofweek.lock").unlink()
        path.chmod(0o555 if path.is_dir() else 0o444)
    command = [*prefix, sys.executable, "-c", COMMANDS, *map(str, configs)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(NAMES, zip(modes, found, strict=True), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_missing_permission_names_the_path_and_a_remedy(refused, name):
    path, (code, error, exit_code, messages) = refused[name]

    assert code == exit_code == 1
    assert str(path) in error
    assert any(word in error for word in ("permission", "owner"))
    assert any(str(path) in message and "owner" in message for message in messages)
