"""Identity: different articles stay apart and equal ones are one, whatever their ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html import escape

import pytest
from duckdb import DuckDBPyConnection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.pipeline.batch import FetchedPage
from flows.pipeline.identity import settle_ids
from flows.pipeline.steps import parse_fetched_page
from parsers import registry
from parsers.model import BadEntry, Entry, Listing, Page, Source
from warehouse import connect, transaction, upsert_articles
from warehouse.rows import UpsertCounts
from warehouse.upsert.observations import Observation

FEED = "https://gazette.example/feed.xml"
SITE = "https://gazette.example/"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TEXTS = (
    "The ferry came back to the harbour after nine weeks of repair.",
    "Fishermen complained about the new timetable of the early boat.",
    "港口管理处周四宣布，停航三周的航线从今天早上起恢复运行。",
    "票价不变，新的发动机每天少用三吨柴油。",
)
TITLES = ("Ferry returns", "Timetable", "渡轮复航", "票价")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item of a feed; an empty part is left out."""

    title: str = ""
    text: str
    link: str = ""
    guid: str = ""

    def xml(self) -> str:
        guid = f'<guid isPermaLink="false">{escape(self.guid)}</guid>' if self.guid else ""
        link = f"<link>{escape(self.link)}</link>" if self.link else ""
        text = f"<description>{escape(f'<p>{self.text}</p>')}</description>"
        return f"<item><title>{escape(self.title)}</title>{link}{guid}{text}</item>"


def items(count: int = 2, **common: str) -> list[Item]:
    """Different items that have some parts in common."""
    return [replace(Item(title=TITLES[n], text=TEXTS[n]), **common) for n in range(count)]


class Desk:
    """Runs over a feed or pages, with a warehouse in memory."""

    def __init__(self, db: DuckDBPyConnection) -> None:
        self.db = db
        self.runs = 0

    def sync(self, feed: Sequence[Item], *, identity: str = "link") -> UpsertCounts:
        source = registry.make_source("gazette", "feed", {"url": FEED, "identity": identity})
        text = (
            f"<rss version='2.0'><channel><title>Gazette</title><link>{SITE}</link>"
            f"{''.join(item.xml() for item in feed)}</channel></rss>"
        )
        page = Page(url=FEED, text=text, fetched_at=self._next_time())
        lines = registry.entries(source, Listing(channel="feed", url=FEED), page)
        assert [line.error for line in lines if isinstance(line, BadEntry)] == []
        entries = [line for line in lines if isinstance(line, Entry)]
        pages = [FetchedPage(entry, replace(page, entry=entry)) for entry in entries]
        return self._load(source, pages)

    def backfill(self, pages: dict[str, str]) -> UpsertCounts:
        source = registry.make_source("gazette", "generic", {})
        at = self._next_time()
        fetched = []
        for url, html in pages.items():
            entry = source.parser.entry_of(source, url)
            fetched.append(FetchedPage(entry, Page(url=url, text=html, fetched_at=at, entry=entry)))
        return self._load(source, fetched)

    def articles(self) -> dict[str, str]:
        """The id of each stored text."""
        found = self.db.execute("SELECT text, article_id FROM articles").fetchall()
        assert len({text for text, _ in found}) == len(found)
        return {text: article_id.removeprefix("gazette:") for text, article_id in found}

    def _next_time(self) -> datetime:
        self.runs += 1
        return NOON + timedelta(hours=self.runs)

    def _load(self, source: Source, pages: Sequence[FetchedPage]) -> UpsertCounts:
        parsed = [parse_fetched_page(source, one) for one in pages]
        observations = [one for one in parsed if isinstance(one, Observation)]
        assert len(observations) == len(parsed)
        with transaction(self.db):
            settled = settle_ids(self.db, observations)
            counts = upsert_articles(self.db, settled, run_id=f"run {self.runs}")
        return counts[source.slug]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with connect(":memory:") as db:
        yield Desk(db)


# --- one listing -----------------------------------------------------------------------


