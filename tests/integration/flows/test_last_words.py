"""The last words of a command and of a run: what to do, and no traceback around it."""

from __future__ import annotations

import asyncio
import errno
import logging
import subprocess
import sys

import pytest

from flows.cli.console import Console
from flows.errors import RunFailed
from flows.serving import ending
from flows.serving.ending import in_words
from warehouse.errors import WarehouseError


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EROFS, "mounted read-only: mount it writable"),
        (errno.ENOSPC, "the disk is full: free some space and try again"),
        (errno.EACCES, "change its owner or its permissions"),
    ],
)
def test_error_of_the_disk_says_what_to_do(capsys, number, words):
    error = OSError(number, "the system's own words", "/data/prefect")

    code = Console().fail_with(error)

    said = capsys.readouterr().err
    assert code == 1
    assert "/data/prefect" in said
    assert words in said


def test_error_that_nobody_can_advise_on_is_told_as_it_is(capsys):
    Console().fail_with(OSError(errno.EPIPE, "Broken pipe"))

    assert capsys.readouterr().err == "copydesk: [Errno 32] Broken pipe\n"


# --- the log of a run ------------------------------------------------------------------


@pytest.fixture
def log(caplog, monkeypatch):
    """What a logger of Prefect's flow runs says, with the filter that runs have."""
    logger = logging.getLogger("prefect.flow_runs")
    handlers, level, propagate = logger.handlers, logger.level, logger.propagate
    raises = logging.raiseExceptions
    monkeypatch.setattr(ending, "_AWAY", ending._Away())
    logger.handlers, logger.propagate = [caplog.handler], False
    logger.setLevel(logging.INFO)
    in_words()
    yield logger
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)
    logging.raiseExceptions = raises
    for name in (*ending._LOGGERS, *ending._MESSENGERS, "asyncio"):
        logging.getLogger(name).filters.clear()


def told(log, caplog, error, words="Encountered exception during execution: %r"):
    try:
        raise error
    except type(error):
        log.exception(words, error)
    return caplog.text


@pytest.mark.parametrize("kind", [WarehouseError, RunFailed, OSError])
def test_expected_error_is_a_line_in_the_log_of_a_run(log, caplog, kind):
    said = told(log, caplog, kind("the disk is full: free some space"))

    assert "the disk is full: free some space" in said
    assert "Traceback" not in said
    assert said.count("\n") == 1


def test_state_that_prefect_raises_at_the_end_is_a_line(log, caplog):
    from prefect.exceptions import FailedRun

    error = FailedRun("ofweek: could not be read")
    said = told(log, caplog, error, "Engine execution exited with unexpected exception")

    assert "the run did not succeed: ofweek: could not be read" in said
    assert "Traceback" not in said


def test_bug_keeps_its_traceback(log, caplog):
    assert "Traceback" in told(log, caplog, AttributeError("no such thing"))


def test_run_is_called_what_it_is_called_at_the_server_to_the_end(log, caplog, monkeypatch):
    """Prefect's last line has the name that the run had before it got its own."""
    named = logging.Formatter("%(flow_run_name)s: %(message)s")
    monkeypatch.setattr(caplog.handler, "formatter", named)
    log.info("Beginning", extra={"flow_run_id": "1", "flow_run_name": "sync finews"})
    log.info("Beginning", extra={"flow_run_id": "2", "flow_run_name": "sync ofweek"})

    log.error("the end", extra={"flow_run_id": "1", "flow_run_name": "nano-hyena"})

    assert caplog.text.splitlines()[-1] == "sync finews: the end"


@pytest.mark.usefixtures("log")
def test_server_that_goes_away_under_a_run_is_one_line_in_its_log(caplog, monkeypatch):
    for one in map(logging.getLogger, ending._MESSENGERS):
        monkeypatch.setattr(one, "propagate", False)
        monkeypatch.setattr(one, "handlers", [caplog.handler])
        try:
            raise ConnectionError("no status line")
        except ConnectionError:
            one.exception("websocket failed")

    assert caplog.text.count("does not take what this run tells it") == 1
    assert "the run goes on without it" in caplog.text
    assert "Traceback" not in caplog.text
    assert "websocket" not in caplog.text


@pytest.mark.usefixtures("log")
def test_messenger_that_has_still_something_to_deliver_at_the_end_is_no_trouble(caplog):
    logging.getLogger("EventsWorker").warning("Still processing items: 1 items remaining...")

    assert caplog.text == ""


def called_back(callback):
    """A loop calls back with a task that was cancelled, as at the end of a run."""

    async def end():
        task = asyncio.ensure_future(asyncio.sleep(60))
        await asyncio.sleep(0)
        task.add_done_callback(callback)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(end())


@pytest.mark.usefixtures("log")
def test_look_of_the_client_that_its_end_cancels_is_no_traceback(caplog):
    from prefect._internal.observers import FlowRunSuspendingObserver

    called_back(FlowRunSuspendingObserver(on_suspended=print)._handle_polling_task_done)

    assert caplog.text == ""


@pytest.mark.usefixtures("log")
def test_other_errors_in_callbacks_keep_their_traceback(caplog, monkeypatch):
    from prefect._internal.observers import FlowRunSuspendingObserver

    def stumble(_self, _task):
        raise RuntimeError("a bug")

    called_back(asyncio.Task.result)
    assert "CancelledError" in caplog.text

    stumble.__qualname__ = FlowRunSuspendingObserver._handle_polling_task_done.__qualname__
    monkeypatch.setattr(FlowRunSuspendingObserver, "_handle_polling_task_done", stumble)
    called_back(FlowRunSuspendingObserver(on_suspended=print)._handle_polling_task_done)
    assert "RuntimeError: a bug" in caplog.text
    assert caplog.text.count("Traceback") == 2


# --- the end of the process ------------------------------------------------------------


@pytest.mark.parametrize(("code", "is_orderly"), [(0, True), (130, False)])
def test_interrupted_process_leaves_without_ending_threads_in_the_middle_of_their_work(
    code, is_orderly
):
    words = (
        "import atexit; atexit.register(print, 'at exit')\n"
        f"from flows.serving.leaving import leave; print('said'); leave({code})"
    )

    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == code
    assert done.stdout == "said\n" + ("at exit\n" if is_orderly else "")
