"""The costs of faults: in six of ten pages, and of a bad host among good ones."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import requests
import tenacity
from requests.adapters import HTTPAdapter, Retry

sys.path.insert(0, str(Path(__file__).parents[2]))

from flows.fetch import Fetcher, FetchError, FetchPolicy, FetchRequest, FetchResponse
from tests.integration.fetch.faultserver import FaultServer, html, page
from tests.integration.fetch.test_many import faulty

Get = Callable[[str], bytes]


@contextmanager
def ours(server: FaultServer) -> Iterator[Get]:
    """Our fetcher, hurried so that the faults heal in seconds."""
    policy = FetchPolicy(
        allow_private_hosts=(server.host,),
        respect_robots=False,
        timeout_seconds=0.5,
        attempt_seconds=1.0,
        backoff_seconds=0.05,
        slow_down_seconds=0,
        per_host_concurrency=16,
    )
    with Fetcher(policy) as fetcher:
        yield lambda url: fetcher.fetch(FetchRequest(url=url, expect="html")).body


@contextmanager
def tenacious(_server: FaultServer) -> Iterator[Get]:
    """``Session.get`` and ``raise_for_status`` under tenacity, as most programs have it."""
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=16))

    def get(url: str) -> bytes:
        answer = session.get(url, timeout=1)
        answer.raise_for_status()
        return answer.content

    def patiently(url: str) -> bytes:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(5),
            wait=tenacity.wait_random_exponential(0.05, max=1),
            retry=tenacity.retry_if_exception_type(requests.RequestException),
            reraise=True,
        )
        return retrying(get, url)

    yield patiently


@contextmanager
def mounted(_server: FaultServer) -> Iterator[Get]:
    """``Session.get`` with urllib3's own retries mounted."""
    session = requests.Session()
    retry = Retry(5, status_forcelist=[429, 500, 502, 503, 504], backoff_factor=0.05)
    session.mount("http://", HTTPAdapter(max_retries=retry, pool_maxsize=16))

    def get(url: str) -> bytes:
        answer = session.get(url, timeout=1)
        answer.raise_for_status()
        return answer.content

    yield get


WAYS = {
    "ours": ours,
    "Session.get + tenacity": tenacious,
    "Session.get + urllib3 Retry": mounted,
}


def faults() -> None:
    """360 pages, six of ten with faults that heal after one to three: three ways to fetch them."""
    print("\n| 360 pages, 60 % with faults | right | wrong | given up |\n|---|---|---|---|")
    for name, way in WAYS.items():
        server = FaultServer(faulty)
        with way(server) as get, ThreadPoolExecutor(16) as pool:
            jobs = [pool.submit(_outcome, get, server, f"/{number}") for number in range(360)]
            found = Counter(job.result() for job in jobs)
        server.close()
        print(f"| {name} | {found['right']} | {found['wrong']} | {found['given up']} |")


def _outcome(get: Get, server: FaultServer, path: str) -> str:
    try:
        body = get(server.url(path))
    except (requests.RequestException, FetchError, ValueError):
        return "given up"
    return "right" if body == html(path, 3000) else "wrong"


def bad_hosts() -> None:
    """Nine hosts alone, and with a tenth that is dead or drips."""

    def good(seen):
        time.sleep(0.02)
        return page(html(seen.path, 20_000))

    def drip(_seen):
        return lambda connection: connection.drip(b"HTTP/1.1 200 OK\r\n" * 99, seconds=0.3)

    print(
        "\n| nine good hosts, 40 pages each, 20 ms | seconds until all 360 are there |\n|---|---|"
    )
    for name, route in (("alone", None), ("one of ten drips", drip), ("one of ten is dead", good)):
        servers = [FaultServer(good) for _ in range(9)]
        bad = [FaultServer(route)] if route else []
        if name.endswith("dead"):
            bad[0].close()
        try:
            print(f"| {name} | {_until_good(servers, bad):.2f} |")
        finally:
            for each in [*servers, *bad]:
                each.close()


def _until_good(servers: list[FaultServer], bad: list[FaultServer]) -> float:
    every = [*bad, *servers]
    policy = FetchPolicy(
        allow_private_hosts=tuple(each.host for each in every),
        respect_robots=False,
        concurrency=16,
        per_host_concurrency=2,
        timeout_seconds=5,
        deadline_seconds=20,
    )
    requests_ = [FetchRequest(url=each.url(f"/{n}")) for n in range(40) for each in every]
    began = time.perf_counter()
    good = 0
    with Fetcher(policy) as fetcher:
        for result in fetcher.fetch_all(requests_):
            good += isinstance(result, FetchResponse)
            if good == 40 * len(servers):
                break
    return time.perf_counter() - began
