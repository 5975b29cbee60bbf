"""One layer of retries: which errors are retried, when, and which are left to the next run."""

from __future__ import annotations

import itertools
import json
import time
from datetime import UTC, datetime

import pytest

from flows.fetch import (
    ConnectionFailed,
    FetchError,
    FetchFailure,
    FetchRequest,
    FetchResponse,
    RateLimited,
    RefusedByServer,
    TransientFetchError,
    UnexpectedStatus,
    errors,
)
from flows.fetch.headers import MAX_SECONDS, parse_http_date, parse_retry_after
from tests.corpus import CORPUS, needs_corpus
from tests.integration.fetch.faultserver import html, page, reply, then_reset

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_reasons_that_rows_store_do_not_change() -> None:
    reasons = {kind.reason for kind in vars(errors).values() if isinstance(kind, type)
               and issubclass(kind, FetchError) and not kind.__subclasses__()}  # fmt: skip

    assert reasons == {
        "stale_connection", "timed_out", "incomplete_body", "unexpected_status",
        "failed_content_check", "refused_by_server", "bad_redirect", "too_large",
        "untrusted_server", "bad_address", "disallowed_by_robots", "policy_refusal",
        "rate_limited", "cancelled",
    }  # fmt: skip
    assert ConnectionFailed.reason == "connection_failed"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 410, 411, 414, 418, 422, 451])
def test_what_the_server_refuses_is_asked_once(status, serve, fetcher) -> None:
    server = serve(lambda _seen: reply(status, b"no"))

    with pytest.raises(RefusedByServer, match=str(status)) as caught:
        fetcher(server).fetch(FetchRequest(url=server.url()))

    assert caught.value.status == status
    assert len(server.log) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529])
def test_what_may_pass_is_asked_again(status, serve, fetcher) -> None:
    server = serve(lambda seen: reply(status, b"busy") if seen.number < 3 else page(b"x"))

    fetched = fetcher(server).fetch(FetchRequest(url=server.url()))

    assert [attempt.status for attempt in fetched.attempts] == [status, status, 200]


def test_waits_grow_with_full_jitter_between_floor_and_roof(serve, fetcher, fake_time) -> None:
    server = serve(lambda _seen: reply(500, b""))
    numbers = itertools.cycle([0.999, 0.0])
    client = fetcher(
        server,
        clock=fake_time.clock,
        sleep=fake_time.sleep,
        now=fake_time.now,
        random=lambda: next(numbers),
        backoff_seconds=1.0,
        backoff_floor_seconds=0.25,
        backoff_cap_seconds=3.0,
        max_attempts=7,
        deadline_seconds=1000,
        timeout_seconds=50,
    )

    with pytest.raises(UnexpectedStatus):
        client.fetch(FetchRequest(url=server.url()))

    waits = [wait for wait in fake_time.slept if wait > 0]
    assert waits == pytest.approx([0.999, 0.25, 2.997, 0.25, 2.997, 0.25])
    assert len(server.log) == 7


def test_no_attempt_starts_after_the_deadline(serve, fetcher, fake_time) -> None:
    server = serve(lambda _seen: reply(500, b""))
    client = fetcher(
        server,
        clock=fake_time.clock,
        sleep=fake_time.sleep,
        now=fake_time.now,
        random=lambda: 0.999,
        backoff_seconds=3.0,
        max_attempts=50,
        deadline_seconds=20,
    )

    with pytest.raises(UnexpectedStatus):
        client.fetch(FetchRequest(url=server.url()))

    assert sum(fake_time.slept) < 20


def test_a_host_may_cost_the_run_only_so_many_retries(serve, fetcher) -> None:
    server = serve(lambda _seen: reply(500, b""))
    client = fetcher(server, retry_ratio=0.5, max_attempts=6, slow_down_seconds=0)

    results = list(client.fetch_all(FetchRequest(url=server.url(f"/{n}")) for n in range(20)))

    assert all(isinstance(result, FetchFailure) for result in results)
    assert 20 + 10 <= len(server.log) <= 20 + 10 + 0.5 * 20


