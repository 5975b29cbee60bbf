"""The clients that ``tests/bench/fetch.py`` compares, each with the same signature."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PAGES = 2000
SIZE = 72_000


def addresses(base: str, latency: int, count: int) -> Iterator[str]:
    """``count`` addresses, every page in turn."""
    for number in range(count):
        yield f"{base}/{latency}/{number % PAGES}.html"


def run_ours(base: str, latency: int, count: int, width: int, archive: str | None) -> int:
    """Our fetcher, every check on."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from flows.archive import ArchiveWriter
    from flows.fetch import Fetcher, FetchPolicy, FetchRequest, FetchResponse

    policy = FetchPolicy(
        allow_private_hosts=(base.removeprefix("http://"),),
        concurrency=width,
        per_host_concurrency=width,
    )
    store = ArchiveWriter(archive) if archive else None
    requests = (FetchRequest(url=url, expect="html") for url in addresses(base, latency, count))
    with Fetcher(policy, archive=store) as fetcher:
        good = sum(
            isinstance(page, FetchResponse) and len(page.body) == SIZE
            for page in fetcher.fetch_all(requests)
        )
    if store is not None:
        store.close()
    return good


def run_requests(base: str, latency: int, count: int, width: int, _archive: str | None) -> int:
    """``Session.get`` in threads: no checks, no politeness, no retries."""
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=width))
    return _in_threads(
        lambda url: len(session.get(url, timeout=20).content) == SIZE,
        addresses(base, latency, count),
        width,
    )


def run_urllib3(base: str, latency: int, count: int, width: int, _archive: str | None) -> int:
    """``PoolManager.request`` in threads."""
    import urllib3

    pool = urllib3.PoolManager(maxsize=width, headers={"Accept-Encoding": "gzip"})
    return _in_threads(
        lambda url: len(pool.request("GET", url).data) == SIZE,
        addresses(base, latency, count),
        width,
    )


def _in_threads(check: Callable[[str], bool], urls: Iterator[str], width: int) -> int:
    lock = threading.Lock()

    def labour(_number: int) -> int:
        good = 0
        while True:
            with lock:
                url = next(urls, None)
            if url is None:
                return good
            good += check(url)

    with ThreadPoolExecutor(width) as pool:
        return sum(pool.map(labour, range(width)))


def run_aiohttp(base: str, latency: int, count: int, width: int, _archive: str | None) -> int:
    """aiohttp with as many tasks as connections."""
    import asyncio

    import aiohttp

    async def main() -> int:
        urls = addresses(base, latency, count)
        connector = aiohttp.TCPConnector(limit=width)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def labour() -> int:
                good = 0
                for url in urls:
                    async with session.get(url) as response:
                        good += len(await response.read()) == SIZE
                return good

            return sum(await asyncio.gather(*(labour() for _ in range(width))))

    return asyncio.run(main())


def run_scrapy(base: str, latency: int, count: int, width: int, _archive: str | None) -> int:
    """Scrapy, tuned: one domain may use every connection, log and spare middleware off."""
    import scrapy
    from scrapy.crawler import CrawlerProcess

    good = 0

    class Spider(scrapy.Spider):
        name = "bench"

        async def start(self):
            for url in addresses(base, latency, count):
                yield scrapy.Request(url, dont_filter=True)

        def parse(self, response):
            nonlocal good
            good += len(response.body) == SIZE

    process = CrawlerProcess(
        {
            "CONCURRENT_REQUESTS": width,
            "CONCURRENT_REQUESTS_PER_DOMAIN": width,
            "DOWNLOAD_DELAY": 0,
            "LOG_ENABLED": False,
            "ROBOTSTXT_OBEY": False,
            "COOKIES_ENABLED": False,
            "RETRY_ENABLED": False,
            "REDIRECT_ENABLED": False,
            "TELNETCONSOLE_ENABLED": False,
            "HTTPPROXY_ENABLED": False,
        }
    )
    process.crawl(Spider)
    process.start()
    return good


CLIENTS: dict[str, Callable[[str, int, int, int, str | None], int]] = {
    "ours": run_ours,
    "ours, archive on": run_ours,
    "requests + threads": run_requests,
    "urllib3 + threads": run_urllib3,
    "aiohttp": run_aiohttp,
    "scrapy tuned": run_scrapy,
}
PEERS = {"aiohttp": "aiohttp", "scrapy tuned": "scrapy"}
