"""The backfill: the same steps as a sync over a bounded stretch; leaves watermarks alone.

    backfill                          one source, one row of counters
    └── for each chunk                flows/pipeline/backfill_steps.py
        ├── walk                      a listing page, further and further back
        ├── entries                   fetch, parse and upsert some articles
        ├── records                   or read them from an archive
        └── close                     gaps that were covered

Chunks are kept in the warehouse and ended in the transaction that stores their articles:
asked for again, a backfill that was killed goes on with the first that is not done. The
schedule goes on meanwhile: a backfill has its source's lease for one chunk at a time.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.runtime import flow_run

from flows import settings as configuration
from flows.errors import ConfigurationError, Interrupted
from flows.pipeline import backfill_steps, locks
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.checkpoint import CheckpointedRun
from flows.pipeline.date_range import (
    BackfillRequest,
    InvalidBackfillRequest,
    parse_request,
    parse_url_list,
)
from flows.pipeline.run_log import Stopwatch, logger
from flows.pipeline.stats import RunReport
from flows.reporting import parameters as forms
from flows.reporting.artifacts import create_run_artifacts
from flows.reporting.progress import LiveProgress
from flows.reporting.states import final_state, invalid_request_state, run_trigger
from flows.text import pluralize
from warehouse.records.backfill_chunks import DONE, Chunk

LEASE_WAIT_SECONDS = 3600.0


def _asked(parameters: dict[str, Any], settings: configuration.Settings) -> BackfillRequest:
    """What some parameters ask for.

    Raises:
        ConfigurationError: Something that cannot be meant.
    """
    urls = list(parse_url_list(parameters.get("urls") or ""))
    if file := parameters.get("urls_file"):
        urls += _addresses_in(file)
    return parse_request(
        settings,
        parameters["source"],
        first=parameters.get("from_date"),
        last=parameters.get("to_date"),
        urls=urls,
        archive=parameters.get("archive") or None,
    )


def _addresses_in(file: str) -> tuple[str, ...]:
    try:
        found = parse_url_list(Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidBackfillRequest(
            f"expected a file of addresses, one a line, found {error}"
        ) from None
    if not found:
        raise InvalidBackfillRequest(f"expected addresses, one a line, found none in {file}")
    return found


def _run_name() -> str:
    given: dict[str, Any] = flow_run.parameters
    days = f"{given.get('from_date')} to {given.get('to_date')}" if given.get("from_date") else ""
    archive = f"archive {given['archive']}" if given.get("archive") else ""
    return f"backfill {given.get('source')} {days or archive or 'addresses'}"


@task(name="chunk", cache_policy=NO_CACHE, persist_result=False, retries=0)
def do_chunk(work: BackfillContext, chunk: Chunk) -> None:
    """Do one piece of a backfill, with its source's lease."""
    run = work.run
    if run.is_dry:
        _do_and_tell(work, chunk)
        return
    lease = locks.acquire(
        run.settings,
        work.source.slug,
        flow="backfill",
        run_id=run.id,
        wait_seconds=LEASE_WAIT_SECONDS,
        notify=run.environment.notify,
        stop=run.environment.stop,
    )
    with suppress(Interrupted), lease:  # what is not done is done when it is asked for again
        _do_and_tell(work, chunk)


def _do_and_tell(work: BackfillContext, chunk: Chunk) -> None:
    """Do a piece, and say in the run's log what it brought and how far the whole is."""
    before, planned, clock = dict(work.stats.counts), work.plan.progress()[1], Stopwatch()
    backfill_steps.run_chunk(work, chunk)
    done, total = work.plan.progress()
    found = [
        f"{count - before[name]} {name.replace('_', ' ')}"
        for name, count in work.stats.counts.items()
        if count > before[name]
    ]
    if total > planned:
        found.append(f"{pluralize(total - planned, 'article')} to read")
    left = (
        ""
        if work.plan.chunks[chunk.n - 1].state == DONE
        else "; left for when it is asked for again"
    )
    logger.info(
        f"{chunk.n} of {len(work.plan.chunks)}, {chunk.what}: {', '.join(found) or 'nothing'} "
        f"in {clock.lap():.1f} s{left}; {done} of {pluralize(total, 'article')} done"
    )


