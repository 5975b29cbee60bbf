"""The quarantine of a listing that one run cannot read: the next run resolves it."""

from __future__ import annotations

from flows import settings
from flows.cli import demo_run
from flows.serve.run_local import sync_without_prefect
from tests import site
from tests.site import Fault
from warehouse import connect_read_only


def test_listing_that_was_busy_for_one_run_is_resolved_by_the_next(tmp_path):
    def busy_the_second_time(target, turn):
        is_listing = target.startswith(("/woshipm/latest", "/CATList"))
        return Fault(body=b"<html>busy</html>") if is_listing and turn == 2 else None

    waiting = []
    with site.serve(faults=busy_the_second_time) as news_site:
        config = demo_run.write_config(
            tmp_path, port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        chosen = settings.load(config, {})
        for _ in range(3):
            sync_without_prefect(chosen, ["woshipm", "ofweek"], limit=None, dry_run=False)
            with connect_read_only(chosen.warehouse.path) as db:
                rows = db.execute(
                    "SELECT source, reason FROM quarantine WHERE resolved_at IS NULL ORDER BY ALL"
                ).fetchall()
            waiting.append(rows)

    assert waiting == [[], [("ofweek", "bad_listing"), ("woshipm", "bad_listing")], []]


def test_line_that_cannot_be_read_stays_though_its_listing_was(tmp_path):
    with site.serve() as news_site:
        config = demo_run.write_config(
            tmp_path, port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        chosen = settings.load(config, {})
        for _ in range(2):
            sync_without_prefect(chosen, ["finews"], limit=None, dry_run=False)

    with connect_read_only(chosen.warehouse.path) as db:
        found = db.execute("SELECT count(*) FROM quarantine WHERE resolved_at IS NULL").fetchall()
    assert found == [(3,)]
