"""What the supervisor starts again; server, worker and deployments are stand-ins."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from flows import settings as configuration
from flows.errors import RunFailed
from flows.prefect_api import ServerInfo
from flows.serve import supervisor
from flows.serve.supervisor import Supervisor


@dataclass
class Part:
    """A server or worker that counts its starts."""

    exit_code: int | None = None
    starts: list[object] = field(default_factory=list)
    stops: int = 0

    def failure(self) -> str | None:
        return None

    def start(self, environ: object, **_options: object) -> bool:
        self.starts.append(environ)
        self.exit_code = None
        return True

    def stop(self, *_seconds: float) -> None:
        self.stops += 1


@pytest.fixture
def supervised(monkeypatch, tmp_path):
    """A supervisor, its server, its worker, and the errors of the next registrations."""
    errors: list[RunFailed] = []

    def register(self) -> None:
        if errors:
            raise errors.pop(0)

    monkeypatch.setattr(Supervisor, "_register", register)
    monkeypatch.setattr(supervisor.Backoff, "wait", lambda self, stop: False)
    monkeypatch.chdir(tmp_path)
    info = ServerInfo(pid=1, api_url="http://127.0.0.1:1/api", is_own=True)
    settings = configuration.load(None, {})
    one = Supervisor(settings, None, info, notify=lambda _: None, stop=threading.Event())
    one._server, one._worker = Part(), Part()
    return one, errors


def test_worker_that_ended_is_started_again_beside_a_server_that_works(supervised):
    one, _ = supervised
    one._worker.exit_code = 1

    one._check()
    one._check()

    assert len(one._worker.starts) == 1
    assert one._server.starts == []


def test_server_is_started_again_if_it_answers_but_takes_no_deployments(supervised):
    one, errors = supervised
    errors.append(RunFailed("cannot register the deployments: 500"))
    one._worker.exit_code = 1

    one._check()
    assert (one._server.starts, one._worker.starts) == ([], [])
    one._check()
    one._check()

    assert one._server.stops == 1
    assert len(one._server.starts) == 1
    assert len(one._worker.starts) == 1
