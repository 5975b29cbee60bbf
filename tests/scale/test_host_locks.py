"""Host locks: the sources of one host on one machine at a time, whatever the flow."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flows import settings
from flows.errors import Interrupted
from flows.pipeline.host_locks import HostLocks

SOURCES = """
[sources.a]
parser = "feed"
url = "https://one.example/a"
[sources.b]
parser = "feed"
url = "https://one.example/b"
[sources.c]
parser = "feed"
url = "https://two.example/"
"""


def host_locks(folder: Path, warehouse: str = "", *, run_id: str) -> HostLocks:
    """Those of a run that does not wait for another one."""
    file = folder / "copydesk.toml"
    file.write_text(warehouse + SOURCES, encoding="utf-8")
    stop = threading.Event()
    stop.set()
    return HostLocks(settings.load(file, {}), flow="sync", run_id=run_id, stop=stop)


def test_second_run_waits_for_the_host_and_not_for_others(database, tmp_path):
    pytest.importorskip("psycopg")
    lake = f'[warehouse]\nurl = "ducklake:postgres:{database}"\ndata = "{tmp_path / "lake"}"\n'
    first, second = (host_locks(tmp_path, lake, run_id=name) for name in ("one", "two"))

    with first.held("a"):
        with first.held("b"), second.held("c"):  # the sources of a run share the host
            pass
        with pytest.raises(Interrupted), second.held("b"):
            pytest.fail("two runs have one host")
    with second.held("b"):
        pass


def test_runs_of_one_machine_have_no_host_locks(tmp_path):
    first, second = (host_locks(tmp_path, run_id=name) for name in ("one", "two"))

    with first.held("a"), second.held("b"):
        assert not (tmp_path / "data" / "locks").exists()
