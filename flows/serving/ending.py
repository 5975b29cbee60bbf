"""How a run of a deployment that did not succeed is told in its log: in words.

Prefect writes the traceback of whatever ended a run into its log, once for the task, once for
the flow and once for the process: hundreds of lines around one sentence. Those of errors that
are expected, whose message says what to do, are left out; of a bug they stay.

Where the server goes away under a run, four parts of Prefect's client say so in pages of
traceback, and the run goes on: one line says that instead.
"""

from __future__ import annotations

import asyncio
import logging

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")
_UNEXPECTED = "unexpected exception"
_STILL_AT_WORK = "Still processing items"  # said at the end of a run that goes well, too
_MESSENGERS = (
    "prefect.FlowRunSuspendingObserver",
    "prefect.events.clients",
    "prefect._internal.concurrency",
    "EventsWorker",
)
_CANCELLED_LOOK = (
    "Exception in callback FlowRunSuspendingObserver._handle_polling_task_done("  # of the client
)


class _InWords(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the traceback of an expected error from a line of the log."""
        self._name(record)
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, Exception) and _is_expected(error):
            record.exc_info = record.exc_text = None
            if _UNEXPECTED in str(record.msg):
                record.msg, record.args = "the run did not succeed: %s", (error,)
        return True

    def _name(self, record: logging.LogRecord) -> None:
        """Call a run what it is called at the server, also where Prefect has its first name."""
        run = str(getattr(record, "flow_run_id", ""))
        if run in self._names:
            record.flow_run_name = self._names[run]
        elif record.name == "prefect.flow_runs":
            self._names[run] = str(getattr(record, "flow_run_name", ""))


class _Away(logging.Filter):
    """One line for all that the client says about a server that takes nothing from it."""

    def __init__(self) -> None:
        super().__init__()
        self._is_told = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the first of them through, in words."""
        if record.levelno < logging.WARNING:
            return True
        if _STILL_AT_WORK in str(record.msg):
            return False
        is_first, self._is_told = not self._is_told, True
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = (
            "the Prefect server does not take what this run tells it (is it away, or was it "
            "started again?); the run goes on without it, and some of its lines are missing there",
            (),
        )
        return is_first


class _Cancelled(logging.Filter):
    """Without the client's stumbling over a look of its own that was cancelled at the end."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything through but that."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        is_look = str(record.msg).startswith(_CANCELLED_LOOK)
        return not (is_look and isinstance(error, asyncio.CancelledError))


def _is_expected(error: Exception) -> bool:
    from prefect.exceptions import CancelledRun, FailedRun

    from flows.cli.exit_codes import exit_code_of

    return isinstance(error, FailedRun | CancelledRun) or exit_code_of(error) is not None


_IN_WORDS = _InWords()
_AWAY = _Away()
_CANCELLED = _Cancelled()


def in_words() -> None:
    """From now on, in this process; not where the log shall hold every detail."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not logger.isEnabledFor(logging.DEBUG):
            logger.addFilter(_IN_WORDS)
    if not logging.getLogger("prefect").isEnabledFor(logging.DEBUG):
        for name in _MESSENGERS:
            logging.getLogger(name).addFilter(_AWAY)
        logging.getLogger("asyncio").addFilter(_CANCELLED)
        logging.raiseExceptions = False  # or what is lost of the log is told line by line
