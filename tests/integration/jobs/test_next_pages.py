"""Articles of several pages on a site: sync, reparse, backfill, replay, parse and erasure."""

from __future__ import annotations

import json
from dataclasses import replace
from html import escape

import pytest

from flows import cli
from flows.admin.erasure import ErasureRequest, erase
from parsers import registry
from parsers.errors import LayoutChanged
from parsers.sources import feed
from tests.site import Fault

TITLE = "The ferry returns to the old harbour"
PARTS = ("First", "Second", "Third")


def paragraphs(part: str) -> str:
    return "".join(
        f"<p>{part} paragraph {n}: the crew, the captain and the harbour master agree that the "
        "repairs took longer than planned, and that the ship is in better shape than ever.</p>"
        for n in range(4)
    )


def page(part: str, following: str = "") -> Fault:
    link = f'<a rel="next" href="{following}">Next page</a>' if following else ""
    body = f"<html><title>{TITLE}</title><h1>{TITLE}</h1>{paragraphs(part)}{link}</html>"
    return Fault(status=200, body=body.encode())


@pytest.fixture
def ferry(project):
    """A source of full text whose only article has three pages, each of which links the next."""
    host = f"http://127.0.0.1:{project.news_site.port}"
    item = (
        f"<item><title>{escape(TITLE)}</title><link>{host}/ferry</link>"
        "<description>Short.</description></item>"
    )
    project.faults |= {
        "/feed.xml": Fault(
            status=200,
            body=f"<rss version='2.0'><channel><title>G</title>{item}</channel></rss>".encode(),
        ),
        "/ferry/3": page("Third"),
        "/ferry/2": page("Second", "/ferry/3"),
        "/ferry": page("First", "/ferry/2"),
    }
    with project.config.open("a", encoding="utf-8") as file:
        file.write(
            f'\n[sources.gazette]\nparser = "feed"\nurl = "{host}/feed.xml"\nfull_text = true\n'
        )
    return project


def stored(project) -> tuple[list[str], str, int]:
    """The parts of the stored text, its completeness, and how many revisions it has."""
    ((text, completeness, count),) = project.rows(
        "SELECT text, completeness, revision_count FROM articles WHERE source = 'gazette'"
    )
    return [part for part in PARTS if f"{part} paragraph 3" in text], completeness, count


WHOLE = (list(PARTS), "full", 1)


def test_pages_become_one_article_and_the_same_sync_changes_nothing(ferry):
    first, second = (ferry.sync("gazette").totals() for _ in range(2))

    assert (first["new"], second["unchanged"], second["updated"]) == (1, 1, 0)
    assert stored(ferry) == WHOLE
    archived = ferry.rows(
        "SELECT DISTINCT parse_path(url)[-1] FROM fetches WHERE archive_file IS NOT NULL "
        "AND url LIKE '%/ferry%' ORDER BY 1"
    )
    assert archived == [("2",), ("3",), ("ferry",)]


def test_correction_on_a_later_page_is_a_revision(ferry):
    ferry.sync("gazette")
    ferry.faults["/ferry/3"] = page("Third and last")
    ferry.age(hours=2)

    assert ferry.sync("gazette").totals()["updated"] == 1


def test_gone_page_leaves_a_partial_article(ferry):
    ferry.faults["/ferry/3"] = Fault(status=404)

    report = ferry.sync("gazette")

    assert (report.exit_code, report.totals()["new"]) == (0, 1)
    assert stored(ferry) == (["First", "Second"], "partial", 1)
    ((reason,),) = ferry.rows(
        "SELECT provenance->>'completeness' FROM articles WHERE source = 'gazette'"
    )
    assert "/ferry/3" in reason
    assert any("/ferry/3" in message for message in report.warnings)


def test_new_article_is_stored_without_a_page_that_fails_now_and_completed_by_the_next_run(ferry):
    kept = ferry.faults["/ferry/2"]
    ferry.faults["/ferry/2"] = Fault(status=503)

    report = ferry.sync("gazette")
    partial = stored(ferry)
    ferry.faults["/ferry/2"] = kept
    ferry.sync("gazette")

    assert (report.exit_code, report.totals()["new"]) == (3, 1)
    assert partial == (["First"], "partial", 1)
    assert stored(ferry) == (list(PARTS), "full", 2)


