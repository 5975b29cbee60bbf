"""HTTP responses inside WARC records of other crawlers, with their bodies decoded.

Crawlers differ: many store a body decoded and keep the fields of its framing. So a field that the
body contradicts is ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module

from flows.fetch.body import inflate_all
from flows.fetch.errors import FetchError, TooLarge

MAX_BODY_BYTES = 20_000_000
"""The same limit as that of a fetch, unless the configuration changes that."""

_TEXT = re.compile(r"text/|[^;]*(?:html|xml|json)|\s*$", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})")
_CHUNK = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_PREFIXES = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b"}
_FOREIGN = frozenset({"zstd", "compress", "x-compress"})


class UnreadableBody(Exception):
    """A body that cannot be decoded.

    Attributes:
        reason: Its name in the counts of an import.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpMessage:
    """A response.

    Attributes:
        content_type: The field as sent; empty without one.
        body: Without framing and content codings.
    """

    status: int
    content_type: str
    body: bytes

    @property
    def is_text(self) -> bool:
        """Whether its media type can be that of an article or a listing."""
        return _TEXT.match(self.content_type) is not None


def http_message(block: bytes, *, limit: int = MAX_BODY_BYTES) -> HttpMessage:
    """Parse the block of a response record.

    Raises:
        UnreadableBody: The body is cut, too large, or has a content coding that is not installed.
    """
    head, _, body = block.partition(b"\r\n\r\n")
    if b"\n\n" in head:  # some servers end lines by a line feed alone
        head, _, body = block.partition(b"\n\n")
    status = _STATUS.match(head)
    if status is None:
        raise UnreadableBody("not_http", f"expected an HTTP response, found {head[:20]!r}")
    fields = _fields(head)
    content_type = fields.get("content-type", "")
    number = int(status[1])
    message = HttpMessage(status=number, content_type=content_type, body=body)
    if number != 200 or not message.is_text:
        return message  # its body is not needed
    if "chunked" in fields.get("transfer-encoding", "").lower():
        body = _without_chunks(body)
    return HttpMessage(status=number, content_type=content_type, body=_decoded(body, fields, limit))


def _fields(head: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in head.splitlines()[1:]:
        name, _, value = line.partition(b":")
        key = name.decode("latin-1").strip().lower()
        fields[key] = ", ".join(filter(None, [fields.get(key), value.decode("latin-1").strip()]))
    return fields


def _without_chunks(body: bytes) -> bytes:
    """The body without its chunk framing; as it is when it has none.

    Raises:
        UnreadableBody: A chunk is cut.
    """
    parts: list[bytes] = []
    at = 0
    while found := _CHUNK.match(body, at):
        size = int(found[1], 16)
        if not size:
            return b"".join(parts)
        at = found.end() + size
        if at > len(body):
            break
        parts.append(body[found.end() : at])
        at += 2 if body[at : at + 2] == b"\r\n" else 1
    if not parts and not found:
        return body
    raise UnreadableBody("truncated", "its last chunk is missing")


def _decoded(body: bytes, fields: dict[str, str], limit: int) -> bytes:
    declared = [
        one.strip() for one in fields.get("content-encoding", "").lower().split(",") if one.strip()
    ]
    if not declared or body[:64].lstrip().startswith(b"<"):
        return _limited(body, limit)
    if unknown := _FOREIGN.intersection(declared):
        name = min(unknown)
        raise UnreadableBody("content_coding", f"its content coding {name} cannot be read")
    if declared[-1] == "br":
        body = _without_brotli(body, limit)
        declared.pop()
    declared = [one for one in declared if body.startswith(_PREFIXES.get(one, b""))]
    try:
        return inflate_all(body, (("content-encoding", ", ".join(declared)),), limit=limit)
    except TooLarge as error:
        raise UnreadableBody("too_large", str(error.args[0])) from error
    except FetchError as error:
        raise UnreadableBody("truncated", str(error.args[0])) from error


def _limited(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise UnreadableBody("too_large", f"expected at most {limit} bytes, found {len(body)}")
    return body


def _without_brotli(body: bytes, limit: int) -> bytes:
    try:
        brotli = import_module("brotli")
    except ImportError:
        raise UnreadableBody(
            "content_coding",
            'its content coding br needs a package: pip install "copydesk[warc]"',
        ) from None
    inflater = brotli.Decompressor()
    try:
        content: bytes = inflater.process(body, output_buffer_limit=limit + 1)
    except brotli.error as error:
        raise UnreadableBody(
            "truncated", f"its content coding br cannot be read: {error}"
        ) from None
    if len(content) <= limit and not inflater.is_finished():
        raise UnreadableBody("truncated", "its content coding br ends too early")
    return _limited(content, limit)
