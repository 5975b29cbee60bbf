"""The requests that a server on loopback answers and refuses."""

from __future__ import annotations

import asyncio

import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from flows.web.same_origin import SameOriginMiddleware, refusal

OWN = ("http://127.0.0.1:4200", "http://localhost:4200", "https://desk.example.org")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"host": "127.0.0.1:4200"}, id="a program"),
        pytest.param({"host": "192.0.2.1"}, id="a program on another machine"),
        pytest.param({"host": "[::1]:4200"}, id="IPv6"),
        pytest.param({"host": "localhost:4200", "sec-fetch-site": "none"}, id="typed address"),
        pytest.param({"host": "localhost:4200", "origin": "http://localhost:4200"}, id="the UI"),
        pytest.param({"host": "127.0.0.1:4200", "origin": "http://localhost:4200"}, id="alias"),
        pytest.param({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, id="tunnel"),
        pytest.param({"host": "127.0.0.1:4200", "origin": "https://desk.example.org"}, id="proxy"),
        pytest.param({"host": "desk.example.org", "sec-fetch-site": "same-origin"}, id="its name"),
        pytest.param(
            {
                "host": "localhost:4200",
                "sec-fetch-site": "cross-site",
                "sec-fetch-mode": "navigate",
                "sec-fetch-dest": "document",
            },
            id="a link in a message",
        ),
    ],
)
def test_programs_and_pages_of_the_server_are_answered(headers):
    assert refusal(Headers(headers), OWN) is None


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no host"),
        pytest.param({"host": "rebound.example.net:4200"}, id="rebinding"),
        pytest.param({"host": "127.0.0.1.example.net:4200"}, id="rebinding, with a number"),
        pytest.param(
            {"host": "rebound.example.net:4200", "origin": "http://rebound.example.net:4200"},
            id="rebinding, with its origin",
        ),
        pytest.param({"host": "127.0.0.1:4200.example.net"}, id="a port that is none"),
        pytest.param({"host": "[::1", "origin": "http://[::1"}, id="malformed"),
        pytest.param({"host": "127.0.0.1:4200", "origin": "http://example.net"}, id="site"),
        pytest.param({"host": "127.0.0.1:4200", "origin": "http://127.0.0.1:8000"}, id="port"),
        pytest.param({"host": "127.0.0.1:4200", "origin": "null"}, id="sandboxed frame"),
        pytest.param({"host": "127.0.0.1:4200", "sec-fetch-site": "cross-site"}, id="image"),
        pytest.param(
            {
                "host": "127.0.0.1:4200",
                "sec-fetch-site": "cross-site",
                "sec-fetch-mode": "navigate",
                "sec-fetch-dest": "iframe",
            },
            id="frame",
        ),
    ],
)
def test_other_pages_are_refused(headers):
    assert refusal(Headers(headers), OWN) is not None


def answer(kind: str, *allowed: str, **headers: str) -> list[dict[str, object]]:
    """The answer of the middleware before an app that answers everything."""
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    app = SameOriginMiddleware(PlainTextResponse("the app"), allowed_origins=allowed, advice="")
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(app({"type": kind, "headers": raw}, receive, send))  # type: ignore[arg-type]
    return sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_refused_request_does_not_reach_the_app(kind):
    start, body = answer(kind, host="127.0.0.1:4200", origin="http://example.net")

    assert start["status"] == 403
    assert b"the app" not in body["body"]


def test_answer_may_be_framed_by_the_server_only():
    start, body = answer("http", host="127.0.0.1:4200")

    assert (b"content-security-policy", b"frame-ancestors 'self'") in start["headers"]
    assert body["body"] == b"the app"


def test_operator_may_allow_every_page():
    _, body = answer("http", "*", host="127.0.0.1:4200", origin="http://example.net")

    assert body["body"] == b"the app"
