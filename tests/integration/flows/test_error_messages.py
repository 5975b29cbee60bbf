"""The messages of errors: they name the remedy, and show no traceback."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys

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
SYNC = """
import sys
from flows import settings
from flows.cli.console import Console
from flows.sync import sync_without_prefect
from pathlib import Path
try:
    sync_without_prefect(settings.load(Path(sys.argv[1]), {}), ["ofweek"])
except Exception as error:
    sys.exit(Console().fail_with(error))
"""


def as_a_user(*remedy: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a user that file permissions restrict."""
    prefix = NO_OVERRIDE if os.geteuid() == 0 else []
    if prefix and not shutil.which(prefix[0]):
        pytest.skip("needs setpriv, or another user than root")
    command = [*prefix, sys.executable, *remedy]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "name", ["", "archive", "locks", "copydesk.duckdb", "locks/ofweek.lock", "copydesk.duckdb.lock"]
)
def test_missing_permission_names_the_path_and_a_remedy(project, name):
    project.sync("ofweek", limit=1)
    path = project.folder / name
    mode = path.stat().st_mode
    if name == "locks":
        (path / "ofweek.lock").unlink()
    path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        done = as_a_user("-c", SYNC, str(project.config))
        checked = as_a_user("-m", "flows.cli", "doctor", "--json", "--config", str(project.config))
    finally:
        path.chmod(mode)

    found = [one["message"] for one in json.loads(checked.stdout)["checks"]]
    assert done.returncode == checked.returncode == 1
    assert str(path) in done.stderr
    assert any(word in done.stderr for word in ("permission", "owner"))
    assert any(str(path) in message and "owner" in message for message in found)
