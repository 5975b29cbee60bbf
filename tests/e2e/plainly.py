"""A desk whose runs go without Prefect: the plain functions that its tasks wrap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows import settings
from flows.admin import replay_quarantine
from flows.cli import demo_run
from flows.pipeline import backfill_steps
from flows.pipeline.backfill_context import Work
from flows.pipeline.checkpoint import ChunkRun
from flows.pipeline.date_range import Asked, ask_for
from flows.pipeline.reparse_steps import Again
from flows.pipeline.stats import Report
from flows.settings import Settings
from flows.sync import sync_plainly
from tests import site
from tests.site import Fault, Newsstand
from warehouse import connect_read_only


@dataclass
class PlainDesk:
    """A folder, its configuration and its newsstand."""

    folder: Path
    stand: Newsstand
    faults: dict[str, Fault]
    environment: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "copydesk.toml"

    @property
    def settings(self) -> Settings:
        return settings.load(self.config, self.environment)

    def sync(self, *sources: str) -> Report:
        return sync_plainly(self.settings, list(sources), limit=None, dry_run=False)

    def reparse(self, source: str) -> Report:
        run = ChunkRun("reparse", self.settings, [source])
        with run:
            again = Again(run, source, since=None, diff=False)
            again.total()
            while pages := again.take():
                again.store(again.read(pages))
            again.end()
            return run.finish()

    def replay(self, **options: Any) -> Report:
        return replay_quarantine.replay(
            self.settings, say=self.said.append, progress=lambda *_far: None, **options
        )

    def ask(self, source: str, **options: Any) -> Asked:
        return ask_for(self.settings, source, **options)

    def backfill(self, source: str, *, most: int = 10_000, **options: Any) -> tuple[Report, Work]:
        """A backfill, ended after ``most`` pieces; its report and its plan."""
        dry, restart = options.pop("dry_run", False), options.pop("restart", False)
        run = ChunkRun("backfill", self.settings, [source], is_dry=dry)
        with run:
            work = Work(run, self.ask(source, **options), restart=restart)
            backfill_steps.begin(work)
            while not work.was_done and most and (chunk := work.plan.take()):
                backfill_steps.do(work, chunk)
                most -= 1
            return run.finish(), work

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """An answer of the warehouse itself; no snapshot is published here."""
        with connect_read_only(self.settings.warehouse.path) as store:
            return store.execute(sql).fetchall()


@contextmanager
def plain_desk(folder: Path) -> Iterator[PlainDesk]:
    """A desk with a newsstand; ``faults`` by the beginning of a path."""
    faults: dict[str, Fault] = {}

    def fault_of(target: str, _turn: int) -> Fault | None:
        return next((fault for start, fault in faults.items() if target.startswith(start)), None)

    with site.serve(faults=fault_of) as stand:
        config = demo_run.write_config(folder, port=stand.port, share_link=demo_run.SHARE_LINK)
        text = config.read_text(encoding="utf-8")
        # Tests that make things fail shall not wait for them to get well.
        config.write_text(
            text.replace("[fetch]", "[fetch]\ndeadline_seconds = 3"), encoding="utf-8"
        )
        yield PlainDesk(folder, stand, faults)
