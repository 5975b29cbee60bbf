"""Attacks through Prefect: its settings, its results and its deployments."""

from __future__ import annotations

import pytest
from prefect import Flow, Task

from flows import backfill, import_posts, maintenance, reparse, sync
from flows.prefect_api import prepare_client
from flows.settings import Settings

MODULES = (backfill, import_posts, maintenance, reparse, sync)
PARTS = [
    part
    for module in MODULES
    for part in vars(module).values()
    if isinstance(part, Flow | Task) and part.fn.__module__.startswith("flows.")
]


def test_there_are_flows_and_tasks_to_look_at() -> None:
    assert {part.name for part in PARTS if isinstance(part, Flow)} == {
        "backfill", "import", "maintenance", "publish", "reparse", "sync",
    }  # fmt: skip
    assert [part for part in PARTS if isinstance(part, Task)]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{type(part).__name__}-{part.name}")
def test_no_result_is_stored_so_that_none_can_be_replaced_by_a_pickle(part) -> None:
    assert part.persist_result is False
    assert not getattr(part, "cache_key_fn", None)
    assert not part.retries


def test_key_that_would_be_sent_instead_of_the_password_is_taken_out() -> None:
    environ = {"PREFECT_API_KEY": "planted", "PREFECT_SERVER_API_AUTH_STRING": "project:planted"}

    prepare_client(environ, Settings(), "http://127.0.0.1:4200/api", is_own=True)

    assert "PREFECT_API_KEY" not in environ
    assert environ["PREFECT_API_AUTH_STRING"] == "project:planted"
