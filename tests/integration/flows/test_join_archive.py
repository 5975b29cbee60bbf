"""Maintenance joins the archive files of a past day; every page stays readable, also after a kill."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta

import pytest

from flows.admin import join_archive as joining
from flows.admin.erasure import ErasureRequest, erase
from flows.admin.integrity import check_archive
from flows.admin.join_archive import join_archive
from flows.archive import read_record
from flows.archive.files import archive_files
from flows.pipeline.reparse_steps import reparse_source
from flows.pipeline.run import RunContext
from tests.site import Fault
from warehouse import connect

LOCATIONS = "SELECT archive_file, archive_offset FROM fetches WHERE archive_file IS NOT NULL"


class Killed(Exception):
    """Raised in place of a kill -9."""


@pytest.fixture
def read(project):
    """A project with three archive files of today; the second has revisits of the first."""
    project.sync("ofweek")
    project.age(hours=2)
    project.sync("ofweek")
    project.sync("woshipm")
    close(project)
    return project


def close(project) -> None:
    """Let two hours pass since the last write."""
    for file in project.settings.archive.path.glob("*.warc.gz"):
        os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 7200))


def join(project) -> str:
    return join_archive(
        project.settings,
        is_stopping=lambda: False,
        today=datetime.now(UTC).date() + timedelta(days=1),
    )


def bodies(project) -> list[bytes]:
    with connect(project.settings.warehouse.path) as db:
        found = db.execute(f"{LOCATIONS} ORDER BY url, fetched_at").fetchall()
    return [read_record(project.settings.archive.path, *place).body for place in found]


def problems(project) -> list[str]:
    with RunContext("sync", project.settings, []) as run:
        run.publish()
    found = check_archive(
        project.settings.archive.path,
        project.settings.warehouse.snapshot,
        lambda _source, _done, _total: None,
    )
    return [one.message for one in found if one.status != "ok"]


def test_files_of_a_past_day_become_one_with_the_same_pages(read):
    before = bodies(read)

    summary = join(read)

    names = archive_files(read.settings.archive.path)
    assert re.findall(r"\d+", summary) == ["3", "1"]
    assert [one.split("/")[0] for one in names] == [f"{datetime.now(UTC):%Y}"]
    assert bodies(read) == before
    assert problems(read) == []
    join(read)
    assert archive_files(read.settings.archive.path) == names


def test_files_of_today_and_open_files_stay(read):
    assert "no closed" in join_archive(read.settings, is_stopping=lambda: False)
    for file in read.settings.archive.path.glob("*.warc.gz"):
        os.utime(file)
    assert "no closed" in join(read)


def test_snapshot_from_before_the_join_still_leads_to_its_pages(read):
    with RunContext("sync", read.settings, []) as run:
        run.publish()
    join(read)

    found = check_archive(
        read.settings.archive.path,
        read.settings.warehouse.snapshot,
        lambda _source, _done, _total: None,
    )

    assert [one.status for one in found] == ["ok"]


@pytest.mark.parametrize("point", ["_move", "_delete_parts", "second part"])
def test_join_that_was_killed_ends_in_the_next_maintenance(read, monkeypatch, point):
    before = bodies(read)

    def die(*_arguments):
        raise Killed

    def die_after_one(settings, joined):
        joined.remaining(settings.archive.path)[0].unlink()
        raise Killed

    name = "_delete_parts" if point == "second part" else point
    monkeypatch.setattr(joining, name, die_after_one if point == "second part" else die)
    with pytest.raises(Killed):
        join(read)
    monkeypatch.undo()
    assert bodies(read) == before

    join(read)

    assert bodies(read) == before
    assert problems(read) == []
    assert len(archive_files(read.settings.archive.path)) == 1


def test_erasure_after_a_killed_join_leaves_no_copy(read, monkeypatch):
    ((article_id, words),) = read.rows(
        "SELECT article_id, text[:9] FROM articles WHERE url LIKE '%30501216%'"
    )
    monkeypatch.setattr(joining, "_delete_parts", lambda *_arguments: None)
    join(read)
    monkeypatch.undo()

    result = erase(
        read.settings,
        ErasureRequest(article_ids=(article_id,)),
        reason="request",
        notify=read.messages.append,
        on_progress=lambda _source, _done, _total: None,
    )

    assert result.redacted >= 1
    assert len(archive_files(read.settings.archive.path)) == 1
    assert not [one for one in bodies(read) if words.encode("gbk") in one]
    assert problems(read) == []


def test_reparse_reads_joined_files(read):
    join(read)
    with RunContext("reparse", read.settings, ["ofweek"]) as run:
        reparse_source(run, "ofweek", since=None, diff=False)
        report = run.finish()

    counts = report.stats[0].counts
    assert (counts["failed"], counts["new"], counts["updated"]) == (0, 0, 0)
    assert counts["unchanged"] >= 11


def test_cut_record_of_a_killed_run_is_not_joined(read):
    before = bodies(read)
    first = sorted(read.settings.archive.path.glob("*.warc.gz"))[0]
    with first.open("ab") as file:
        file.write(first.read_bytes()[:100])
    close(read)

    join(read)

    assert bodies(read) == before
    assert problems(read) == []


def test_revisit_of_a_joined_page_refers_to_its_first_record(read, faults):
    join(read)
    read.age(days=2)
    faults["/2021-05/ART-93000-8420-30501216"] = Fault(rename=(b"<html", b"<html"))

    read.sync("ofweek")

    assert problems(read) == []
