"""The archive: readable by other tools, whole after a kill; a cut is no damage."""

from __future__ import annotations

import gzip
import io
import os
import resource
import signal
import subprocess
import sys
import threading
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from flows.archive import ArchiveError, ArchiveWriter, read_record, verify
from flows.fetch import FailedContentCheck, FetchRequest, FetchResponse
from tests.integration.fetch.faultserver import chunked, html, packed, page, reply

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "archive"


def records(folder: Path) -> list[tuple[str, dict[str, str], bytes]]:
    """Type, fields and payload of every record, as another tool reads them."""
    found = []
    for file in sorted(folder.glob("*.warc.gz")):
        with file.open("rb") as stream:
            for record in ArchiveIterator(stream):
                payload = record.content_stream().read()
                found.append((record.rec_type, dict(record.rec_headers.headers), payload))
    return found


BODY = html("/a", 4000)

FORMS = {
    "plain": page(BODY),
    "gzip": page(packed(BODY), "Content-Encoding: gzip"),
    "deflate": page(zlib.compress(BODY), "Content-Encoding: deflate"),
    "chunks": chunked(BODY),
    "chunks_of_gzip": chunked(packed(BODY), "Content-Encoding: gzip"),
    "fields_twice": page(BODY, "X-Two: 1", "X-Two: 2"),
    "latin_1_field": page(BODY, "X-Name: caf\xe9"),
    "empty": page(b""),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_page_comes_back_as_it_was(form, serve, fetcher, folder) -> None:
    server = serve(lambda _seen: FORMS[form])
    with ArchiveWriter(folder) as archive:
        fetched = fetcher(server, archive=archive).fetch(FetchRequest(url=server.url("/a")))
    assert fetched.archive_file is not None
    assert fetched.archive_offset is not None

    kept = read_record(folder, fetched.archive_file, fetched.archive_offset)

    assert (kept.url, kept.status, kept.body) == (fetched.final_url, 200, fetched.body)
    assert kept.fetched_at == fetched.fetched_at
    names = [name.lower() for name, _ in kept.headers]
    assert "content-length" in names
    assert "transfer-encoding" not in names
    assert not kept.is_revisit
    checked = verify(folder)
    assert (checked.files, checked.records, checked.damaged, checked.cut) == (1, 3, (), ())


def test_other_tools_read_requests_and_answers(serve, fetcher, folder) -> None:
    server = serve(lambda _seen: chunked(packed(BODY), "Content-Encoding: gzip"))
    with ArchiveWriter(folder) as archive:
        fetcher(server, archive=archive).fetch(
            FetchRequest(url=f"http://user:hunter2@{server.host}/a?x=1")
        )

    kinds = [kind for kind, _, _ in records(folder)]
    answer = records(folder)[1]
    assert kinds == ["warcinfo", "response", "request"]
    assert answer[1]["WARC-Target-URI"] == server.url("/a?x=1")
    assert answer[1]["WARC-Payload-Digest"].startswith("sha1:")
    assert answer[2] == BODY
    raw = b"".join(gzip.decompress(file.read_bytes()) for file in folder.iterdir())
    assert b"WARC/1.1" in raw
    assert b"GET /a?x=1 HTTP/1.1" in raw
    assert f"Host: {server.host}".encode() in raw
    assert b"hunter2" not in raw
    assert b"dXNlcjpodW50ZXIy" not in raw
    checked = subprocess.run(
        [sys.executable, "-m", "warcio.cli", "check", *map(str, folder.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_an_unchanged_body_is_kept_once(serve, fetcher, folder) -> None:
    server = serve(lambda _seen: page(BODY))
    with ArchiveWriter(folder) as archive:
        client = fetcher(server, archive=archive)
        pages = [client.fetch(FetchRequest(url=server.url(path))) for path in ("/a", "/a", "/b")]

    kept = [read_record(folder, p.archive_file or "", p.archive_offset or 0) for p in pages]

    assert [record.is_revisit for record in kept] == [False, True, True]
    assert [record.body for record in kept] == [BODY] * 3
    assert [record.url for record in kept] == [page.final_url for page in pages]
    assert verify(folder).damaged == ()


def test_the_same_bytes_are_read_with_and_without_a_label(serve, fetcher, folder) -> None:
    data = packed(BODY)
    server = serve(
        lambda seen: (
            reply(200, data, "Content-Type: application/gzip")
            if seen.path == "/file.gz"
            else page(data, "Content-Encoding: gzip")
        )
    )
    with ArchiveWriter(folder) as archive:
        client = fetcher(server, archive=archive)
        pages = [client.fetch(FetchRequest(url=server.url(p))) for p in ("/a", "/file.gz")]

    bodies = [read_record(folder, p.archive_file or "", p.archive_offset or 0).body for p in pages]

    assert bodies == [BODY, BODY]
    assert [p.body for p in pages] == bodies


def test_an_unchanged_body_of_an_earlier_run_is_referred_to(serve, fetcher, folder) -> None:
    swapped = BODY.swapcase()  # of the same length
    server = serve(lambda seen: page(BODY if seen.path == "/a" else swapped))
    with ArchiveWriter(folder) as archive:
        first = fetcher(server, archive=archive).fetch(FetchRequest(url=server.url("/a")))
    place = (first.archive_file or "", first.archive_offset or 0)

    with ArchiveWriter(folder) as archive:
        client = fetcher(server, archive=archive)
        same = client.fetch(FetchRequest(url=server.url("/a"), archived=place))
        again = client.fetch(
            FetchRequest(
                url=server.url("/a"), archived=(same.archive_file or "", same.archive_offset or 0)
            )
        )
        other = client.fetch(FetchRequest(url=server.url("/b"), archived=place))

    kept = [
        read_record(folder, p.archive_file or "", p.archive_offset or 0)
        for p in (same, again, other)
    ]
    assert [record.is_revisit for record in kept] == [True, True, False]
    assert [record.body for record in kept] == [BODY, BODY, swapped]


def test_a_304_is_kept_and_leads_to_the_body(serve, fetcher, folder) -> None:
    server = serve(
        lambda seen: (
            reply(304, b"", 'ETag: "x"', length=False)
            if "if-none-match" in seen.headers
            else page(packed(BODY), "Content-Encoding: gzip", 'ETag: "x"')
        )
    )
    with ArchiveWriter(folder) as archive:
        client = fetcher(server, archive=archive)
        first = client.fetch(FetchRequest(url=server.url("/a")))
        place = (first.archive_file or "", first.archive_offset or 0)
        same = client.fetch(FetchRequest(url=server.url("/a"), etag=first.etag, archived=place))

    kept = read_record(folder, same.archive_file or "", same.archive_offset or 0)

    assert same.not_modified
    assert (kept.status, kept.body, kept.is_revisit) == (304, BODY, True)
    assert verify(folder).damaged == ()


def test_hops_and_failed_checks_are_kept_too(serve, fetcher, folder) -> None:
    server = serve(
        lambda seen: reply(301, b"moved", "Location: /b") if seen.path == "/a" else page(b"captcha")
    )
    with ArchiveWriter(folder) as archive:
        client = fetcher(server, archive=archive, max_attempts=2)
        with pytest.raises(FailedContentCheck):
            client.fetch(FetchRequest(url=server.url("/a"), expect="html"))

    assert [kind for kind, _, _ in records(folder)] == [
        "warcinfo",
        *["response", "request"] * 2,
        *["revisit", "request"],
    ]
    assert records(folder)[3][2] == b"captcha"


def test_files_rotate_by_size_and_by_day(serve, fetcher, folder) -> None:
    server = serve(lambda seen: page(html(seen.path, 3000)))
    times = [datetime(2026, 11, 20, 23, 59, 58, tzinfo=UTC)]
    with ArchiveWriter(folder, now=lambda: times[-1]) as archive:
        client = fetcher(server, archive=archive)
        client.fetch(FetchRequest(url=server.url("/0")))
        times.append(times[-1] + timedelta(seconds=3))
        client.fetch(FetchRequest(url=server.url("/1")))
    assert sorted(file.name[9:24] for file in folder.iterdir()) == [
        "20261120-235958",
        "20261121-000001",
    ]

    small = folder / "small"
    with ArchiveWriter(small, max_bytes=1500) as archive:
        client = fetcher(server, archive=archive)
        pages = [client.fetch(FetchRequest(url=server.url(f"/{n}"))) for n in range(6)]

    assert len(list(small.iterdir())) > 2
    for fetched in pages:
        kept = read_record(small, fetched.archive_file or "", fetched.archive_offset or 0)
        assert kept.body == fetched.body


def test_threads_and_processes_share_a_folder(serve, fetcher, folder) -> None:
    server = serve(lambda seen: page(html(seen.path, 3000)))
    with ArchiveWriter(folder) as one, ArchiveWriter(folder) as other:
        pages: list[FetchResponse] = []
        for archive in (one, other):
            client = fetcher(server, archive=archive, concurrency=8, per_host_concurrency=8)
            for result in client.fetch_all(
                FetchRequest(url=server.url(f"/{number}")) for number in range(40)
            ):
                assert isinstance(result, FetchResponse)
                pages.append(result)

    assert len(list(folder.iterdir())) == 2
    for fetched in pages:
        kept = read_record(folder, fetched.archive_file or "", fetched.archive_offset or 0)
        assert (kept.url, kept.body) == (fetched.final_url, fetched.body)
    assert verify(folder).records == 2 * (1 + 2 * 40)


WRITER = """
import sys
from flows.archive import ArchiveWriter
from flows.fetch import Fetcher, FetchPolicy, FetchRequest
base, folder = sys.argv[1:]
policy = FetchPolicy(allow_private_hosts=(base[7:],), respect_robots=False)
with ArchiveWriter(folder) as archive, Fetcher(policy, archive=archive) as fetcher:
    for page in fetcher.fetch_all(FetchRequest(url=f"{base}/{n}") for n in range(100000)):
        print(page.archive_file, page.archive_offset, page.url, flush=True)
"""


def test_a_killed_process_leaves_a_readable_archive(serve, folder) -> None:
    server = serve(lambda seen: page(html(seen.path, 30_000)))
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, server.url()[:-1], str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(60)]
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    lines += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]

    checked = verify(folder)

    assert checked.damaged == ()
    assert checked.records >= 2 * len(lines) - 1
    for line in lines:
        file, offset, url = line.split()
        kept = read_record(folder, file, int(offset))
        assert kept.body == html(url.removeprefix(server.url()[:-1]), 30_000)


def test_a_cut_tail_is_no_damage(serve, fetcher, folder) -> None:
    server = serve(lambda seen: page(html(seen.path, 3000)))
    with ArchiveWriter(folder) as archive:
        client = fetcher(server, archive=archive)
        for number in range(3):
            client.fetch(FetchRequest(url=server.url(f"/{number}")))
    file = next(folder.iterdir())
    whole = file.read_bytes()

    file.write_bytes(whole[:-10])
    cut = verify(folder)
    file.write_bytes(whole[: len(whole) // 2] + b"\xff" * 9 + whole[len(whole) // 2 + 9 :])
    damaged = verify(folder)

    assert (cut.damaged, len(cut.cut), cut.records) == ((), 1, 6)
    assert len(damaged.damaged) == 1
    assert file.name in damaged.damaged[0]


def test_a_changed_byte_is_found_when_it_is_read(serve, fetcher, folder) -> None:
    server = serve(lambda _seen: page(BODY))
    with ArchiveWriter(folder) as archive:
        fetched = fetcher(server, archive=archive).fetch(FetchRequest(url=server.url("/a")))
    file = folder / (fetched.archive_file or "")
    data = file.read_bytes()
    at = fetched.archive_offset or 0
    unpacker = zlib.decompressobj(31)
    plain = unpacker.decompress(data[at:])
    forged = gzip.compress(plain.replace(b"/a /a", b"/b /b", 1))
    file.write_bytes(data[:at] + forged + unpacker.unused_data)

    with pytest.raises(ArchiveError, match="damaged"):
        read_record(folder, file.name, at)
    assert len(verify(folder).damaged) == 1


@pytest.mark.parametrize("file", ["../secret", "/etc/passwd", "none.warc.gz", ".."])
def test_only_files_of_the_archive_are_read(file, folder) -> None:
    ArchiveWriter(folder).close()
    with pytest.raises(ArchiveError):
        read_record(folder, file, 0)


def test_an_offset_that_is_no_record_is_an_error(serve, fetcher, folder) -> None:
    server = serve(lambda _seen: page(BODY))
    with ArchiveWriter(folder) as archive:
        fetched = fetcher(server, archive=archive).fetch(FetchRequest(url=server.url("/a")))

    for offset in (3, 10**9):
        with pytest.raises(ArchiveError):
            read_record(folder, fetched.archive_file or "", offset)


def test_a_full_disk_is_an_error_and_leaves_whole_records(serve, fetcher, folder) -> None:
    """A file size limit replaces the full disk; the write fails in the middle."""
    server = serve(lambda _seen: page(os.urandom(30_000).hex().encode()))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with ArchiveWriter(folder) as archive:
            client = fetcher(server, archive=archive)
            client.fetch(FetchRequest(url=server.url("/0")))
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
            with pytest.raises(ArchiveError, match=r"cannot be written.*free some space"):
                client.fetch(FetchRequest(url=server.url("/1")))
            assert verify(folder).cut == ()
            with pytest.raises(ArchiveError):
                list(client.fetch_all([FetchRequest(url=server.url("/2"))]))
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            last = client.fetch(FetchRequest(url=server.url("/3")))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    assert verify(folder).damaged == ()
    assert verify(folder).cut == ()
    assert read_record(folder, last.archive_file or "", last.archive_offset or 0).body == last.body


def test_a_folder_that_cannot_be_made_is_an_error_at_once(tmp_path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(ArchiveError, match=r"archive\.path"):
        ArchiveWriter(tmp_path / "file" / "archive")


def test_records_are_found_by_an_index_of_another_tool(serve, fetcher, folder) -> None:
    server = serve(lambda seen: page(html(seen.path)))
    with ArchiveWriter(folder) as archive:
        client = fetcher(server, archive=archive)
        pages = [client.fetch(FetchRequest(url=server.url(f"/{n}"))) for n in range(3)]
    data = next(folder.iterdir()).read_bytes()
    iterator = ArchiveIterator(io.BytesIO(data))
    offsets = {
        record.rec_headers.get_header("WARC-Target-URI"): iterator.get_record_offset()
        for record in iterator
        if record.rec_type == "response"
    }

    assert offsets == {fetched.url: fetched.archive_offset for fetched in pages}


def test_sync_and_close_may_be_called_by_any_thread_at_any_time(folder) -> None:
    archive = ArchiveWriter(folder)
    archive.sync()
    threads = [threading.Thread(target=archive.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    archive.sync()


@pytest.mark.parametrize("path", ["/100%", "/a%zz?b=%", "/%7Ea|b?q={x}", "/%2e%2e%2Fx"])
def test_the_address_of_a_record_is_the_one_that_was_asked_for(
    path, serve, fetcher, folder
) -> None:
    server = serve(lambda _seen: page(BODY))
    with ArchiveWriter(folder) as archive:
        fetched = fetcher(server, archive=archive).fetch(FetchRequest(url=server.url(path)))

    (file,) = folder.glob("*.warc.gz")
    with file.open("rb") as stream:
        (line,) = [
            record.http_headers.statusline
            for record in ArchiveIterator(stream)
            if record.rec_type == "request"
        ]
    record = read_record(folder, fetched.archive_file or "", fetched.archive_offset or 0)
    assert record.url == fetched.final_url == server.url(server.log[0].path)
    assert line == f"{server.log[0].path} HTTP/1.1"
