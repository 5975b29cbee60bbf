"""Thin Prefect tasks over the plain steps: what the Prefect UI shows of a run.

One task run a batch and step, never one a page: a task run costs milliseconds here and
in the server, and tens of kilobytes in its database. Nothing is cached, persisted or
retried by Prefect: retries live in ``flows.fetch``, and pages stay in memory. Runs have
tags, task runs have none: for each tag Prefect asks its server for a concurrency slot
before the task may begin, which was measured at two seconds a task.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows import discovering, leases, steps
from flows.run import Run
from flows.work import Batch, Found
from parsers.article import Source

is_plain: ContextVar[bool] = ContextVar("is_plain", default=False)
"""Whether steps are called as the plain functions they are: no Prefect server is there."""

P = ParamSpec("P")
T = TypeVar("T")


def _step(name: str) -> Callable[[Callable[P, T]], Any]:
    return task(name=name, cache_policy=NO_CACHE, persist_result=False, retries=0)


@_step("discover")
def discover(run: Run, slug: str) -> Found:
    """Read the listings of a source."""
    return discovering.discover(run, _source(run, slug))


@_step("fetch")
def fetch(run: Run, slug: str, batch: Batch) -> Batch:
    """Fetch the pages of a batch."""
    return steps.fetch(run, _source(run, slug), batch)


@_step("parse")
def parse(run: Run, slug: str, batch: Batch) -> Batch:
    """Read the pages of a batch into articles."""
    return steps.read(run, _source(run, slug), batch)


@_step("upsert")
def upsert(run: Run, slug: str, batch: Batch) -> None:
    """Store a batch in one transaction."""
    steps.store(run, _source(run, slug), batch)


@_step("source")
def sync_source(run: Run, slug: str) -> None:
    """Everything of one source, unless another run is at it; told, not raised."""
    if run.is_dry:
        _sync_source(run, slug)
        return
    say = run.surroundings.say
    try:
        with leases.hold_for_schedule(run.settings, slug, run_id=run.id, say=say):
            _sync_source(run, slug)
    except leases.SourceBusy as error:
        run.tallies[slug].is_broken = True
        run.tallies[slug].problems.append(str(error))


def _sync_source(run: Run, slug: str) -> None:
    """Batch after batch, so that memory holds one batch."""
    started = time.monotonic()
    tally, advance = run.tallies[slug], run.surroundings.progress
    try:
        found = named(discover, f"discover {slug}")(run, slug)
        total, done = len(found.leads), 0
        if run.is_dry:
            tally.notes += [f"would fetch {lead.entry.url}" for lead in found.leads]
            return
        batches = found.batches(run.settings.run.batch_size)
        for number, batch in enumerate(batches, 1):
            which = f"{slug} {number}/{len(batches)}"
            done += len(batch.leads)
            batch = named(fetch, f"fetch {which}")(run, slug, batch)
            batch = named(parse, f"parse {which}")(run, slug, batch)
            named(upsert, f"upsert {which}")(run, slug, batch)
            advance(slug, done, total)
            if run.is_stopping:
                if batch is not batches[-1]:
                    named(upsert, f"upsert {slug} failures")(run, slug, found.failures())
                return
        tally.is_done = True
    except Exception as error:
        tally.is_broken = True
        tally.problems.append(f"{type(error).__name__}: {error}")
        raise
    finally:
        tally.seconds = time.monotonic() - started


def named(step: Any, name: str) -> Any:
    """The step, its run called so in the Prefect UI."""
    return step.fn if is_plain.get() else step.with_options(task_run_name=name)


def _source(run: Run, slug: str) -> Source:
    return run.settings.source(slug)
