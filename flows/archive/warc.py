"""Pages as WARC 1.1 records, each a gzip member of its own (warcio makes the records)."""

from __future__ import annotations

import io
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from warcio.statusandheaders import StatusAndHeaders
from warcio.utils import Digester
from warcio.warcwriter import WARCWriter

from flows.fetch.client import HttpResponse

_SAME = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
_NOT_MODIFIED = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a body is kept already, for the records that refer to it."""

    file: str
    offset: int
    url: str
    date: str
    length: int


def sha1(data: bytes) -> str:
    """A payload digest as WARC files write it, with its label."""
    digester = Digester("sha1")
    digester.update(data)
    return str(digester)


def _member(record: Any, *, level: int, memory: int = 8) -> bytes:
    """One record as a gzip member of its own, so that it can be read by offset."""
    plain = io.BytesIO()
    WARCWriter(plain, gzip=False, warc_version="WARC/1.1").write_record(record)
    packer = zlib.compressobj(level, zlib.DEFLATED, 31, memory)
    return packer.compress(plain.getbuffer()) + packer.flush()


_BUILDER = WARCWriter(io.BytesIO(), gzip=False, warc_version="WARC/1.1")


def file_head(name: str) -> bytes:
    """The warcinfo record a file begins with."""
    record = _BUILDER.create_warcinfo_record(
        name, {"software": "copydesk", "format": "WARC File Format 1.1"}
    )
    return _member(record, level=6)


def page_records(
    answer: HttpResponse, digest: str, date: str, earlier: Place | None
) -> tuple[bytes, bytes]:
    """The response (or revisit) record and the request record, compressed."""
    url = answer.target.url
    answer_id = f"<urn:uuid:{uuid.uuid4()}>"
    head = {"WARC-Record-ID": answer_id, "WARC-Date": date}
    kind = "response"
    if answer.kind == "not_modified" or earlier is not None:
        kind = "revisit"
        head["WARC-Profile"] = _SAME if answer.kind == "page" else _NOT_MODIFIED
    if answer.kind == "page":
        head["WARC-Payload-Digest"] = digest
        head["X-Payload-Length"] = str(len(answer.body.wire))
    if earlier is not None:
        head["WARC-Refers-To-Target-URI"] = earlier.url
        head["WARC-Refers-To-Date"] = earlier.date
        head["WARC-Refers-To-Filename"] = earlier.file
        head["WARC-Refers-To-File-Offset"] = str(earlier.offset)
    wire = b"" if kind == "revisit" else answer.body.wire
    fields = list(_as_kept(answer, len(wire), is_revisit=kind == "revisit"))
    response = _BUILDER.create_warc_record(
        url,
        kind,
        payload=io.BytesIO(wire),
        length=len(wire),
        warc_headers_dict=head,
        http_headers=StatusAndHeaders(f"{answer.status} {answer.reason}", fields, "HTTP/1.1"),
    )
    line = f"GET {_path(url)} HTTP/1.1"
    asked = StatusAndHeaders(
        line, [("Host", _host(url)), *answer.request_fields], is_http_request=True
    )
    request = _BUILDER.create_warc_record(
        url,
        "request",
        warc_headers_dict={"WARC-Concurrent-To": answer_id, "WARC-Date": date},
        http_headers=asked,
    )
    # What came compressed is stored as it is; zlib's tables cost more than a short record.
    if answer.body.framing.codings:
        return _member(response, level=0, memory=3), _member(request, level=6, memory=3)
    return _member(response, level=6), _member(request, level=6, memory=3)


def _as_kept(answer: HttpResponse, length: int, *, is_revisit: bool) -> Iterator[tuple[str, str]]:
    """Header fields that fit the bytes kept: chunk framing is not among them."""
    is_length_given = False
    for name, value in answer.fields:
        low = name.lower()
        if low == "transfer-encoding" or (low == "content-length" and answer.kind == "redirect"):
            yield f"X-Crawler-{name}", value
        else:
            is_length_given = is_length_given or low == "content-length"
            yield name, value
    if not is_length_given and not is_revisit:
        yield "Content-Length", str(length)


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def _host(url: str) -> str:
    return url.split("/", 3)[2]
