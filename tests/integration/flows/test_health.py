"""Health end to end: each drift of a site is named by the first run after it, and once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from flows.admin import health as admin
from flows.cli import demo_run
from flows.pipeline.health import record
from flows.reporting.events import events_of
from tests import site
from tests.integration.flows.conftest import Project
from tests.site import Fault
from tests.site.stories import LAST_EDITION

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
WORDS = [
    "harbour",
    "ferry",
    "council",
    "timetable",
    "ticket",
    "island",
    "fisherman",
    "lighthouse",
    "storm",
    "market",
    "museum",
    "bridge",
    "library",
    "school",
    "concert",
    "garden",
    "tower",
    "railway",
    "station",
    "bakery",
]
CONSENT = (
    "<html><head><title>Before you continue</title></head><body><main><h1>Before you continue</h1>"
    "<p>We use cookies and data. Please accept, or manage your choices.</p></main></body></html>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    number: int
    title: str
    author: str
    paragraphs: tuple[str, ...]
    canonical: str
    html: str = ""


Change = Callable[[Story], Story]


@dataclass
class Gazette:
    """A newspaper at the test site: a feed, and pages that a drift may change."""

    host: str
    faults: dict[str, Fault]
    stories: list[Story] = field(default_factory=list)
    listed: int = 20

    def publish(self, count: int, change: Change = lambda story: story) -> None:
        """Publish some more stories, and list the last ones."""
        for _ in range(count):
            story = change(self._story(len(self.stories) + 1))
            self.stories.append(story)
            self.faults[f"/gazette/{story.number:04}"] = answer(self._page(story))
        self.list_stories(self.stories[-self.listed :])

    def list_stories(self, stories: list[Story]) -> None:
        items = "".join(
            f"<item><title>{one.title}</title><link>{self.host}/gazette/{one.number:04}</link>"
            f"<guid>story {one.number}</guid></item>"
            for one in reversed(stories)
        )
        feed = (
            f"<rss version='2.0'><channel><title>Gazette</title><link>{self.host}/</link>"
            f"{items}</channel></rss>"
        )
        self.faults["/gazette/feed.xml"] = answer(feed)

    def _story(self, number: int) -> Story:
        random = Random(number)  # noqa: S311  # the same in every run
        sentences = [
            " ".join(random.choices(WORDS, k=12)).capitalize() + f" in the year {1900 + number}."
            for _ in range(12)
        ]
        return Story(
            number=number,
            title=f"{random.choice(WORDS)} and {random.choice(WORDS)} meet {number}".capitalize(),
            author="Mara Quill",
            paragraphs=tuple(sentences),
            canonical=f"{self.host}/gazette/{number:04}",
        )

    def _page(self, story: Story) -> str:
        if story.html:
            return story.html
        text = "".join(f"<p>{one}</p>" for one in story.paragraphs)
        author = f'<meta name="author" content="{story.author}">' if story.author else ""
        return (
            f'<html lang="en"><head><title>{story.title} | Gazette</title>{author}'
            f'<link rel="canonical" href="{story.canonical}"></head>'
            f"<body><main><article><h1>{story.title}</h1>{text}</article></main></body></html>"
        )


def answer(body: str) -> Fault:
    return Fault(status=200, body=body.encode())


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Iterator[tuple[Project, Gazette]]:
    """A newspaper that three ordinary runs have read; not to be changed."""
    faults: dict[str, Fault] = {}
    folder = tmp_path_factory.mktemp("published")
    with site.serve(faults=lambda target, _turn: faults.get(target)) as news_site:
        config = demo_run.write_config(
            folder, port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        host = f"http://127.0.0.1:{news_site.port}"
        with config.open("a", encoding="utf-8") as file:
            file.write(
                f'\n[sources.gazette]\nparser = "feed"\nurl = "{host}/gazette/feed.xml"\n'
                "full_text = true\n"
            )
        project, paper = Project(folder, news_site), Gazette(host, faults)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(record, "now", lambda: START)
            for count in (20, 6, 6):
                paper.publish(count)
                assert project.sync("gazette").warnings == ()
        yield project, paper


@pytest.fixture
def project(published, tmp_path) -> Project:
    """A copy of its project."""
    folder = tmp_path / "project"
    shutil.copytree(published[0].folder, folder, symlinks=True)
    return Project(folder, published[0].news_site)


@pytest.fixture
def gazette(published) -> Gazette:
    """The newspaper as the project has read it, with a short feed."""
    paper = replace(published[1], stories=list(published[1].stories), listed=6)
    paper.list_stories(paper.stories[-6:])
    return paper


class Clock:
    """The time of the runs, which a test advances."""

    def __init__(self) -> None:
        self.now = START

    def advance(self, **passed: float) -> None:
        self.now += timedelta(**passed)


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(record, "now", lambda: found.now)
    return found


def findings(report) -> set[tuple[str, str]]:
    """Kind and field of the deviations that a run found first."""
    (stats,) = report.stats
    return {(one.kind, one.field) for one in stats.health.opened}


DRIFTS: dict[str, tuple[Change, tuple[str, str]]] = {
    "authors": (lambda one: replace(one, author=""), ("field_missing", "authors")),
    "bodies": (lambda one: replace(one, paragraphs=one.paragraphs[:1]), ("short_bodies", "")),
    "text": (
        lambda one: replace(one, paragraphs=("The same notice about the ferry to the island.",) * 9),
        ("same_text", ""),
    ),
    "canonical": (
        lambda one: replace(one, canonical=one.canonical[:-4] + "0001"),
        ("same_canonical_url", ""),
    ),
    "consent": (lambda one: replace(one, html=CONSENT), ("wrong_pages", "consent_page")),
    "error": (
        lambda one: replace(one, html="<html><body><h1>Internal error</h1></body></html>"),
        ("wrong_pages", "wrong_page"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DRIFTS)
def test_a_drift_of_the_pages_is_named_by_the_first_run_and_ends_with_them(project, gazette, name):
    change, expected = DRIFTS[name]
    gazette.publish(6, change)
    drifted = project.sync("gazette")
    again = project.sync("gazette", trigger="schedule")

    gazette.publish(8)
    normal = project.sync("gazette", trigger="schedule")

    assert expected in findings(drifted)
    assert drifted.exit_code == 3
    assert any(expected[1].replace("_", " ") in one for one in drifted.warnings)
    assert findings(again) == set()
    assert {(one.row.kind, one.row.field) for one in normal.stats[0].health.closed} >= {expected}
    closed = project.rows(
        "SELECT kind, closed_by = ? FROM health_findings".replace("?", f"'{normal.run_id}'")
    )
    assert (expected[0], True) in closed


def test_a_listing_without_entries_is_named_by_the_first_run(project, gazette):
    gazette.list_stories([])
    drifted = project.sync("gazette")
    gazette.publish(2)
    normal = project.sync("gazette")

    assert findings(drifted) == {("no_entries", "")}
    assert [one.row.kind for one in normal.stats[0].health.closed] == ["no_entries"]
    assert project.rows("SELECT open_finding_count FROM sources WHERE source = 'gazette'") == [(0,)]


def test_a_consent_page_in_the_place_of_the_listing_is_named_by_the_first_run(project, gazette):
    gazette.faults["/gazette/feed.xml"] = answer(CONSENT)
    drifted = project.sync("gazette")
    gazette.publish(2)
    normal = project.sync("gazette")

    assert findings(drifted) == {("unreadable_listing", "")}
    assert [one.row.kind for one in normal.stats[0].health.closed] == ["unreadable_listing"]


def test_a_listing_that_stops_moving_is_silent_until_it_moves(project, gazette, clock):
    for _ in range(5):
        clock.advance(days=3)
        gazette.publish(1)
        assert project.sync("gazette").warnings == ()

    clock.advance(days=10)
    quiet = project.sync("gazette")
    clock.advance(days=10)
    silent = project.sync("gazette")
    gazette.publish(1)
    moving = project.sync("gazette")

    assert findings(quiet) == set()
    assert findings(silent) == {("not_moving", "")}
    assert (silent.stats[0].health.state, moving.stats[0].health.state) == ("silent", "ok")
    found = project.rows(
        "SELECT health, normal_silence_hours > 240 FROM sources WHERE source = 'gazette'"
    )
    assert found == [("ok", True)]


def test_a_declared_range_of_articles_a_day_is_kept(project, gazette, clock):
    text = project.config.read_text(encoding="utf-8")
    project.config.write_text(text + "daily_range = [2, 5]\n", encoding="utf-8")
    found = []
    for count in (3, 7, 3, 1, 3):
        clock.advance(days=1)
        gazette.publish(count)
        found.append(findings(project.sync("gazette")))

    assert found == [set(), {("high_volume", "")}, set(), set(), {("low_volume", "")}]


def test_a_new_source_is_learning_and_names_what_it_needs(project):
    report = project.sync("ofweek")

    assert report.stats[0].health.state == "learning"
    (found,) = project.rows("SELECT health, learning FROM sources WHERE source = 'ofweek'")
    assert found[0] == "learning"
    assert "silence: 15 more days" in found[1]


def test_ordinary_editions_of_the_built_in_sources_raise_no_finding(tmp_path):
    with site.serve() as news_site:
        demo_run.write_config(tmp_path, port=news_site.port, article_url=demo_run.ARTICLE_URL)
        project = Project(tmp_path, news_site)
        for edition in range(1, LAST_EDITION + 1):
            news_site.edition = edition
            report = project.sync("finews", "woshipm", "ofweek")
            assert [one for stats in report.stats for one in stats.health.opened] == []


def test_statistics_have_volume_coverage_and_provenance_of_each_day(project, gazette):
    rows = project.rows(
        "SELECT sum(run_count), sum(new_count), sum(parsed_count), max(max_entry_count), "
        "any_value(fields ->> '$.authors.from') FROM channel_days WHERE source = 'gazette'"
    )

    assert [row[:4] for row in rows] == [(3, 32, 32, 20)]
    assert list(json.loads(rows[0][4]).values()) == [32]


def test_an_idle_run_adds_no_row(project, gazette):
    tables = ("channel_days", "channel_states", "source_health", "health_findings")
    count = " + ".join(f"(SELECT count(*) FROM _store.{name})" for name in tables)
    before = project.rows(f"SELECT {count}")

    project.sync("gazette")

    assert project.rows(f"SELECT {count}") == before


def test_events_name_what_deviates_and_what_recovered(project, gazette):
    gazette.list_stories([])
    drifted = list(events_of(project.sync("gazette")))
    gazette.publish(1)
    normal = list(events_of(project.sync("gazette")))

    sent = {name: payload for name, _, payload in drifted}["copydesk.source.unhealthy"]
    assert [(one["kind"], one["found"]) for one in sent["findings"]] == [
        ("no_entries", "no entries")
    ]
    assert "copydesk.source.recovered" in {name for name, _, _ in normal}


# --- copydesk health -----------------------------------------------------------------------


def health_json(run_cli, project, *arguments):
    code, out, _ = run_cli("--config", project.config, "--json", "health", *arguments)
    return code, {one["source"]: one for one in json.loads(out)["sources"]}


def test_health_has_a_row_for_each_source_with_its_normal(run_cli, project, gazette):
    code, found = health_json(run_cli, project)

    assert code == 0
    assert found["gazette"]["state"] == "learning"
    assert {one["state"] for name, one in found.items() if name != "gazette"} == {"no_run"}
    assert found["gazette"]["coverage"]["authors"] == 1.0
    assert sum(found["gazette"]["provenance"]["authors"].values()) == 32
    assert found["gazette"]["new_articles_7_days"] == 32
    assert found["gazette"]["last_success_at"] is not None


def test_health_ends_with_exit_code_3_while_a_source_deviates(run_cli, project, gazette):
    gazette.list_stories([])
    project.sync("gazette")

    code, found = health_json(run_cli, project, "gazette")
    plain_code, text, _ = run_cli("--config", project.config, "health")

    assert (code, plain_code) == (3, 3)
    assert found["gazette"]["state"] == "warning"
    assert [one["kind"] for one in found["gazette"]["findings"]] == ["no_entries"]
    assert "! gazette: the listing is empty" in text


def test_accepted_values_are_the_normal_from_then_on(run_cli, project, gazette, clock):
    change, _ = DRIFTS["authors"]
    gazette.publish(6, change)
    project.sync("gazette")

    code, out, _ = run_cli("--config", project.config, "--json", "health", "gazette", "--accept")
    gazette.publish(6, change)
    after = project.sync("gazette")

    assert code == 0
    assert [one["field"] for one in json.loads(out)["accepted"]] == ["authors"]
    assert findings(after) == set()
    assert after.stats[0].health.state == "learning"
    closed = project.rows("SELECT closed_by FROM health_findings")
    assert closed == [("accepted",)]


@pytest.mark.parametrize(
    "arguments", [("nowhere",), ("--accept",), ("ofweek", "--accept")], ids=" ".join
)
def test_health_of_what_is_not_there_is_a_usage_error(run_cli, project, arguments):
    code, _, err = run_cli("--config", project.config, "health", *arguments)

    assert code == 2
    assert err


def test_a_source_whose_sync_failed_is_failing(run_cli, project, gazette):
    gazette.faults["/gazette/feed.xml"] = answer(CONSENT)
    project.sync("gazette")

    code, found = health_json(run_cli, project, "gazette")

    assert (code, found["gazette"]["state"]) == (3, "failing")


def test_a_source_whose_schedule_did_not_run_is_overdue(project, gazette):
    text = project.config.read_text(encoding="utf-8")
    project.config.write_text(text + 'schedule = "0 * * * *"\n', encoding="utf-8")
    now = datetime.now(UTC)

    soon, late = (
        admin.report(project.settings, source="gazette", now=now + timedelta(hours=hours))
        for hours in (2, 27)
    )

    assert ([one.state for one in soon], [one.state for one in late]) == (["learning"], ["overdue"])
