"""Fixtures of the end-to-end tests: projects, and Prefect homes with a ready database."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.pipeline import backfill_context
from flows.serve import run_local
from tests.integration.flows.conftest import Project, faults, no_thread_is_left, project
from tests.prefect_database import made_database

__all__ = ["Project", "faults", "no_thread_is_left", "project"]


@pytest.fixture(scope="session")
def prepared() -> Callable[[Path], Path]:
    """Make a folder a home for Prefect that has its database: making one takes long."""

    def prepare(home: Path) -> Path:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(made_database(), home / "prefect.db")
        return home

    return prepare


@pytest.fixture
def client(prefect_server):
    """Of the session's server; deployments that a test registered there are gone after it."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        before = {one.id for one in client.read_deployments()}
        yield client
        for one in client.read_deployments():
            if one.id not in before:
                client.delete_deployment(one.id)


@pytest.fixture
def small(monkeypatch):
    """Pieces of four articles."""
    monkeypatch.setattr(backfill_context.BackfillContext, "entries_per_chunk", 4)


@pytest.fixture
def fill(project, prefect_server, monkeypatch):
    """Run a backfill at the project."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)

    def run(source, **options):
        return run_local.run_backfill(
            project.settings,
            source,
            config=project.config,
            notify=project.messages.append,
            progress=lambda *far: project.far.append(far),
            **options,
        )

    project.far = []
    return run
