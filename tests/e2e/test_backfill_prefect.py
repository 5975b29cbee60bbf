"""Backfill and reparse in Prefect: their forms, states and artifacts."""

from __future__ import annotations

from datetime import date

import pytest

from flows.pipeline import locks
from tests.e2e.backfill_helpers import window

pytestmark = pytest.mark.e2e


def test_flow_itself_refuses_what_a_form_cannot(project):
    from flows.backfill import backfill

    project.settings.warehouse.path.unlink()
    config = str(project.config)
    reversed_days = {"from_date": date(2022, 3, 13), "to_date": date(2022, 3, 11)}
    state = backfill.fn(source="finews", **reversed_days, config=config)
    assert state.is_failed()
    assert "2022-03-13 to 2022-03-11" in state.message
    assert backfill.fn(source="finew", urls="http://x.example", config=config).is_failed()
    assert project.news_site.requests == ()
    assert not project.settings.warehouse.path.exists()


def test_form_describes_the_alternatives_to_the_range():
    from flows.backfill import backfill

    assert "one of the three" in backfill.parameters.properties["from_date"]["description"]


FORMS = [
    ({"source": "ofweek_feed", "from_date": "2022-03-11", "to_date": "2022-03-13"}, True),
    ({"source": "finews", "urls": "http://x.example"}, True),
    ({"source": "finew", "from_date": "2022-03-11", "to_date": "2022-03-13"}, False),
    ({"source": "finews", "from_date": "2022-03-11"}, False),
    ({"source": "finews", "from_date": "2022-03-11", "to_date": None}, False),
    ({"source": "finews", "from_date": None, "to_date": None, "urls": ""}, False),
    ({"source": "finews"}, False),
    ({"source": "finews", "urls": "http://x.example", "url": "http://x.example"}, False),
]


def deploy(client, flow, project):
    """A deployment of the flow with its form; its id."""
    from flows.reporting.parameters import with_source_enum

    return client.create_deployment(
        flow_id=client.create_flow(flow),
        name="tried",
        parameters={"config": str(project.config)},
        parameter_openapi_schema=with_source_enum(flow, project.settings).model_dump(),
        enforce_parameter_schema=True,
    )


def test_server_makes_no_run_of_what_the_form_refuses(project, prefect_server):
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    from flows.backfill import backfill

    accepted = []
    with get_client(sync_client=True) as client:
        deployment = deploy(client, backfill, project)
        for parameters, _ in FORMS:
            try:
                run = client.create_flow_run_from_deployment(deployment, parameters=parameters)
            except PrefectHTTPStatusError as error:
                accepted.append(error.response.status_code != 409)
            else:
                accepted.append(True)
                client.delete_flow_run(run.id)

    assert accepted == [is_accepted for _, is_accepted in FORMS]


def test_server_names_the_parameter_that_a_flow_does_not_have(project, prefect_server):
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    from flows.reparse import reparse

    with get_client(sync_client=True) as client:
        deployment = deploy(client, reparse, project)
        with pytest.raises(PrefectHTTPStatusError, match="'source' was unexpected") as refused:
            client.create_flow_run_from_deployment(deployment, parameters={"source": "finews"})
        run = client.create_flow_run_from_deployment(deployment, parameters={"sources": ["finews"]})
        client.delete_flow_run(run.id)

    assert refused.value.response.status_code == 409


def test_second_backfill_of_a_source_ends_at_once_and_names_the_first(
    project, fill, prefect_server
):
    with (
        locks.acquire(project.settings, "backfill finews", flow="backfill", run_id="2026-x"),
        pytest.raises(locks.SourceLocked, match="backfill run 2026-x"),
    ):
        fill("finews", **window("2022-03-11", "2022-03-13"))

    assert project.news_site.requests == ()


# --- as Prefect shows it -----------------------------------------------------------------


def test_prefect_shows_chunks_and_a_table(project, fill, prefect_server):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        ArtifactFilter,
        ArtifactFilterFlowRunId,
        FlowRunFilter,
        FlowRunFilterId,
    )

    fill("finews", **window("2022-03-11", "2022-03-13"))

    with get_client(sync_client=True) as client:
        name = "backfill finews 2022-03-11 to 2022-03-13"
        runs = client.read_flow_runs(limit=50, sort="EXPECTED_START_TIME_DESC")
        run = next(one for one in runs if one.name == name)
        assert {"copydesk", "backfill", "finews"} <= set(run.tags)
        artifacts = {
            one.type: one
            for one in client.read_artifacts(
                artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
            )
        }
        tasks = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        )
    assert '"new"' in artifacts["table"].data
    assert all(not task.tags for task in tasks)
    assert any("listing market-38, page 1" in task.name for task in tasks)
