"""A project with a test site, and runs of it without Prefect."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows import cli
from flows.pipeline.backfill_context import BackfillContext
from parsers import registry
from parsers.errors import LayoutChanged
from parsers.sources import ofweek
from tests.e2e.project import Project, open_project
from warehouse import connect, publish


@pytest.fixture
def project(tmp_path: Path, quick_retries: None) -> Iterator[Project]:
    with open_project(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project that has read finews and OFweek, once for many tests; not to be changed."""
    with open_project(tmp_path_factory.mktemp("synced")) as made:
        made.sync("finews", "ofweek")
        with connect(made.settings.warehouse.path) as db:
            publish(db, made.settings.warehouse.snapshot)
        yield made


@pytest.fixture
def stored(synced: Project, tmp_path: Path) -> Project:
    """A copy of it, at the same test site."""
    folder = tmp_path / "project"
    shutil.copytree(synced.folder, folder, symlinks=True)
    return replace(synced, folder=folder, messages=[])


@pytest.fixture
def faults(project: Project) -> dict[str, Any]:
    return project.faults


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of four articles."""
    monkeypatch.setattr(BackfillContext, "entries_per_chunk", 4)


@pytest.fixture
def another_parser(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], Any]], None]:
    """Change the articles of OFweek's parser, and its version to "other"."""

    def change(how: Callable[[Any], Any]) -> None:
        changed = replace(
            ofweek.PARSER,
            parse=lambda source, page: how(ofweek.parse(source, page)),
            version="other",
        )
        monkeypatch.setattr(registry, "PARSERS", {**registry.PARSERS, "ofweek": changed})

    return change


@pytest.fixture
def run_cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return run


def refuse(*_arguments: object) -> Any:
    """A parser that knows no page."""
    raise LayoutChanged("expected a moon, found none", expected="a moon", found="none")
