"""A bucket of an S3-compatible server in this process, and faults of that server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAME = "newsroom"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "reader",
    "AWS_SECRET_ACCESS_KEY": "no-secret-of-anybody",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class Faults:
    """What the server answers instead, by method and path; counts its requests.

    Attributes:
        answer: Returns a status for a request, or ``None`` to serve it.
        seconds: How long each answer waits.
        requests: Method, path and range of each request.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.answer: Callable[[str, str], int | None] = lambda _method, _path: None
        self.seconds = 0.0
        self.requests: list[tuple[str, str, str]] = []

    def around(self, application: Any) -> Any:
        def serve(environ: dict[str, Any], start_response: Any) -> Any:
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            self.requests.append((method, path, environ.get("HTTP_RANGE", "")))
            time.sleep(self.seconds)
            if status := self.answer(method, path):
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                code = {403: "AccessDenied", 503: "SlowDown"}[status]
                start_response(f"{status} {code}", [("Content-Type", "application/xml")])
                return [f"<Error><Code>{code}</Code></Error>".encode()]
            return application(environ, start_response)

        return serve


@contextmanager
def serving() -> Iterator[tuple[str, Faults]]:
    """The address of a server with an empty bucket, and its faults."""
    moto = pytest.importorskip("moto.server", reason="make scale")
    server, faults = (
        moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False),
        Faults(),
    )
    server.start()
    try:
        server._server.app = faults.around(server._server.app)
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}", faults
    finally:
        server.stop()


def client(endpoint: str) -> Any:
    """A client of the server, for the test itself."""
    return pytest.importorskip("boto3", reason="make scale").client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