@pytest.mark.parametrize("identity", ["link", "guid"])
@pytest.mark.parametrize(
    "common",
    [
        {"guid": "0", "link": SITE + "a"},
        {"link": SITE},
        {"link": FEED},
        {"link": SITE + "live"},
        {"link": SITE + "live", "title": "Update"},
        {"guid": "0"},
        {"guid": SITE},
        {},
        {"title": "", "link": SITE},
    ],
    ids=str,
)
def test_different_items_are_different_articles(desk: Desk, common, identity: str):
    feed = items(4, **common)

    assert desk.sync(feed, identity=identity).new == 4
    assert desk.articles().keys() == set(TEXTS)
    assert desk.sync(feed, identity=identity) == UpsertCounts(unchanged=4)
    assert desk.sync(feed[::-1], identity=identity) == UpsertCounts(unchanged=4)


def test_items_with_one_guid_and_links_of_their_own_have_these_for_ids(desk: Desk):
    feed = [replace(item, link=f"{SITE}{n}") for n, item in enumerate(items(3, guid="0"))]

    desk.sync(feed, identity="guid")

    assert list(desk.articles().values()) == [f"{SITE}{n}" for n in range(3)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"link": SITE + "a?utm_campaign=world"}, {"link": SITE + "a?utm_campaign=sport"}),
        ({"link": SITE + "a", "guid": "a#0"}, {"link": SITE + "a", "guid": "a#1"}),
        ({"link": SITE + "a"}, {"link": SITE + "a"}),
        ({"link": SITE}, {"link": SITE}),
        ({"link": SITE + "a?spm=1&id=7"}, {"link": SITE + "a?id=7&fbclid=x"}),
    ],
)
def test_an_item_that_is_listed_twice_is_one_article(desk: Desk, one, other):
    first = items(1)[0]

    assert desk.sync([replace(first, **one), replace(first, **other)]).new == 1
    assert len(desk.articles()) == 1


def test_a_parameter_that_is_no_tracker_belongs_to_the_id(desk: Desk):
    feed = [replace(item, link=f"{SITE}news?id={n}") for n, item in enumerate(items(2))]

    desk.sync(feed)

    assert list(desk.articles().values()) == [f"{SITE}news?id=0", f"{SITE}news?id=1"]


# --- from run to run -------------------------------------------------------------------


@pytest.mark.parametrize(
    "common",
    [{"link": SITE + "live"}, {"link": SITE + "live", "guid": "0"}, {"link": SITE}, {"guid": "0"}],
    ids=str,
)
def test_ids_hold_while_the_listing_scrolls(desk: Desk, common):
    feed = items(4, **common)
    desk.sync(feed[:3])
    before = desk.articles()

    assert desk.sync(feed[2:3]) == UpsertCounts(unchanged=1)
    assert desk.sync(feed[1:]) == UpsertCounts(new=1, unchanged=2)
    after = desk.articles()
    assert {text: after[text] for text in before} == before


def test_the_first_owner_of_a_link_keeps_it_when_others_share_it(desk: Desk):
    first, second = items(2, link=SITE + "live")
    desk.sync([first])

    assert desk.sync([second, first]) == UpsertCounts(new=1, unchanged=1)
    assert desk.articles()[first.text] == SITE + "live"


@pytest.mark.parametrize("identity", ["link", "guid"])
def test_one_guid_for_every_article_never_replaces_an_earlier_one(desk: Desk, identity: str):
    feed = [replace(item, link=f"{SITE}{n}") for n, item in enumerate(items(4, guid="0"))]

    for item in feed:
        assert desk.sync([item], identity=identity).new == 1

    assert len(desk.articles()) == 4


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"link": f"{SITE}market", "guid": "day-1"}, {"link": f"{SITE}market", "guid": "day-2"}),
        ({"link": f"{SITE}market/1", "guid": "m"}, {"link": f"{SITE}market/2", "guid": "m"}),
    ],
)
def test_daily_reports_from_one_template_are_different_articles(desk: Desk, first, second):
    for index, turnover, common in ((3001, 401, first), (3055, 455, second)):
        title = f"Market close: index at {index}"
        text = f"The index closed at {index} points, and turnover was {turnover} billion crowns."
        desk.sync([Item(title=title, text=text, **common)])

    assert len(desk.articles()) == 2


