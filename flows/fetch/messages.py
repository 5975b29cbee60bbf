"""Input and output of a fetch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from flows.fetch.errors import Attempt, FetchError
from parsers.model import Entry, Page
from parsers.text.charset import decode

if TYPE_CHECKING:
    from flows.fetch.client import HttpResponse

Expect = Literal["any", "closed", "html", "json", "xml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """One URL to fetch.

    Attributes:
        url: Absolute, http or https. User name and password go to that host only.
        etag: Validator of the stored copy, verbatim.
        last_modified: Likewise.
        validators_for: Final URL that the validators belong to; ``url`` when empty. They
            are sent to no other URL.
        expect: Format that the body must have. ``closed`` means html, json or xml,
            detected by the first bytes.
        archived: ``(file, offset)`` of the archived copy; an unchanged body is archived as
            a reference to it.
        archive_later: The caller decides whether the response is archived.
        max_attempts: Attempts per hop; 0 for those of the policy.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    validators_for: str = ""
    expect: Expect = "any"
    archived: tuple[str, int] | None = None
    archive_later: bool = False
    max_attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResponse:
    """A complete page, or the confirmation that the stored copy is current.

    Attributes:
        request: The request object itself.
        url: Requested URL without user name and password.
        final_url: URL that responded, after redirects.
        status: 200, or 304 to a conditional request.
        headers: Names compare without case.
        body: Decompressed; empty when not modified.
        content_type: Content-Type field, empty if none.
        etag: For the next request, verbatim; ``None`` without one or when ``vary`` makes
            it worthless.
        last_modified: Likewise.
        vary: Vary field, empty if none.
        not_modified: True when the stored copy is current.
        attempts: Every request, in order; the last one succeeded.
        fetched_at: When the response was complete, aware UTC.
        seconds: From the first request to the last byte, waits included.
        archive_file: Archive file with the record, or ``None``.
        archive_offset: Offset of the record in it.
        unarchived: With ``archive_later``, the redirects and the response to archive.
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
    unarchived: tuple[HttpResponse, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailure:
    """A page that was not fetched, as a value.

    Attributes:
        request: The request object itself.
        url: Requested URL without user name and password.
        final_url: The mirror that was asked last; empty when the URL itself was.
        error: The reason.
        attempts: Every request, in order; may be empty.
        fetched_at: When the fetcher gave up, aware UTC.
        seconds: From the first request on, waits included.
    """

    request: FetchRequest
    url: str
    final_url: str = ""
    error: FetchError
    attempts: tuple[Attempt, ...] = field(default=())
    fetched_at: datetime
    seconds: float


FetchResult = FetchResponse | FetchFailure


def stored_response(
    url: str, body: bytes, *, content_type: str = "", fetched_at: datetime
) -> FetchResponse:
    """A page from a file or a table, as the fetch would have returned it."""
    return FetchResponse(
        request=FetchRequest(url=url), url=url, final_url=url, status=200, headers={}, body=body,
        content_type=content_type, etag=None, last_modified=None, vary="", not_modified=False,
        attempts=(), fetched_at=fetched_at, seconds=0.0,
    )  # fmt: skip


def decode_page(response: FetchResponse, entry: Entry | None) -> Page:
    """Decode the body of a response to text."""
    decoded = decode(response.body, response.content_type)
    return Page(
        url=response.request.url,
        final_url=response.final_url,
        text=decoded.text,
        fetched_at=response.fetched_at,
        encoding=decoded.encoding,
        replacement_count=decoded.replacement_count,
        entry=entry,
    )
