"""Throttling: delays, concurrency, pauses and rests of a host; the values of a policy."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from flows.fetch import (
    FetchPolicy,
    FetchRequest,
    FetchResponse,
    RateLimited,
)
from flows.fetch.throttle import HostThrottle
from tests.integration.fetch.conftest import FakeTime, hasty
from tests.integration.fetch.faultserver import html, page, reply


def test_crawl_delay_raises_the_pause_between_requests(serve, fetcher, fake_time) -> None:
    server = serve(
        lambda seen: (
            reply(200, b"User-agent: *\nCrawl-delay: 4\n")
            if seen.path == "/robots.txt"
            else page(html(seen.path))
        )
    )
    client = fetcher(
        server,
        respect_robots=True,
        per_host_delay_seconds=1.0,
        clock=fake_time.clock,
        sleep=fake_time.sleep,
        now=fake_time.now,
    )

    for number in range(3):
        client.fetch(FetchRequest(url=server.url(f"/{number}")))

    assert sum(fake_time.slept) == pytest.approx(1 + 4 + 4, abs=3.1)
    assert client.throttle.delay_of(server.host) == 4


def test_a_configured_delay_is_kept_between_requests(serve, fetcher) -> None:
    server = serve(lambda seen: page(html(seen.path)))
    client = fetcher(server, per_host_delay_seconds=0.15, per_host_concurrency=4, concurrency=8)

    list(client.fetch_all(FetchRequest(url=server.url(f"/{n}")) for n in range(6)))

    times = [seen.at for seen in server.log]
    # All five delays together: a busy machine may hold a single arrival back.
    assert times[-1] - times[0] > 0.5


def test_a_host_sees_no_more_requests_at_once_than_allowed(serve, fetcher) -> None:
    at_once = {"now": 0, "most": 0}
    lock = threading.Lock()

    def route(seen):
        with lock:
            at_once["now"] += 1
            at_once["most"] = max(at_once["most"], at_once["now"])
        time.sleep(0.01)
        with lock:
            at_once["now"] -= 1
        return page(html(seen.path))

    server = serve(route)
    client = fetcher(server, per_host_concurrency=3, concurrency=12)

    list(client.fetch_all(FetchRequest(url=server.url(f"/{n}")) for n in range(60)))

    assert at_once["most"] == 3


def hosts(clock: FakeTime, **changes) -> HostThrottle:
    return HostThrottle(hasty(**changes), clock=clock.clock, now=clock.now)


def one(book: HostThrottle, clock: FakeTime, outcome, seconds: float = 0.1) -> None:
    """One request to a host, after the waits that the throttle asks for."""
    while (wait := book.acquire("h")) != 0.0:
        assert wait is not None
        clock.at += wait
    clock.at += seconds
    book.release("h", outcome, seconds=seconds)


def test_configured_delay_lies_between_any_two_requests_even_with_slots_free(fake_time) -> None:
    book = hosts(fake_time, per_host_delay_seconds=0.15, per_host_concurrency=4)
    one(book, fake_time, "ok", seconds=0.0)
    begun = [fake_time.at]
    for _ in range(4):  # nothing is released: the delay alone holds them back
        while (wait := book.acquire("h")) != 0.0:
            assert wait is not None
            fake_time.at += wait
        begun.append(fake_time.at)

    gaps = [later - sooner for sooner, later in itertools.pairwise(begun)]
    assert gaps == pytest.approx([0.15] * 4)


def test_only_a_good_answer_speeds_up_again(fake_time) -> None:
    book = hosts(fake_time)
    for _ in range(6):
        one(book, fake_time, "overloaded")
    slow = book.delay_of("h")
    assert slow > 1

    for outcome in ("answered", "answered", "cancelled"):
        one(book, fake_time, outcome)
    assert book.delay_of("h") == slow

    one(book, fake_time, "ok")
    assert book.delay_of("h") == slow / 2
    for _ in range(20):
        one(book, fake_time, "ok")
    assert book.delay_of("h") == 0


def test_a_429_without_a_time_slows_the_host_down(serve, fetcher, fake_time) -> None:
    server = serve(lambda seen: reply(429, b"") if seen.number == 1 else page(b"x"))
    client = fetcher(
        server,
        clock=fake_time.clock,
        sleep=fake_time.sleep,
        now=fake_time.now,
        slow_down_seconds=2.0,
    )

    client.fetch(FetchRequest(url=server.url()))

    assert sum(fake_time.slept) >= 1.9


def test_a_host_that_does_not_answer_is_given_a_rest_and_probed(fake_time) -> None:
    book = hosts(fake_time, breaker_failures=3)
    for _ in range(3):
        one(book, fake_time, "unreachable", 0.0)

    assert book.acquire("h") == pytest.approx(1.0)
    fake_time.at += 1.0
    assert book.acquire("h") == 0.0
    assert book.acquire("h") is None, "one probe at a time"
    book.release("h", "unreachable")
    assert book.acquire("h") == pytest.approx(2.0)
    fake_time.at += 2.0
    assert book.acquire("h") == 0.0
    book.release("h", "ok")
    assert book.acquire("h") == 0.0


def test_a_host_that_stays_silent_is_left_to_the_next_run(fake_time) -> None:
    book = hosts(fake_time, breaker_failures=3, max_wait_seconds=20)

    def try_on() -> None:
        for _ in range(30):
            one(book, fake_time, "unreachable", 0.5)

    with pytest.raises(RateLimited, match="has not answered for"):
        try_on()

    assert fake_time.at - 1000 < 60


def test_a_host_that_comes_back_within_patience_loses_nothing(serve, fetcher) -> None:
    from tests.integration.fetch.faultserver import then_reset

    until = time.monotonic() + 1.2
    server = serve(
        lambda seen: then_reset(b"") if time.monotonic() < until else page(html(seen.path))
    )
    client = fetcher(server, max_attempts=8, deadline_seconds=30, backoff_seconds=0.2)

    results = list(client.fetch_all(FetchRequest(url=server.url(f"/{n}")) for n in range(12)))

    assert all(isinstance(result, FetchResponse) for result in results)
    assert len(server.log) < 12 + 30


# ------------------------------------------------------------------ manners


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "example contact"),
        ({"user_agent": "copydesk/1"}, "no contact"),
        ({"user_agent": "copydesk/1 (+https://project.test/)", "respect_robots": False}, "robots"),
        ({"user_agent": "copydesk/1 (me@project.test)", "per_host_concurrency": 50}, "burden"),
    ],
)
def test_policy_warns_of_what_a_site_owner_would_object_to(changes, message) -> None:
    assert any(message in line for line in FetchPolicy(**changes).policy_warnings())


def test_a_decent_policy_has_no_warnings() -> None:
    assert (
        FetchPolicy(user_agent="copydesk/1 (+https://project.test/contact)").policy_warnings() == ()
    )


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"user_agent": "copydesk/1\r\nX-Evil: 1"}, "fetch.user_agent"),
        ({"user_agent": "新闻/1"}, "fetch.user_agent"),
        ({"user_agent": ""}, "fetch.user_agent"),
        ({"timeout_seconds": 0}, "fetch.timeout_seconds"),
        ({"concurrency": -1}, "fetch.concurrency"),
        ({"per_host_delay_seconds": -0.1}, "fetch.per_host_delay_seconds"),
        ({"deadline_seconds": float("nan")}, "fetch.deadline_seconds"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_by_its_key(changes, key) -> None:
    with pytest.raises(ValueError, match=key):
        FetchPolicy(**changes)
