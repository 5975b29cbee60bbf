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
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.checkpoint import CheckpointedRun
from flows.pipeline.date_range import BackfillRequest, parse_request
from flows.pipeline.reparse_steps import Reparser
from flows.pipeline.stats import RunReport
from flows.settings import Settings
from flows.sync import sync_without_prefect
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

    def sync(self, *sources: str) -> RunReport:
        return sync_without_prefect(self.settings, list(sources), limit=None, dry_run=False)

    def reparse(self, source: str) -> RunReport:
        run = CheckpointedRun("reparse", self.settings, [source])
        with run:
            again = Reparser(run, source, since=None, diff=False)
            again.total()
            while pages := again.take():
                again.store(again.read(pages))
            again.end()
            return run.finish()

    def replay(self, **options: Any) -> RunReport:
        return replay_quarantine.replay_quarantine(
            self.settings, notify=self.said.append, progress=lambda *_far: None, **options
        )

    def ask(self, source: str, **options: Any) -> BackfillRequest:
        return parse_request(self.settings, source, **options)

    def backfill(
        self, source: str, *, most: int = 10_000, **options: Any
    ) -> tuple[RunReport, BackfillContext]:
        """A backfill, ended after ``most`` pieces; its report and its plan."""
        dry, restart = options.pop("dry_run", False), options.pop("restart", False)
        run = CheckpointedRun("backfill", self.settings, [source], is_dry=dry)
        with run:
            work = BackfillContext(run, self.ask(source, **options), restart=restart)
            backfill_steps.plan_chunks(work)
            while not work.was_done and most and (chunk := work.plan.take()):
                backfill_steps.run_chunk(work, chunk)
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
