"""``backfill --archive FILES``: WARC files of other crawlers, once, in any order of kills."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows import cli, prefect_api, settings
from flows.pipeline import warc_import
from flows.pipeline.backfill_steps import run_backfill, run_chunk
from flows.pipeline.date_range import InvalidBackfillRequest, parse_request
from flows.pipeline.run import RunContext
from flows.pipeline.stats import RunReport
from flows.pipeline.warc_import import RangeOrder, page_chooser, parse_range
from flows.serve import run_local
from tests import ccnews, empty_warehouse
from warehouse import connect_read_only

ROWS = "SELECT article_id, content_hash, first_seen_at FROM articles ORDER BY ALL"
PAGES = 12


@dataclass
class Import:
    """A folder with a configuration, and imports into its warehouse."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "copydesk.toml"

    def run(self, *names: object, max_chunks: int = 0, **options: Any) -> RunReport:
        """One import, stopped after some chunks."""
        given = settings.load(self.config, {})
        request = parse_request(given, "harbour", archive="\n".join(map(str, names)))
        done = []

        def do_chunk(job, chunk) -> None:
            run_chunk(job, chunk)
            done.append(chunk.number)
            if len(done) == max_chunks:
                job.run.environment.stop.set()

        is_dry = bool(options.get("dry_run"))
        with RunContext("backfill", given, ["harbour"], is_dry=is_dry) as run:
            run.cluster = options.get("cluster")
            run_backfill(run, request, do_chunk=do_chunk, restart=bool(options.get("restart")))
            return run.finish()

    def rows(self, sql: str = ROWS) -> list[tuple[Any, ...]]:
        with connect_read_only(self.folder / "data/copydesk.duckdb") as db:
            return db.execute(sql).fetchall()


@pytest.fixture
def project(tmp_path: Path) -> Import:
    (tmp_path / "copydesk.toml").write_text(
        textwrap.dedent(
            f"""
            [sources.harbour]
            parser = "feed"
            url = "https://feeds.{ccnews.SITE.removeprefix("www.")}/all.xml"
            full_text = false
            """
        )
    )
    (tmp_path / "data").mkdir()
    empty_warehouse.place(tmp_path / "data/copydesk.duckdb")
    return Import(tmp_path)


@pytest.fixture(scope="module")
def news(tmp_path_factory) -> Path:
    """A file with 12 pages of the site among 120."""
    folder = tmp_path_factory.mktemp("news")
    records = ccnews.news(PAGES * 10, wanted_every=10)
    return ccnews.write(folder / "CC-NEWS-20261101000000-00001.warc.gz", records)


@pytest.fixture
def small(monkeypatch) -> None:
    """Ranges of 20 KB."""
    monkeypatch.setattr(warc_import, "RANGE_BYTES", 20_000)


def test_pages_of_the_site_become_articles_with_the_time_and_place_of_their_records(
    project, news
) -> None:
    report = project.run(news)

    assert (report.exit_code, report.totals()["new"]) == (0, PAGES)
    (document,) = report.as_json()["sources"]
    assert document["records"] == {
        "records": 2 * PAGES * 10 + 1, "pages": PAGES, "other_type": PAGES * 10 + 1,
        "other_url": PAGES * 9,
    }  # fmt: skip
    rows = project.rows(
        "SELECT url, first_seen_at, provenance FROM articles ORDER BY first_seen_at"
    )
    times = [ccnews.START + timedelta(seconds=10 * number) for number in range(PAGES)]
    assert [at for _, at, _ in rows] == times
    data = news.read_bytes()
    for url, _, provenance in rows:
        kind, name, offset = json.loads(provenance)["page"].split(":")
        assert (kind, name) == ("warc", news.name)
        found = parse_range(_order(project, news, int(offset), int(offset) + 1))
        assert [one.row.url for one in found.observations] == [url]
    assert len(data) > 0
    assert project.rows("SELECT count(*) FROM fetches") == [(0,)]


def _order(project: Import, file: Path, start: int, end: int) -> RangeOrder:
    source = settings.load(project.config, {}).source("harbour")
    return RangeOrder(
        source=warc_import.SourceSpec.of(source), file=str(file), start=start, end=end
    )


def test_an_import_that_is_stopped_anywhere_continues_and_stores_nothing_twice(
    project, news, small
) -> None:
    first = project.run(news, max_chunks=2)
    some = len(project.rows())
    second = project.run(news.parent / "CC-NEWS-*.warc.gz")  # another request: another plan
    third = project.run(news)
    fourth = project.run(news)

    assert first.state == "interrupted"
    assert 0 < some < PAGES
    assert second.totals()["new"] == PAGES - some
    assert second.totals()["unchanged"] == some
    assert third.totals()["unchanged"] == PAGES - some
    assert fourth.totals()["discovered"] == 0
    assert len(project.rows()) == PAGES
    assert project.rows("SELECT max(revision_count) FROM articles") == [(1,)]


