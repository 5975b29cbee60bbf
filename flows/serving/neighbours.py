"""One ``copydesk serve`` at a Prefect server: two would replace each other's schedules.

Who serves is written down at the server itself, as a Prefect variable. The lock beside the
warehouse (``place.held``) keeps a second one of the same warehouse away; this one keeps away
the ``serve`` of another warehouse, or of another machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import requests

from flows.errors import RunFailed
from flows.serving.health import authorization, impatient, is_answering
from warehouse.process import Process, this_process

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

VARIABLE = "copydesk_serve"
REFUSED = (
    "wants another password: set PREFECT_API_AUTH_STRING to what its "
    "PREFECT_SERVER_API_AUTH_STRING is (and unset PREFECT_API_KEY, which would be sent instead)"
)


def sign(home: Path, *, may_replace: bool) -> None:
    """Write down that this process serves at the server that the environment names.

    Args:
        home: Prefect's folder of this warehouse.
        may_replace: Whether another one that is still at it may be replaced.

    Raises:
        RunFailed: Another one serves there, or the server refuses the password.
        httpx.HTTPError: The server is away.
    """
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client, told_of_the_password(str(client.api_url)):
        found = client.read_variable_by_name(VARIABLE)
        if found is not None and not may_replace:
            _refuse_another(client, str(found.value))
        _write(client, {"home": str(home), "process": asdict(this_process())}, is_new=not found)


def leave() -> None:
    """Take the note away, if it is this process's; a server that is away keeps it."""
    from prefect.client.orchestration import get_client

    away = suppress(httpx.HTTPError, RuntimeError)
    with away, impatient(), get_client(sync_client=True) as client:
        found = client.read_variable_by_name(VARIABLE)
        if found is not None and _holder(str(found.value))[1] == this_process():
            client.delete_variable_by_name(VARIABLE)


@contextmanager
def told_of_the_password(api_url: str) -> Iterator[None]:
    """A server that refuses the password, in words that say what to do.

    Raises:
        RunFailed: It did.
    """
    try:
        yield
    except httpx.HTTPStatusError as error:
        if error.response.status_code not in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise
        raise RunFailed(f"the Prefect server {api_url} {REFUSED}") from None


def why_unusable(api_url: str) -> str | None:
    """Why runs cannot use the server with the environment's password, and what to do."""
    if not is_answering(api_url):
        return "does not answer"
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{api_url}/admin/version", headers=authorization(), timeout=10)
    except requests.RequestException:
        return "does not answer"
    is_refused = answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
    return REFUSED if is_refused else None


def _refuse_another(client: SyncPrefectClient, value: str) -> None:
    home, process = _holder(value)
    if process is None or process == this_process() or not process.is_alive:
        return
    is_here = process.host == this_process().host
    if not is_here and not _is_anything_polled(client):
        return
    raise RunFailed(
        f"another `copydesk serve` (process {process.pid} on {process.host}, {home}) already uses "
        f"the Prefect server {client.api_url}, and two would replace each other's schedules: end "
        "that one, or unset PREFECT_API_URL to have a server for this one here"
        + ("" if is_here else "; if it ended a moment ago, try again in two minutes")
    )


def _is_anything_polled(client: SyncPrefectClient) -> bool:
    """Whether somebody asked for runs of a sync within the last minute."""
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName
    from prefect.client.schemas.objects import DeploymentStatus

    found = client.read_deployments(flow_filter=FlowFilter(name=FlowFilterName(any_=["sync"])))
    return any(
        one.status == DeploymentStatus.READY
        and "copydesk" in one.tags
        and one.work_pool_name is None  # those of a pool are asked for by workers
        for one in found
    )


def _holder(value: str) -> tuple[str, Process | None]:
    with suppress(ValueError, TypeError, KeyError):
        found = json.loads(value)
        return str(found["home"]), Process(**found["process"])
    return "", None


def _write(client: SyncPrefectClient, note: object, *, is_new: bool) -> None:
    from prefect.client.schemas.actions import VariableCreate, VariableUpdate

    value = json.dumps(note)
    if is_new:
        client.create_variable(VariableCreate(name=VARIABLE, value=value, tags=["copydesk"]))
    else:
        client.update_variable(VariableUpdate(name=VARIABLE, value=value, tags=["copydesk"]))
