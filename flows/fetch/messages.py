"""What goes into a fetch and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from flows.fetch.attempt import Attempt
from flows.fetch.errors import FetchError
from parsers.model import Entry, Page
from parsers.text.charset import decode

Expect = Literal["any", "closed", "html", "json", "xml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """One address to fetch.

    Attributes:
        url: Absolute, http or https. A user name and password in it are sent to that
            host alone.
        etag: The validator stored with the copy we have, verbatim.
        last_modified: Likewise.
        validators_for: The final address the validators came from; the request's own
            address when empty. They are sent to no other.
        expect: What the body must be; checked before it is accepted. ``closed`` is any of
            the three that follow it, told by how the body begins.
        min_bytes: The least the body must have, after decompression.
        check: A check of the source's own: words that say what is wrong with the
            body, or ``None``.
        archived: ``(file, offset)`` of the archived record of the copy we have, so
            that an unchanged body is archived as a reference to it.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    validators_for: str = ""
    expect: Expect = "any"
    min_bytes: int = 0
    check: Callable[[bytes], str | None] | None = None
    archived: tuple[str, int] | None = None

    @property
    def is_conditional(self) -> bool:
        """True when the server may answer that nothing changed."""
        return bool(self.etag or self.last_modified)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResponse:
    """A page that is whole, or the word that it has not changed.

    Attributes:
        request: What was asked for, the very object.
        url: The address asked for, without user name and password.
        final_url: The address that answered, after redirects.
        status: 200, or 304 to a conditional request.
        headers: The answer's header fields; names compare without case.
        body: Decompressed bytes; empty when not modified.
        content_type: The Content-Type field, empty if none.
        etag: To be sent next time, verbatim; ``None`` when there is none or when
            ``vary`` makes it worthless.
        last_modified: Likewise.
        vary: The Vary field, empty if none.
        not_modified: True when the stored copy still holds.
        attempts: Every request made, in order; the last one succeeded.
        fetched_at: When the answer arrived, aware UTC.
        seconds: From the first request to the last byte, waits included.
        archive_file: The archive file that holds the record, or ``None``.
        archive_offset: Where in it.
    """

    request: FetchRequest
    url: str
    final_url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    content_type: str
    etag: str | None
    last_modified: str | None
    vary: str
    not_modified: bool
    attempts: tuple[Attempt, ...]
    fetched_at: datetime
    seconds: float
    archive_file: str | None = None
    archive_offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailure:
    """A page that was not fetched, as a value.

    Attributes:
        request: What was asked for, the very object.
        url: The address asked for, without user name and password.
        error: Why.
        attempts: Every request made, in order; may be empty.
        fetched_at: When it was given up, aware UTC.
        seconds: From the first request on, waits included.
    """

    request: FetchRequest
    url: str
    error: FetchError
    attempts: tuple[Attempt, ...] = field(default=())
    fetched_at: datetime
    seconds: float


def decode_page(fetched: FetchResponse, entry: Entry | None) -> Page:
    """The page of a response, decoded to text."""
    decoded = decode(fetched.body, fetched.content_type)
    return Page(
        url=fetched.request.url,
        final_url=fetched.final_url,
        text=decoded.text,
        fetched_at=fetched.fetched_at,
        encoding=decoded.encoding,
        replacements=decoded.replacements,
        entry=entry,
    )
