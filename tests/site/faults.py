"""Faults: how a test makes the test site misbehave.

A hook is asked at every request with the request target and how often that target has
been asked for (1 for the first time); it returns a Fault or ``None``::

    def second_try_works(target: str, turn: int) -> Fault | None:
        return Fault(status=503, retry_after="1") if turn == 1 else None

    with serve(faults=second_try_works) as test site: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to answer wrongly; parts that are not given stay right.

    Attributes:
        status: Sent instead of the right one; the body then is a short error text.
        retry_after: The ``Retry-After`` header.
        location: The ``Location`` header of a redirect.
        body: Sent instead of the right one (``b"<html>busy</html>"`` for a listing).
        rename: A piece of the body and what to send in its place (a renamed key).
        cut_at: Bytes of the body after which the connection is closed, although
            ``Content-Length`` promises the whole body.
        has_validators: Send the right page's ETag and Last-Modified, although it is not
            the right page.
        delay_seconds: Wait this long before answering; closing the test site ends it.
    """

    status: int | None = None
    retry_after: str = ""
    location: str = ""
    body: bytes | None = None
    rename: tuple[bytes, bytes] | None = None
    cut_at: int | None = None
    delay_seconds: float = 0.0
    has_validators: bool = False

    def changed(self, body: bytes) -> bytes:
        """The body as this fault sends it."""
        if self.body is not None:
            return self.body
        if self.status is not None:
            return f"error {self.status}\n".encode()
        return body.replace(*self.rename) if self.rename else body


Faults = Callable[[str, int], Fault | None]
