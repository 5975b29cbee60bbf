"""Backfill: windows, addresses, archives; killed, asked for again, beside the schedule."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from flows import again, backfilling, leases, newsstand, windows
from flows.newsstand import Fault
from flows.windows import BadRequest, Window, ask_for
from parsers.article import Entry
from warehouse import chunks, connect, gaps, transaction, watermarks
from warehouse.rows import GapRow

pytestmark = pytest.mark.e2e

SHANGHAI = ZoneInfo("Asia/Shanghai")
LISTED = "NW202203142308441556"
BEFORE = timedelta(minutes=5)


@pytest.fixture
def small(monkeypatch):
    """Pieces of four articles."""
    monkeypatch.setattr(backfilling.Work, "entries_each", 4)


@pytest.fixture
def fill(desk):
    """Run a backfill at the desk."""

    def run(source, **options):
        return again.run_backfill(
            desk.settings,
            source,
            config=desk.config,
            say=desk.said.append,
            progress=lambda *far: desk.far.append(far),
            **options,
        )

    desk.far = []
    return run


def window(first, last):
    return {"first": date.fromisoformat(first), "last": date.fromisoformat(last)}


def texts(desk):
    return [one.target for one in desk.stand.requests if "GetNewsText" in one.target]


def days(desk):
    return [
        day
        for (day,) in desk.rows(
            "SELECT DISTINCT CAST(published_at AT TIME ZONE 'Asia/Shanghai' AS DATE) FROM articles "
            "ORDER BY ALL"
        )
    ]


# --- a window --------------------------------------------------------------------------


def test_window_brings_its_days_and_no_others(desk, fill):
    report = fill("finews", **window("2022-03-11", "2022-03-13"))

    assert days(desk) == [date(2022, 3, 11), date(2022, 3, 12), date(2022, 3, 13)]
    truth = newsstand.truth(1).of("finews", "api")
    inside = {
        one
        for one, held in truth.items()
        if held.published_at
        and date(2022, 3, 11) <= held.published_at.astimezone(SHANGHAI).date() <= date(2022, 3, 13)
    }
    stored = {one for (one,) in desk.rows("SELECT source_article_id FROM articles")}
    assert stored == inside
    assert report.totals()["new"] + report.totals()["duplicate"] == len(inside)
    assert dict(desk.rows("SELECT source, flow FROM runs")) == {"finews": "backfill"}


def test_window_goes_on_through_older_listing_pages_until_it_is_covered(desk, fill):
    report = fill("woshipm_direct", **window("2015-01-01", "2022-03-20"))

    pages = [one.target for one in desk.stand.requests if "stream-list" in one.target]
    assert pages[-1].endswith("/page/3")
    assert report.state == "completed"
    assert fill("woshipm_direct", **window("2010-01-01", "2014-12-31")).totals()["new"] == 1
    assert [one.target for one in desk.stand.requests if "stream-list" in one.target][-1].endswith(
        "/page/4"
    )


def test_window_beyond_the_listing_says_so_and_what_to_do(desk, fill):
    report = fill("finews", **window("2022-01-01", "2022-02-10"))

    assert report.exit_code == 3
    assert any("goes back to 2022-02-08 09:30 only" in words for words in report.problems)
    assert any("--urls" in words for words in report.problems)


def test_listing_that_carries_its_articles_is_backfilled_without_other_pages(desk, fill):
    report = fill("woshipm", **window("2022-03-15", "2022-03-20"))

    assert report.totals()["fetched"] == report.totals()["discovered"] > 0
    assert {one.target for one in desk.stand.requests} == {"/robots.txt", "/woshipm/latest"}
    dated = [day for day in days(desk) if day]
    assert dated
    assert all(date(2022, 3, 15) <= day <= date(2022, 3, 20) for day in dated)


def test_second_time_there_is_nothing_to_do_and_restart_changes_nothing(desk, fill):
    fill("finews", **window("2022-03-11", "2022-03-13"))
    before = desk.rows("SELECT * EXCLUDE (last_seen_at) FROM articles ORDER BY article_id")
    desk.stand.forget_requests()

    second = fill("finews", **window("2022-03-11", "2022-03-13"))

    assert desk.stand.requests == ()
    assert any("--restart does it again" in words for words in second.notes)

    third = fill("finews", restart=True, **window("2022-03-11", "2022-03-13"))

    assert third.totals()["not_modified"] > 0
    assert (third.totals()["new"], third.totals()["modified"]) == (0, 0)
    after = desk.rows("SELECT * EXCLUDE (last_seen_at) FROM articles ORDER BY article_id")
    assert after == before


def test_window_that_is_not_over_is_read_anew(desk, fill):
    today = datetime.now(SHANGHAI).date()
    fill("finews", first=date(2022, 3, 16), last=today)
    desk.stand.edition = 3

    report = fill("finews", first=date(2022, 3, 16), last=today)

    assert report.totals()["new"] > 0


def test_dry_run_says_what_it_would_fetch_and_stores_nothing(desk, fill):
    report = fill("finews", dry_run=True, **window("2022-03-11", "2022-03-13"))

    would = [words for words in report.notes if "would fetch" in words]
    assert len(would) > 3
    assert texts(desk) == []
    assert not desk.settings.warehouse.path.exists()
    assert [words for words in would if LISTED in words] == []


@pytest.mark.parametrize(
    ("source", "channel", "turns", "expected"),
    [
        (
            "finews",
            "emnews",
            (1, 2),
            ["type=102&count=1000&newsid=1", "type=102&count=2000&newsid=1"],
        ),
        ("finews", "market-38", (1,), ["marketType=38&count=200"]),
        ("finews", "media", (7,), [None]),
        ("woshipm_direct", "latest", (1, 40), ["stream-list/page/4", "stream-list/page/43"]),
        ("ofweek", "CATList-8100-CHANGYIEXINWE", (1,), [None]),
        ("woshipm", "feed", (1,), [None]),
    ],
)
def test_older_listing_pages_are_where_the_source_has_them(desk, source, channel, turns, expected):
    found = desk.settings.source(source)
    pages = [found.parser.older(found, channel, turn) for turn in turns]

    assert [page and page.url.endswith(end) for page, end in zip(pages, expected, strict=True)] == [
        None if end is None else True for end in expected
    ]


# --- what a backfill leaves alone ------------------------------------------------------


def test_watermarks_stay_and_newer_content_stays(desk, fill):
    desk.stand.edition = 2
    desk.sync("finews")
    marks = desk_marks(desk)
    before = desk.rows("SELECT article_id, content_hash FROM articles ORDER BY ALL")
    desk.stand.edition = 1  # the newsstand forgets; an old copy must not win by arriving late

    archive = desk.folder / "old"
    shutil.copytree(desk.settings.archive.path, archive)
    report = fill("finews", archive=archive)

    assert desk_marks(desk) == marks
    assert report.totals()["modified"] == 0
    assert desk.rows("SELECT article_id, content_hash FROM articles ORDER BY ALL") == before


def desk_marks(desk):
    with connect(desk.settings.warehouse.path) as db:
        return [
            watermarks.get(db, "finews", channel)
            for channel in ("emnews", "media", "market-37", "market-38", "market-39")
        ]


def test_window_leaves_watermarks_where_they_are(desk, fill):
    desk.sync("finews")
    marks = desk_marks(desk)

    fill("finews", **window("2022-03-11", "2022-03-13"))

    assert all(mark is not None for mark in marks)
    assert desk_marks(desk) == marks


def test_covered_gap_is_closed_and_another_is_not(desk, fill):
    desk.sync("finews")
    now = datetime.now(UTC)
    with connect(desk.settings.warehouse.path) as db, transaction(db):
        for channel, from_at in (("market-38", now - BEFORE), ("market-39", None)):
            row = GapRow(source="finews", channel=channel, from_at=from_at, to_at=now, how="x")
            gaps.open_gap(db, row, run_id="r")

    report = fill("finews", first=date(2022, 3, 1), last=datetime.now(SHANGHAI).date())

    assert any("closed 1 gaps of market-38" in words for words in report.notes)
    found = desk.rows("SELECT channel, closed_by FROM gaps ORDER BY ALL")
    assert found == [("market-38", report.run_id), ("market-39", None)]


def test_gap_that_is_not_inside_the_window_stays_open(desk, fill):
    desk.sync("finews")
    now = datetime.now(UTC)
    with connect(desk.settings.warehouse.path) as db, transaction(db):
        row = GapRow(source="finews", channel="market-38", from_at=now - BEFORE, to_at=now, how="x")
        gaps.open_gap(db, row, run_id="r")

    fill("finews", **window("2022-03-01", "2022-03-13"))

    assert desk.rows("SELECT closed_by FROM gaps") == [(None,)]


def test_gap_that_a_backfill_would_hide_from_the_next_sync_is_noted(desk, fill):
    desk.sync("finews")
    desk.stand.edition = 3

    fill("finews", **window("2022-03-01", "2022-03-31"))

    assert desk.rows("SELECT channel FROM gaps") == [("market-38",)]


# --- addresses -------------------------------------------------------------------------


def test_share_links_of_every_host_lead_to_their_articles(desk, fill):
    number = "202203082300310099"
    links = [
        f"http://finews.zning.xyz/html_News/NewsShare.html?infoCode=NW{number}",
        "http://choicewzp1.eastmoney.com/html_News/NewsShare.html?infoCode=NW202203082300310099",
        f"https://finance.eastmoney.com/a/{number}.html",
        f"http://stock.eastmoney.com/news/1344,{number}.html",
        f"https://wap.eastmoney.com/a/{number}.html",
        "https://elsewhere.example/news.html",
        "# a comment",
    ]

    report = fill("finews", urls=links)

    ids = [one for (one,) in desk.rows("SELECT source_article_id FROM articles ORDER BY ALL")]
    assert ids == [number, f"NW{number}"]
    (problem,) = report.problems
    assert "elsewhere.example" in problem
    assert report.exit_code == 3


def test_address_of_an_article_known_from_its_listing_replaces_nothing(desk, fill):
    desk.sync("finews")
    share = f"http://finews.zning.xyz/html_News/NewsShare.html?infoCode={LISTED}"
    desk.stand.forget_requests()

    report = fill("finews", urls=[share])

    assert desk.stand.requests == ()
    assert report.totals()["unmodified"] == 1
    assert desk.rows(
        f"SELECT published_precision, revisions FROM articles WHERE source_article_id = '{LISTED}'"
    ) == [("second", 1)]


def test_page_that_did_not_come_is_tried_again_and_the_others_are_not(desk, fill, faults, small):
    truth = newsstand.truth(1).of("ofweek", "direct")
    rows = desk.sync("ofweek").totals()["new"]
    assert rows == len(truth)
    urls = [url for (url,) in desk.rows("SELECT url FROM articles ORDER BY url")]
    shutil.rmtree(desk.settings.warehouse.path.parent / "leases", ignore_errors=True)
    for file in desk.folder.glob("copydesk.*duckdb*"):
        file.unlink()
    missing = urls[5].rpartition("/")[2]
    faults[f"/{urls[5].split('/', 3)[3]}"] = Fault(status=503)

    first = fill("ofweek", urls=urls)
    faults.clear()
    desk.stand.forget_requests()
    second = fill("ofweek", urls=urls)

    assert first.totals()["failed"] == 1
    assert any("ask again" in words for words in first.notes)
    assert second.totals()["new"] == 1
    asked = {one.target for one in desk.stand.requests if "ART-" in one.target}
    articles = {target for target in asked if "_" not in target}
    assert len(articles) == backfilling.Work.entries_each
    assert any(missing in target for target in articles)


# --- an archive ------------------------------------------------------------------------


def test_archive_rebuilds_a_lost_warehouse_without_network(desk, fill):
    desk.sync("finews", "ofweek", "woshipm")
    sql = "SELECT * EXCLUDE (first_seen_at, last_seen_at) FROM articles ORDER BY article_id"
    before = desk.rows(sql)
    for file in desk.folder.glob("copydesk.*duckdb*"):
        file.unlink()
    desk.stand.forget_requests()

    reports = [
        fill(source, archive=desk.settings.archive.path)
        for source in ("finews", "ofweek", "woshipm")
    ]

    assert desk.stand.requests == ()
    assert [report.totals()["failed"] for report in reports] == [0, 0, 0]
    assert desk.rows(sql) == before
    pages = desk.rows("SELECT count(*), count(DISTINCT (archive_file, archive_offset)) FROM pages")
    assert pages[0][0] == pages[0][1] > 50

    again_ = fill("finews", archive=desk.settings.archive.path)
    assert again_.totals()["discovered"] == 0


# --- killed ----------------------------------------------------------------------------


def test_killed_backfill_goes_on_and_repeats_no_finished_chunk(
    desk, fill, faults, small, prefect_server
):
    faults["/NewsData"] = Fault(delay_seconds=0.05)
    script = Path(__file__).with_name("killed_backfill.py")
    killed = subprocess.Popen(
        [sys.executable, str(script), str(desk.config), "finews", "2022-03-01", "2022-03-31"],
        env=os.environ
        | {"PYTHONPATH": str(Path(__file__).parents[2]), "PREFECT_API_URL": prefect_server},
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in killed.stdout:
        if int(line.split()[0]) >= 8:  # two chunks of four articles are done
            break
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    asked = desk.settings
    plan = ask_for(asked, "finews", **window("2022-03-01", "2022-03-31")).plan
    with connect(desk.settings.warehouse.path) as db:
        left = chunks.of_plan(db, plan)
        stored = {one for (one,) in db.execute("SELECT article_id FROM articles").fetchall()}
    done = {
        f"finews:{entry.source_article_id}": entry.url
        for chunk in left
        if chunk.kind == "entries" and chunk.state == "done"
        for entry in backfilling.entries_of(chunk)
    }
    assert len(done) >= 8
    assert stored <= set(done)
    assert any(chunk.state == "waiting" for chunk in left)
    desk.stand.forget_requests()

    report = fill("finews", **window("2022-03-01", "2022-03-31"))

    fetched = {f"{desk.stand.url}{one.target}" for one in desk.stand.requests}
    left_over = {
        entry.url
        for chunk in left
        if chunk.kind == "entries" and chunk.state != "done"
        for entry in backfilling.entries_of(chunk)
    }
    # Two ids of one article share an address; it may be in a chunk that was not done.
    assert fetched & (set(done.values()) - left_over) == set()
    assert not any("webapi" in one for one in fetched)
    assert report.state in ("completed", "needs_attention")
    assert desk.far[0][1] == sum(c.entries for c in left if c.state == "done")
    counts = desk.rows("SELECT count(*), count(DISTINCT article_id) FROM articles")
    assert counts[0][0] == counts[0][1] > len(stored)
    states = desk.rows("SELECT state, count(*) FROM runs WHERE flow = 'backfill' GROUP BY ALL")
    assert dict(states) == {"crashed": 1, "completed": 1}


def test_interrupt_keeps_whole_chunks_and_the_next_goes_on(desk, fill, faults, small):
    faults["/NewsData"] = Fault(delay_seconds=0.1)

    def interrupt():
        while len(texts(desk)) < 10 and threading.main_thread().is_alive() and not ended.is_set():
            ended.wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    ended = threading.Event()

    helper = threading.Thread(target=interrupt, daemon=True)
    helper.start()
    stopped = fill("finews", **window("2022-03-01", "2022-03-31"))
    ended.set()
    helper.join()

    assert (stopped.state, stopped.exit_code) == ("interrupted", 130)
    assert any("chunks are left" in words for words in stopped.notes)

    faults.clear()
    rest = fill("finews", **window("2022-03-01", "2022-03-31"))

    assert rest.totals()["new"] > 0
    assert not any("chunks are left" in words for words in rest.notes)


def test_fetch_that_hangs_ends_at_the_deadline_and_the_run_goes_on(desk, fill, faults):
    faults[f"/NewsData/GetNewsText.do?id={LISTED}"] = Fault(delay_seconds=60)

    report = fill("finews", **window("2022-03-14", "2022-03-14"))

    assert report.totals()["failed"] == 1
    assert report.totals()["new"] > 0
    assert report.totals()["seconds"] < 15
    assert leases.holder(desk.settings, "finews") is None


# --- side by side ----------------------------------------------------------------------


def test_second_backfill_of_a_source_ends_at_once_and_names_the_first(desk, fill):
    with leases.hold(desk.settings, "backfill finews", flow="backfill", run_id="20260101T000000-x"):
        with pytest.raises(leases.SourceBusy, match="backfill run 20260101T000000-x") as caught:
            fill("finews", **window("2022-03-11", "2022-03-13"))

        assert str(os.getpid()) in str(caught.value)
        assert texts(desk) == []
        other = fill("ofweek", **window("2021-05-20", "2021-05-30"))
        assert other.totals()["new"] > 0


def test_killed_holder_leaves_no_lease_behind(desk):
    script = (
        "import sys, pathlib; from flows import leases, settings\n"
        "chosen = settings.load(pathlib.Path(sys.argv[1]), {})\n"
        "with leases.hold(chosen, 'finews', flow='sync', run_id='first'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(desk.config)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    found = leases.holder(desk.settings, "finews")
    assert (found.run_id, found.process.pid) == ("first", holder.pid)
    with (
        pytest.raises(leases.SourceBusy, match=f"kill {holder.pid}"),
        leases.hold(desk.settings, "finews", flow="sync", run_id="second"),
    ):
        pass

    holder.send_signal(signal.SIGKILL)
    holder.communicate()

    assert leases.holder(desk.settings, "finews") is None
    with leases.hold(desk.settings, "finews", flow="sync", run_id="second"):
        assert leases.holder(desk.settings, "finews").run_id == "second"


def test_one_who_waits_gets_the_lease_before_the_one_who_lets_go_gets_it_back(desk):
    order, waiting = [], threading.Event()

    def schedule():
        with leases.hold(
            desk.settings, "finews", flow="sync", run_id="s", wait_seconds=10, say=lambda _: None
        ):
            order.append("sync")

    helper = threading.Thread(target=schedule)
    with leases.hold(desk.settings, "finews", flow="backfill", run_id="b"):
        helper.start()
        turn = desk.settings.warehouse.path.parent / "leases" / "finews.turn"
        while not waiting.is_set():
            if is_locked(turn):
                waiting.set()
        order.append("chunk 1")
    with leases.hold(desk.settings, "finews", flow="backfill", run_id="b", wait_seconds=10):
        order.append("chunk 2")
    helper.join()

    assert order == ["chunk 1", "sync", "chunk 2"]


def is_locked(file):
    import fcntl

    with file.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


# --- what can be asked for -------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "found none of them"),
        (window("2022-03-13", "2022-03-11"), "ends on or after its first day"),
        ({"first": date(2022, 3, 1)}, "found only the first"),
        ({"last": date(2022, 3, 1)}, "found only the last"),
        (window("2190-01-01", "2190-01-02"), "a window that has begun"),
        ({"urls": ["http://x.example"], "first": date(2022, 3, 1)}, "window of days and addresses"),
        ({"archive": "/nowhere"}, r"\*.warc.gz"),
    ],
    ids=["nothing", "reversed", "no end", "no beginning", "future", "two things", "no archive"],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(desk, fill, options, words):
    with pytest.raises(BadRequest, match=words):
        fill("finews", **options)

    assert desk.stand.requests == ()
    assert not desk.settings.warehouse.path.exists()


def test_flow_itself_refuses_what_a_form_cannot(desk):
    from prefect.exceptions import ParameterTypeError

    from flows.backfill import backfill

    common = {"config": str(desk.config)}
    with pytest.raises(ParameterTypeError, match="ends on or after its first day"):
        backfill(source="finews", from_date="2022-03-13", to_date="2022-03-11", **common)
    with pytest.raises(ParameterTypeError, match="no source 'finew', did you mean 'finews'"):
        backfill(source="finew", from_date="2022-03-11", to_date="2022-03-13", **common)
    assert desk.stand.requests == ()
    assert not desk.settings.warehouse.path.exists()


FORMS = [
    ({"source": "ofweek_feed", "from_date": "2022-03-11", "to_date": "2022-03-13"}, True),
    ({"source": "finews", "urls": "http://x.example"}, True),
    ({"source": "finew", "from_date": "2022-03-11", "to_date": "2022-03-13"}, False),
    ({"source": "finews", "from_date": "2022-03-11"}, False),
    ({"source": "finews", "from_date": "2022-03-11", "to_date": None}, False),
    ({"source": "finews", "from_date": None, "to_date": None, "urls": ""}, False),
    ({"source": "finews"}, False),
]


def test_server_makes_no_run_of_what_the_form_refuses(desk):
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    from flows import forms
    from flows.backfill import backfill

    form = forms.with_sources(backfill, desk.settings)
    deployment = form.to_deployment(name="tried", parameters={"config": str(desk.config)}).apply()
    accepted = []
    with get_client(sync_client=True) as client:
        for parameters, _ in FORMS:
            try:
                run = client.create_flow_run_from_deployment(deployment, parameters=parameters)
            except PrefectHTTPStatusError as error:
                accepted.append(error.response.status_code != 409)
            else:
                accepted.append(True)
                client.delete_flow_run(run.id)

    assert accepted == [is_accepted for _, is_accepted in FORMS]


def test_window_is_whole_days_in_the_zone_of_the_source():
    one = Window(first=date(2022, 3, 11), last=date(2022, 3, 11), zone=SHANGHAI)

    assert (one.start, one.end) == (
        datetime(2022, 3, 10, 16, tzinfo=UTC),
        datetime(2022, 3, 11, 16, tzinfo=UTC),
    )
    assert one.holds(datetime(2022, 3, 11, 15, 59, 59, tzinfo=UTC))
    assert not one.holds(datetime(2022, 3, 11, 16, tzinfo=UTC))
    assert one.holds(None)
    facts = {"published": "2022-03-11 23:59:59"}
    entry = Entry(source_article_id="1", channel="c", url="u", facts=facts)
    assert one.published(entry) == datetime(2022, 3, 11, 15, 59, 59, tzinfo=UTC)


def test_same_addresses_in_another_order_are_the_same_plan(desk):
    one = windows.ask_for(desk.settings, "finews", urls=["a", "b", "a"])
    other = windows.ask_for(desk.settings, "finews", urls=["b", "a"])

    assert one.urls == ("a", "b")
    assert one.plan == other.plan
    assert one.plan != windows.ask_for(desk.settings, "finews", urls=["a"]).plan


# --- as Prefect shows it ---------------------------------------------------------------


def test_prefect_shows_progress_chunks_and_a_table(desk, fill):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        ArtifactFilter,
        ArtifactFilterFlowRunId,
        FlowRunFilter,
        FlowRunFilterId,
    )

    fill("finews", **window("2022-03-11", "2022-03-13"))

    with get_client(sync_client=True) as client:
        name = "backfill finews 2022-03-11 to 2022-03-13"
        runs = client.read_flow_runs(limit=50, sort="EXPECTED_START_TIME_DESC")
        run = next(one for one in runs if one.name == name)
        assert {"copydesk", "backfill", "finews"} <= set(run.tags)
        artifacts = {
            one.type: one
            for one in client.read_artifacts(
                artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
            )
        }
        tasks = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        )
    assert artifacts["progress"].data == 100
    assert '"new"' in artifacts["table"].data
    assert all(not task.tags for task in tasks)
    assert any("listing market-38, page 1" in task.name for task in tasks)
