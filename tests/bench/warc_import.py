"""Measures the import of WARC files against readers that do nothing with their records.

    python tests/bench/warc_import.py [--responses 100000] [--every 50] [--words 300]

Generates a file in the form of CC-NEWS: each response has a request record, and one response of
``--every`` is of the site that is imported. CPU seconds of one process; the file is read once
before. fastwarc is measured where it is installed.
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from warcio.archiveiterator import ArchiveIterator

from flows import settings
from flows.archive.warc_range import WarcRange
from flows.pipeline.backfill_steps import run_backfill
from flows.pipeline.cluster import SourceSpec
from flows.pipeline.date_range import parse_request
from flows.pipeline.run import RunContext
from flows.pipeline.warc_import import RANGE_BYTES, RangeOrder, parse_range
from tests import ccnews

CONFIG = f"""
[sources.harbour]
parser = "feed"
url = "https://{ccnews.SITE}/all.xml"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--responses", type=int, default=100_000)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--words", type=int, default=300)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("copydesk.toml").write_text(CONFIG, encoding="utf-8")
        records = ccnews.news(given.responses, wanted_every=given.every, words=given.words)
        file = ccnews.write(Path(folder, "CC-NEWS-20261101000000-00001.warc.gz"), records)
        size = file.stat().st_size
        print(f"{given.responses:,} responses, {size / 1e6:.0f} MB, one of {given.every} imported")
        plain = _measure("gzip reads it", given.responses, lambda: _read_plain(file))
        print(f"  {plain / 1e6:.0f} MB plain")
        _measure("warcio iterates", given.responses, lambda: _iterate(file))
        if fastwarc := _fastwarc():
            _measure("fastwarc iterates", given.responses, lambda: fastwarc(file))
        _measure("ranges, one site", given.responses, lambda: _ranges(file, _is_of_site))
        _measure("ranges, every page", given.responses, lambda: _ranges(file, lambda _url: True))
        wanted = -(-given.responses // given.every)
        _measure("parse, one site", wanted, lambda: _parse(file))
        _measure("import", given.responses, lambda: _import(file))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(f"peak memory {peak:.0f} MB")


def _measure(what: str, count: int, work: Callable[[], float]) -> float:
    started = time.process_time()
    result = work()
    seconds = time.process_time() - started
    print(f"{what:20} {seconds:7.2f} s CPU {count / seconds:10,.0f} a second", flush=True)
    return result


def _read_plain(file: Path) -> int:
    with gzip.open(file) as stream:
        return sum(map(len, iter(lambda: stream.read(1 << 20), b"")))


def _iterate(file: Path) -> int:
    with file.open("rb") as stream:
        return sum(1 for _ in ArchiveIterator(stream))


def _fastwarc() -> Callable[[Path], int] | None:
    try:
        iterator = import_module("fastwarc.warc").ArchiveIterator
    except ImportError:
        return None

    def iterate(file: Path) -> int:
        with file.open("rb") as stream:
            return sum(1 for _ in iterator(stream))

    return iterate


def _is_of_site(url: str) -> bool:
    return url.startswith(f"https://{ccnews.SITE}/")


def _starts(file: Path) -> Iterator[tuple[int, int]]:
    size = file.stat().st_size
    yield from ((at, min(at + RANGE_BYTES, size)) for at in range(0, size, RANGE_BYTES))


def _ranges(file: Path, wants: Callable[[str], bool]) -> int:
    counts: Counter[str] = Counter()
    with file.open("rb") as stream:
        for start, end in _starts(file):
            found = WarcRange(stream, start, end, wants=wants)
            for _page in found.pages():
                pass
            counts += found.counts
    return counts["pages"]


def _parse(file: Path) -> int:
    source = SourceSpec.of(settings.load(Path("copydesk.toml"), {}).source("harbour"))
    orders = [
        RangeOrder(source=source, file=str(file), start=start, end=end)
        for start, end in _starts(file)
    ]
    return sum(len(parse_range(one).observations) for one in orders)


def _import(file: Path) -> int:
    given = settings.load(Path("copydesk.toml"), {})
    with RunContext("backfill", given, ["harbour"]) as run:
        run_backfill(run, parse_request(given, "harbour", archive=file))
        return int(run.finish().totals()["new"])


if __name__ == "__main__":
    main()