def test_stored_article_never_loses_a_page_that_fails_now(ferry):
    ferry.sync("gazette")
    ferry.faults["/ferry/2"] = Fault(status=503)
    ferry.age(hours=2)

    report = ferry.sync("gazette")

    assert (report.exit_code, report.totals()["failed"]) == (3, 1)
    assert stored(ferry) == WHOLE
    assert ferry.reparse("gazette").totals()["updated"] == 0
    assert stored(ferry) == WHOLE


def test_next_page_that_is_the_first_one_again_is_not_joined(ferry):
    ferry.faults["/ferry/2"] = ferry.faults["/ferry"]

    ferry.sync("gazette")

    assert stored(ferry) == (["First"], "full", 1)
    assert ferry.rows("SELECT count(*) FROM fetches WHERE url LIKE '%/ferry/3'") == [(0,)]


def test_next_page_that_redirects_to_the_first_one_ends_the_article(ferry):
    ferry.faults["/ferry/2"] = Fault(status=302, location="/ferry")

    ferry.sync("gazette")

    assert stored(ferry) == (["First"], "full", 1)


def test_reparse_finds_every_archived_page(ferry):
    ferry.sync("gazette")

    report = ferry.reparse("gazette")

    assert (report.exit_code, report.totals()["unchanged"]) == (0, 1)
    assert ferry.reparse_diff("gazette").exit_code == 0
    assert stored(ferry) == WHOLE


def test_backfill_of_an_address_and_of_the_archive_join_the_pages(ferry):
    host = f"http://127.0.0.1:{ferry.news_site.port}"
    ferry.fill("gazette", urls=[f"{host}/ferry"])
    from_network = stored(ferry)
    ferry.sync("gazette")
    ferry.start_new_warehouse()

    ferry.fill("gazette", archive=ferry.settings.archive.path)

    assert from_network == WHOLE
    assert stored(ferry) == WHOLE


def test_replay_joins_the_pages_that_quarantine_holds(ferry, monkeypatch):
    def refuse(*_arguments):
        raise LayoutChanged("expected a moon, found none")

    with monkeypatch.context() as broken:
        parser = replace(feed.PARSER, parse=refuse)
        broken.setattr(registry, "PARSERS", {**registry.PARSERS, "feed": parser})
        assert ferry.sync("gazette").totals()["quarantined"] == 1

    ferry.faults.clear()
    assert ferry.replay().totals()["new"] == 1
    assert stored(ferry) == WHOLE


def test_parse_of_an_address_joins_the_pages(ferry, capsys):
    url = f"http://127.0.0.1:{ferry.news_site.port}/ferry"
    config = ["--config", str(ferry.config)]

    assert cli.run(["parse", url, "--source", "generic", *config]) == 0
    whole = json.loads(capsys.readouterr().out)
    ferry.faults["/ferry/3"] = Fault(status=404)
    assert cli.run(["parse", url, "--source", "generic", *config]) == 0
    partial = json.loads(capsys.readouterr().out)

    assert all(f"{part} paragraph 3" in whole["text"] for part in PARTS)
    assert (whole["completeness"], partial["completeness"]) == ("full", "partial")
    assert "Second paragraph 3" in partial["text"]


def test_erasure_finds_every_archived_page(ferry):
    ferry.sync("gazette")
    ((article_id,),) = ferry.rows("SELECT article_id FROM articles WHERE source = 'gazette'")

    result = erase(
        ferry.settings,
        ErasureRequest(article_ids=(article_id,), source=""),
        reason="on request",
        notify=ferry.messages.append,
        on_progress=lambda *_far: None,
    )

    assert result.redacted == 3
    assert ferry.rows("SELECT count(*) FROM fetches WHERE url LIKE '%/ferry%'") == [(0,)]
