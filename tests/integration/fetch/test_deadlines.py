"""Deadlines hold whatever a server does, and a run that is stopped stops at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flows.fetch import (
    Cancelled,
    FetchError,
    FetchRequest,
    FetchResponse,
    TimedOut,
    TransientFetchError,
)
from tests.integration.fetch.faultserver import html, page, reply

BODY = html("/slow", 3000)


def hang(_seen):
    return lambda connection: connection.hang()


def hang_in_the_body(_seen):
    def script(connection):
        connection.send(page(BODY)[:500])
        connection.hang()

    return script


def drip_the_head(_seen):
    return lambda connection: connection.drip(page(BODY), seconds=0.05)


def drip_the_body(_seen):
    def script(connection):
        connection.send(reply(200, b"", "Content-Length: 3000", length=False))
        connection.drip(BODY, seconds=0.05)

    return script


def drip_interim_answers(_seen):
    def script(connection):
        connection.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 500, seconds=0.02)

    return script


MUCH_LESS_THAN_A_TIMEOUT = 10
"""Seconds: at once, on a machine under load."""
SLOW = [hang, hang_in_the_body, drip_the_head, drip_the_body, drip_interim_answers]


@pytest.mark.parametrize("route", SLOW, ids=lambda route: route.__name__)
def test_an_attempt_ends_in_time_and_the_next_one_succeeds(route, serve, fetcher) -> None:
    server = serve(lambda seen: route(seen) if seen.number == 1 else page(BODY))
    client = fetcher(server, timeout_seconds=0.4, attempt_seconds=0.6, deadline_seconds=20)

    fetched = client.fetch(FetchRequest(url=server.url("/slow")))

    assert fetched.body == BODY
    assert [attempt.reason for attempt in fetched.attempts] == ["timed_out", "ok"]


@pytest.mark.parametrize("route", SLOW, ids=lambda route: route.__name__)
def test_the_total_deadline_holds_over_all_attempts(route, serve, fetcher) -> None:
    server = serve(route)
    client = fetcher(server, timeout_seconds=0.4, attempt_seconds=0.5, deadline_seconds=2.0)

    with pytest.raises(TimedOut) as caught:
        client.fetch(FetchRequest(url=server.url("/slow")))

    assert len(caught.value.attempts) >= 2


def test_an_attempt_is_never_longer_than_what_is_left(serve, fetcher) -> None:
    server = serve(drip_the_body)
    client = fetcher(server, timeout_seconds=25, attempt_seconds=25, deadline_seconds=0.5)
    began = time.monotonic()

    with pytest.raises(TimedOut):
        client.fetch(FetchRequest(url=server.url("/slow")))

    assert time.monotonic() - began < MUCH_LESS_THAN_A_TIMEOUT


def test_a_name_that_hangs_does_not_hang_us(fetcher) -> None:
    def never(_host, _port):
        threading.Event().wait(3)
        return []

    client = fetcher(resolve=never, timeout_seconds=0.2, deadline_seconds=0.6)

    with pytest.raises(TransientFetchError, match="did not resolve within"):
        client.fetch(FetchRequest(url="http://slow.example/"))


def test_stopping_ends_the_wait_for_a_name_at_once(fetcher) -> None:
    stop = threading.Event()

    def never(_host, _port):
        threading.Event().wait(3)
        return []

    client = fetcher(resolve=never, stop=stop, timeout_seconds=20, deadline_seconds=60)
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    began = time.monotonic()

    with pytest.raises(Cancelled):
        client.fetch(FetchRequest(url="http://slow.example/"))

    assert time.monotonic() - began < 2.8
    timer.join()


@pytest.mark.parametrize("route", SLOW, ids=lambda route: route.__name__)
def test_stopping_ends_a_fetch_in_flight_at_once(route, serve, fetcher) -> None:
    stop = threading.Event()
    server = serve(route)
    client = fetcher(server, stop=stop, timeout_seconds=25, deadline_seconds=60)
    timer = threading.Timer(0.2, stop.set)
    timer.start()
    began = time.monotonic()

    with pytest.raises(Cancelled):
        client.fetch(FetchRequest(url=server.url("/slow")))

    assert time.monotonic() - began < MUCH_LESS_THAN_A_TIMEOUT
    timer.join()


def test_stopping_ends_a_wait_between_attempts_at_once(serve, fetcher) -> None:
    stop = threading.Event()
    server = serve(lambda _seen: reply(503, b"", "Retry-After: 20"))
    client = fetcher(server, stop=stop, deadline_seconds=60)
    timer = threading.Timer(0.2, stop.set)
    timer.start()
    began = time.monotonic()

    with pytest.raises(Cancelled):
        client.fetch(FetchRequest(url=server.url()))

    assert time.monotonic() - began < MUCH_LESS_THAN_A_TIMEOUT
    assert len(server.log) == 1
    timer.join()


def test_stopping_ends_a_stream_of_pages_within_a_second(serve, fetcher) -> None:
    stop = threading.Event()
    server = serve(lambda seen: hang(seen) if "9" in seen.path else page(html(seen.path)))
    client = fetcher(server, stop=stop, timeout_seconds=25, deadline_seconds=60, concurrency=4)
    requests = (FetchRequest(url=server.url(f"/{number}")) for number in range(100_000))
    done = []
    for result in client.fetch_all(requests):
        done.append(result)
        if len(done) == 5:
            began = time.monotonic()
            stop.set()

    assert time.monotonic() - began < MUCH_LESS_THAN_A_TIMEOUT
    assert all(isinstance(result, FetchResponse) for result in done)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fetch-0")]


def test_a_reader_that_goes_away_ends_the_stream(serve, fetcher) -> None:
    server = serve(lambda seen: hang(seen) if seen.path == "/3" else page(html(seen.path)))
    client = fetcher(server, timeout_seconds=25, deadline_seconds=60)
    stream = client.fetch_all(FetchRequest(url=server.url(f"/{number}")) for number in range(50))
    next(stream)
    began = time.monotonic()

    stream.close()

    assert time.monotonic() - began < MUCH_LESS_THAN_A_TIMEOUT
    assert client.fetch(FetchRequest(url=server.url("/again"))).body == html("/again")


def test_a_stopped_fetcher_makes_no_request(serve, fetcher) -> None:
    stop = threading.Event()
    stop.set()
    server = serve(lambda _seen: page(BODY))
    client = fetcher(server, stop=stop)

    with pytest.raises(FetchError):
        client.fetch(FetchRequest(url=server.url()))

    assert list(client.fetch_all([FetchRequest(url=server.url())])) == []
    assert server.log == []


READER = """
import sys
from flows.fetch import Fetcher, FetchPolicy, FetchRequest
base = sys.argv[1]
policy = FetchPolicy(allow_private_hosts=(base[7:],), respect_robots=False)
requests = (FetchRequest(url=f"{base}/{n}") for n in range(100000))
try:
    with Fetcher(policy) as fetcher:
        for page in fetcher.fetch_all(requests):
            print(page.url, flush=True)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_ends_a_run_that_waits_for_a_silent_server(serve) -> None:
    server = serve(lambda seen: page(html(seen.path)) if seen.path == "/0" else hang(seen))
    process = subprocess.Popen(
        [sys.executable, "-c", READER, server.url()[:-1]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == server.url("/0") + "\n"
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)

    assert process.returncode == 130, errors
    assert time.monotonic() - began < MUCH_LESS_THAN_A_TIMEOUT
    assert "Traceback" not in errors
