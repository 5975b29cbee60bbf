"""Response bodies: read whole and decompressed, or refused.

The body is read raw, so that no library between the socket and this module can hide a cut.
The announced length or the last chunk must arrive, every compressed stream must reach its own
end, and a body without an announced end must prove it by its content.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace
from typing import Literal

from urllib3.response import HTTPResponse

from flows.fetch.deadlines import Deadline
from flows.fetch.errors import IncompleteBody, TimedOut, TooLarge
from flows.secrets.redact import safe_text

_READ_BYTES = 65536
_MAX_MEMBERS = 100
_GZIP = b"\x1f\x8b"
_CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
# Other values, such as utf-8 and none, name no coding, and browsers ignore them.
_UNSUPPORTED = frozenset(
    {"aes128gcm", "br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd"}
)
_GZIP_DEFLATE = _GZIP + b"\x08"


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How a response announces the end of its body.

    Attributes:
        kind: ``length``, ``chunked``, or ``close`` for the end of the connection.
        length: Announced length; ``None`` unless ``kind`` is ``length``.
        codings: Content codings, in the order they were applied; of a body also a gzip that
            no header field declared.
    """

    kind: Literal["length", "chunked", "close"]
    length: int | None
    codings: tuple[str, ...]

    @property
    def is_provable(self) -> bool:
        """True when a cut is always detected."""
        return self.kind != "close" or bool(self.codings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A complete body.

    Attributes:
        wire: As received, without chunk framing.
        content: Decompressed.
        framing: How its end was announced.
    """

    wire: bytes
    content: bytes
    framing: Framing


def _field_parts(raw: HTTPResponse, name: str) -> list[str]:
    """The comma-separated values of a field, lower case, without empty ones."""
    values = ",".join(raw.headers.getlist(name)).lower().split(",")
    return [part.strip() for part in values if part.strip()]


def framing_of(raw: HTTPResponse) -> Framing:
    """How a response announces the end of its body.

    Raises:
        IncompleteBody: The fields contradict each other or are invalid.
    """
    declared = _field_parts(raw, "content-encoding")
    codings = tuple(part for part in declared if part in _CODINGS)
    if _UNSUPPORTED.intersection(declared) or len(codings) > 2:
        raise IncompleteBody(
            f"expected the content coding gzip or deflate, found {_show(declared)}"
        )
    transfer = _field_parts(raw, "transfer-encoding")
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


def _show(values: list[str] | tuple[str, ...]) -> str:
    return safe_text(", ".join(repr(value) for value in values), limit=120)


def read_body(raw: HTTPResponse, *, framing: Framing, limit: int, deadline: Deadline) -> Body:
    """Read the whole body.

    Raises:
        IncompleteBody: It is cut or garbled.
        TooLarge: More than ``limit`` bytes, on the wire or decompressed.
        TimedOut: The attempt's deadline passed.
    """
    if framing.length is not None and framing.length > limit:
        raise TooLarge(_too_large(framing.length, limit, "announced"))
    wire = _read_wire(raw, framing, limit, deadline)
    content, codings = _decode(wire, framing.codings, limit)
    return Body(wire=wire, content=content, framing=replace(framing, codings=codings))


def _decode(wire: bytes, codings: tuple[str, ...], limit: int) -> tuple[bytes, tuple[str, ...]]:
    """Undo the declared codings, and one of gzip that no header field declares.

    Returns:
        The content, and the codings that were undone.
    """
    content = wire
    for coding in reversed(codings):
        content = _inflate(content, coding, limit)
    if content.startswith(_GZIP_DEFLATE):  # a gzip file, or a body that was compressed twice
        content = _inflate(content, "gzip", limit)
        codings = ("gzip", *codings)
    return content, codings


def _read_wire(raw: HTTPResponse, framing: Framing, limit: int, deadline: Deadline) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        part = raw.read1(_READ_BYTES, decode_content=False)
        if deadline.seconds_left() <= 0 or deadline.is_over:
            raise TimedOut(f"the body was incomplete after {size} bytes")
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


def read_prefix(raw: HTTPResponse, *, limit: int, deadline: Deadline) -> bytes:
    """Read at most ``limit`` raw bytes of a body."""
    parts: list[bytes] = []
    size = 0
    while size < limit and deadline.seconds_left() > 0:
        part = raw.read1(min(_READ_BYTES, limit - size), decode_content=False)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _too_large(size: int, limit: int, how: str) -> str:
    return (
        f"expected at most {limit} bytes, {size} {how}; to accept such pages, raise "
        "fetch.max_body_bytes"
    )


def _inflate(data: bytes, coding: str, limit: int) -> bytes:
    """Decompress a stream to its own end.

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
            raise TooLarge(_too_large(size, limit, "or more after decompression"))
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


def inflate_all(wire: bytes, fields: tuple[tuple[str, str], ...], *, limit: int = 1 << 30) -> bytes:
    """Decompress an archived body as it was when it was fetched.

    Raises:
        IncompleteBody: It does not decompress.
        TooLarge: It is larger than ``limit``.
    """
    declared = ",".join(value for name, value in fields if name.lower() == "content-encoding")
    known = (part.strip() for part in declared.lower().split(","))
    codings = tuple(part for part in known if part in _CODINGS)
    return _decode(wire, codings, limit)[0]
