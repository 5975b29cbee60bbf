"""A long import gives other processes turns to write."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from flows.import_export import import_files
from flows.pipeline import shared_connection
from flows.serve import run_local
from tests.integration.import_export.archive_project import settings_of, some_posts
from warehouse import lock


def test_warehouse_is_free_for_a_pause_between_two_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[int | str] = []
    sleep = time.sleep

    def note_and_sleep(seconds: float) -> None:
        if seconds > shared_connection.PAUSE_SECONDS / 2 and not lock._held:
            happened.append("pause")
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", note_and_sleep)
    monkeypatch.setattr(import_files, "BATCH_SIZE", 5)
    monkeypatch.setattr(import_files, "_MAX_OPEN_SECONDS", -1.0)
    monkeypatch.setattr(shared_connection, "MAX_OPEN_SECONDS", -1.0)
    run_local.run_import(
        settings_of(tmp_path / "a.duckdb"),
        [some_posts(tmp_path, count=10)],
        source=None,
        notify=lambda _message: None,
        progress=lambda _source, done, _total: happened.append(done),
    )

    assert "pause" in happened[happened.index(5) : happened.index(10)]
