"""The fields of an archived record are read without its body, and only of a record."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from flows.archive import ArchiveError, ArchiveWriter, read_record
from flows.archive.reader import WarcHeaderReader, read_warc_headers
from flows.archive.redact import redact_record
from flows.fetch import FetchRequest
from tests.integration.fetch.faultserver import page, reply

BODY = os.urandom(60_000).hex().encode()


@pytest.fixture
def kept(serve, fetcher, tmp_path):
    """A folder and the places of three of its records: a page, the same again, a 304."""
    server = serve(
        lambda seen: (
            reply(304, b"", 'ETag: "x"', length=False)
            if "if-none-match" in seen.headers
            else page(BODY, 'ETag: "x"')
        )
    )
    places = []
    with ArchiveWriter(tmp_path) as archive:
        client = fetcher(server, archive=archive)
        for etag in (None, None, '"x"'):
            earlier = places[-1] if places else None
            request = FetchRequest(url=server.url("/a"), etag=etag, archived=earlier)
            fetched = client.fetch(request)
            places.append((fetched.archive_file or "", fetched.archive_offset or 0))
    return tmp_path, places


def test_heads_are_those_that_another_tool_reads(kept) -> None:
    folder, places = kept
    with (folder / places[0][0]).open("rb") as stream:
        iterator = ArchiveIterator(stream)
        expected = {
            iterator.get_record_offset(): dict(record.rec_headers.headers) for record in iterator
        }

    heads = WarcHeaderReader(folder)
    found = {offset: heads.read(places[0][0], offset) for offset in expected}
    heads.close()

    assert found == expected
    assert [found[offset]["WARC-Type"] for _, offset in places] == [
        "response",
        "revisit",
        "revisit",
    ]


def test_head_of_an_erased_page_is_found_behind_its_padding(kept) -> None:
    folder, places = kept
    assert redact_record(folder, *places[0])

    assert read_warc_headers(folder, *places[0])["WARC-Type"] == "metadata"
    assert not redact_record(folder, *places[0]), "it was erased before"


def test_nothing_new_refers_to_an_erased_page(kept, serve, fetcher) -> None:
    folder, places = kept
    redact_record(folder, *places[0])
    server = serve(lambda seen: page(BODY))

    with ArchiveWriter(folder) as archive:
        request = FetchRequest(url=server.url("/a"), archived=places[2])
        again = fetcher(server, archive=archive).fetch(request)

    record = read_record(folder, again.archive_file or "", again.archive_offset or 0)
    assert (record.is_revisit, record.body) == (False, BODY)


@pytest.mark.parametrize("where", ["inside", "behind", "cut", "rubbish", "elsewhere"])
def test_an_invalid_record_is_refused_by_name(kept, where) -> None:
    folder, [(name, offset), *_] = kept
    file = folder / name
    if where == "inside":
        offset += 7
    elif where == "behind":
        offset = file.stat().st_size
    elif where == "cut":
        file.write_bytes(file.read_bytes()[: offset + 40])
    elif where == "rubbish":
        file.write_bytes(bytes(offset) + b"\x1f\x8b" + os.urandom(5000))
    else:
        name = "../copydesk.toml"

    with pytest.raises(ArchiveError, match=r"copydesk-.*warc\.gz|the name of a file"):
        read_warc_headers(folder, name, offset)


def open_files(folder):
    """How many files of a folder this process has open."""
    links = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    return sum(Path(target).parent == folder for target in links)


def test_few_files_stay_open(serve, fetcher, tmp_path) -> None:
    server = serve(lambda seen: page(seen.path.encode() * 50))
    places = []
    for number in range(20):
        with ArchiveWriter(tmp_path) as archive:
            client = fetcher(server, archive=archive)
            fetched = client.fetch(FetchRequest(url=server.url(f"/{number}")))
            places.append((fetched.archive_file or "", fetched.archive_offset or 0))

    heads = WarcHeaderReader(tmp_path)
    urls = [heads.read(*place)["WARC-Target-URI"] for place in places * 2]

    assert urls == [server.url(f"/{number}") for number in range(20)] * 2
    assert 0 < open_files(tmp_path) <= 8
    heads.close()
    assert open_files(tmp_path) == 0


@pytest.mark.parametrize("how", ["deleted", "moved away", "replaced by a damaged copy"])
def test_page_is_kept_whole_where_its_earlier_copy_went_away_during_the_run(
    serve, fetcher, tmp_path, how
) -> None:
    folder = tmp_path / "archive"
    server = serve(lambda seen: page(BODY if seen.path == "/a" else BODY.swapcase()))
    places = {}
    with ArchiveWriter(folder) as archive:
        client = fetcher(server, archive=archive)
        for path in ("/a", "/b"):
            kept = client.fetch(FetchRequest(url=server.url(path)))
            places[path] = (kept.archive_file or "", kept.archive_offset or 0)
    file = folder / places["/a"][0]

    with ArchiveWriter(folder) as archive:
        client = fetcher(server, archive=archive)
        client.fetch(FetchRequest(url=server.url("/b"), archived=places["/b"]))  # opens the file
        if how == "replaced by a damaged copy":
            copy = file.with_suffix(".copy")
            copy.write_bytes(file.read_bytes()[:100])
            copy.replace(file)
        elif how == "deleted":
            file.unlink()
        else:
            file.rename(tmp_path / file.name)
        again = client.fetch(FetchRequest(url=server.url("/a"), archived=places["/a"]))

    record = read_record(folder, again.archive_file or "", again.archive_offset or 0)
    assert (record.is_revisit, record.body) == (False, BODY)
