"""A database of Prefect with all its tables, made once for all processes of the tests.

Making one costs a server three seconds of processor time, and nearly every server of a test
begins with one. It lies in `.cache/tests`, under the version of Prefect that made it.
"""

from __future__ import annotations

import fcntl
import sqlite3
import tempfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "tests"


def made_database(cache: Path = CACHE) -> Path:
    """The file, to be copied; the first process makes it, the others wait."""
    made = cache / f"prefect-{version('prefect')}.db"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "being-made").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _make(made)
    return made


def _make(made: Path) -> None:
    """By a server that starts and ends; whole in one file, or not there."""
    from tests.e2e.serving import server_at

    with tempfile.TemporaryDirectory(dir=made.parent) as folder:
        with server_at(Path(folder)):
            pass
        whole = Path(folder) / "whole.db"
        with closing(sqlite3.connect(Path(folder) / "prefect.db")) as db:
            db.execute("VACUUM INTO ?", [str(whole)])  # with the rows that are still in its journal
        whole.replace(made)