def test_a_stale_connection_is_replaced_at_once(serve, fetcher, fake_time) -> None:
    def route(seen):
        # Every connection serves one page and then breaks without an answer.
        return page(html(seen.path)) if seen.connection != route.last else then_reset(b"")

    route.last = 0  # type: ignore[attr-defined]

    def routed(seen):
        answer = route(seen)
        route.last = seen.connection  # type: ignore[attr-defined]
        return answer

    server = serve(routed)
    client = fetcher(
        server,
        sleep=fake_time.sleep,
        backoff_floor_seconds=1.0,
        backoff_seconds=1.0,
    )

    for number in range(4):
        assert client.fetch(FetchRequest(url=server.url(f"/{number}"))).body == html(f"/{number}")

    assert not any(fake_time.slept)
    assert server.connections == 4


# ------------------------------------------------------------------ Retry-After


OWN_VALUES = [
    ("120", 120),
    ("0", 0),
    ("\t42 ", 42),
    ("Fri, 20 Nov 2026 12:30:12 GMT", 1812),
    ("Friday, 20-Nov-26 12:30:12 GMT", 1812),
    ("Fri Nov 20 12:30:12 2026", 1812),
    ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
    ("Fri, 20 Nov 2026 11:00:00 GMT", 0),
    ("9" * 400, MAX_SECONDS),
    ("-1", None),
    ("1.0", None),
    ("²", None),
    ("١٢", None),
    ("soon", None),
    ("", None),
    ("1, 2", None),
    ("Fri, 32 Nov 2026 12:00:00 GMT", None),
    ("Fri, 20 Nov 2026 25:00:00 GMT", None),
    ("Fri, 20 Foo 2026 12:00:00 GMT", None),
    (None, None),
]


@pytest.mark.parametrize(("value", "seconds"), OWN_VALUES)
def test_retry_after_is_read_or_ignored(value, seconds) -> None:
    assert parse_retry_after(value, now=NOW) == seconds


def test_a_date_is_judged_by_the_servers_own_clock() -> None:
    value = "Fri, 20 Nov 2026 11:01:00 GMT"

    assert parse_retry_after(value, now=NOW, date="Fri, 20 Nov 2026 11:00:00 GMT") == 60
    assert parse_retry_after(value, now=NOW, date="rubbish") == 0


@needs_corpus
def test_every_retry_after_case_of_the_corpus() -> None:
    vectors = json.loads((CORPUS / "vectors" / "retry_after.json").read_text("utf-8"))
    wrong = []
    for case in vectors["cases"]:
        now = datetime.fromisoformat(case["now"])
        found = parse_retry_after(case["value"], now=now, date=case.get("date"))
        allowed = {
            "clamp": [MAX_SECONDS],
            "ignore": [None],
            "ignore-or-600": [None, 600],
            "ignore-or-max": [None, 120],
        }.get(case.get("expect", ""), [case["seconds"]])
        if found not in allowed:
            wrong.append((case["id"], found))

    assert len(vectors["cases"]) > 30
    assert wrong == []


def test_http_dates_are_utc_whatever_the_machine_thinks(monkeypatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        found = parse_http_date("Fri Nov 20 12:30:12 2026")
    finally:
        monkeypatch.undo()
        time.tzset()

    assert found == datetime(2026, 11, 20, 12, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "value", "wait"),
    [
        (429, "7", 7),
        (503, "Fri, 20 Nov 2026 12:00:09 GMT", 9),
        (503, "Friday, 20-Nov-26 12:00:09 GMT", 9),
        (503, "Fri Nov 20 12:00:09 2026", 9),
        (500, "3", 3),
    ],
)
def test_retry_after_is_waited_for(status, value, wait, serve, fetcher, fake_time) -> None:
    server = serve(
        lambda seen: reply(status, b"", f"Retry-After: {value}") if seen.number == 1 else page(b"x")
    )
    client = fetcher(
        server,
        clock=fake_time.clock,
        sleep=fake_time.sleep,
        now=fake_time.now,
        deadline_seconds=100,
    )

    assert client.fetch(FetchRequest(url=server.url())).body == b"x"

    assert sum(fake_time.slept) >= wait
    assert sum(fake_time.slept) < wait + 1


