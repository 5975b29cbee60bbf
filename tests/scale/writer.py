"""A process that writes to a lake and that tests stop or kill.

``python -m tests.scale.writer CATALOG DATA FIRST LAST`` stores the articles FIRST to LAST - 1 in
batches and prints ``stored N`` after the commit of each, where N is the first one that is not yet
stored. Where it stops itself is in WRITER_STOPS: ``inside`` a transaction, or at its ``commit``, between
the check of the lock and the commit. An error is printed as its class and its text.
"""

from __future__ import annotations

import os
import signal
import sys

from parsers.content_hash import content_hash
from tests.unit.warehouse.factories import article
from warehouse import ArticleRow, connect, observe, transaction, upsert_articles
from warehouse.errors import WarehouseError
from warehouse.lake.advisory_lock import AdvisoryLock
from warehouse.location import Lake

BATCH = 100
PATIENCE = 600.0


def rows(first: int, last: int) -> list[ArticleRow]:
    """The articles of these numbers, the same for every process."""
    texts = [(number, f"第{number}条消息") for number in range(first, last)]
    return [article(n, text, content_hash=content_hash(text, text)) for n, text in texts]


def main() -> int:
    """Write everything; return 1 after an error."""
    lake, first, last = Lake(*sys.argv[1:3]), int(sys.argv[3]), int(sys.argv[4])
    if os.environ.get("WRITER_STOPS") == "commit":
        _stop_after_check()
    try:
        with connect(lake, wait_seconds=PATIENCE) as db:
            for begin in range(first, last, BATCH):
                end = min(begin + BATCH, last)
                with transaction(db, wait_seconds=PATIENCE):
                    upsert_articles(db, map(observe, rows(begin, end)), run_id=f"run-{first}")
                    if os.environ.get("WRITER_STOPS") == "inside":
                        os.kill(os.getpid(), signal.SIGSTOP)
                print("stored", end, flush=True)
    except WarehouseError as error:
        print(type(error).__name__, error, flush=True)
        return 1
    return 0


def _stop_after_check() -> None:
    check = AdvisoryLock.check

    def checked(lock: AdvisoryLock) -> None:
        check(lock)
        os.kill(os.getpid(), signal.SIGSTOP)

    AdvisoryLock.check = checked  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main())
