"""The clock of the machine jumps a day ahead and back, under a `serve` that runs.

Not the machine's clock, but what its processes (serve, the Prefect server, runs) are told by
the C library: see clock_jump.c.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import site
from tests.e2e.serving import OFWEEK, WOSHIPM, serving_at

DAY = 86_400
ALL_SEEN = """
    SELECT min(first_seen_at), max(first_seen_at), max(last_seen_at), count(*),
           count(DISTINCT article_id), max(revision_count)
    FROM articles WHERE source = 'woshipm'"""


@pytest.fixture
def clock(tmp_path):
    """What to preload, and the file that says by how many seconds the clock is wrong."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library, file = tmp_path / "clock_jump.so", tmp_path / "clock"
    source = Path(__file__).with_name("clock_jump.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    file.write_bytes(struct.pack("q", 0))
    return {"LD_PRELOAD": str(library), "CLOCK_JUMP_FILE": str(file)}


def jump(clock, seconds):
    """Everybody's clock is wrong by so much from now on."""
    with Path(clock["CLOCK_JUMP_FILE"]).open("r+b") as file:
        file.write(struct.pack("q", seconds))  # in place: they look at this file


def by_its_time(serving, day):
    """Completed runs of the schedule that began within twelve hours of that moment."""
    near = timedelta(hours=12)
    return [
        run
        for run in serving.runs("COMPLETED", name="sync woshipm")
        if abs(datetime.fromisoformat(run["start_time"]) - day) < near
    ]


@pytest.mark.e2e
def test_schedules_go_on_and_nothing_is_doubled_when_the_clock_jumps_a_day_ahead_and_back(
    tmp_path, prepared, clock
):
    data = tmp_path / "data"
    data.mkdir()
    prepared(data / "prefect")
    with serving_at(data, WOSHIPM, OFWEEK, **clock) as serving:
        began = datetime.now(UTC)
        tomorrow = began + timedelta(days=1)
        serving.start()
        serving.wait("runs of today", lambda: by_its_time(serving, began))

        jump(clock, DAY)
        serving.wait("runs of tomorrow", lambda: by_its_time(serving, tomorrow))
        serving.ask("ofweek")  # read for the first time while the clock is wrong
        serving.wait("ofweek", lambda: serving.completed("sync ofweek"))

        before = {run["id"] for run in by_its_time(serving, began)}
        jump(clock, 0)
        serving.wait_for_words("the system's clock went back by")
        serving.wait(
            "runs of today again",
            lambda: {run["id"] for run in by_its_time(serving, began)} - before,
        )
        assert serving.end() == 0

    truth = site.truth(1)
    ((first, last, again, count, distinct, revisions),) = serving.rows(ALL_SEEN)
    assert (count, distinct, revisions) == (len(truth.of("woshipm", "direct")), count, 1)
    # Stored before the jump: first seen today, and the sightings of tomorrow stay what they were.
    assert began - timedelta(minutes=1) < first <= last < began + timedelta(hours=12)
    assert abs(again - tomorrow) < timedelta(hours=12)
    rows = serving.rows(
        "SELECT count(*), max(revision_count) FROM articles WHERE source = 'ofweek'"
    )
    assert rows == [(len(truth.of("ofweek", "direct")), 1)]
    lost = serving.rows("SELECT count(*) FROM runs WHERE state NOT IN ('completed', 'interrupted')")
    assert lost == [(0,)]
    told = serving.rows(
        "SELECT count(*) FROM runs WHERE array_to_string(messages, ' ') LIKE '%the clock says%timedatectl%'"
    )
    assert told[0][0] >= 1  # and in each run, until that time has come
