"""Gaps and watermarks of runs that do not come to their end."""

from __future__ import annotations

import threading

import pytest

from flows import settings
from flows.cli import demo_run
from flows.pipeline import load as load_steps
from flows.pipeline.run import RunContext, RunEnvironment, use_environment
from flows.serve.run_local import sync_without_prefect
from tests import site
from warehouse import connect, connect_read_only


class Killed(Exception):
    """Raised in place of a kill -9 between two transactions."""


@pytest.mark.parametrize("stored", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_gap_is_stored_although_its_run_is_killed_between_two_batches(
    tmp_path, monkeypatch, stored
):
    with site.serve(edition=2) as news_site:
        config = demo_run.write_config(
            tmp_path, port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        chosen = settings.load(config, {"COPYDESK_RUN__BATCH_SIZE": "3"})
        sync_without_prefect(chosen, ["finews"], limit=None, dry_run=False)
        news_site.advance()  # market-38 drops something
        store, done = load_steps.load, []

        def store_some(*args, **options):
            if len(done) == stored:
                raise Killed
            done.append(store(*args, **options))

        monkeypatch.setattr(load_steps, "load", store_some)
        with pytest.raises(Killed):
            sync_without_prefect(chosen, ["finews"], limit=None, dry_run=False)
        monkeypatch.setattr(load_steps, "load", store)
        later = [sync_without_prefect(chosen, ["finews"]).totals()["gaps"] for _ in range(2)]

    with connect_read_only(chosen.warehouse.path) as db:
        found = db.execute("SELECT DISTINCT source, channel FROM gaps").fetchall()
    assert found == [("finews", "market-38")]
    assert later == [1, 0]  # the next run reports it, and only that one


def test_run_that_could_store_nothing_makes_no_gap_of_the_next(tmp_path):
    faults = {"/ART-": site.Fault(status=404)}

    def fault_of(target, _turn):
        return next((fault for part, fault in faults.items() if part in target), None)

    with site.serve(faults=fault_of) as news_site:
        config = demo_run.write_config(
            tmp_path, port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        chosen = settings.load(config, {})
        nothing = sync_without_prefect(chosen, ["ofweek"], limit=None, dry_run=False)
        faults.clear()
        with connect(chosen.warehouse.path) as db:  # six minutes later
            db.execute(
                "UPDATE _store.gone SET last_checked_at = last_checked_at - INTERVAL 6 MINUTE"
            )
        everything = sync_without_prefect(chosen, ["ofweek"], limit=None, dry_run=False)

    assert (nothing.totals()["new"], nothing.totals()["failed"]) == (0, 11)
    assert (everything.totals()["new"], everything.totals()["gaps"]) == (11, 0)
    assert everything.errors == ()


def test_entry_that_another_channel_brought_hides_no_gap(tmp_path):
    newest = "202203172311110318"  # of market-38 in the third edition
    with site.serve(edition=2) as news_site:
        link = demo_run.ARTICLE_URL.replace(LINKED, newest)
        config = demo_run.write_config(
            tmp_path, port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        sync_without_prefect(settings.load(config, {}), ["finews"], limit=None, dry_run=False)
        news_site.advance()  # market-38 drops something
        demo_run.write_config(tmp_path, port=news_site.port, article_url=link)
        text = config.read_text().replace(', "market-37", "market-38", "market-39"]', "]")
        config.write_text(text, encoding="utf-8")
        linked = sync_without_prefect(
            settings.load(config, {}), ["finews"], limit=None, dry_run=False
        )
        config = demo_run.write_config(tmp_path, port=news_site.port, article_url=link)
        whole = sync_without_prefect(
            settings.load(config, {}), ["finews"], limit=None, dry_run=False
        )

    with connect_read_only(tmp_path / "copydesk.duckdb") as db:
        sql = "SELECT DISTINCT unnest(channels) FROM sightings WHERE article_id LIKE ?"
        seen = {channel for (channel,) in db.execute(sql, [f"finews:%{newest}"]).fetchall()}
    assert seen == {"market-38", "share"}
    assert (linked.totals()["gaps"], whole.totals()["gaps"]) == (0, 1)


LINKED = "202203082300310099"  # the last entry of the last batch


def test_interrupted_run_moves_no_watermark_and_the_next_one_sees_no_gap(tmp_path):
    stop = threading.Event()

    def stop_at_the_last_entry(target, _turn):
        if LINKED in target:
            stop.set()

    with site.serve(faults=stop_at_the_last_entry) as news_site:
        config = demo_run.write_config(
            tmp_path, port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        chosen = settings.load(config, {"COPYDESK_RUN__BATCH_SIZE": "9"})
        with use_environment(RunEnvironment(stop=stop)):
            cut = sync_without_prefect(chosen, ["finews"], limit=None, dry_run=False)
        with connect_read_only(chosen.warehouse.path) as db:
            reached = db.execute("SELECT * FROM _store.watermarks").fetchall()
        whole = sync_without_prefect(chosen, ["finews"], limit=None, dry_run=False)

    assert (cut.state, reached) == ("interrupted", [])
    assert whole.totals()["gaps"] == 0


def test_run_that_ends_by_an_error_stops_its_sources_before_their_fetcher_goes(tmp_path):
    chosen = settings.load(environ={"COPYDESK_WAREHOUSE__PATH": str(tmp_path / "copydesk.duckdb")})

    with pytest.raises(Killed), RunContext("sync", chosen, ["finews"]) as run:
        raise Killed

    assert run.is_stopping
