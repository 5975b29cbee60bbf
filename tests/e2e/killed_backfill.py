"""A backfill in a process of its own, for a test to kill: ``CONFIG SOURCE FIRST LAST``."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from flows import settings
from flows.pipeline.backfill_context import BackfillContext
from flows.serve.run_local import run_backfill

file, source, first, last = sys.argv[1:]
BackfillContext.entries_per_chunk = 4
run_backfill(
    settings.load(Path(file), {}),
    source,
    config=Path(file),
    first=date.fromisoformat(first),
    last=date.fromisoformat(last),
    notify=lambda _words: None,
    progress=lambda _source, done, total: print(f"{done} {total}", flush=True),
)
