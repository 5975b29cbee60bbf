"""Run by a test in a process of its own: store a batch, fill the disk, continue.

Prints the error's kind and message, and the articles before, after it, and after there
is room again, apart by ``|``.
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

from flows import settings
from flows.cli import demo_run
from flows.pipeline.discover import discover
from flows.pipeline.load import load
from flows.pipeline.run import RunContext
from flows.pipeline.steps import fetch, parse
from tests import site
from warehouse import connect
from warehouse.errors import WarehouseError

ROOM = 64 * 1024
UNLIMITED = resource.RLIM_INFINITY


def sync(chosen: settings.Settings, slug: str, *, is_full: bool = False) -> None:
    """One run; with ``is_full`` the disk is full from the moment a batch is to be stored."""
    source = chosen.source(slug)
    with RunContext("sync", chosen, [slug]) as run:
        for batch in discover(run, source).batches(200):
            arrived = parse(run, source, fetch(run, source, batch))
            run.sync_archive()
            if is_full:
                resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, UNLIMITED))
            try:
                load(run, source, arrived)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
        run.finish()


def articles(chosen: settings.Settings) -> int:
    with connect(chosen.warehouse.path) as db:
        (count,) = db.execute("SELECT count(*) FROM articles").fetchone()
        return int(count)


def main(folder: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with site.serve() as news_site:
        config = demo_run.write_config(
            folder, port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        chosen = settings.load(config, {})
        sync(chosen, "woshipm")
        counts = [articles(chosen)]
        kind = message = "nothing"
        try:
            sync(chosen, "finews", is_full=True)
        except WarehouseError as error:
            kind, message = type(error).__name__, " ".join(str(error).split())
        counts.append(articles(chosen))
        sync(chosen, "finews")
        counts.append(articles(chosen))
        print("|".join([kind, message.replace("|", "/"), *map(str, counts)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
