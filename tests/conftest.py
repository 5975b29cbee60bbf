"""Fixtures of all tests: a home for each process, no telemetry, one Prefect server."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings

from tests.prefect_database import made_database

# Before Prefect is imported anywhere. A server's home outlives single tests on purpose:
# making its database is what takes long.
_HOME = tempfile.TemporaryDirectory(prefix="copydesk-tests-", ignore_cleanup_errors=True)
for _name in list(os.environ):
    if _name.startswith(("COPYDESK_", "PREFECT_")) or _name.lower().endswith("_proxy"):
        del os.environ[_name]
os.environ |= {
    "PREFECT_HOME": _HOME.name,
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "NO_COLOR": "1",
}
# A job that a script put in the background has Ctrl-C ignored, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Properties get few examples in `make test`, and many with `--hypothesis-profile nightly`.
settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("nightly", max_examples=1000, deadline=None)
settings.load_profile("quick")


def pytest_configure(config: pytest.Config) -> None:
    """Hypothesis attributes random draws in threads of Prefect's client to a strategy."""
    unfounded = "ignore:Do not use the `random` module inside strategies"
    config.addinivalue_line("filterwarnings", unfounded)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """The API address of a Prefect server on loopback, shared by the whole session.

    Flow runs in this process send no heartbeats: each would wait a second at its end for
    the thread that sends them.
    """
    from prefect import flow_engine
    from prefect.settings import PREFECT_API_URL
    from prefect.testing import utilities

    from flows.serve.prefect_server import SERVICE_INTERVALS

    def folder_with_database() -> str:
        folder = tempfile.mkdtemp()
        shutil.copy(made_database(), Path(folder) / "prefect-test.db")
        return folder

    with pytest.MonkeyPatch.context() as patch:
        for name, seconds in SERVICE_INTERVALS.items():
            patch.setenv(name, seconds)
        patch.setenv("PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS", "1")
        patch.setattr(utilities, "mkdtemp", folder_with_database)
        patch.setattr(flow_engine, "_send_heartbeats", lambda *_args, **_options: nullcontext())
        with utilities.prefect_test_harness(server_startup_timeout=180):
            url = PREFECT_API_URL.value()
            assert url is not None
            yield url


@pytest.fixture(autouse=True)
def unchanged_environment() -> Iterator[None]:
    """Restore the environment: our commands set variables of Prefect for their process.

    Variables that a fixture of a module or a session set stay: those are set up before.
    """
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value and name != "PYTEST_CURRENT_TEST":
            os.environ[name] = value


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process retry at once, so that tests of failures do not wait."""
    from flows.pipeline import run

    policy = partial(run.FetchPolicy, backoff_seconds=0.02, backoff_floor_seconds=0.0)
    monkeypatch.setattr(run, "FetchPolicy", policy)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the test works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
