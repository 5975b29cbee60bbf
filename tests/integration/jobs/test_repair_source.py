"""``copydesk sources repair``, from a redesign of the test site to the replay of its pages."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest

from flows import cli
from tests.e2e.project import Project
from tests.integration.jobs.test_sitemap_source import NOW, make, numbers, site
from tests.site import gazette, redesign
from tests.site.gazette import GazetteSite, Story

__all__ = ["make", "site"]

STORIES = [Story(number=100 + n, at=NOW - timedelta(hours=2 + 5 * n)) for n in range(24)]
LATER = [Story(number=200 + n, at=NOW - timedelta(minutes=9 + n)) for n in range(3)]
SELECT = "select = { " + ", ".join(f"{k} = '{v}'" for k, v in redesign.SELECT.items()) + " }"
OPTIONS = f"# the gazette of the harbour\n{SELECT}  # by hand\ntime_zone = 'UTC'"


@pytest.fixture
def redesigned(site: GazetteSite, make: Any) -> Project:
    """A source whose pages changed after its first sync; three new pages are in quarantine."""
    site.pages |= {one.path: redesign.before(one) for one in STORIES}
    site.pages["/feed.xml"] = gazette.feed(STORIES)
    project: Project = make("/feed.xml", f"full_text = true\n{OPTIONS}", "feed")
    project.sync("gazette")
    lay_out(site, [*LATER, *STORIES])
    site.pages["/feed.xml"] = gazette.feed([*LATER, *STORIES])
    assert project.sync("gazette").totals()["quarantined"] == 3
    site.requests.clear()
    return project


class Terminal(io.StringIO):
    """Standard input at a terminal."""

    def isatty(self) -> bool:
        return True


def lay_out(site: GazetteSite, stories: list[Story]) -> None:
    site.pages |= {one.path: redesign.after(one, STORIES[:3]) for one in stories}


def repair(project: Project, capfd: Any, *arguments: str) -> tuple[int, Any]:
    """Exit code and JSON document."""
    capfd.readouterr()
    command = ["sources", "repair", "gazette", "--config", str(project.config), "--json"]
    code = cli.run([*command, *arguments])
    return code, json.loads(capfd.readouterr().out)


def test_redesign_is_repaired_and_the_replay_reads_the_pages_in_quarantine(redesigned, capfd):
    code, found = repair(redesigned, capfd, "--write", "--yes")

    assert (code, found["written"], found["failures"]) == (0, True, [])
    assert (found["training_pages"], found["held_back_pages"]) == (8, 16)
    shares = {one["field"]: (one["before"], one["after"]) for one in found["fields"]}
    none, whole = {"right": 0, "total": 16}, {"right": 16, "total": 16}
    assert shares == dict.fromkeys(redesign.SELECT, (none, whole))
    assert redesigned.replay(source="gazette").state == "completed"
    assert numbers(redesigned) == [*range(100, 124), *range(200, 203)]
    rows = redesigned.rows(
        "SELECT title, published_at, authors, publisher, text FROM articles "
        "WHERE title LIKE 'Harbour report 2%' ORDER BY title"
    )
    assert rows == [
        (
            one.title,
            one.at,
            [redesign.writer(one)],
            redesign.desk(one),
            "\n\n".join(redesign.paragraphs(one)),
        )
        for one in LATER
    ]


def test_written_selectors_keep_the_rest_of_the_configuration(redesigned, capfd):
    before = redesigned.config.read_text("utf-8")

    _, found = repair(redesigned, capfd, "--write", "--yes")

    after = redesigned.config.read_text("utf-8")
    assert [line for line in after.splitlines() if not line.startswith("select")] == [
        line for line in before.splitlines() if not line.startswith("select")
    ]
    assert after.count("# by hand") == 1
    select = redesigned.settings.source("gazette").options["select"]
    assert set(select) == {
        f"{key.removeprefix('select.')}={css}" for key, css in found["changes"].items()
    }


def test_nothing_is_written_without_confirmation_and_pages_are_archived(redesigned, site, capfd):
    before = redesigned.config.read_text("utf-8")

    code, found = repair(redesigned, capfd)

    assert (code, found["written"]) == (0, False)
    assert redesigned.config.read_text("utf-8") == before
    assert sorted(set(site.requests) - {"/robots.txt"}) == sorted(one.path for one in STORIES)
    sql = "SELECT count(*) FROM fetches WHERE run_id = ? AND archive_file IS NOT NULL"
    assert redesigned.rows(sql.replace("?", f"'{found['run_id']}'")) == [(24,)]


@pytest.mark.parametrize(("answer", "code", "is_written"), [("y\n", 0, True), ("n\n", 1, False)])
def test_on_a_terminal_the_table_is_shown_and_a_question_asked(
    redesigned, monkeypatch, capfd, answer, code, is_written
):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    before = redesigned.config.read_text("utf-8")
    command = ["sources", "repair", "gazette", "--config", str(redesigned.config), "--write"]
    capfd.readouterr()

    assert cli.run(command) == code
    out, err = capfd.readouterr()
    assert [line.split()[0] for line in out.splitlines()[:6]] == [
        "key", "select.body", "select.title", "select.published", "select.authors",
        "select.publisher",
    ]  # fmt: skip
    assert ("quarantine replay --source gazette" in err) is is_written
    assert (redesigned.config.read_text("utf-8") != before) is is_written


def test_second_repair_finds_nothing_broken(redesigned, capfd):
    repair(redesigned, capfd, "--write", "--yes")

    code, found = repair(redesigned, capfd)

    assert (code, found["changes"], found["failures"]) == (0, {}, [])


def test_pages_without_marks_are_refused_with_the_names_of_the_fields(redesigned, site, capfd):
    site.pages |= {one.path: redesign.without_marks(one) for one in STORIES}
    before = redesigned.config.read_text("utf-8")

    code, found = repair(redesigned, capfd, "--write", "--yes")

    assert (code, found["written"]) == (3, False)
    assert {one.partition(":")[0] for one in found["failures"]} == set(redesign.SELECT)
    assert all("right on 0 of 16 held-back pages" in one for one in found["failures"])
    assert redesigned.config.read_text("utf-8") == before


def test_unreachable_pages_end_with_exit_code_1(redesigned, site, capfd):
    for one in STORIES:
        del site.pages[one.path]

    code, found = repair(redesigned, capfd)

    assert code == 1
    assert "0 of 24 pages" in found["error"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sources", "repair", "gazete"], "no source 'gazete'"),
        (["sources", "repair", "gazette", "--write"], "add --yes"),
        (["sources", "repair", "gazette", "--pages", "2"], "--pages"),
    ],
)
def test_wrong_use_ends_with_exit_code_2(make, capfd, arguments, message):
    project = make("/feed.xml", f"full_text = true\n{OPTIONS}", "feed")

    code = cli.run([*arguments, "--config", str(project.config)])

    assert code == 2
    assert message in capfd.readouterr().err


def test_feed_that_carries_its_articles_has_no_selectors(make, capfd):
    project = make("/feed.xml", "", "feed")

    code, found = repair(project, capfd)

    assert (code, "full_text = true" in found["error"]) == (2, True)


def test_redesigned_listing_gets_links_dates_and_fields(site, make, capfd):
    site.pages |= {one.path: redesign.before(one) for one in STORIES}
    site.pages["/news"] = gazette.list_page(STORIES)
    project = make("/news", f"links = '.teaser h2 a'\ndate = 'time'\n{OPTIONS}", "listing")
    project.sync("gazette")
    lay_out(site, [*LATER, *STORIES])
    site.pages["/news"] = redesign.redesigned_list([*LATER, *STORIES])
    assert project.sync("gazette").state != "completed"

    code, found = repair(project, capfd, "--write", "--yes")

    assert (code, found["failures"]) == (0, [])
    assert found["changes"]["links"] == "a.entry-link"
    assert found["listing"]["after"] == {"right": 24, "total": 24}
    assert project.sync("gazette").totals()["new"] == 3
