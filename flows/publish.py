"""The flow that publishes articles; ``flows.publication.publish`` does the work."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from flows.errors import ConfigurationError, Interrupted
from flows.pipeline.run import run_environment
from flows.publication.publish import select_publications
from flows.publication.publish_all import PublishReport, publish_all
from flows.reporting.artifacts import create_result_table
from flows.reporting.pool_run import load_settings
from flows.reporting.states import invalid_request_state, run_trigger


def _run_name() -> str:
    given: dict[str, Any] = flow_run.parameters
    return f"publish {' '.join(given.get('names') or ['all'])}"[:200]


@flow(name="publish", flow_run_name=_run_name, persist_result=False, validate_parameters=True)
def publish(names: list[str] | None = None, config: str | None = None) -> State[PublishReport]:
    """Publish articles into the folders of the configuration, and run their commands.

    Args:
        names: Configured publications; all of them by default.
        config: The configuration file; ``copydesk.toml`` by default.
    """
    environment = run_environment(run_trigger())
    try:
        settings = load_settings(config)
        selected = select_publications(settings, names or [])
        with environment.signals():
            report = publish_all(
                settings,
                selected,
                is_stopping=environment.stop.is_set,
                notify=environment.notify,
            )
    except ConfigurationError as error:
        return invalid_request_state(error)
    except Interrupted as error:
        return Cancelled(message=str(error))
    create_result_table("copydesk-publish", _table(report), "Publications", report.errors)
    return _state(report)


def _table(report: PublishReport) -> list[dict[str, Any]]:
    """One row a publication: its state and its counts."""
    return [
        {"publication": one.name, "state": one.state, **one.changes.counts()}
        | {"commands": len(one.commands)}
        for one in report.results
    ]


def _state(report: PublishReport) -> State[PublishReport]:
    # In a run of a deployment, Prefect raises the data of a state that is not Completed.
    if report.exit_code == 1:
        data = None if run_trigger() == "schedule" else report
        return Failed(message="; ".join(report.errors)[:2000], data=data)
    name = "CompletedWithWarnings" if report.exit_code else "Completed"
    return Completed(name=name, message=report.message()[:2000], data=report)
