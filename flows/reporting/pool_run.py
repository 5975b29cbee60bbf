"""A run of a pool of several machines: its configuration, late runs, and publications after it.

`copydesk deploy` puts a digest of the configuration into the environment of each run. A run on a
machine with another file fails, and stores nothing by other rules.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flows import settings as configuration
from flows.errors import ConfigurationError
from flows.pipeline.run_log import logger
from flows.settings import CONFIG_DIGEST, Settings
from flows.settings_file import file_digest

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun


def is_in_pool() -> bool:
    """Whether this process is a run of a pool of several machines.

    A command of a publication has the environment of such a run, and is none.
    """
    from prefect.runtime import deployment

    return bool(os.environ.get(CONFIG_DIGEST) and deployment.id)


def load_settings(config: str | None) -> Settings:
    """Return the settings of a flow run, from its parameter ``config``.

    In a pool of several machines this also cancels the late runs that this run does the work of.

    Raises:
        ConfigurationError: The configuration is wrong, or it is not the deployed one.
    """
    file = Path(config) if config else None
    settings = configuration.load(file)
    if not is_in_pool():
        return settings
    if (own := file_digest(file)) != (deployed := os.environ[CONFIG_DIGEST]):
        raise ConfigurationError(
            f"{config or 'the configuration'} on {os.uname().nodename} (digest {own}) is not the "
            f"one that was deployed (digest {deployed}), and nothing ran. Copy the file from the "
            "machine that ran `copydesk deploy`, or deploy this one"
        )
    _cancel_late_runs()
    return settings


def _cancel_late_runs() -> None:
    """Cancel the scheduled runs of this deployment whose time has passed, with the same parameters.

    Runs wait for each other. Without this, a schedule would be made up for run by run after an
    outage, and a schedule that is shorter than its runs would never catch up.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterDeploymentId,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.exceptions import ObjectNotFound, PrefectException
    from prefect.runtime import deployment, flow_run
    from prefect.states import Cancelled

    scheduled = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
    )
    message = f"late: run {flow_run.id} does its work"
    with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as client:
        own = client.read_flow_run(flow_run.id)
        first = FlowRunSort.EXPECTED_START_TIME_ASC
        found = client.read_flow_runs(flow_run_filter=scheduled, sort=first)
        for run in superseded_by(own, found, datetime.now(UTC)):
            with suppress(ObjectNotFound):
                client.set_flow_run_state(run.id, Cancelled(message=message))


def superseded_by(own: FlowRun, runs: Iterable[FlowRun], now: datetime) -> list[FlowRun]:
    """Return the runs of a schedule whose time has passed and whose parameters a run has, too."""
    return [
        run
        for run in runs
        if run.auto_scheduled
        and run.expected_start_time is not None
        and run.expected_start_time < now
        and run.parameters == own.parameters
    ]


def request_publications(names: Iterable[str], *, has_news: bool) -> None:
    """Ask for a run of the deployment of each publication, on the machine with its folder.

    A run that waits already does the work. Without news, only a publication whose last run failed
    runs again.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException

    for name in names:
        try:
            with get_client(sync_client=True) as client:
                _request_publication(client, name, has_news=has_news)
        except (httpx.HTTPError, PrefectException) as error:
            logger.warning(
                "%s: its run could not be requested, the next sync with new articles does: %s",
                name, error,
            )  # fmt: skip


def _request_publication(client: SyncPrefectClient, name: str, *, has_news: bool) -> None:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
    from prefect.client.schemas.sorting import FlowRunSort

    deployment_id = client.read_deployment_by_name(f"publish/{name}").id
    found = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id])
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=10,
    )
    states = [one.state for one in found if one.state is not None]
    if any(state.is_scheduled() for state in states):
        return
    last = next((state for state in states if state.is_final()), None)
    if has_news or (last is not None and not last.is_completed()):
        client.create_flow_run_from_deployment(deployment_id)
