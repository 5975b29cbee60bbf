"""Mask the secrets of an address that a server echoes, before its response leaves this package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from requests.structures import CaseInsensitiveDict

from flows.fetch.body import Body, Framing
from flows.secrets.urls import SECRETS

if TYPE_CHECKING:
    from flows.fetch.client import HttpResponse

_OF_THE_WIRE = frozenset({"content-encoding", "content-length"})


def mask_echoes(response: HttpResponse, *, has_secret: bool) -> HttpResponse:
    """A response without secrets, except in ``location``; the same object if it shows none.

    A body that shows one is kept decompressed, because its bytes changed.

    Args:
        response: As received.
        has_secret: The request had a secret, so that new cookies and redirects may be secret.
    """
    if not SECRETS:
        return response
    body = _masked_body(response, has_secret=has_secret)
    fields = tuple(_masked_fields(response, body is not response.body, has_secret=has_secret))
    if body is response.body and fields == response.fields:
        return response
    return replace(
        response,
        reason=SECRETS.clean_text(response.reason),
        fields=fields,
        headers=CaseInsensitiveDict(fields),
        body=body,
    )


def _masked_body(response: HttpResponse, *, has_secret: bool) -> Body:
    body = response.body
    if response.kind == "redirect" and (has_secret or response.headers.get("Content-Encoding")):
        content = b""  # it repeats the new address, or it was not decompressed
    else:
        content = SECRETS.clean(body.content, host=response.target.host_key)
    if content == body.content:
        return body
    framing = Framing(kind="length", length=len(content), codings=())
    return Body(wire=content, content=content, framing=framing)


def _masked_fields(
    response: HttpResponse, is_changed: bool, *, has_secret: bool
) -> Iterator[tuple[str, str]]:
    for name, value in response.fields:
        low = name.lower()
        if low in _OF_THE_WIRE and is_changed:
            yield f"X-Crawler-{name}", value
        elif low == "set-cookie" and has_secret:
            yield name, "***"
        elif low == "location":
            yield name, SECRETS.mask_redirect(SECRETS.clean_text(value), from_secret=has_secret)
        else:
            yield name, SECRETS.clean_text(value)
