"""The bytes of an answer, whole and decompressed, or an error.

Read raw, so that nothing between the socket and us can swallow a cut: the length or the
last chunk must be there, every compressed stream must reach its own end, and a body whose
end nobody announced is refused unless its content proves it.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Literal

from urllib3.response import HTTPResponse

from flows.fetch.deadlines import Deadline
from flows.fetch.errors import IncompleteBody, TimedOut, TooLarge
from flows.fetch.redact import safe_text

_READ = 65536
_MAX_MEMBERS = 100
_GZIP = b"\x1f\x8b"
_KEPT_COMPRESSED = re.compile(r"(?i)gzip|x-gzip|octet-stream|zip|tar")


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How the end of a body is announced.

    Attributes:
        kind: ``length``, ``chunked``, or ``close`` for the end of the connection.
        length: The announced length; ``None`` unless ``kind`` is ``length``.
        codings: The content codings, in the order they were applied.
    """

    kind: Literal["length", "chunked", "close"]
    length: int | None
    codings: tuple[str, ...]

    @property
    def is_provable(self) -> bool:
        """True when a cut cannot pass unnoticed."""
        return self.kind != "close" or bool(self.codings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body that is whole.

    Attributes:
        wire: As it came, without chunk framing.
        content: Decompressed.
        framing: How its end was announced.
    """

    wire: bytes
    content: bytes
    framing: Framing


def framing_of(raw: HTTPResponse) -> Framing:
    """How the end of this answer is announced.

    Raises:
        BrokenBody: The fields contradict each other or make no sense.
    """
    codings = _codings(raw)
    transfer = [
        part.strip().lower()
        for part in ",".join(raw.headers.getlist("transfer-encoding")).split(",")
    ]
    transfer = [part for part in transfer if part]
    if transfer:
        if transfer != ["chunked"]:
            raise IncompleteBody(f"expected the transfer coding chunked, found {_show(transfer)}")
        return Framing(kind="chunked", length=None, codings=codings)
    lengths = {
        part.strip() for field in raw.headers.getlist("content-length") for part in field.split(",")
    }
    if not lengths:
        return Framing(kind="close", length=None, codings=codings)
    length = lengths.pop()
    if lengths or not re.fullmatch(r"[0-9]{1,15}", length):
        raise IncompleteBody(
            f"expected one Content-Length in digits, found {_show([length, *lengths])}"
        )
    return Framing(kind="length", length=int(length), codings=codings)


def _codings(raw: HTTPResponse) -> tuple[str, ...]:
    named = ",".join(raw.headers.getlist("content-encoding")).lower().split(",")
    codings = tuple(part.strip() for part in named if part.strip() not in ("", "identity"))
    unknown = [part for part in codings if part not in ("gzip", "x-gzip", "deflate")]
    if unknown or len(codings) > 2:
        raise IncompleteBody(
            f"expected the content coding gzip or deflate, found {_show(list(codings))}"
        )
    return codings


def _show(values: list[str]) -> str:
    return safe_text(", ".join(repr(value) for value in values), limit=120)


def read_body(raw: HTTPResponse, *, framing: Framing, limit: int, leash: Deadline) -> Body:
    """The whole body.

    Raises:
        BrokenBody: It is cut or garbled.
        TooLarge: More than ``limit`` bytes, on the wire or decompressed.
        TimedOut: The attempt's deadline passed.
    """
    if framing.length is not None and framing.length > limit:
        raise TooLarge(_too_large(framing.length, limit, "announced"))
    wire = _read_wire(raw, framing, limit, leash)
    content = wire
    for coding in reversed(framing.codings):
        content = _inflate(content, coding, limit)
    _refuse_double(raw, framing, content)
    return Body(wire=wire, content=content, framing=framing)


def _read_wire(raw: HTTPResponse, framing: Framing, limit: int, leash: Deadline) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        part = raw.read1(_READ, decode_content=False)
        if leash.left() <= 0 or leash.is_over:
            raise TimedOut(f"the body was still coming after {size} bytes")
        if not part:
            break
        parts.append(part)
        size += len(part)
        if size > limit:
            raise TooLarge(_too_large(size, limit, "received"))
        if size == framing.length:
            break
    if framing.length is not None and size != framing.length:
        raise IncompleteBody(f"expected {framing.length} bytes, the connection ended after {size}")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_prefix(raw: HTTPResponse, *, limit: int, leash: Deadline) -> bytes:
    """At most ``limit`` raw bytes of an answer whose content does not matter."""
    parts: list[bytes] = []
    size = 0
    while size < limit and leash.left() > 0:
        part = raw.read1(min(_READ, limit - size), decode_content=False)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _too_large(size: int, limit: int, how: str) -> str:
    return (
        f"expected at most {limit} bytes, {size} {how}; if such pages are meant, raise "
        "fetch.max_body_bytes"
    )


def _inflate(data: bytes, coding: str, limit: int) -> bytes:
    """A compressed stream, decompressed to its own end.

    gzip may hold several members (RFC 1952 2.2) and zero padding after them.
    """
    parts: list[bytes] = []
    size = 0
    rest = data
    for _ in range(_MAX_MEMBERS):
        inflater = zlib.decompressobj(_window(rest, coding))
        try:
            part = inflater.decompress(rest, limit - size + 1)
        except zlib.error as error:
            raise IncompleteBody(
                f"expected {coding} data, it does not decompress: {error}"
            ) from error
        size += len(part)
        if size > limit:
            raise TooLarge(_too_large(size, limit, "after decompression, and more to come"))
        parts.append(part)
        if not inflater.eof:
            raise IncompleteBody(
                f"the {coding} data ends too early: {len(data)} bytes give {size}, and its end "
                "mark is missing"
            )
        rest = inflater.unused_data.lstrip(b"\0")
        if not rest:
            return parts[0] if len(parts) == 1 else b"".join(parts)
        if coding == "deflate" or not rest.startswith(_GZIP):
            raise IncompleteBody(f"{len(rest)} bytes follow the end of the {coding} data")
    raise TooLarge(f"expected at most {_MAX_MEMBERS} gzip members in one body, found more")


def _window(data: bytes, coding: str) -> int:
    if coding != "deflate":
        return 31
    # RFC 9110 8.4.1.2: deflate means zlib; some servers send it bare.
    is_zlib = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
    return 15 if is_zlib else -15


def _refuse_double(raw: HTTPResponse, framing: Framing, content: bytes) -> None:
    """Refuse what is still compressed although its labels say it is not."""
    if not content.startswith(_GZIP) or content[2:3] != b"\x08":
        return
    kind = raw.headers.get("content-type", "")
    named = str(raw.url or "").partition("?")[0].lower()
    if _KEPT_COMPRESSED.search(kind) or (named.endswith((".gz", ".tgz")) and not framing.codings):
        return
    raise IncompleteBody(
        f"the body is still gzip data after its declared coding ({_show(list(framing.codings))}) "
        f"was undone; its type is {safe_text(kind)!r}"
    )


def inflate_all(wire: bytes, fields: tuple[tuple[str, str], ...], *, limit: int = 1 << 30) -> bytes:
    """An archived body, decompressed as its own header fields say.

    Raises:
        BrokenBody: It does not decompress.
        TooLarge: It is larger than ``limit``.
    """
    named = ",".join(value for name, value in fields if name.lower() == "content-encoding")
    for coding in reversed([part.strip() for part in named.lower().split(",")]):
        if coding in ("gzip", "x-gzip", "deflate"):
            wire = _inflate(wire, coding, limit)
    return wire
