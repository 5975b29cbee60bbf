"""The pages of ``copydesk browse`` on a newsroom: content, formats, errors."""

from __future__ import annotations

import csv
import io
from urllib.parse import parse_qs, urlsplit

import feedparser
import pytest
from bs4 import BeautifulSoup

from flows.web.browse.pages import HITS_EACH, ROWS_EACH
from flows.web.browse.pool import SnapshotPool
from tests.integration.web.conftest import CORRECTED, EVIL, HOSTILE, NEW, ORIGIN
from warehouse import connect_read_only
from warehouse.read.article import read_article, read_sightings
from warehouse.read.latest import read_latest

PAGES = {
    "/articles": {},
    "/article": {"id": CORRECTED},
    "/sources": {},
    "/source": {"name": "finews"},
    "/quarantine": {"state": "closed"},
    "/gaps": {},
    "/runs": {},
    "/sql": {"sql": "select source, count(*) from articles group by all"},
}


def cells(text):
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def links(page):
    soup = BeautifulSoup(page.text, "lxml")
    return [one["href"] for one in soup.select("a[href]") if one["href"].startswith("/")]


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_also_json_and_csv_and_names_them(desk, path):
    page = desk.get(path, **PAGES[path])
    rows = cells(desk.get(f"{path}.csv", **PAGES[path]).text)
    document = desk.json(path, **PAGES[path])

    assert {f"{path}.json", f"{path}.csv"} <= {urlsplit(one).path for one in links(page)}
    assert rows
    assert document
    assert page.headers["cache-control"] == "no-store"


def test_every_link_of_every_page_leads_to_a_page(desk):
    waiting, seen = ["/articles?q=央行", "/quarantine?state=closed"], set()
    while waiting:
        url = waiting.pop()
        path = urlsplit(url).path
        if path in seen:  # one of each kind
            continue
        seen.add(path)
        page = desk.get(url)
        if "html" in page.headers["content-type"]:
            waiting += links(page)

    assert seen >= {*PAGES, "/quarantine/failure", "/article/body", "/source.atom", "/articles.csv"}


def test_pages_of_a_search_hold_each_article_once_and_the_days_hold_all(desk):
    found, number = [], 1
    while rows := desk.json("/articles", q="央行", page=number)["articles"]:
        found += [one["article_id"] for one in rows]
        number += 1
    document = desk.json("/articles", q="央行")

    assert len(found) > HITS_EACH
    assert len(set(found)) == len(found) == document["total"]
    assert sum(one["count"] for one in document["days"]) == document["total"]
    assert document["content_count"] == document["indexed_count"]


def test_parts_of_the_list_hold_each_article_once_the_newest_first(desk):
    parts = [desk.json("/articles", page=number)["articles"] for number in range(1, 7)]
    rows = [one for part in parts for one in part]

    assert [len(part) for part in parts] == [ROWS_EACH] * 4 + [3, 0]
    assert len({one["article_id"] for one in rows}) == 203
    times = [one["published_at"] for one in rows]
    assert times == sorted(times, reverse=True)


def test_list_and_search_are_limited_to_a_source_and_to_days(desk):
    for query in ({}, {"q": "Harbour"}):
        rows = desk.json(
            "/articles", source="harbour_wire", since="2026-09-01", until="2026-10-15", **query
        )["articles"]

        assert rows
        assert {one["source"] for one in rows} == {"harbour_wire"}
        assert all("2026-09-01" <= one["published_at"][:10] <= "2026-10-15" for one in rows)


def test_article_page_has_text_revisions_sightings_and_duplicates(desk):
    found = desk.json("/article", id=CORRECTED)
    before, after = found["revisions"]

    assert found["article"]["text"] == NEW
    assert before["diff"] is None
    assert [one for one in after["diff"]["text"] if one["kind"] != "equal"] == [
        {"kind": "delete", "text": "0.25"}, {"kind": "insert", "text": "0.5"},
    ]  # fmt: skip
    assert {one["content_hash"] for one in found["sightings"]} == {
        before["content_hash"], after["content_hash"],
    }  # fmt: skip
    assert [(one["other_article_id"], one["kind"]) for one in found["duplicates"]] == [
        ("gazette:copy", "same")
    ]
    page = BeautifulSoup(desk.get("/article", id=CORRECTED).text, "lxml")
    assert page.select_one(".changes del").text == "0.25"
    assert page.select_one(".changes ins").text == "0.5"


def test_article_by_its_key_is_the_row_of_the_views(desk):
    with connect_read_only(desk.browse.settings.warehouse.snapshot) as db:
        for article_id in (CORRECTED, HOSTILE):
            found = db.execute("FROM articles WHERE article_id = ?", [article_id])
            names = [one[0] for one in found.description]
            row = dict(zip(names, found.fetchone(), strict=True))
            by_key = read_article(db, article_id)
            sightings = db.execute(
                "SELECT content_hash, channels, url, title, first_seen_at, last_seen_at "
                "FROM sightings WHERE article_id = ? ORDER BY first_seen_at, content_hash",
                [article_id],
            ).fetchall()

            lists = {name: list(row[name]) for name in ("authors", "categories", "tags", "media")}
            assert {**by_key, **{name: list(by_key[name]) for name in lists}} == {
                name: value
                for name, value in {**row, **lists}.items()
                if name not in ("revision_count", "duplicate_count")
            }
            assert [
                tuple(list(value) if isinstance(value, tuple) else value for value in one.values())
                for one in read_sightings(db, article_id)
            ] == sightings
        assert read_article(db, "finews:unknown") is None


