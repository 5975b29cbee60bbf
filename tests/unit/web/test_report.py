"""The report: its figures are those of the warehouse, and a section without data says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from bs4 import BeautifulSoup, Tag
from duckdb import DuckDBPyConnection

from flows.web.report import make_report
from tests.newsroom import END, SOURCES, fill
from tests.unit.warehouse.factories import HOUR, NOON, article, upsert
from warehouse import connect, transaction
from warehouse.records import runs

UNHEALTHY = ["ofweek", "wanbao", "morgenblatt"]
ZONE = ZoneInfo("Asia/Shanghai")
SECTIONS = [
    "overview", "volume", "delay", "changes", "publishers", "sources", "coverage", "fetches",
    "syndication", "gaps", "quarantine",
]  # fmt: skip


@pytest.fixture(scope="module")
def newsroom() -> Iterator[DuckDBPyConnection]:
    with connect(":memory:") as db:
        fill(db, 1500, text_length=60)
        yield db


@pytest.fixture(scope="module")
def page(newsroom: DuckDBPyConnection) -> BeautifulSoup:
    return report(newsroom, END)


@pytest.fixture
def db() -> Iterator[DuckDBPyConnection]:
    with connect(":memory:") as connection:
        yield connection


def report(db: DuckDBPyConnection, at: datetime = NOON) -> BeautifulSoup:
    return BeautifulSoup(make_report(db, at=at, zone=ZONE).html, "lxml")


def table(page: BeautifulSoup, css: str) -> list[list[str]]:
    """The cells of the rows of the first table that matches."""
    found = page.select_one(css)
    assert isinstance(found, Tag), css
    return [[cell.get_text().strip() for cell in row.select("th, td")] for row in found.select("tbody tr")]  # fmt: skip


def figures(page: BeautifulSoup, key: str) -> list[list[str]]:
    return table(page, f"#chart-{key} details table")


def cards(page: BeautifulSoup) -> dict[str, str]:
    return {card.dt.get_text(): card.dd.get_text() for card in page.select(".card")}


def count(db: DuckDBPyConnection, sql: str) -> str:
    (found,) = db.execute(sql).fetchone() or (None,)
    return f"{found:,}"


def test_the_page_has_every_section_and_a_link_to_it(page):
    assert [section["id"] for section in page.select("section")] == SECTIONS
    assert [link["href"] for link in page.select("nav a")] == [f"#{name}" for name in SECTIONS[1:]]
    assert page.html["lang"] == "en"
    assert page.title.get_text() == "Corpus report, 30 Nov 2026"


def test_a_full_warehouse_leaves_no_section_empty(page):
    assert [one.get_text() for one in page.select(".empty")] == []
    assert [one["id"].removeprefix("chart-") for one in page.select("figure")] == [
        "volume", "months", "delays", "changes", "activity", "durations", "failures",
    ]  # fmt: skip


def test_the_overview_counts_what_is_stored(page, newsroom):
    found = cards(page)

    assert found["articles"] == "1,500"
    assert found["sources"] == str(len(SOURCES))
    assert found["different texts"] == count(newsroom, "SELECT count(DISTINCT content_hash) FROM articles")  # fmt: skip
    assert found["in quarantine"] == count(newsroom, "SELECT count(*) FROM quarantine WHERE resolved_at IS NULL")  # fmt: skip
    assert found["open gaps"] == "2"


def test_volume_by_day_and_by_month_count_each_article_once(page, newsroom):
    by_day, by_month = figures(page, "volume"), figures(page, "months")

    assert len(by_day) <= 90
    days = "SELECT count(*) FROM articles WHERE published_on > (SELECT max(published_on) FROM articles) - 90"
    assert f"{sum(int(cell) for row in by_day for cell in row[1:]):,}" == count(newsroom, days)
    assert sum(int(cell.replace(",", "")) for row in by_month for cell in row[1:]) == 1500


def test_publishers_have_their_language_and_are_in_order_of_their_articles(page):
    rows = table(page, "#publishers table")
    counts = [int(row[1].replace(",", "")) for row in rows]

    assert counts == sorted(counts, reverse=True)
    languages = {one.get_text(): one.get("lang") for one in page.select("#publishers th bdi")}
    assert languages["示例晚報"] == "zh-TW"
    assert languages["Harbour Wire"] == "en"


def test_unhealthy_sources_come_first_and_their_findings_are_explained(page):
    rows = table(page, "#sources table")
    states = {row[0]: row[1] for row in rows}
    assert [row[0] for row in rows[: len(UNHEALTHY)]] == UNHEALTHY
    assert [states[name] for name in UNHEALTHY] == ["failing", "warning", "silent"]
    assert any(
        "ofweek" in one.get_text() and "HTTP 503 after 3 attempts" in one.get_text()
        for one in page.select(".findings li")
    )
    assert any(
        "wanbao" in one.get_text()
        and "articles have no publisher in channel feed" in one.get_text()
        for one in page.select(".findings li")
    )


def test_fetches_have_durations_and_failures(page, newsroom):
    rows = {row[0]: row for row in table(page, "#fetches > .scroll table")}
    sql = """
        SELECT count(*) FROM fetches WHERE source = 'finews' AND error IS NOT NULL
        AND fetched_at > (SELECT max(fetched_at) FROM fetches) - INTERVAL 90 DAY
    """
    assert rows["finews"][2] == count(newsroom, sql)
    assert all(row[-2].endswith(" ms") for row in rows.values())
    errors = [row[0] for row in table(page, "#fetches > .scroll ~ .scroll table")]
    assert sorted(errors) == ["gone 404", "server error 503", "timeout"]
    assert {cell for row in figures(page, "failures") for cell in row[1:]} >= {"0", "1"}


def test_an_empty_warehouse_is_explained_in_every_section(db):
    page = report(db)

    without = [
        section["id"]
        for section in page.select("section")
        if not section.select(".empty") or section.select("figure, table")
    ]
    assert without == []
    assert cards(page)["articles"] == "0"


def test_delay_is_from_publication_to_the_first_fetch_by_a_sync(db):
    runs.start_run(db, flow="sync", sources=["finews"], code_version="1", run_id="sync", at=NOON)
    runs.start_run(db, flow="import", sources=["finews"], code_version="1", run_id="import", at=NOON)  # fmt: skip
    early = article(2, "后天", published_at=NOON + HOUR)
    by_day = article(3, "某日", published_precision="day")
    upsert(db, article(1), early, by_day, run_id="sync")
    upsert(db, article(4, "旧闻", published_at=NOON - 900 * HOUR), run_id="import")
    # A later content of the same article has no delay of its own.
    upsert(db, replace(article(1, "更正"), fetched_at=NOON + 50 * HOUR), run_id="sync")

    page = report(db)

    assert table(page, "#delay > .scroll table") == [["finews", "1", "60 min", "60 min", "1"]]
    assert figures(page, "delays") == [["1 h to 6 h", "1"]]


def test_days_of_runs_are_those_of_the_zone(db):
    at = datetime(2026, 3, 14, 17, tzinfo=UTC)
    runs.start_run(db, flow="sync", sources=["finews"], code_version="1", run_id="sync", at=at)
    db.execute("UPDATE _store.runs SET new = 3")

    assert figures(report(db), "changes") == [["15 Mar 2026", "3", "0", "0"]]


def test_implausible_days_of_publication_are_named_and_not_drawn(db):
    known = article(1, published_on=NOON.date())
    future = article(2, "将来", published_on=NOON.date() + timedelta(days=400))
    unknown = article(3, "无日期", published_at=None, published_on=None)
    upsert(db, known, future, unknown)

    page = report(db)

    assert figures(page, "volume") == [["14 Mar 2026", "1"]]
    note = page.select("#volume .note")[-1].get_text()
    assert re.findall(r"\b1 with(?:out)?\b", note) == ["1 without", "1 with"]


def test_many_years_are_drawn_by_year(db):
    upsert(
        db, article(1, published_on=date(1998, 5, 1)), article(2, "今天", published_on=NOON.date())
    )

    page = report(db)

    assert figures(page, "months") == [["1998", "1"], ["2026", "1"]]
    overview = page.select_one("#overview").get_text()
    assert overview.index("1 May 1998") < overview.index("14 Mar 2026")


def test_the_smaller_of_many_sources_share_a_colour_and_the_page_stays_small(db):
    sources = [f"source-{i:03}" for i in range(150)]
    rows = [article(f"{s}-{i}", f"{s} {i}", source=s, published_on=NOON.date()) for i, s in enumerate(sources)]  # fmt: skip
    upsert(db, *rows, article("more", "又一篇", source="source-149", published_on=NOON.date()))
    with transaction(db):
        db.execute(
            "INSERT INTO _store.channel_days SELECT source, 'c', DATE '2026-03-14' - i::INTEGER, 1, 1, 1, 1, 1, 1,"
            " 0, 0, 0, 1, 0, '{}', '{}' FROM articles, range(90) t(i)"
        )

    page = report(db)

    heads = [one.get_text() for one in page.select("#chart-volume thead th")]
    assert (len(heads), heads[1], heads[-1]) == (9, "source-149", "other sources")
    assert len(str(page).encode()) < 1_000_000
    assert "100 of 150 sources are shown." in page.select_one("#sources").get_text()
    assert page.select_one("#chart-activity figcaption").get_text().endswith(": 20 of 150 sources")


def test_a_syndicated_text_names_the_first_article_and_its_copies(db):
    first = article(
        1, "同一篇", source="wire", publisher="示例通讯社", published_at=NOON - 5 * HOUR
    )
    copies = [
        replace(article(1, "同一篇", source=source, publisher=name), fetched_at=NOON + HOUR)
        for source, name in (("gazette", "示例日报"), ("wanbao", "示例晚报"))
    ]
    upsert(db, first)
    upsert(db, *copies)

    page = report(db)

    (story,) = table(page, "#syndication table")
    assert (story[0], story[1], story[3], story[4]) == (
        "同一篇",
        "示例通讯社",
        "2",
        "示例日报, 示例晚报",
    )
