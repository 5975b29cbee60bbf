"""Runs of one source never overlap."""

from __future__ import annotations

import pytest

from flows.pipeline import locks

pytestmark = pytest.mark.e2e


def test_second_sync_of_a_source_ends_at_once_and_names_the_first(desk):
    with locks.acquire(desk.settings, "ofweek", flow="sync", run_id="20260101T000000-x"):
        busy = desk.sync("ofweek")
        both = desk.sync("ofweek", "woshipm")

    assert (busy.state, busy.exit_code) == ("failed", 1)
    assert "sync run 20260101T000000-x" in busy.problems[0]
    assert not [one for one in desk.stand.requests if "CATList" in one.target]
    assert (both.exit_code, both.totals()["new"] > 0) == (3, True)
    assert desk.sync("ofweek").totals()["new"] > 0