def test_latest_articles_are_rows_of_the_view(desk):
    sql = """
        SELECT article_id, source, title, publisher, language, published_at, published_on, url,
               revision_count, duplicate_count, state, first_seen_at
        FROM articles
    """
    with connect_read_only(desk.browse.settings.warehouse.snapshot) as db:
        rows = [tuple(one.values()) for one in read_latest(db, limit=1000)]

        assert sorted(rows) == sorted(db.execute(sql).fetchall())
    assert max(one[8] for one in rows) == max(one[9] for one in rows) + 1 == 2


def test_source_page_has_its_health_and_articles(desk):
    rows = {one["source"]: one for one in desk.json("/sources")["rows"]}
    found = desk.json("/source", name="gazette")

    assert rows["wanbao"]["state"] == "not_configured"
    assert rows["gazette"] == found["source"]
    assert rows["gazette"]["article_count"] > 0
    assert {one["source"] for one in found["articles"]} == {"gazette"}
    assert found["channels"][0]["channel"] == "feed"


def test_quarantine_has_what_was_expected_and_found(desk):
    states = {state: desk.json("/quarantine", state=state)["rows"] for state in ("open", "closed")}
    rows = [*states["open"], *states["closed"]]
    one = rows[0]
    (failure,) = desk.json("/quarantine/failure", id=one["quarantine_id"])["rows"]

    assert [len(rows) for rows in states.values()] == [1, 1]
    assert (one["expected"], one["found"][:4]) == ("one element h1.title", "=1+1")
    assert [one["url"] for one in states["closed"]] == ["https://press.example/4"]
    assert failure["quarantine_id"] == one["quarantine_id"]
    assert failure["page"].startswith("<html>=1+1")


@pytest.mark.parametrize(
    ("path", "query"),
    [("/articles", {}), ("/articles", {"q": "alert"}), ("/source", {"name": "generic"})],
)
def test_feed_is_valid_and_holds_a_hostile_title_as_text(desk, path, query):
    answer = desk.get(f"{path}.atom", **query)
    feed = feedparser.parse(answer.content, response_headers=dict(answer.headers))

    assert not feed.bozo
    assert feed.version == "atom10"
    assert feed.feed.id.startswith("urn:uuid:")
    assert len({one.id for one in feed.entries}) == len(feed.entries) > 0
    assert all(one.updated_parsed and one.link for one in feed.entries)
    if path == "/source" or query:
        titles = [BeautifulSoup(answer.content, "xml").entry.title.text]
        assert titles == ["=1+1 <script>alert('x')</script> & ]]>"]


def test_feed_of_a_search_is_the_newest_first_whatever_the_port(desk):
    one, other = (desk.ask(f"{origin}/articles.atom?q=央行") for origin in (ORIGIN, "http://127.0.0.1:1"))  # fmt: skip
    times = [entry.published for entry in feedparser.parse(one.content).entries]

    assert times == sorted(times, reverse=True)
    assert feedparser.parse(one.content).feed.id == feedparser.parse(other.content).feed.id


@pytest.mark.parametrize("q", ["", "央行"])
def test_days_outside_of_all_calendars_are_no_filter(desk, q):
    found = desk.json("/articles", q=q, since="0001-01-01", until="9999-12-31")

    assert found["articles"] == desk.json("/articles", q=q)["articles"]


@pytest.mark.parametrize(
    "q", ['"', '""', "%", "'; drop", "\\", "\x00", "𠀀", "' '", "*:*", "\u202e"]
)
def test_any_search_has_an_answer(desk, q):
    desk.get("/articles", q=q)
    desk.get("/article", 404, id=q)


def test_missing_snapshot_is_a_page_that_names_the_step(desk, tmp_path, monkeypatch):
    link = tmp_path / "w.read.duckdb"
    monkeypatch.setattr(desk.browse, "pool", SnapshotPool(link, tmp_path / "w.duckdb"))

    assert "copydesk sync" in desk.get("/articles", 503).text
    assert "copydesk sync" in desk.json("/sources", 503)["error"]


def test_form_without_values_lists_all(desk):
    empty = desk.json("/articles", q="", source="", since="", until="")

    assert empty == desk.json("/articles")


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/nowhere", {}, 404),
        ("/article", {"id": "finews:corected"}, 404),
        ("/article/body", {"id": CORRECTED, "revision": 3}, 404),
        ("/source", {"name": "nobody"}, 404),
        ("/quarantine/failure", {"id": "1"}, 404),
        ("/article", {}, 400),
        ("/articles", {"page": 0}, 400),
        ("/articles", {"page": 101}, 400),
        ("/articles", {"since": "yesterday"}, 400),
        ("/articles", {"q": "x" * 1001}, 400),
        ("/runs", {"page": "x"}, 400),
    ],
)
def test_wrong_request_gets_a_page_with_the_reason(desk, path, query, status):
    page = desk.get(path, status, **query)

    assert BeautifulSoup(page.text, "lxml").select_one(".empty").text
    if not path.endswith("body"):
        assert desk.json(path, status, **query)["error"]


def test_unknown_article_names_the_nearest_one(desk):
    assert CORRECTED in desk.json("/article", 404, id="finews:corected")["error"]


def test_links_keep_the_filters(desk):
    page = desk.get("/articles", q="央行", since="2026-01-01", page=2)
    (before,) = BeautifulSoup(page.text, "lxml").select("a[rel=prev]")

    assert parse_qs(urlsplit(before["href"]).query) == {
        "q": ["央行"], "since": ["2026-01-01"], "page": ["1"],
    }  # fmt: skip


def test_cell_of_a_csv_is_no_formula(desk):
    (row,) = cells(desk.get("/articles.csv", source="generic").text)

    assert row["title"].startswith("'=1+1")
    assert EVIL.split("\u202e")[0] in row["title"]
