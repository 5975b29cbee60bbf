"""Resources shared by tests in several processes: ports, and the database of Prefect."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import ports, prefect_database


def test_lasting_port_is_none_that_clients_are_given():
    lowest = 32_768
    if ports.RANGE.exists():
        lowest = int(ports.RANGE.read_text(encoding="ascii").split()[0])

    assert {ports.lasting_port() >= lowest for _ in range(20)} == {False}


def test_database_that_many_need_at_once_is_made_by_one_of_them(tmp_path, monkeypatch):
    made = []

    def make(file):
        made.append(file)
        threading.Event().wait(0.3)  # while the others look whether it is there
        file.write_bytes(b"all of it")

    monkeypatch.setattr(prefect_database, "_make", make)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(prefect_database.made_database, [tmp_path] * 4))

    assert [*found] == made
    assert made[0].read_bytes() == b"all of it"


def test_database_whose_making_failed_is_made_by_the_next(tmp_path, monkeypatch):
    def fail(_file):
        raise RuntimeError("no room")

    monkeypatch.setattr(prefect_database, "_make", fail)
    with pytest.raises(RuntimeError, match="no room"):
        prefect_database.made_database(tmp_path)
    monkeypatch.setattr(prefect_database, "_make", lambda file: file.touch())

    assert prefect_database.made_database(tmp_path).exists()
