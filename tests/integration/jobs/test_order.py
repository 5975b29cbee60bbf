"""Reparse and replay of older pages: the newer version remains current."""

from __future__ import annotations

import pytest

from flows.pipeline import locks

OPEN = "SELECT count(*) FROM quarantine WHERE resolved_at IS NULL"


@pytest.fixture
def resolved_project(project):
    """A project whose second edition resolved two of three failures of the first one."""
    project.sync("finews")
    assert project.rows(OPEN) == [(3,)]
    project.news_site.edition = 2
    project.sync("finews")
    assert project.rows(OPEN) == [(1,)]
    return project


def test_reparse_of_old_pages_opens_no_failure_that_a_later_page_resolved(resolved_project):
    report = resolved_project.reparse("finews")

    assert resolved_project.rows(OPEN) == [(1,)]
    assert (report.exit_code, report.errors, report.totals()["quarantined"]) == (0, (), 0)
    resolved_project.sync("finews")
    assert resolved_project.rows(OPEN) == [(1,)]


def test_failure_resolved_while_a_replay_waits_for_its_turn_is_not_tried(project, monkeypatch):
    project.sync("finews")
    hold = locks.acquire

    def held_after_a_sync(*args, **options):
        monkeypatch.setattr(locks, "acquire", hold)
        project.news_site.edition = 2
        project.sync("finews")
        return hold(*args, **options)

    monkeypatch.setattr(locks, "acquire", held_after_a_sync)

    report = project.replay()

    assert report.totals()["discovered"] == report.totals()["quarantined"] == 1
    assert project.rows(OPEN) == [(1,)]
    assert any("0 of 1 resolved" in message for message in report.warnings)


def test_replay_reports_open_failures_and_not_failed_attempts(resolved_project):
    """Failures that an older copydesk had opened again."""
    from warehouse import connect, transaction

    with connect(resolved_project.settings.warehouse.path) as db, transaction(db):
        db.execute("UPDATE _store.quarantine SET resolved_at = NULL, resolved_by = NULL")

    report = resolved_project.replay()

    assert any("2 of 3 resolved" in message for message in report.warnings)
    assert resolved_project.rows(OPEN) == [(1,)]
    assert resolved_project.replay().totals()["discovered"] == 1


def test_older_page_that_can_be_read_again_resolves_no_newer_failure(resolved_project, monkeypatch):
    """The newest page fails; an older one of the same article is read once more."""
    from dataclasses import replace

    from parsers import registry
    from parsers.errors import LayoutChanged
    from parsers.sources import finews

    ((newest, at),) = resolved_project.rows(
        "SELECT article_id, max(valid_from) FROM revisions GROUP BY 1 HAVING count(*) = 2 "
        "ORDER BY 1 LIMIT 1"
    )

    def parse(source, page):
        found = finews.parse(source, page)
        if found.article_id == newest and page.fetched_at >= at:
            raise LayoutChanged("expected a moon, found none")
        return found

    broken = replace(finews.PARSER, parse=parse)
    monkeypatch.setattr(registry, "PARSERS", {**registry.PARSERS, "finews": broken})

    resolved_project.reparse("finews")

    open_entries = resolved_project.rows(
        "SELECT article_id FROM quarantine WHERE resolved_at IS NULL"
    )
    assert (newest,) in open_entries
