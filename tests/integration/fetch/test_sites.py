"""What a fetcher knows of its hosts continues in the fetcher of another process."""

from __future__ import annotations

import pickle

import pytest

from flows.fetch import DisallowedByRobots, FetchRequest, RateLimited
from tests.integration.fetch.conftest import FakeTime
from tests.integration.fetch.faultserver import html, page, reply

ROBOTS = b"User-agent: *\nDisallow: /closed\nCrawl-delay: 4\n"


def times(clock: FakeTime) -> dict[str, object]:
    return {"clock": clock.clock, "sleep": clock.sleep, "now": clock.now}


def travelled(client):
    return pickle.loads(pickle.dumps(client.sites()))  # noqa: S301


def test_robots_txt_and_its_delay_travel(serve, fetcher, fake_time):
    server = serve(
        lambda seen: reply(200, ROBOTS) if seen.path == "/robots.txt" else page(html(seen.path))
    )
    first = fetcher(server, respect_robots=True, **times(fake_time))
    first.fetch(FetchRequest(url=server.url("/1")))
    other_clock = FakeTime()
    other_clock.at = 5.0
    second = fetcher(server, respect_robots=True, **times(other_clock))

    second.restore(travelled(first))
    second.fetch(FetchRequest(url=server.url("/2")))
    assert sum(other_clock.slept) == pytest.approx(4, abs=0.1)
    with pytest.raises(DisallowedByRobots):
        second.fetch(FetchRequest(url=server.url("/closed/1")))

    assert [seen.path for seen in server.log] == ["/robots.txt", "/1", "/2"]


def test_a_pause_that_a_host_asked_for_travels_there_and_back(serve, fetcher, fake_time):
    server = serve(lambda _seen: reply(503, b"", "Retry-After: 900"))
    worker = fetcher(server, **times(fake_time))
    with pytest.raises(RateLimited):
        worker.fetch(FetchRequest(url=server.url("/1")))
    own_clock = FakeTime()
    own_clock.at = 70_000.0
    own = fetcher(server, **times(own_clock))

    own.restore(travelled(worker))

    with pytest.raises(RateLimited, match="asked for a pause of 900 s"):
        own.fetch(FetchRequest(url=server.url("/2")))
    assert len(server.log) == 1


def test_a_worker_that_knows_less_of_a_host_ends_no_pause(serve, fetcher, fake_time):
    server = serve(lambda seen: page(html(seen.path)))
    worker = fetcher(server, **times(fake_time))
    worker.fetch(FetchRequest(url=server.url("/1")))
    own = fetcher(server, **times(fake_time))
    own.pause(server.url("/"), 900.0, "its Retry-After")

    own.restore(travelled(worker))

    with pytest.raises(RateLimited, match="its Retry-After"):
        own.fetch(FetchRequest(url=server.url("/2")))
    assert len(server.log) == 1


def test_only_some_hosts_travel(serve, fetcher):
    servers = [serve(lambda seen: page(html(seen.path))) for _ in range(2)]
    client = fetcher(*servers, respect_robots=True)
    for server in servers:
        client.fetch(FetchRequest(url=server.url("/1")))

    found = client.sites().only({servers[0].host})

    assert set(found.hosts) == {servers[0].host}
    assert set(found.robots) == {f"http://{servers[0].host}"}
