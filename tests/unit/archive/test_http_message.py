"""Responses as other crawlers store them: chunks, content codings, and fields that are wrong."""

from __future__ import annotations

import gzip
import zlib

import pytest

from flows.archive.http_message import UnreadableBody, http_message
from tests.ccnews import http

brotli = pytest.importorskip("brotli", reason="copydesk[warc]")

BODY = "<html><body>Fähre 渡轮</body></html>".encode() * 20
CHUNKED = (
    b"5\r\n"
    + BODY[:5]
    + b"\r\n"
    + f"{len(BODY) - 5:X};x=y\r\n".encode()
    + BODY[5:]
    + b"\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(("stored", "fields"), [
    (BODY, {}),
    (gzip.compress(BODY, mtime=0), {"content_encoding": "gzip"}),
    (BODY, {"content_encoding": "gzip"}),  # decoded by the crawler, which kept the field
    (BODY, {"content_encoding": "br"}),
    (zlib.compress(BODY), {"content_encoding": "deflate"}),
    (brotli.compress(BODY), {"content_encoding": "br"}),
    (CHUNKED, {"transfer_encoding": "chunked"}),
    (BODY, {"transfer_encoding": "chunked"}),
    (gzip.compress(BODY, mtime=0), {"content_encoding": "GZIP", "transfer_encoding": "Chunked"}),
    (BODY, {"content_encoding": "identity, utf-8"}),
])  # fmt: skip
def test_a_body_is_decoded_whatever_its_crawler_kept(stored, fields) -> None:
    message = http_message(http(stored, **fields))

    assert (message.status, message.body) == (200, BODY)
    assert message.is_text


@pytest.mark.parametrize(("block", "reason"), [
    (http(gzip.compress(BODY, mtime=0)[:-9], content_encoding="gzip"), "truncated"),
    (http(brotli.compress(BODY)[:-9], content_encoding="br"), "truncated"),
    (http(CHUNKED[:-30], transfer_encoding="chunked"), "truncated"),
    (http(b"\x28\xb5\x2f\xfd", content_encoding="zstd"), "content_coding"),
    (http(gzip.compress(b"x" * 50_000, mtime=0), content_encoding="gzip"), "too_large"),
    (http(brotli.compress(b"x" * 50_000), content_encoding="br"), "too_large"),
    (http(b"x" * 50_000), "too_large"),
    (b"20261101 1.2.3.4\r\n", "not_http"),
])  # fmt: skip
def test_a_body_that_cannot_be_decoded_has_a_reason(block, reason) -> None:
    with pytest.raises(UnreadableBody) as failure:
        http_message(block, limit=20_000)

    assert failure.value.reason == reason


@pytest.mark.parametrize(("media_type", "is_text"), [
    ("text/html; charset=gbk", True), ("application/xhtml+xml", True), ("application/json", True),
    ("", True), ("image/svg+xml", True), ("image/png", False), ("application/pdf", False),
])  # fmt: skip
def test_media_types_of_pages(media_type, is_text) -> None:
    message = http_message(http(b"x", content_type=media_type))

    assert (message.is_text, message.content_type) == (is_text, media_type)
