"""Ranges of WARC files of other crawlers: what is read, what is counted, what is damaged."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime

import pytest

from flows.archive import warc_range
from flows.archive.errors import ArchiveError
from flows.archive.warc_range import WarcRange, require_member_each
from tests import ccnews

SITE = f"https://{ccnews.SITE}"


def is_wanted(url: str) -> bool:
    return url.startswith(SITE)


def read(data: bytes, start: int = 0, end: int | None = None) -> tuple[list[str], WarcRange]:
    found = WarcRange(io.BytesIO(data), start, len(data) if end is None else end, wants=is_wanted)
    return [one.response.url.removeprefix(SITE) for one in found.pages()], found


def page(path: str, number: int = 1, **options: object) -> bytes:
    return ccnews.record(f"{SITE}{path}", ccnews.http(ccnews.article(number)), **options)  # type: ignore[arg-type]


OTHER = ccnews.record("https://other.example/a", ccnews.http(ccnews.article(7)))


def test_pages_of_the_site_are_read_and_other_records_counted() -> None:
    data = b"".join(
        [
            ccnews.warcinfo(),
            OTHER,
            page("/a"),
            ccnews.record(f"{SITE}/a", b"GET /a HTTP/1.1\r\n\r\n", kind="request"),
            ccnews.record(f"{SITE}/a", b"HTTP/1.1 200 OK\r\n\r\n", kind="revisit"),
            ccnews.record(f"{SITE}/gone", ccnews.http(b"", status="404 Not Found")),
            ccnews.record(f"{SITE}/p.png", ccnews.http(b"x", content_type="image/png")),
            ccnews.record(f"{SITE}/dns", b"20261101 1.2.3.4"),
            page("/cut", fields={"WARC-Truncated": "length"}),
            page("/b", at=datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC)),
        ]
    )

    found = WarcRange(io.BytesIO(data), 0, len(data), wants=is_wanted)
    pages = list(found.pages())

    assert [one.response.url for one in pages] == [f"{SITE}/a", f"{SITE}/b"]
    assert pages[0].response.body == ccnews.article(1)
    assert pages[1].response.fetched_at == datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC)
    assert data[pages[1].offset :] == page("/b", at=datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC))
    assert found.counts == {
        "records": 10, "pages": 2, "other_url": 1, "other_type": 2, "revisit": 1,
        "http_status": 1, "media_type": 1, "not_http": 1, "truncated": 1,
    }  # fmt: skip
    assert found.problems == []
    assert len(found.unusable) == 2


@pytest.mark.parametrize("starts", [[0], range(0, 9_000, 700), [0, *range(900, 1_100)]])
def test_ranges_have_each_record_once_wherever_they_are_cut(starts) -> None:
    records = [ccnews.warcinfo(), page("/a"), OTHER, page("/b", 2), page("/c", 3), OTHER]
    data = b"".join(records)
    starts = [one for one in starts if one < len(data)]

    parts = [
        read(data, start, end) for start, end in zip(starts, [*starts[1:], len(data)], strict=True)
    ]

    assert [url for urls, _ in parts for url in urls] == ["/a", "/b", "/c"]
    assert sum(found.counts["records"] for _, found in parts) == len(records)
    assert [text for _, found in parts for text in found.problems] == []


def damaged(record: bytes, at: int, size: int = 8) -> bytes:
    return record[:at] + b"\xff" * size + record[at + size :]


@pytest.mark.parametrize("at", [0, 30, -100, -6])
@pytest.mark.parametrize("broken", ["other", "own"])
def test_a_damaged_record_is_counted_and_those_behind_it_are_read(at, broken) -> None:
    record = OTHER if broken == "other" else page("/x", 4)
    data = ccnews.warcinfo() + page("/a") + damaged(record, at % len(record)) + page("/b") + OTHER

    urls, found = read(data)

    assert urls == ["/a", "/b"]
    is_hidden = broken == "other" and at == -100  # the body of another site is not read
    assert (found.counts["damaged"] >= 1) is not is_hidden
    assert len(found.problems) == found.counts["damaged"]


@pytest.mark.parametrize("left", [5, 200, -3])
def test_a_file_that_ends_in_a_record(left) -> None:
    last = page("/b")
    urls, found = read(ccnews.warcinfo() + page("/a") + last[:left])

    assert urls == ["/a"]
    assert found.counts["damaged"] == 1


def test_garbage_is_counted_and_read_over() -> None:
    urls, found = read(ccnews.warcinfo() + b"\0" * 500 + page("/a") + b"garbage" + page("/b"))

    assert urls == ["/a", "/b"]
    assert found.counts["damaged"] == 2


def test_a_stored_warc_file_inside_a_record_gives_no_pages() -> None:
    inner = ccnews.warcinfo() + page("/inner")
    outer = ccnews.record(
        "https://other.example/x.warc.gz", ccnews.http(inner, content_type="application/warc"),
        level=0,
    )  # fmt: skip

    urls, found = read(ccnews.warcinfo() + outer + page("/a"))

    assert "/a" in urls
    assert "/inner" not in urls
    assert found.counts["damaged"] == 0


@pytest.mark.parametrize("data", [
    gzip.compress(gzip.decompress(ccnews.warcinfo()) * 40_000),
    gzip.decompress(ccnews.warcinfo()),
    b"PK\3\4 no archive", gzip.compress(b"a text"), b"",
], ids=["one member", "not compressed", "zip", "text", "empty"])  # fmt: skip
def test_a_file_of_another_form_is_refused(data) -> None:
    with pytest.raises(ArchiveError, match="recompress"):
        require_member_each(io.BytesIO(data), "x.warc.gz")
    require_member_each(io.BytesIO(ccnews.warcinfo() + OTHER), "y.warc.gz")


def test_a_record_that_is_too_large_is_left_out(monkeypatch) -> None:
    monkeypatch.setattr(warc_range, "MAX_RECORD_BYTES", 3_000)
    urls, found = read(ccnews.warcinfo() + page("/large") + page("/large-too") + OTHER)

    assert urls == []
    assert found.counts["too_large"] == 2
    assert found.counts["damaged"] == 0


def test_credentials_in_an_address_are_left_out() -> None:
    data = ccnews.record(f"https://user:hunter2@{ccnews.SITE}/a", ccnews.http(ccnews.article(1)))
    found = WarcRange(io.BytesIO(data), 0, len(data), wants=lambda _url: True)

    assert [one.response.url for one in found.pages()] == [f"{SITE}/a"]
