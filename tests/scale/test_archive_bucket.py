"""The archive in a bucket: uploads that are verified, repeated and killed; ranges; redaction."""

from __future__ import annotations

import fcntl
import io
import os
import random
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.archive import (
    ArchiveError,
    BucketStore,
    BucketUnreachable,
    bucket,
    open_store,
    read_record,
)
from flows.archive.bucket import MAX_ATTEMPTS, Bucket, RangeStream, matching_objects
from flows.archive.join import join_files
from flows.archive.redact import redact_record
from flows.archive.scan import scan_records
from flows.archive.warc import warcinfo_record
from flows.archive.writer import ArchiveWriter
from flows.pipeline.backfill_steps import run_backfill
from flows.pipeline.date_range import parse_request
from flows.pipeline.run import RunContext
from flows.settings import ArchiveSettings, load
from tests import ccnews, empty_warehouse
from tests.scale import buckets

FILE = "copydesk-20261101-120000-0a1b2c3d.warc.gz"
URL = "https://news.example/story"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, buckets.Faults]]:
    with buckets.serving() as found:
        yield found


@pytest.fixture
def faults(server, monkeypatch) -> buckets.Faults:
    for name, value in {**buckets.ENVIRONMENT, "AWS_ENDPOINT_URL": server[0]}.items():
        monkeypatch.setenv(name, value)
    server[1].reset()
    return server[1]


@pytest.fixture
def objects(server, faults, request) -> Any:
    """The client of a bucket of this test's own; ``objects.bucket`` is its name."""
    client = buckets.client(server[0])
    client.bucket = f"news-{abs(hash(request.node.name)) % 10**9}"
    client.create_bucket(Bucket=client.bucket)
    return client


@pytest.fixture
def store(objects, tmp_path) -> BucketStore:
    settings = ArchiveSettings(path=tmp_path / "spool", url=f"s3://{objects.bucket}/archive")
    found = open_store(settings)
    assert isinstance(found, BucketStore)
    found.folder.mkdir()
    return found


def keys(objects) -> list[str]:
    listed = objects.list_objects_v2(Bucket=objects.bucket).get("Contents", [])
    return [one["Key"].removeprefix("archive/") for one in listed]


def write(store: BucketStore, name: str = FILE, pages: int = 3) -> list[int]:
    """A closed file in the spool folder; the offsets of its pages."""
    offsets, data = [], warcinfo_record(name)
    for number in range(pages):
        offsets.append(len(data))
        data += ccnews.record(f"{URL}-{number}", ccnews.http(ccnews.article(number)))
    (store.folder / name).write_bytes(data)
    return offsets


def test_a_closed_file_is_uploaded_verified_and_read_by_range(store, objects, faults) -> None:
    offsets = write(store)
    before = (store.folder / FILE).read_bytes()

    assert store.upload_closed() == (1, len(before))

    assert list(store.folder.iterdir()) == []
    assert objects.get_object(Bucket=objects.bucket, Key=f"archive/{FILE}")["Body"].read() == before
    assert store.names() == [FILE]
    faults.requests.clear()
    found = read_record(store, FILE, offsets[2])
    assert (found.url, found.body) == (f"{URL}-2", ccnews.article(2))
    assert [one[2].partition("-")[0] for one in faults.requests if one[0] == "GET"] == [
        f"bytes={offsets[2]}"
    ]
    assert [one.kind for one in scan_records(store, FILE)] == ["warcinfo", *["response"] * 3]
    assert store.upload_closed() == (0, 0)


def test_a_file_that_is_written_is_not_uploaded(store, objects) -> None:
    writer = ArchiveWriter(store, now=lambda: datetime(2026, 11, 1, 12, tzinfo=UTC))
    writer._rotate()
    try:
        assert store.upload_closed() == (0, 0)
        assert store.waiting().files == 0
    finally:
        writer.close()

    assert store.waiting().files == 1
    assert store.upload_closed()[0] == 1
    assert store.waiting().files == 0


