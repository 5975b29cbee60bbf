"""Processes that write and upload archive files, killed at any moment: no page is lost or doubled."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from flows.archive import BucketStore, open_store, read_record
from flows.settings import ArchiveSettings
from tests.scale import buckets

pytestmark = pytest.mark.nightly
KILLS = 20

WRITER = textwrap.dedent(
    """
    import fcntl, os, sys, uuid
    from pathlib import Path
    from flows.archive import open_store
    from flows.settings import ArchiveSettings
    from tests import ccnews

    store = open_store(ArchiveSettings(path=Path(sys.argv[1]), url="s3://newsroom/archive"))
    while True:
        name = f"copydesk-20261101-120000-{uuid.uuid4().hex[:8]}.warc.gz"
        with (store.folder / name).open("xb", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            for number in range(5):
                offset = file.tell()
                url = f"https://news.example/{name}/{number}"
                file.write(ccnews.record(url, ccnews.http(os.urandom(50_000))))
                os.fsync(file.fileno())
                print(name, offset, url, flush=True)
        store.upload_closed()
    """
)


def test_no_page_is_lost_or_doubled_by_kills(tmp_path: Path, monkeypatch) -> None:
    chance, pages = random.Random(1), dict[str, tuple[str, int]]()  # noqa: S311
    with buckets.serving() as (endpoint, _faults):
        for name, value in {**buckets.ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(name, value)
        buckets.client(endpoint).create_bucket(Bucket="newsroom")
        for number in range(KILLS):
            output = tmp_path / f"{number}.txt"
            with output.open("wb") as out:
                process = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=out)
                while not output.stat().st_size and process.poll() is None:
                    time.sleep(0.02)
                time.sleep(chance.random() * 0.6)
                process.kill()
                assert process.wait() == -signal.SIGKILL
            for line in output.read_text().splitlines():
                if len(fields := line.split()) == 3:
                    pages[fields[2]] = (fields[0], int(fields[1]))
        store = open_store(ArchiveSettings(path=tmp_path, url="s3://newsroom/archive"))
        assert isinstance(store, BucketStore)
        before = {file: record_url(store, file, at) for file, at in pages.values()}

        store.upload_closed()

        assert before
        assert len(pages) > KILLS
        assert not list(tmp_path.glob("*.warc.gz"))
        assert {url: record_url(store, *place) for url, place in pages.items()} == {
            url: url for url in pages
        }


def record_url(store: BucketStore, file: str, offset: int) -> str:
    return read_record(store, file, offset).url