def test_retry_after_holds_for_the_whole_host(serve, fetcher, fake_time) -> None:
    server = serve(
        lambda seen: (
            reply(429, b"", "Retry-After: 30")
            if seen.path == "/busy" and seen.number == 1
            else page(b"x")
        )
    )
    client = fetcher(
        server,
        clock=fake_time.clock,
        sleep=fake_time.sleep,
        now=fake_time.now,
        max_attempts=1,
        deadline_seconds=100,
    )
    with pytest.raises(UnexpectedStatus):
        client.fetch(FetchRequest(url=server.url("/busy")))
    assert fake_time.slept == []

    client.fetch(FetchRequest(url=server.url("/other")))

    assert sum(fake_time.slept) == pytest.approx(30)


@pytest.mark.parametrize("value", ["86400", "Sat, 21 Nov 2026 12:00:00 GMT"])
def test_a_day_of_waiting_is_handed_to_the_next_run(value, serve, fetcher, fake_time) -> None:
    server = serve(lambda _seen: reply(429, b"", f"Retry-After: {value}"))
    client = fetcher(server, clock=fake_time.clock, sleep=fake_time.sleep, now=fake_time.now)

    results = list(client.fetch_all(FetchRequest(url=server.url(f"/{n}")) for n in range(5)))

    assert len(results) == 5
    assert {type(result.error) for result in results if isinstance(result, FetchFailure)} == {
        RateLimited
    }
    for result in results:
        assert isinstance(result, FetchFailure)
        assert isinstance(result.error, RateLimited)
        assert result.error.retry_at == datetime(2026, 11, 21, 12, tzinfo=UTC)
        assert "86400 s" in str(result.error)
    assert len(server.log) == 1


@pytest.mark.parametrize("value", ["soon", "-5", "", "1e3"])
def test_a_senseless_retry_after_is_ignored(value, serve, fetcher) -> None:
    server = serve(
        lambda seen: reply(503, b"", f"Retry-After: {value}") if seen.number == 1 else page(b"x")
    )

    assert fetcher(server).fetch(FetchRequest(url=server.url())).body == b"x"


def test_a_limiting_server_sees_no_request_before_it_allowed_one(serve, fetcher) -> None:
    refused: list[tuple[float, float]] = []
    budget = {"left": 6, "at": time.monotonic()}

    def route(seen):
        now = time.monotonic()
        if now - budget["at"] > 0.5:
            budget.update(left=6, at=now)
        budget["left"] -= 1
        if budget["left"] >= 0:
            return page(html(seen.path))
        refused.append((now, now + 1))
        return reply(429, b"", "Retry-After: 1")

    server = serve(route)
    client = fetcher(server, per_host_concurrency=3, concurrency=6, deadline_seconds=30)

    results = list(client.fetch_all(FetchRequest(url=server.url(f"/{n}")) for n in range(20)))

    assert all(isinstance(result, FetchResponse) for result in results)
    assert refused
    # Requests that were under way when the answer was written cannot be called back.
    early = [
        seen.path
        for seen in server.log
        for refused_at, allowed in refused
        if refused_at + 0.1 < seen.at < allowed
    ]
    assert early == []


def test_every_attempt_is_recorded_with_its_reason(serve, fetcher) -> None:
    answers = [reply(500, b""), then_reset(page(html("/x"))[:500]), reply(503, b"")]
    server = serve(lambda seen: answers[seen.number - 1] if seen.number <= 3 else page(b"x"))

    fetched = fetcher(server).fetch(FetchRequest(url=server.url("/x")))

    assert [(a.status, a.reason) for a in fetched.attempts] == [
        (500, "unexpected_status"),
        (None, "incomplete_body"),
        (503, "unexpected_status"),
        (200, "ok"),
    ]


def test_an_unresolvable_name_is_retried_and_reported(fetcher) -> None:
    asked = []

    def unknown(host, _port):
        asked.append(host)
        raise OSError("Name or service not known")

    with pytest.raises(TransientFetchError, match="does not resolve: Name or service") as caught:
        fetcher(resolve=unknown, max_attempts=3).fetch(FetchRequest(url="http://gone.example/"))

    assert len(asked) == 3
    assert isinstance(caught.value, FetchError)