def test_a_file_that_was_uploaded_while_it_was_opened_is_opened_again(store, monkeypatch) -> None:
    writer = ArchiveWriter(store)
    plain = fcntl.flock

    def late(file: Any, kind: int) -> None:
        monkeypatch.setattr(fcntl, "flock", plain)
        assert store.upload_closed()[0] == 1
        plain(file, kind)

    monkeypatch.setattr(fcntl, "flock", late)
    writer._rotate()
    (file,) = store.folder.glob("*.warc.gz")
    writer.close()

    assert store.upload_closed() == (1, store.bucket.head(file.name)["ContentLength"])
    assert len(store.names()) == 2


def test_an_upload_killed_before_the_file_was_deleted_is_repeated(
    store, objects, monkeypatch
) -> None:
    write(store)

    def killed(_file: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            store.upload_closed()
    assert (store.folder / FILE).exists()
    assert keys(objects) == [FILE]

    assert store.upload_closed()[0] == 1

    assert not (store.folder / FILE).exists()
    assert keys(objects) == [FILE]


def test_a_redacted_object_is_not_replaced_by_a_copy_of_an_earlier_upload(store, tmp_path) -> None:
    offsets = write(store)
    stale = (store.folder / FILE).read_bytes()
    store.upload_closed()
    assert redact_record(store, FILE, offsets[1])
    (store.folder / FILE).write_bytes(stale)  # another machine was killed after its upload

    store.upload_closed()

    with pytest.raises(ArchiveError, match="erased on request"):
        read_record(store, FILE, offsets[1])
    assert read_record(store, FILE, offsets[2]).url == f"{URL}-2"


def test_another_object_of_that_name_is_never_replaced(store, objects) -> None:
    write(store)
    objects.put_object(Bucket=objects.bucket, Key=f"archive/{FILE}", Body=b"something else")

    with pytest.raises(ArchiveError, match="differs"):
        store.upload_closed()

    assert (store.folder / FILE).exists()
    assert store.waiting().files == 1


def test_an_upload_that_the_store_garbled_keeps_the_file(store, objects, monkeypatch) -> None:
    write(store)
    plain = store.bucket._client.put_object

    def garbled(**given: Any) -> Any:
        data = given["Body"].read()
        return plain(Bucket=given["Bucket"], Key=given["Key"], Body=data[:-1] + b"?")

    monkeypatch.setattr(store.bucket._client, "put_object", garbled)

    with pytest.raises(ArchiveError, match="differs"):
        store.upload_closed()

    assert (store.folder / FILE).exists()


@pytest.mark.parametrize("refused", [1, MAX_ATTEMPTS + 1])
def test_an_overloaded_store_is_asked_a_few_times(store, faults, refused, monkeypatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    write(store)
    left = [refused]

    def answer(method: str, _path: str) -> int | None:
        left[0] -= method == "PUT"
        return 503 if method == "PUT" and left[0] >= 0 else None

    faults.answer = answer
    if refused == 1:
        assert store.upload_closed()[0] == 1
        return
    with pytest.raises(BucketUnreachable, match="SlowDown after 4 attempts"):
        store.upload_closed()
    assert sum(one[0] == "PUT" and FILE in one[1] for one in faults.requests) == MAX_ATTEMPTS
    assert store.waiting().files == 1


def test_a_bucket_that_cannot_be_reached_is_named_without_a_secret(store, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    write(store)
    store.bucket = Bucket(store.bucket.address(""))

    with pytest.raises(BucketUnreachable) as failure:
        store.upload_closed()

    assert store.bucket.name in str(failure.value)
    assert buckets.ENVIRONMENT["AWS_SECRET_ACCESS_KEY"] not in str(failure.value)


def test_a_store_that_answers_too_slowly_is_given_up(store, faults, monkeypatch) -> None:
    write(store)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setattr(bucket, "READ_SECONDS", 0.2)
    bucket._client.cache_clear()
    faults.seconds = 0.6

    with pytest.raises(BucketUnreachable, match="ReadTimeoutError"):
        store.upload_closed()

    assert store.waiting().files == 1
    faults.reset()
    bucket._client.cache_clear()


def test_a_redaction_leaves_no_older_version(store, objects) -> None:
    objects.put_bucket_versioning(
        Bucket=objects.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    offsets = write(store)
    store.upload_closed()
    text = ccnews.article(1)[-400:]

    assert redact_record(store, FILE, offsets[1])

    versions = objects.list_object_versions(Bucket=objects.bucket)["Versions"]
    assert [one["Key"] for one in versions] == [f"archive/{FILE}"]
    data = objects.get_object(Bucket=objects.bucket, Key=f"archive/{FILE}")["Body"].read()
    assert text not in b"".join(_plain(data))
    assert [one.kind for one in scan_records(store, FILE)] == [
        "warcinfo", "response", "metadata", "response",
    ]  # fmt: skip
    assert list(store.folder.iterdir()) == []
    assert not redact_record(store, FILE, offsets[1]), "it was erased before"


def _plain(data: bytes) -> Iterator[bytes]:
    while data:
        inflater = zlib.decompressobj(31)
        yield inflater.decompress(data)
        data = inflater.unused_data


def test_versions_that_may_not_be_deleted_are_an_error(store, objects, faults) -> None:
    objects.put_bucket_versioning(
        Bucket=objects.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    offsets = write(store)
    store.upload_closed()
    faults.answer = lambda method, _path: 403 if method == "DELETE" else None

    with pytest.raises(ArchiveError, match="older versions"):
        redact_record(store, FILE, offsets[1])
    faults.reset()

    assert not redact_record(store, FILE, offsets[1])
    assert len(objects.list_object_versions(Bucket=objects.bucket)["Versions"]) == 1


def test_a_page_that_waits_for_its_upload_is_redacted_in_the_bucket_only(store, objects) -> None:
    offsets = write(store)

    assert redact_record(store, FILE, offsets[0])

    assert list(store.folder.iterdir()) == []
    assert keys(objects) == [FILE]
    with pytest.raises(ArchiveError, match="erased on request"):
        read_record(store, FILE, offsets[0])


def test_a_page_in_a_file_that_is_written_is_redacted_in_its_place(store, objects) -> None:
    offsets = write(store)
    with (store.folder / FILE).open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_SH)
        assert redact_record(store, FILE, offsets[0])

    assert keys(objects) == []
    with pytest.raises(ArchiveError, match="erased on request"):
        read_record(store, FILE, offsets[0])


def test_a_redaction_of_another_process_is_not_lost(store, objects) -> None:
    offsets = write(store)
    store.upload_closed()

    with pytest.raises(ArchiveError, match="another process changed"):  # noqa: PT012, SIM117
        with store.editable(FILE) as path:
            assert redact_record(BucketStore(store.folder, store.bucket), FILE, offsets[0])
            os.utime(path, (1, 1))

    with pytest.raises(ArchiveError, match="erased on request"):
        read_record(store, FILE, offsets[0])


def test_the_copy_of_a_killed_redaction_is_deleted(store) -> None:
    offsets = write(store)
    store.upload_closed()
    left = store.folder / ".0a1b.part"
    left.write_bytes(b"an erased page")
    os.utime(left, (1, 1))

    with store.editable(FILE) as copy:
        os.utime(copy, (1, 1))
        store.upload_closed()
        assert copy.exists()
        assert not left.exists()

    assert list(store.folder.iterdir()) == []
    assert read_record(store, FILE, offsets[0]).status == 200


def test_a_file_of_another_machine_that_is_not_there_yet(store) -> None:
    with pytest.raises(ArchiveError, match="there is no"):
        read_record(store, FILE, 0)
    with pytest.raises(ArchiveError, match="another machine"):
        redact_record(store, FILE, 0)


def test_records_of_joined_files_are_found_in_the_bucket(store) -> None:
    other = FILE.replace("120000", "130000")
    write(store)
    offsets = write(store, other)
    joined = join_files(store.folder, [store.folder / FILE, store.folder / other])
    assert joined is not None
    assert store.upload_closed() == (0, 0), "an unfinished join waits for maintenance"
    for path in joined.remaining(store.folder):
        path.unlink()

    assert store.upload_closed()[0] == 2  # the file and the list of its parts

    assert read_record(store, other, offsets[1]).url == f"{URL}-1"
    assert store.names() == [joined.name]


def test_a_file_uploaded_while_the_bucket_is_listed_is_named(store, monkeypatch) -> None:
    write(store)
    plain = store.bucket.objects

    def late(prefix: str = "") -> Iterator[bucket.StoredObject]:
        listed = list(plain(prefix))
        assert store.upload_closed()[0] == 1
        return iter(listed)

    monkeypatch.setattr(store.bucket, "objects", late)

    assert store.names() == [FILE]
    assert store.modified_at(FILE) > 0


def test_records_of_two_joins_of_a_day_are_found(store) -> None:
    names = [FILE.replace("120000", f"{hour}0000") for hour in (12, 13, 14, 15)]
    offsets = {}
    for pair in (names[:2], names[2:]):
        store.upload_closed()
        offsets |= {name: write(store, name)[1] for name in pair}
        joined = join_files(store.folder, [store.folder / name for name in pair])
        assert joined is not None
        for path in joined.remaining(store.folder):
            path.unlink()

    def found() -> list[str]:
        return [read_record(store, name, offsets[name]).url for name in names]

    assert found() == [f"{URL}-1"] * 4, "the second joined file waits for its upload"
    assert store.upload_closed()[0] == 2
    assert found() == [f"{URL}-1"] * 4


def test_ranges_give_the_bytes_of_the_object(store, objects, faults) -> None:
    data = random.Random(1).randbytes(3_000_000)  # noqa: S311
    objects.put_object(Bucket=objects.bucket, Key="archive/x", Body=data)
    faults.requests.clear()

    stream = RangeStream(store.bucket, "x")
    assert b"".join(iter(lambda: stream.read(1 << 16), b"")) == data
    assert sum(one[0] == "GET" for one in faults.requests) <= 8
    chance = random.Random(2)  # noqa: S311
    for _ in range(30):
        at, size = chance.randrange(3_100_000), chance.randrange(400_000)
        stream.seek(at)
        assert stream.read(size) == data[at : at + size]
    stream.seek(-10, io.SEEK_END)
    assert stream.read() == data[-10:]


def test_patterns_and_prefixes_name_objects(store, objects) -> None:
    for name in ("a/1.warc.gz", "a/2.warc.gz", "a/note.txt", "b/3.warc.gz"):
        objects.put_object(Bucket=objects.bucket, Key=name, Body=b"x")
    address = f"s3://{objects.bucket}"

    found = [[key.removeprefix(f"{address}/") for key, _ in matching_objects(f"{address}/{one}")]
             for one in ("a/", "*.warc.gz", "a/2.warc.gz", "a/[13].warc.gz", "a/9.warc.gz")]  # fmt: skip

    assert found == [
        ["a/1.warc.gz", "a/2.warc.gz"],
        ["a/1.warc.gz", "a/2.warc.gz", "b/3.warc.gz"],
        ["a/2.warc.gz"],
        ["a/1.warc.gz"],
        [],
    ]


def test_warc_files_in_a_bucket_are_imported(store, objects, tmp_path) -> None:
    (tmp_path / "copydesk.toml").write_text(
        f'[sources.harbour]\nparser = "feed"\nurl = "https://{ccnews.SITE}/all.xml"\n'
    )
    (tmp_path / "data").mkdir()
    empty_warehouse.place(tmp_path / "data/copydesk.duckdb")
    file = ccnews.write(tmp_path / "1.warc.gz", ccnews.news(40, wanted_every=10))
    objects.upload_file(str(file), objects.bucket, "crawl/2026/1.warc.gz")
    given = load(tmp_path / "copydesk.toml", {})
    request = parse_request(given, "harbour", archive=f"s3://{objects.bucket}/crawl/2026/*")

    with RunContext("backfill", given, ["harbour"]) as run:
        run_backfill(run, request)
        totals = run.finish().totals()

    assert (totals["new"], totals["failed"]) == (4, 0)
