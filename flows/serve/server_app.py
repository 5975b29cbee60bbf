"""Prefect's server behind a check of where a request comes from.

``python -m flows.serve.server_app HOST PORT`` runs it. Prefect's server answers pages of every
origin and requests with every ``Host``. So any page in the operator's browser could start runs,
and a name that its owner points at 127.0.0.1 (DNS rebinding) could read everything.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Otherwise a page could show the UI in an invisible frame and borrow the operator's clicks.
_NO_FRAMES = {"Content-Security-Policy": "frame-ancestors 'self'", "X-Frame-Options": "SAMEORIGIN"}


class SameOriginMiddleware:
    """Answer requests of the server's own pages and of programs; refuse those of other pages.

    Args:
        app: What answers them.
        allowed_origins: Origins of the server besides its IP addresses, such as
            ``https://desk.example.org``. ``*`` allows every page.
    """

    def __init__(self, app: ASGIApp, *, allowed_origins: Collection[str]) -> None:
        self._app = app
        self._allowed_origins = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or websocket."""

        async def send_without_frames(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_NO_FRAMES)
            await send(message)

        if scope["type"] not in ("http", "websocket") or "*" in self._allowed_origins:
            await self._app(scope, receive, send)
        elif problem := refusal(Headers(scope=scope), self._allowed_origins):
            await PlainTextResponse(f"{problem}\n", 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send_without_frames)


def refusal(headers: Headers, allowed_origins: Collection[str]) -> str | None:
    """Return why a request is refused; ``None`` if it is answered.

    A browser sends ``Origin`` with every websocket, and with every request of another origin
    that is not GET or HEAD. It sends ``Sec-Fetch-Site`` with the rest.
    """
    host = headers.get("host", "")
    if not _is_own_host(host, allowed_origins):
        return f"the host {host!r} is not known: name its origin in PREFECT_SERVER_CORS_ALLOWED_ORIGINS"
    origin = headers.get("origin")
    if origin is not None and origin not in allowed_origins and urlsplit(origin).netloc != host:
        return f"a page of {origin} may not use this server"
    is_own = origin is not None or headers.get("sec-fetch-site") in (None, "none", "same-origin")
    is_link = headers.get("sec-fetch-mode") == "navigate"
    if not is_own and not (is_link and headers.get("sec-fetch-dest") == "document"):
        return "a page of another origin may not use this server"
    return None


def _is_own_host(host: str, allowed_origins: Collection[str]) -> bool:
    """Whether ``Host`` is an IP address or a known name: a name can be bound to any address."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname or "", parts.port  # a port that is none raises
    except ValueError:
        return False
    with suppress(ValueError):
        return bool(ip_address(name))
    return name in {urlsplit(origin).hostname for origin in allowed_origins}


def main(host: str, port: int) -> None:
    """Run the server until a signal ends it."""
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    settings = get_current_settings().server
    allowed = settings.api.cors_allowed_origins.split(",")
    uvicorn.run(
        SameOriginMiddleware(create_app(final=True), allowed_origins=allowed),
        host=host,
        port=port,
        log_level=settings.logging_level.lower(),
        timeout_keep_alive=settings.api.keepalive_timeout,
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
