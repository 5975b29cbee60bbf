"""A project whose runs need no Prefect: the plain functions that its tasks wrap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flows import settings
from flows.admin import replay_quarantine
from flows.cli import demo_run
from flows.import_export import import_files
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.backfill_steps import run_backfill, run_chunk
from flows.pipeline.date_range import BackfillRequest, parse_request
from flows.pipeline.parser_diff import ParserDiff
from flows.pipeline.reparse_steps import reparse_source
from flows.pipeline.restore import start_new_warehouse
from flows.pipeline.run import RunContext
from flows.pipeline.stats import RunReport
from flows.serve.run_local import sync_without_prefect
from flows.settings import Settings
from tests import empty_warehouse, site
from tests.site import Fault, NewsSite
from warehouse import connect, connect_read_only
from warehouse.records.backfill_chunks import Chunk


@dataclass
class Project:
    """A folder, its configuration and its test site."""

    folder: Path
    news_site: NewsSite
    faults: dict[str, Fault]
    environment: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    progress: list[tuple[str, int, int]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "copydesk.toml"

    @property
    def settings(self) -> Settings:
        return settings.load(self.config, self.environment)

    def age(self, **past: int) -> None:
        """Move the answers of all pages into the past, so that revisits become due."""
        with connect(self.settings.warehouse.path) as db:
            db.execute(
                "UPDATE _store.entries SET first_fetched_at = first_fetched_at - $1, "
                "last_fetched_at = last_fetched_at - $1, failed_at = failed_at - $1",
                [timedelta(**past)],
            )

    def sync(self, *sources: str) -> RunReport:
        return sync_without_prefect(self.settings, list(sources), limit=None, dry_run=False)

    def start_new_warehouse(self) -> None:
        """Lose the warehouse, and start an empty one beside the archive."""
        self.settings.warehouse.path.unlink()
        start_new_warehouse(self.settings)

    def reparse(self, *sources: str, since: datetime | None = None) -> RunReport:
        with RunContext("reparse", self.settings, sources) as run:
            for slug in sources:
                reparse_source(run, slug, since=since)
            return run.finish()

    def reparse_diff(self, *sources: str) -> ParserDiff:
        with RunContext("reparse", self.settings, sources, is_dry=True) as run:
            changes = {slug: reparse_source(run, slug, diff=True) for slug in sources}
            return ParserDiff.of(run.finish(), changes)

    def replay(self, **options: Any) -> RunReport:
        return replay_quarantine.replay_quarantine(
            self.settings, notify=self.messages.append, on_progress=lambda *_far: None, **options
        )

    def request(self, source: str, **options: Any) -> BackfillRequest:
        return parse_request(self.settings, source, **options)

    def backfill(
        self,
        source: str,
        *,
        dry_run: bool = False,
        restart: bool = False,
        max_chunks: int | None = None,
        **options: Any,
    ) -> tuple[RunReport, BackfillContext]:
        """A backfill, stopped after ``max_chunks``; its report and its state."""
        request, done = self.request(source, **options), []

        def do_chunk(job: BackfillContext, chunk: Chunk) -> None:
            run_chunk(job, chunk)
            done.append(chunk.number)
            if len(done) == max_chunks:
                job.run.environment.stop.set()

        with RunContext("backfill", self.settings, [source], is_dry=dry_run) as run:
            job = run_backfill(
                run,
                request,
                restart=restart,
                do_chunk=do_chunk,
                on_progress=lambda *far: self.progress.append(far),
            )
            return run.finish(), job

    def fill(self, source: str, **options: Any) -> RunReport:
        """A backfill; its report."""
        return self.backfill(source, **options)[0]

    def import_posts(self, *paths: Path) -> RunReport:
        return import_files.import_posts(self.settings, list(paths), source=None)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """An answer of the warehouse itself; no snapshot is published here."""
        with connect_read_only(self.settings.warehouse.path) as store:
            return store.execute(sql).fetchall()


@contextmanager
def open_project(folder: Path) -> Iterator[Project]:
    """A project and a test site; ``faults`` by the beginning of a path."""
    faults: dict[str, Fault] = {}

    def fault_of(target: str, _turn: int) -> Fault | None:
        return next((fault for start, fault in faults.items() if target.startswith(start)), None)

    with site.serve(faults=fault_of) as news_site:
        demo_run.write_config(folder, port=news_site.port, article_url=demo_run.ARTICLE_URL)
        made = Project(folder, news_site, faults)
        empty_warehouse.place(made.settings.warehouse.path)
        yield made