def test_one_link_with_a_new_guid_for_each_article_never_replaces_an_earlier_one(desk: Desk):
    for number, item in enumerate(items(4, link=SITE + "live")):
        assert desk.sync([replace(item, guid=str(number))]).new == 1

    assert len(desk.articles()) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Ferry returns to the harbour"},
        {"text": TEXTS[0] + " The owner confirms it."},
        {"text": TEXTS[0] + " The owner confirms it.", "guid": "a#2"},
        {"title": "Quite another headline", "text": "And quite another text in it."},
    ],
    ids=str,
)
def test_a_corrected_item_is_a_revision(desk: Desk, change):
    item = Item(title=TITLES[0], text=TEXTS[0], link=SITE + "a", guid="a#1")
    desk.sync([item])

    assert desk.sync([replace(item, **change)]) == UpsertCounts(updated=1)


# --- pages -----------------------------------------------------------------------------


def page(number: int, canonical: str, *, title: str = "") -> str:
    title = title or TITLES[number]
    text = "".join(f"<p>{TEXTS[number]} {part} {TEXTS[number]}</p>" for part in "abc")
    return (
        f'<html><head><title>{title}</title><link rel="canonical" href="{canonical}"></head>'
        f"<body><article><h1>{title}</h1>{text}</article></body></html>"
    )


def test_pages_that_declare_their_section_as_canonical_stay_apart(desk: Desk):
    pages = {f"{SITE}news?id={number}": page(number, "/news") for number in range(4)}

    assert desk.backfill(pages).new == 4
    assert set(desk.articles().values()) == set(pages)
    assert desk.backfill(pages) == UpsertCounts(unchanged=4)
    for url, html in pages.items():
        assert desk.backfill({url: html}) == UpsertCounts(unchanged=1)


def test_pages_that_declare_one_canonical_url_stay_apart_in_runs_of_their_own(desk: Desk):
    pages = {f"{SITE}news?id={number}": page(number, "/news", title="News") for number in range(4)}

    for url, html in pages.items():
        assert desk.backfill({url: html}).new == 1
    for url, html in pages.items():
        assert desk.backfill({url: html}) == UpsertCounts(unchanged=1)
    assert len(desk.articles()) == 4


def test_variants_of_a_page_are_the_article_of_their_canonical_url(desk: Desk):
    variants = {
        f"{SITE}a": page(0, "/a"),
        f"{SITE}a/amp": page(0, "/a"),
        f"{SITE}a?p=1": page(0, "/a"),
    }

    assert desk.backfill(variants) == UpsertCounts(new=1, unchanged=2)
    assert list(desk.articles().values()) == [SITE + "a"]


# --- any listing -----------------------------------------------------------------------

LINKS = ["", SITE, SITE + "a", SITE + "a?utm_source=x", SITE + "b?id=1", SITE + "b?id=2", FEED]
ANY_ITEM = st.builds(
    Item,
    title=st.sampled_from(["", *TITLES]),
    text=st.sampled_from([*TEXTS, "Up 5%", "Down -5%", "5"]),
    link=st.sampled_from(LINKS),
    guid=st.sampled_from(["", "0", "1", SITE, SITE + "a"]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ANY_ITEM, min_size=1, max_size=8), st.sampled_from(["link", "guid"]))
def test_no_item_of_any_listing_is_lost(feed: list[Item], identity: str):
    different = {(item.title or None, item.text) for item in feed}
    with connect(":memory:") as db:
        desk = Desk(db)

        desk.sync(feed, identity=identity)
        found = db.execute("SELECT title, text FROM articles").fetchall()
        again = desk.sync(feed, identity=identity)

        assert set(found) == different
        assert again == UpsertCounts(unchanged=len(found))


def test_pictures_without_a_text_share_no_text(desk: Desk) -> None:
    """They share a guid, as different articles do; two signs would make them one."""
    for number, title in enumerate(TITLES[:2]):
        picture = Item(
            title=title, text=f"<img src='{number}.jpg'>", link=f"{SITE}{number}", guid="1"
        )

        assert desk.sync([picture], identity="guid") == UpsertCounts(new=1)
