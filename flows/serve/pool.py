"""`copydesk deploy`: the deployments in a work pool whose workers run elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from flows import prefect_api
from flows.errors import ConfigurationError, RunFailed
from flows.serve.deployments import Registration, register
from flows.settings import Settings


def deploy(settings: Settings, config: Path | None, pool: str) -> Registration:
    """Register the deployments at the server that PREFECT_API_URL names.

    Raises:
        ConfigurationError: PREFECT_API_URL is not set.
        RunFailed: The server cannot be used, or a deployment belongs to another pool.
    """
    api_url = prefect_api.configured_server(os.environ)
    if api_url is None:
        raise ConfigurationError(
            f"set {prefect_api.API_URL} to the address of the Prefect server's API; "
            "on one machine `copydesk serve` needs no server of its own"
        )
    prefect_api.prepare_client(os.environ, settings, api_url, is_own=False)
    if problem := prefect_api.server_problem(api_url):
        from flows.secrets.redact import redact_url

        raise RunFailed(f"the Prefect server {redact_url(api_url)} {problem}")
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return register(client, settings, config, pool)
