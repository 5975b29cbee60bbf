"""Responses as WARC 1.1 records, each a gzip member of its own; warcio makes the records."""

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

_SAME_DIGEST = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
_NOT_MODIFIED = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
_BUILDER = WARCWriter(io.BytesIO(), gzip=False, warc_version="WARC/1.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBody:
    """Location of an archived body, for the records that refer to it."""

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
    """A record as a gzip member of its own, which can be read by offset."""
    plain = io.BytesIO()
    WARCWriter(plain, gzip=False, warc_version="WARC/1.1").write_record(record)
    packer = zlib.compressobj(level, zlib.DEFLATED, 31, memory)
    return packer.compress(plain.getbuffer()) + packer.flush()


def warcinfo_record(name: str) -> bytes:
    """The first record of a file, compressed."""
    record = _BUILDER.create_warcinfo_record(
        name, {"software": "copydesk", "format": "WARC File Format 1.1"}
    )
    return _member(record, level=6)


def page_records(
    response: HttpResponse, digest: str, date: str, earlier: StoredBody | None
) -> bytes:
    """The response (or revisit) record and the request record, compressed."""
    url = response.target.url
    record_id = f"<urn:uuid:{uuid.uuid4()}>"
    headers = {"WARC-Record-ID": record_id, "WARC-Date": date}
    is_page = response.kind == "page"
    is_revisit = response.kind == "not_modified" or earlier is not None
    if is_revisit:
        headers["WARC-Profile"] = _SAME_DIGEST if is_page else _NOT_MODIFIED
    if is_page:
        headers["WARC-Payload-Digest"] = digest
        headers["X-Payload-Length"] = str(len(response.body.wire))
    if earlier is not None:
        headers["WARC-Refers-To-Target-URI"] = earlier.url
        headers["WARC-Refers-To-Date"] = earlier.date
        headers["WARC-Refers-To-Filename"] = earlier.file
        headers["WARC-Refers-To-File-Offset"] = str(earlier.offset)
    wire = b"" if is_revisit else response.body.wire
    fields = list(_stored_fields(response, len(wire), is_revisit=is_revisit))
    stored = _BUILDER.create_warc_record(
        url,
        "revisit" if is_revisit else "response",
        payload=io.BytesIO(wire),
        length=len(wire),
        warc_headers_dict=headers,
        http_headers=StatusAndHeaders(f"{response.status} {response.reason}", fields, "HTTP/1.1"),
    )
    host = url.split("/", 3)[2]
    request = _BUILDER.create_warc_record(
        url,
        "request",
        warc_headers_dict={"WARC-Concurrent-To": record_id, "WARC-Date": date},
        http_headers=StatusAndHeaders(
            f"GET {response.target.path} HTTP/1.1",
            [("Host", host), *response.request_fields],
            is_http_request=True,
        ),
    )
    # A compressed body is stored as it is; zlib's tables cost more than a short record.
    level, memory = (0, 3) if response.body.framing.codings else (6, 8)
    return _member(stored, level=level, memory=memory) + _member(request, level=6, memory=3)


def _stored_fields(
    response: HttpResponse, length: int, *, is_revisit: bool
) -> Iterator[tuple[str, str]]:
    """Header fields that fit the stored bytes, which have no chunk framing."""
    has_length = False
    for name, value in response.fields:
        low = name.lower()
        if low == "transfer-encoding" or (low == "content-length" and response.kind == "redirect"):
            yield f"X-Crawler-{name}", value
        else:
            has_length = has_length or low == "content-length"
            yield name, value
    if not has_length and not is_revisit:
        yield "Content-Length", str(length)
