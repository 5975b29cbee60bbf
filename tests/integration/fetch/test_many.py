"""Many pages: all of them right, none delayed by another, memory flat."""

from __future__ import annotations

import random
import threading
import time
import tracemalloc
import zlib
from collections import Counter

import pytest

from flows.archive import ArchiveWriter, verify
from flows.fetch import (
    FetchFailure,
    FetchRequest,
    FetchResponse,
    PolicyRefusal,
    RateLimited,
    TimedOut,
)
from tests.integration.fetch.faultserver import (
    Reply,
    Seen,
    chunked,
    html,
    packed,
    page,
    reply,
    then_close,
    then_reset,
)

PAGES = 360
GZIP = "Content-Encoding: gzip"
HTML = "Content-Type: text/html"


def broken(kind: str, body: bytes) -> Reply:
    """A body with one of the faults that the measurement injected."""
    data = packed(body)
    return {
        "status": lambda: reply(503, b"busy"),
        "retry_after": lambda: reply(429, b"", "Retry-After: 0"),
        "reset": lambda: then_reset(page(body)[:300]),
        "reset_at_once": lambda: then_reset(b""),
        "closed": lambda: then_close(b""),
        "cut_length": lambda: then_close(page(body)[:-50]),
        "cut_chunks": lambda: then_close(chunked(body, last=b"")),
        "cut_gzip": lambda: page(data[:-30], GZIP),
        "cut_close": lambda: then_close(reply(200, body[:-40], HTML, length=False)),
        "double_gzip": lambda: page(packed(data), GZIP),
        "corrupt_gzip": lambda: page(data[:30] + b"\0\0\0" + data[33:], GZIP),
        "unknown_coding": lambda: page(body, "Content-Encoding: br"),
        "bad_length": lambda: then_close(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: -1\r\n\r\n" + body[:99]
        ),
        "partial": lambda: reply(206, body[:200], HTML),
        "soft": lambda: page(b"<html><body>One moment please"),
        "hang": lambda: lambda connection: connection.hang(),
        "drip": lambda: lambda connection: connection.drip(page(body), seconds=0.005),
    }[kind]()


KINDS = [
    "status",
    "retry_after",
    "reset",
    "reset_at_once",
    "closed",
    "cut_length",
    "cut_chunks",
    "cut_gzip",
    "cut_close",
    "double_gzip",
    "corrupt_gzip",
    "unknown_coding",
    "bad_length",
    "partial",
    "soft",
]


def faulty(seen: Seen) -> Reply:
    """Six pages in ten fail one to three times, each time in another way."""
    chance = random.Random(zlib.crc32(seen.path.encode()))  # noqa: S311 - the same each time
    body = html(seen.path, 3000)
    times = chance.randint(1, 3) if chance.random() < 0.6 else 0
    if seen.number <= times:
        rare = ["hang", "drip"] if chance.random() < 0.03 else KINDS
        return broken(chance.choice(rare if seen.number == 1 else KINDS), body)
    return page(packed(body), GZIP) if chance.random() < 0.5 else chunked(body)


def test_with_faults_in_six_of_ten_pages_all_are_right(serve, fetcher, tmp_path) -> None:
    server = serve(faulty)
    with ArchiveWriter(tmp_path) as archive:
        client = fetcher(
            server,
            archive=archive,
            concurrency=16,
            per_host_concurrency=16,
            timeout_seconds=0.5,
            attempt_seconds=0.8,
            deadline_seconds=20,
            slow_down_seconds=0.0,
        )
        requests = [FetchRequest(url=server.url(f"/{n}"), expect="html") for n in range(PAGES)]
        results = list(client.fetch_all(requests))

    right = [
        result
        for result in results
        if isinstance(result, FetchResponse)
        and result.body == html(result.request.url.removeprefix(server.url()[:-1]), 3000)
    ]
    retried = [result for result in right if len(result.attempts) > 1]
    assert len(results) == PAGES
    assert len(right) == PAGES
    assert {id(result.request) for result in results} == {id(request) for request in requests}
    assert 0.5 * PAGES < len(retried) < 0.75 * PAGES
    assert verify(tmp_path).damaged == ()


def test_a_dead_or_dripping_host_costs_the_others_nothing(serve, fetcher) -> None:
    def good(seen):
        time.sleep(0.005)
        return page(html(seen.path))

    servers = [serve(good) for _ in range(9)]
    dripping = serve(lambda _seen: lambda connection: connection.drip(b"x" * 999, seconds=0.2))
    options = {
        "concurrency": 16,
        "timeout_seconds": 1.0,
        "attempt_seconds": 1.5,
        "deadline_seconds": 3.0,
        "max_attempts": 2,
    }

    def finish(*others) -> float:
        client = fetcher(*servers, *others, **options)
        requests = [
            FetchRequest(url=server.url(f"/{number}"))
            for number in range(30)
            for server in [*others, *servers]
        ]
        began = time.monotonic()
        good_at = 0.0
        bad = 0
        for result in client.fetch_all(requests):
            if isinstance(result, FetchResponse):
                good_at = time.monotonic() - began
            else:
                bad += 1
            if sum(len(server.log) for server in servers) >= 270 * finish.rounds:  # type: ignore[attr-defined]
                break
        return good_at

    finish.rounds = 1  # type: ignore[attr-defined]
    alone = finish()
    finish.rounds = 2  # type: ignore[attr-defined]
    together = finish(dripping)

    assert together < alone + 1.0, "one attempt at the dripping host takes 1.5 s"


