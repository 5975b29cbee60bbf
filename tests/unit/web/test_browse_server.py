"""The server of ``copydesk browse``."""

from __future__ import annotations

import threading
from unittest.mock import MagicMock

import pytest

from flows.errors import RunFailed
from flows.web import server as pages_server
from flows.web.browse import server


def test_server_that_ends_by_itself_is_an_error(monkeypatch):
    monkeypatch.setattr(server, "Browse", MagicMock())
    monkeypatch.setattr(server, "make_app", MagicMock())
    monkeypatch.setattr(pages_server.uvicorn.Server, "run", lambda _self, _sockets: None)
    addresses: list[str] = []

    with pytest.raises(RunFailed):
        server.run_server(MagicMock(), port=0, stop=threading.Event(), on_ready=addresses.append)

    assert addresses == []
