"""How a run of a deployment that did not succeed is told in its log: in words.

Prefect writes the traceback of whatever ended a run into its log, once for the task, once for
the flow and once for the process: hundreds of lines around one sentence. Those of errors that
are expected, whose message says what to do, are left out; of a bug they stay.
"""

from __future__ import annotations

import logging

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")
_UNEXPECTED = "unexpected exception"


class _InWords(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Take the traceback of an expected error from a line of the log."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, Exception) and _is_expected(error):
            record.exc_info = record.exc_text = None
            if _UNEXPECTED in str(record.msg):
                record.msg, record.args = "the run did not succeed: %s", (error,)
        return True


def _is_expected(error: Exception) -> bool:
    from prefect.exceptions import CancelledRun, FailedRun

    from flows.errors import exit_code_of

    return isinstance(error, FailedRun | CancelledRun) or exit_code_of(error) is not None


_IN_WORDS = _InWords()


def in_words() -> None:
    """From now on, in this process; not where the log shall hold every detail."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not logger.isEnabledFor(logging.DEBUG):
            logger.addFilter(_IN_WORDS)
