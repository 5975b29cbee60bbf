"""A project: a configuration that reads the test site, and the ways to run it."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows import cli, settings
from flows.admin.query import query
from flows.cli import demo_run
from flows.pipeline.run import RunEnvironment, Trigger, use_environment
from flows.pipeline.signals import graceful_shutdown
from flows.pipeline.stats import RunReport
from flows.serve import run_local
from flows.serve.run_local import sync_without_prefect
from flows.sync import sync
from tests import empty_warehouse, site
from tests.integration.flows.press import Press, publishing
from tests.integration.flows.receivers import Mailbox, Webhook, mailbox, webhook
from tests.site import Faults, NewsSite
from warehouse import connect


@dataclass
class Project:
    """A folder with a configuration, its test site, and the messages of its runs."""

    folder: Path
    news_site: NewsSite
    messages: list[str] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "copydesk.toml"

    @property
    def settings(self) -> settings.Settings:
        return settings.load(self.config, {})

    def sync(self, *sources: str, trigger: Trigger = "person", **options: Any) -> RunReport:
        """One sync in this process, without Prefect; events and artifacts are left out."""
        environment = RunEnvironment(notify=self.messages.append)
        slugs = [source.slug for source in self.settings.selected_sources(sources)]
        options = {"limit": None, "dry_run": False} | options
        with use_environment(environment):
            return sync_without_prefect(self.settings, slugs, trigger=trigger, **options)

    def sync_with_prefect(self, *sources: str) -> RunReport:
        """One run of the flow; the test needs the fixture ``prefect_server``."""
        stop, notify = threading.Event(), self.messages.append
        environment = RunEnvironment(
            stop=stop, notify=notify, signals=lambda: graceful_shutdown(stop, notify)
        )
        with use_environment(environment):
            state = sync(list(sources), config=str(self.config), return_state=True)
        found = state.result(raise_on_failure=False)
        if isinstance(found, Exception):
            raise found
        return found

    def import_folder(self, *paths: Path, source: str | None = None) -> RunReport:
        return run_local.run_import(
            self.settings,
            paths,
            source=source,
            notify=self.messages.append,
            progress=lambda _source, _done, _total: None,
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return query(self.settings, sql, live=False, notify=self.messages.append).rows

    def age(self, **past: int) -> None:
        """Move the answers of all pages into the past, so that revisits become due."""
        with connect(self.settings.warehouse.path) as db:
            db.execute(
                "UPDATE _store.entries SET first_fetched_at = first_fetched_at - $1, "
                "last_fetched_at = last_fetched_at - $1, failed_at = failed_at - $1",
                [timedelta(**past)],
            )

    def counts(self, report: RunReport, *names: str) -> dict[str, dict[str, int]]:
        return {
            stats.source: {name: stats.counts[name] for name in names} for stats in report.stats
        }


@pytest.fixture
def faults() -> dict[str, Any]:
    """Path prefixes and the fault to answer them with; tests fill it in."""
    return {}


@pytest.fixture
def project(tmp_path: Path, faults: dict[str, Any], quick_retries: None) -> Iterator[Project]:
    def fault_of(target: str, _turn: int) -> Any:
        return next((fault for start, fault in faults.items() if target.startswith(start)), None)

    hook: Faults = fault_of
    with site.serve(faults=hook) as news_site:
        demo_run.write_config(tmp_path, port=news_site.port, article_url=demo_run.ARTICLE_URL)
        made = Project(tmp_path, news_site)
        empty_warehouse.place(made.settings.warehouse.path)
        yield made


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project that has read finews and OFweek, once for many tests; not to be changed."""
    folder = tmp_path_factory.mktemp("synced")
    with site.serve() as news_site:
        demo_run.write_config(folder, port=news_site.port, article_url=demo_run.ARTICLE_URL)
        project = Project(folder, news_site)
        project.sync("finews", "ofweek")
        yield project


@pytest.fixture
def stored(synced: Project, tmp_path: Path) -> Project:
    """A copy of it of one's own, at the same test site."""
    folder = tmp_path / "project"
    shutil.copytree(synced.folder, folder, symlinks=True)
    return Project(folder, synced.news_site)


@pytest.fixture
def press(tmp_path: Path) -> Iterator[Press]:
    with publishing(tmp_path) as made:
        yield made


@pytest.fixture
def run_cli(capfd):
    """Type a command in this process: exit code, stdout, stderr."""

    def run(*arguments):
        code = cli.run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    ours = ("news_site", "fetch", "copydesk")
    started = set(threading.enumerate()) - before
    left = [thread for thread in started if thread.name.startswith(ours)]
    for thread in left:
        thread.join(2)  # a watchdog ends at its next look
    assert [thread.name for thread in left if thread.is_alive()] == []


def loads(text: str) -> Any:
    return json.loads(text)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


@pytest.fixture
def post() -> Iterator[Mailbox]:
    with mailbox() as made:
        yield made
