"""A backfill in a process of its own, for a test to kill: ``CONFIG SOURCE FIRST LAST``."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from flows import settings
from flows.backfill import do_chunk
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.backfill_steps import run_backfill
from flows.pipeline.date_range import parse_request
from flows.pipeline.run import RunContext

file, source, first, last = sys.argv[1:]
BackfillContext.entries_per_chunk = 4
chosen = settings.load(Path(file), {})
days = {"first": date.fromisoformat(first), "last": date.fromisoformat(last)}
with RunContext("backfill", chosen, [source]) as run:
    run_backfill(
        run,
        parse_request(chosen, source, **days),
        do_chunk=do_chunk.fn,
        on_progress=lambda _source, done, total: print(f"{done} {total}", flush=True),
    )
    run.finish()
