"""Prefect's server behind a check of where a request comes from.

``python -m flows.serve.server_app HOST PORT`` runs it. Prefect's server answers pages of every
origin and requests with every ``Host``: any page in the operator's browser could start runs.
"""

from __future__ import annotations

import sys

from flows.web.same_origin import SameOriginMiddleware

_ADVICE = "name its origin in PREFECT_SERVER_CORS_ALLOWED_ORIGINS"


def main(host: str, port: int) -> None:
    """Run the server until a signal ends it."""
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    settings = get_current_settings().server
    allowed = settings.api.cors_allowed_origins.split(",")
    uvicorn.run(
        SameOriginMiddleware(create_app(final=True), allowed_origins=allowed, advice=_ADVICE),
        host=host,
        port=port,
        log_level=settings.logging_level.lower(),
        timeout_keep_alive=settings.api.keepalive_timeout,
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
