"""Check where a request comes from, for servers on loopback.

Without it, any page in the operator's browser could send requests, and a name that its owner
points at 127.0.0.1 (DNS rebinding) could read every answer.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Otherwise a page could show the server in an invisible frame and borrow the operator's clicks.
_NO_FRAMES = {"Content-Security-Policy": "frame-ancestors 'self'", "X-Frame-Options": "SAMEORIGIN"}


class SameOriginMiddleware:
    """Answer requests of the server's own pages and of programs; refuse those of other pages.

    Args:
        app: What answers them. A content security policy of its own has to limit frames, too.
        allowed_origins: Origins of the server besides its IP addresses, such as
            ``https://desk.example.org``. ``*`` allows every page.
        advice: What to do about a host that is not known, for the message.
    """

    def __init__(self, app: ASGIApp, *, allowed_origins: Collection[str], advice: str) -> None:
        self._app = app
        self._allowed_origins = allowed_origins
        self._advice = advice

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or websocket."""

        async def send_without_frames(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _NO_FRAMES.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] not in ("http", "websocket") or "*" in self._allowed_origins:
            await self._app(scope, receive, send)
        elif problem := refusal(Headers(scope=scope), self._allowed_origins, self._advice):
            await PlainTextResponse(f"{problem}\n", 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send_without_frames)


def refusal(headers: Headers, allowed_origins: Collection[str], advice: str = "") -> str | None:
    """Return why a request is refused; ``None`` if it is answered.

    A browser sends ``Origin`` with every websocket, and with every request of another origin
    that is not GET or HEAD. It sends ``Sec-Fetch-Site`` with the rest.
    """
    host = headers.get("host", "")
    if not _is_own_host(host, allowed_origins):
        return f"the host {host!r} is not known: {advice}"
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