def test_every_host_of_a_broken_handful_is_reported_and_the_rest_is_whole(serve, fetcher) -> None:
    good = serve(lambda seen: page(html(seen.path)))
    dead = serve(lambda _seen: page(b""))
    dead.close()
    client = fetcher(good, dead, max_attempts=2, max_wait_seconds=1.0, deadline_seconds=4)
    requests = [
        FetchRequest(url=server.url(f"/{number}"))
        for number in range(20)
        for server in (dead, good)
    ] + [FetchRequest(url="http://10.0.0.1/"), FetchRequest(url="rubbish")]

    results = list(client.fetch_all(requests))

    outcome = Counter(
        (dead.host in result.url, isinstance(result, FetchResponse)) for result in results
    )
    assert len(results) == 42
    assert outcome[False, True] == 20
    assert outcome[True, False] == 20
    errors = {type(r.error) for r in results if isinstance(r, FetchFailure)}
    assert PolicyRefusal in errors
    assert RateLimited in errors


def test_memory_stays_flat_whatever_the_number_of_pages(serve, fetcher) -> None:
    body = html("/x", 60_000)
    server = serve(lambda _seen: page(body))
    client = fetcher(server, concurrency=8, per_host_concurrency=8)
    requests = (FetchRequest(url=server.url(f"/{number}")) for number in range(1500))
    results = 0

    tracemalloc.start()
    for _ in client.fetch_all(requests):
        results += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert results == 1500
    assert peak < 12_000_000


def test_a_slow_reader_is_not_buried_in_pages(serve, fetcher) -> None:
    server = serve(lambda seen: page(html(seen.path)))
    client = fetcher(server, concurrency=4, per_host_concurrency=4)
    stream = client.fetch_all(FetchRequest(url=server.url(f"/{n}")) for n in range(200))
    next(stream)

    time.sleep(0.4)

    assert len(server.log) < 40
    assert len(list(stream)) == 199


def test_requests_are_read_only_as_needed(serve, fetcher, monkeypatch) -> None:
    monkeypatch.setattr("flows.fetch.scheduler._MAX_OPEN", 200)
    server = serve(lambda seen: page(html(seen.path)))
    read = []

    def endless():
        number = 0
        while True:
            number += 1
            read.append(number)
            yield FetchRequest(url=server.url(f"/{number}"))

    stream = fetcher(server).fetch_all(endless())
    for _ in range(300):
        next(stream)
    stream.close()

    assert len(read) <= 200 + 300 + 64


def test_a_slow_list_of_requests_does_not_hold_back_results(serve, fetcher) -> None:
    server = serve(lambda seen: page(html(seen.path)))
    given = []

    def slowly():
        for number in range(30):
            given.append(number)
            yield FetchRequest(url=server.url(f"/{number}"))
            time.sleep(0.02)

    stream = fetcher(server).fetch_all(slowly())
    next(stream)

    assert len(given) < 20
    assert len(list(stream)) == 29


def test_an_error_of_the_readers_own_requests_is_raised(serve, fetcher) -> None:
    server = serve(lambda seen: page(html(seen.path)))

    def failing():
        yield FetchRequest(url=server.url("/1"))
        raise LookupError("the list is broken")

    with pytest.raises(LookupError, match="the list is broken"):
        list(fetcher(server).fetch_all(failing()))


def test_a_bug_in_the_archive_is_raised_and_not_swallowed(serve, fetcher) -> None:
    server = serve(lambda seen: page(html(seen.path)))

    class Broken:
        def write(self, response, *, known=None):
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        list(fetcher(server, archive=Broken()).fetch_all([FetchRequest(url=server.url())]))


def test_a_thousand_hosts_are_served_fairly(serve, fetcher) -> None:
    server = serve(lambda seen: page(html(seen.path)))
    names = [f"h{number}.example:{server.port}" for number in range(300)]
    client = fetcher(
        allow_private_hosts=tuple(names),
        resolve=lambda _host, port: [(2, 1, 6, "", ("127.0.0.1", port))],
        concurrency=8,
    )

    results = list(
        client.fetch_all(FetchRequest(url=f"http://{name}/{n}") for n in range(2) for name in names)
    )

    assert sum(isinstance(result, FetchResponse) for result in results) == 600


def test_two_streams_and_single_fetches_share_a_fetcher(serve, fetcher) -> None:
    server = serve(lambda seen: page(html(seen.path)))
    client = fetcher(server)
    found: list[int] = []

    def stream(start: int) -> None:
        results = client.fetch_all(
            FetchRequest(url=server.url(f"/{n}")) for n in range(start, start + 30)
        )
        found.append(sum(isinstance(result, FetchResponse) for result in results))

    threads = [threading.Thread(target=stream, args=(100 * n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for number in range(10):
        client.fetch(FetchRequest(url=server.url(f"/single{number}")))
    for thread in threads:
        thread.join()

    assert found == [30, 30]


def test_a_page_whose_deadline_passed_while_it_waited_reports_it(serve, fetcher, fake_time) -> None:
    server = serve(lambda _seen: reply(503, b"", "Retry-After: 50"))
    client = fetcher(
        server,
        clock=fake_time.clock,
        sleep=fake_time.sleep,
        now=fake_time.now,
        deadline_seconds=60,
        max_attempts=9,
    )

    with pytest.raises((RateLimited, TimedOut)):
        client.fetch(FetchRequest(url=server.url()))

    assert len(server.log) == 2
    assert fake_time.at - 1000 <= 60
