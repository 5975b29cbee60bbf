"""Serve a site on loopback, as a web server of static files would."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from flows.web.same_origin import SameOriginMiddleware
from flows.web.server import serve_until


class _SiteFiles(StaticFiles):
    """The files of the folder but hidden ones; ``404.html`` for any other address."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if any(part.startswith(".") for part in Path(path).parts):
            path = "404"
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def serve_site(
    directory: Path,
    *,
    base_url: str,
    port: int,
    stop: threading.Event,
    on_ready: Callable[[str], None],
) -> None:
    """Serve the folder until ``stop`` is set, below the path of ``base_url``.

    Raises:
        RunFailed: The port cannot be used, or the server ended by itself.
    """
    path = urlsplit(base_url).path.rstrip("/")
    serve_until(
        lambda own_port: make_app(directory, path, own_port),
        port=port,
        stop=stop,
        on_ready=lambda url: on_ready(url.rstrip("/") + path + "/"),
    )


def make_app(directory: Path, path: str, port: int) -> ASGIApp:
    """Return the application; ``path`` is that of the site, without ``/`` at the end."""
    routes: list[Route | Mount] = [Mount(path, _SiteFiles(directory=directory, html=True))]
    if path:
        routes.append(Route("/", lambda _request: RedirectResponse(f"{path}/")))
    return SameOriginMiddleware(
        Starlette(routes=routes),
        allowed_origins=(f"http://localhost:{port}",),
        advice=f"open http://127.0.0.1:{port}{path}/",
    )