def test_a_killed_import_continues(project, news) -> None:
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from flows.pipeline import warc_import
        from tests.integration.jobs.test_warc_import import Import
        warc_import.RANGE_BYTES = 20_000
        parse, left = warc_import.parse_range, [3]
        def killed(order):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return parse(order)
        warc_import.parse_range = killed
        Import(Path(sys.argv[1])).run(sys.argv[2])
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, project.folder, news], check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-800:]
    assert 0 < len(project.rows()) < PAGES

    report = project.run(news)

    assert report.state == "completed"
    assert len(project.rows()) == PAGES
    assert project.rows("SELECT max(revision_count) FROM articles") == [(1,)]


def test_what_is_added_to_a_file_is_read_and_what_is_damaged_is_named(
    project, news, tmp_path
) -> None:
    file = tmp_path / "crawl.warc.gz"
    data = news.read_bytes()
    file.write_bytes(data)
    project.run(file)
    more = ccnews.record(f"https://{ccnews.SITE}/new", ccnews.http(ccnews.article(999)))
    last = ccnews.record(f"https://{ccnews.SITE}/last", ccnews.http(ccnews.article(998)))
    file.write_bytes(data + more + last[:300])

    report = project.run(file)

    assert (report.exit_code, report.totals()["new"], report.totals()["failed"]) == (3, 1, 1)
    assert str(file) in report.errors[0]
    assert report.as_json()["sources"][0]["records"]["damaged"] == 1

    assert project.run(file).exit_code == 3  # it stays so
    file.write_bytes(data + more + last)
    report = project.run(file)
    assert (report.exit_code, report.totals()["new"], report.totals()["failed"]) == (0, 1, 0)


def test_a_dry_run_stores_nothing(project, news) -> None:
    report = project.run(news, dry_run=True)

    assert report.totals()["skipped"] == PAGES
    assert project.rows() == []


def test_files_that_are_missing_or_of_another_form(project, news, tmp_path) -> None:
    plain = tmp_path / "plain.warc"
    plain.write_bytes(b"WARC/1.0\r\n")

    with pytest.raises(InvalidBackfillRequest, match="nowhere"):
        project.run(tmp_path / "nowhere*.warc.gz")
    report = project.run(plain, news)

    assert (report.totals()["failed"], report.totals()["new"]) == (1, PAGES)
    assert str(plain) in report.errors[0]


def test_the_order_and_the_result_of_a_range_travel(project, news) -> None:
    order = _order(project, news, 0, news.stat().st_size)
    result = pickle.loads(pickle.dumps(parse_range(pickle.loads(pickle.dumps(order)))))  # noqa: S301

    assert result == parse_range(order)
    assert len(result.observations) == PAGES


class Workers:
    """A cluster of one thread, to which values travel."""

    orders_ahead = 3

    def __init__(self) -> None:
        self.starts: list[int] = []
        self._pool = ThreadPoolExecutor(1)

    def submit(self, _name, function, order):
        self.starts.append(order.start)
        text = pickle.dumps((function, order))

        def work() -> Any:
            function, order = pickle.loads(text)  # noqa: S301
            return pickle.loads(pickle.dumps(function(order)))  # noqa: S301

        return self._pool.submit(work)


def test_the_workers_of_a_cluster_give_the_same_rows(project, news, small, tmp_path) -> None:
    workers = Workers()
    report = project.run(news, cluster=workers)
    rows = project.rows("SELECT * FROM articles ORDER BY ALL")
    again = project.run(news, restart=True)

    assert report.totals()["new"] == again.totals()["unchanged"] == PAGES
    assert len(workers.starts) == len(set(workers.starts)) > 3
    assert rows == project.rows("SELECT * FROM articles ORDER BY ALL")


@pytest.mark.parametrize(("url", "is_own"), [
    ("https://harbourgazette.example/a", True),
    ("http://news.harbourgazette.example/a", True),
    ("https://notharbourgazette.example/a", False),
    ("https://harbourgazette.example.org/a", False),
    ("dns:harbourgazette.example", False),
])  # fmt: skip
def test_hosts_of_a_source(project, url, is_own) -> None:
    source = settings.load(project.config, {}).source("harbour")

    assert (page_chooser(source)(url) is not None) is is_own


def test_the_command_hands_over_files_patterns_and_addresses(project, news, monkeypatch) -> None:
    handed: dict[str, Any] = {}

    def run_flow(_name: str, parameters: dict[str, Any], **_options: Any) -> RunReport:
        handed.update(parameters)
        return project.run(news)

    monkeypatch.setattr(run_local, "run_flow", run_flow)
    monkeypatch.setattr(prefect_api, "find_run_server", lambda *_given: None)
    monkeypatch.chdir(project.folder)
    (project.folder / "b.warc.gz").write_bytes(b"")

    archives = ["--archive", str(news), "--archive", "*.warc.gz"]
    code = cli.run(["--config", str(project.config), "backfill", "harbour", *archives])

    assert code == 0
    assert handed["archive"] == f"{news}\n{project.folder / '*.warc.gz'}"
