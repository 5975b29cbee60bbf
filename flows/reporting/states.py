"""What Prefect knows of a run: who started it, and the state it ends with."""

from __future__ import annotations

import logging
from typing import Any

from prefect.client.schemas.objects import State
from prefect.exceptions import FailedRun
from prefect.runtime import deployment
from prefect.states import Cancelled, Completed, Failed

from flows.archive import ArchiveError
from flows.errors import ConfigurationError, FlowError
from flows.fetch import FetchError
from flows.pipeline.run import Trigger
from flows.pipeline.stats import RunReport
from parsers.errors import ParseError
from warehouse.errors import WarehouseError

MAX_ERRORS = 5
EXPECTED_ERRORS = (FlowError, FetchError, ArchiveError, ParseError, WarehouseError, OSError)


def run_trigger() -> Trigger:
    """Who started the flow run of this process; a deployment's run is scheduled."""
    return "schedule" if deployment.id else "person"


def final_state(report: RunReport) -> State[Any]:
    """The state of a finished run, with the report as its in-memory result."""
    # Prefect raises the result of a failed run; in a deployment nothing reads the report.
    data = None if run_trigger() == "schedule" else report
    if report.state == "interrupted":
        text = "interrupted: stored batches stay; the same command continues"
        errors = report.errors[:MAX_ERRORS]
        return Cancelled(message="; ".join([text, *errors]), data=data)
    message = _message(report)
    if report.state == "failed":
        return Failed(message=message, data=data)
    if report.state == "completed_with_warnings":
        return Completed(name="CompletedWithWarnings", message=message, data=report)
    return Completed(message=message, data=report)


def _message(report: RunReport) -> str:
    found = [*report.errors, *report.health_warnings]
    errors = found[:MAX_ERRORS]
    if more := len(found) - len(errors):
        errors.append(f"and {more} more, in the artifacts of the run")
    return "; ".join([*(errors or ["no errors"]), *report.known_failures])


def invalid_request_state(error: ConfigurationError) -> State[Any]:
    """The state of a run with invalid parameters or settings: the error's message.

    At the command line the result is the error itself, for its exit code.
    """
    return Failed(message=str(error), data=None if run_trigger() == "schedule" else error)


class ExpectedErrorFilter(logging.Filter):
    """Log an expected error once and without a traceback.

    Prefect logs each error of a run with its traceback, and again at the end of the process.
    """

    def __init__(self) -> None:
        super().__init__()
        self._logged: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove the traceback; drop what the log has already."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, FailedRun):  # the line of the state has its message
            return False
        if not isinstance(error, EXPECTED_ERRORS):
            return True
        is_known, self._logged = error is self._logged, error
        record.exc_info = None
        return not is_known


_filter = ExpectedErrorFilter()
for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_filter)
