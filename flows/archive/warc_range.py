"""Read the responses of a byte range of a WARC file, as crawls such as CC-NEWS publish them.

Each record is a gzip member of its own. A range has the records that begin in it, so that a file
is divided without reading it, and several processes read one file.

A member that is not wanted is not inflated: the next one is searched for. The last four bytes of
a member are the length of its record, which its header has, too. Where they differ the file is
damaged, and the member is inflated to find out what is left of it.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from flows.archive.errors import ArchiveError
from flows.archive.http_message import UnreadableBody, http_message
from flows.fetch.messages import FetchResponse, stored_response
from flows.fetch.ssrf import without_credentials

_MAGIC = b"\x1f\x8b\x08"
_START = b"WARC/"
_END = b"\r\n\r\n"
_TAIL_BYTES = 1 << 20
_PROBE_BYTES = 1024
_PIECE_BYTES = 1 << 15
_MAX_HEAD_BYTES = 1 << 16
MAX_RECORD_BYTES = 64 << 20
"""A larger record is not read."""

_CUT = "the file ends in it"
_TOO_LARGE = f"it has more than {MAX_RECORD_BYTES} bytes"

Fields = dict[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeResponse:
    """A page of a range.

    Attributes:
        offset: Where its record begins in the file.
        response: The page, decoded, with the time of its record (aware UTC).
    """

    offset: int
    response: FetchResponse


class WarcRange:
    """The records of a range of a WARC file.

    Args:
        stream: The file; it can seek.
        start: The first byte of the range.
        end: The byte after its last one.
        wants: Whether the page of a URL is wanted; others are not inflated.

    Attributes:
        counts: How many records there were (``records``), and why some are no pages.
        problems: One message for each damaged place of the file.
        unusable: One message for each wanted page that cannot be used.
        is_cut: The file ends inside a record, as while it is still downloaded.
    """

    def __init__(
        self, stream: IO[bytes], start: int, end: int, *, wants: Callable[[str], bool]
    ) -> None:
        self._stream = stream
        self._start = start
        self._size = end - start
        self._wants = wants
        stream.seek(start)
        self._data = stream.read(self._size + _TAIL_BYTES)
        self._probed: tuple[int, Any, bytes] | None = None
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.unusable: list[str] = []
        self.is_cut = False

    def pages(self) -> Iterator[RangeResponse]:
        """Yield the wanted pages in their order; one is in memory at a time."""
        at: int | None = 0
        if not self._begins_record(0):
            at = self._next(0)
            # Only the first byte of a file, or one after a whole record, must begin a record.
            if self._start == 0 and self._data:
                self._damage(0, "no WARC record begins here")
        while at is not None and at < self._size:
            self.counts["records"] += 1
            page, at = self._record(at)
            if page is not None:
                yield page

    def _record(self, at: int) -> tuple[RangeResponse | None, int | None]:
        """The page of a record, if it is wanted, and where the next record begins."""
        try:
            fields, length = self._head(at)
        except (ValueError, zlib.error) as error:
            self._damage(at, f"its header cannot be read: {error}")
            return None, self._next(at + 1)
        if not self._is_wanted(fields):
            after = self._next(at + 1)
            if after is None or self._ends_at(after, length):
                return None, after
        plain, after, problem = self._inflate(at)
        if problem == _TOO_LARGE:
            self._leave(_url_of(fields), "too_large", problem)
            return None, self._next(at + 1)
        if not problem and len(plain) < length - len(_END):
            problem = f"it has {len(plain)} bytes, {length} were announced"
        if problem:
            self._damage(at, problem)
            return None, self._next(at + 1)
        if after < len(self._data) and not self._begins_record(after):
            self._damage(after, "no WARC record begins here")
        following = after if self._begins_record(after) else self._next(after)
        if not self._wants(_url_of(fields)) or fields[b"warc-type"] != b"response":
            return None, following  # a damaged place follows it
        return self._page(at, fields, plain), following

    def _is_wanted(self, fields: Fields) -> bool:
        """Whether a record is a response of a wanted URL; counts it if not."""
        kind = fields[b"warc-type"].decode("ascii", "replace")
        if kind == "response":
            if self._wants(_url_of(fields)):
                return True
            self.counts["other_url"] += 1
        else:
            self.counts["revisit" if kind == "revisit" else "other_type"] += 1
        return False

    def _page(self, at: int, fields: Fields, plain: bytes) -> RangeResponse | None:
        url = without_credentials(_url_of(fields))
        if b"warc-truncated" in fields:
            self._leave(url, "truncated", "the crawl cut it")
            return None
        begin = plain.find(_END) + len(_END)
        block = plain[begin : begin + int(fields[b"content-length"])]
        try:
            message = http_message(block)
            at_time = _time_of(fields)
        except UnreadableBody as error:
            self._leave(url, error.reason, str(error))
            return None
        except ValueError as error:
            self._damage(at, str(error))
            return None
        if message.status != 200:
            self.counts["http_status"] += 1
            return None
        if not message.is_text:
            self.counts["media_type"] += 1
            return None
        self.counts["pages"] += 1
        return RangeResponse(
            offset=self._start + at,
            response=stored_response(
                url, message.body, content_type=message.content_type, fetched_at=at_time
            ),
        )

    def _leave(self, url: str, reason: str, text: str) -> None:
        self.counts[reason] += 1
        self.unusable.append(f"{url}: {text}")

    def _damage(self, at: int, text: str) -> None:
        self.counts["damaged"] += 1
        self.is_cut |= text.endswith(_CUT)
        self.problems.append(f"the record at {self._start + at}: {text}")

    def _head(self, at: int) -> tuple[Fields, int]:
        """The fields of a record, and the length of the whole record, plain.

        Raises:
            ValueError: It is no WARC record.
            zlib.error: It does not inflate.
        """
        inflater, plain = self._probe(at)
        self._probed = None  # it reads on
        place = at + _PROBE_BYTES
        while (end := plain.find(_END)) < 0:
            piece = self._bytes(place, place + _PROBE_BYTES)
            if not piece and not inflater.eof:
                raise ValueError(_CUT)
            if inflater.eof or len(plain) > _MAX_HEAD_BYTES:
                break
            plain += inflater.decompress(piece)
            place += len(piece)
        if end < 0:
            raise ValueError("it has no end")
        version, *lines = plain[:end].split(b"\r\n")
        fields: Fields = {}
        for line in lines:
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        if not version.startswith(_START) or b"warc-type" not in fields:
            raise ValueError(f"expected a WARC record, found {plain[:20]!r}")
        return fields, end + 2 * len(_END) + int(fields.get(b"content-length", b""))

    def _inflate(self, at: int) -> tuple[bytes, int, str]:
        """A record, plain, the end of its member, and its problem."""
        inflater = zlib.decompressobj(31)
        parts, place, size = [], at, 0
        while not inflater.eof:
            piece = self._bytes(place, place + _PIECE_BYTES)
            if not piece:
                return b"", place, _CUT
            try:
                parts.append(inflater.decompress(piece, MAX_RECORD_BYTES - size + 1))
            except zlib.error as error:
                return b"", place, str(error)
            place, size = place + len(piece), size + len(parts[-1])
            if size > MAX_RECORD_BYTES:
                return b"", place, _TOO_LARGE
        return b"".join(parts), place - len(inflater.unused_data), ""

    def _ends_at(self, after: int, length: int) -> bool:
        """Whether a record of that length ends where the next one begins."""
        return int.from_bytes(self._data[after - 4 : after], "little") == length & 0xFFFFFFFF

    def _next(self, at: int) -> int | None:
        """Where the next record begins at or after a place; ``None`` beyond the range."""
        while (found := self._data.find(_MAGIC, at)) >= 0 and found < self._size:
            if self._begins_record(found):
                return found
            at = found + 1
        return None

    def _begins_record(self, at: int) -> bool:
        with suppress(zlib.error):
            return self._probe(at)[1].startswith(_START)
        return False

    def _probe(self, at: int) -> tuple[Any, bytes]:
        """The first plain bytes of a member, and what inflates the rest; the last one is kept."""
        if self._probed is None or self._probed[0] != at:
            inflater = zlib.decompressobj(31)
            plain = inflater.decompress(self._bytes(at, at + _PROBE_BYTES))
            self._probed = (at, inflater, plain)
        return self._probed[1:]

    def _bytes(self, start: int, end: int) -> bytes:
        """Bytes of the file by their place in the range; reads on behind the range."""
        while end > len(self._data) and (more := self._stream.read(_TAIL_BYTES)):
            self._data += more
        return self._data[start:end]


def require_member_each(stream: IO[bytes], name: str) -> None:
    """Check that a WARC file has a gzip member for each record.

    Raises:
        ArchiveError: It has not.
    """
    stream.seek(0)
    inflater, size = zlib.decompressobj(31), 0
    with suppress(zlib.error):
        while size < _TAIL_BYTES and not inflater.eof and (piece := stream.read(_MAX_HEAD_BYTES)):
            plain = inflater.decompress(piece, _TAIL_BYTES)
            if not size and not plain.startswith(_START):
                break
            size += len(plain)
        else:
            if inflater.eof:
                return
    raise ArchiveError(
        f"expected a WARC file with a gzip member for each record, found another form in {name}: "
        "`warcio recompress IN OUT` makes one"
    )


def _url_of(fields: Fields) -> str:
    # WARC 1.0 allows angle brackets.
    return fields.get(b"warc-target-uri", b"").decode("utf-8", "replace").strip("<>")


def _time_of(fields: Fields) -> datetime:
    text = fields.get(b"warc-date", b"").decode("ascii", "replace")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expected a WARC-Date, found {text!r}") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
