"""A reader that has followed the link, and is slow to open the file, still finds it."""

from __future__ import annotations

import os
import time

from tests.unit.warehouse.factories import article, upsert
from warehouse import connect, connect_read_only, publish


def an_hour_old(path):
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))


def test_copy_that_was_current_until_now_is_left_for_its_readers(tmp_path):
    link = tmp_path / "read.duckdb"
    with connect(tmp_path / "copydesk.duckdb") as db:
        first = publish(db, link).path
        upsert(db, article(1, "one"))
        an_hour_old(first)  # as between two runs of a quiet source
        followed = link.resolve()

        second = publish(db, link).path

        with connect_read_only(followed) as late:
            assert late.execute("SELECT count(*) FROM articles").fetchall() == [(0,)]
        an_hour_old(first)
        upsert(db, article(2, "two"))
        third = publish(db, link).path

    assert link.resolve() == third
    assert not first.exists()
    assert second.exists()


def test_copy_of_a_clock_that_was_ahead_is_removed(tmp_path):
    link = tmp_path / "read.duckdb"
    with connect(tmp_path / "copydesk.duckdb") as db:
        first = publish(db, link).path
        upsert(db, article(1, "one"))
        publish(db, link)
        in_an_hour = time.time() + 3600
        os.utime(first, (in_an_hour, in_an_hour))
        upsert(db, article(2, "two"))
        publish(db, link)

    assert not first.exists()