@flow(name="backfill", flow_run_name=_run_name, persist_result=False, validate_parameters=True)
def backfill(
    source: str,
    from_date: date | None = None,
    to_date: date | None = None,
    urls: str = "",
    urls_file: str | None = None,
    archive: str | None = None,
    dry_run: bool = False,  # switches in Prefect's parameter form
    restart: bool = False,
    config: str | None = None,
) -> State[RunReport]:
    """Bring in what is older, or was missed: a window of days, addresses, or an archive.

    Asked for again it goes on where it was. Watermarks stay as they are, and nothing that
    was seen later is replaced.

    Args:
        source: One of the configured sources.
        from_date: The first day of the window, in the source's time zone. Give both days of a
            window, or addresses, or an archive: one of the three.
        to_date: The last day of the window; it is part of it, and not before the first.
        urls: Addresses of articles, one a line, instead of a window.
        urls_file: A file of addresses, one a line, on the machine that runs this.
        archive: A folder of WARC files, read instead of the network.
        dry_run: Say what would be fetched; fetch listings only, store nothing.
        restart: Do again what was done.
        config: The configuration file; ``copydesk.toml`` by default.
    """
    given = {"source": source, "from_date": from_date, "to_date": to_date, "urls": urls,
             "urls_file": urls_file, "archive": archive}  # fmt: skip
    try:
        settings = configuration.load(Path(config) if config else None)
        asked = _asked(given, settings)
    except ConfigurationError as error:
        return invalid_request_state(error)
    run = CheckpointedRun(
        "backfill", settings, [asked.source], trigger=run_trigger(), is_dry=dry_run
    )
    whole = locks.acquire(settings, f"backfill {source}", flow="backfill", run_id=run.id)
    # Task runs must not inherit the run's tags: see tasks.py.
    with TagsContext(current_tags=set()), whole, run:
        report = run_backfill(run, asked, restart=restart)
    _show(report, asked, settings)
    return final_state(report)


def run_backfill(run: CheckpointedRun, asked: BackfillRequest, *, restart: bool) -> RunReport:
    """Do every piece that is not done; what it all came to."""
    stats, started = run.stats_of(asked.source), time.monotonic()
    work = BackfillContext(run, asked, restart=restart)
    live = LiveProgress(f"backfill-{asked.source}".lower().replace("_", "-"), asked.plan)
    try:
        backfill_steps.plan_chunks(work)
        if work.was_done:
            stats.warnings.append(_done_before(work))
        else:
            _do_all(work, live)
    except Exception as error:
        stats.is_broken = True
        stats.add_error(f"{type(error).__name__}: {error}")
        raise
    finally:
        stats.seconds = time.monotonic() - started
    if left := work.plan.left():
        stats.warnings.append(
            f"{left} of {pluralize(len(work.plan.chunks), 'chunk is', 'chunks are')} left; ask again"
        )
    report = run.finish()
    if not run.is_dry:
        run.publish()
    return report


def _do_all(work: BackfillContext, live: LiveProgress) -> None:
    advance = work.run.environment.on_progress
    advance(work.source.slug, *work.plan.progress())
    while not work.run.is_stopping and (chunk := work.plan.take()):
        do_chunk.with_options(task_run_name=f"{chunk.n}: {chunk.what}")(work, chunk)
        advance(work.source.slug, *work.plan.progress())
        live.show(*work.plan.progress())
    live.show(*work.plan.progress(), is_last=True)


def _done_before(work: BackfillContext) -> str:
    last = work.plan.chunks[-1]
    return (
        f"nothing to do: {work.asked.plan} was done at {work.plan.ended_at:%Y-%m-%d %H:%M} UTC "
        f"(run {last.run_id}); --restart does it again"
    )


def _show(report: RunReport, asked: BackfillRequest, settings: configuration.Settings) -> None:
    """The result table on the run's page, and what is in quarantine."""
    notes = [note for note in report.warnings if "would fetch" not in note]
    create_run_artifacts(report, settings, key="copydesk-backfill", what=asked.plan, notes=notes)


# The form complains about the last way, so that stands last which most people mean.
forms.require(backfill, ("urls",), ("urls_file",), ("archive",), ("from_date", "to_date"))
