"""robots.txt: parsed by RFC 9309, fetched once, obeyed."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest

from flows.fetch import (
    DisallowedByRobots,
    FetchFailure,
    FetchRequest,
    FetchResponse,
    RateLimited,
)
from flows.fetch.robots import parse_robots
from tests.corpus import CORPUS, needs_corpus
from tests.integration.fetch.faultserver import html, packed, page, reply, then_close


def site(robots: bytes | None, **fields: str):
    """A route with a robots.txt, or with a 404 for it."""

    def route(seen):
        if seen.path == "/robots.txt":
            return reply(404, b"") if robots is None else reply(200, robots, *fields.values())
        return page(html(seen.path))

    return route


# ------------------------------------------------------------------ reading


RULES = [
    ("", "/x", True),
    ("User-agent: *\nDisallow: /\n", "/x", False),
    ("User-agent: *\nDisallow: /\n", "/robots.txt", True),
    ("\ufeffUser-agent: *\nDisallow: /\n", "/x", False),
    ("User-agent: *\rDisallow: /\r", "/x", False),
    ("User-agent: copydesk\nDisallow: /\n\nUser-agent: *\nDisallow:\n", "/x", False),
    ("User-agent: COPYDESK/2.1\nDisallow: /\n", "/x", False),
    ("User-agent: copy\nDisallow: /\n", "/x", True),
    ("User-agent: project\nDisallow: /\n", "/x", True),
    ("User-agent: copydesk-images\nDisallow: /\n", "/x", True),
    ("User-agent: other\nUser-agent: copydesk\nDisallow: /a\n", "/a", False),
    ("User-agent: copydesk\nDisallow: /a\n\nUser-agent: copydesk\nDisallow: /b\n", "/b", False),
    ("User-agent: copydesk\nAllow: /\n\nUser-agent: *\nDisallow: /\n", "/x", True),
    ("User-agent: copydesk\n\nUser-agent: *\nDisallow: /\n", "/x", False),
    ("User-agent: *\nDisallow: /a\nAllow: /a/b\n", "/a/b/c", True),
    ("User-agent: *\nAllow: /a\nDisallow: /a\n", "/a", True),
    ("User-agent: *\nDisallow: /*.pdf$\n", "/a.pdf", False),
    ("User-agent: *\nDisallow: /*.pdf$\n", "/a.pdf?x", True),
    ("User-agent: *\nDisallow: /a%3cd.html\n", "/a%3Cd.html", False),
    ("User-agent: *\nDisallow: /%7ejoe/\n", "/~joe/i", False),
    ("User-agent: *\nDisallow: /新闻/\n", "/%E6%96%B0%E9%97%BB/1", False),
    ("User-agent: *\nDisallow: /x # a comment\n", "/x", False),
    ("User-agent: *\nDisallow: /?q=\n", "/?q=1", False),
    ("Disallow: /\n", "/x", True),
    ("<html>User-agent: *<br>Disallow: /</html>", "/x", True),
    ("user-agent: copydesk\ndisallow: /a\nfoo: bar\ndisallow: /b", "/b", False),
    ("User-agent: *\nSitemap: https://h/a.xml\nDisallow: /b", "/b", False),
]


@pytest.mark.parametrize(("text", "path", "allowed"), RULES)
def test_rules_follow_rfc_9309(text, path, allowed) -> None:
    rules = parse_robots(text.encode(), "copydesk")

    assert rules.allows(f"http://h{path}") is allowed


def test_only_the_first_half_megabyte_is_read() -> None:
    data = b"User-agent: *\nDisallow: /private/\n" + b"# pad\n" * 90_000 + b"Disallow: /late/\n"

    rules = parse_robots(data, "copydesk")

    assert not rules.allows("http://h/private/x")
    assert rules.allows("http://h/late/x")


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("User-agent: *\nCrawl-delay: 7\nDisallow:\n", 7),
        ("User-agent: *\nCrawl-delay: 0.5\n", 0.5),
        ("User-agent: *\nCrawl-delay: -5\n", 0),
        ("User-agent: *\nCrawl-delay: nan\n", 0),
        ("User-agent: *\nRequest-rate: 1/5\n", 5),
        ("User-agent: copydesk\nCrawl-delay: 3\n\nUser-agent: *\nCrawl-delay: 9\n", 3),
    ],
)
def test_delays_are_read(text, delay) -> None:
    assert parse_robots(text.encode(), "copydesk").crawl_delay == delay


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 100,
        b"User-agent: *\nDisallow: /" + b"*a" * 5000,
        b"\xff\xfeU\0s\0",
        b"\0" * 999,
    ],
)
def test_rubbish_is_read_quickly_and_without_an_error(data) -> None:
    began = time.monotonic()

    parse_robots(data, "copydesk").allows("http://h/" + "a" * 1500)

    assert time.monotonic() - began < 10


# In these three the reference implementation, which the vectors come from, departs from
# RFC 9309 2.2.2 (escapes of unreserved characters are equivalent) or gets an address that is
# not percent-encoded, which a fetcher never has.
DEPARTURES = {"ID_Encoding#3", "ID_Encoding#5", "ID_Encoding#6"}


@needs_corpus
def test_the_robots_vectors_of_the_reference_implementation() -> None:
    vectors = json.loads((CORPUS / "vectors" / "robots_google.json").read_text("utf-8"))
    wrong = [
        case["id"]
        for case in vectors["cases"]
        if not case["google_specific"]
        and parse_robots(case["robots"].encode(), case["agent"]).allows(case["url"])
        is not case["allowed"]
    ]

    assert set(wrong) == DEPARTURES


@needs_corpus
def test_the_robots_vectors_written_from_the_rfc() -> None:
    vectors = json.loads((CORPUS / "vectors" / "robots_rfc9309_own.json").read_text("utf-8"))
    seen = 0
    for case in vectors["cases"]:
        if "allowed" in case:
            seen += 1
            data = bytes.fromhex(case["body_hex"]) if "body_hex" in case else case["body"].encode()
            token = re.match(r"[A-Za-z_-]+", case["agent"])
            assert token
            assert parse_robots(data, token.group()).allows(case["url"]) is case["allowed"], case[
                "id"
            ]
        if "crawl_delay" in case:
            seen += 1
            assert parse_robots(case["body"].encode(), "x").crawl_delay == case["crawl_delay"]
    assert seen >= 9


# ------------------------------------------------------------------ asking


def test_robots_txt_is_asked_once_before_anything_else(serve, fetcher) -> None:
    server = serve(site(b"User-agent: *\nDisallow: /no\n"))
    client = fetcher(server, respect_robots=True)

    results = list(
        client.fetch_all(FetchRequest(url=server.url(path)) for path in ("/a", "/no/b", "/c"))
    )

    assert [seen.path for seen in server.log].count("/robots.txt") == 1
    assert server.log[0].path == "/robots.txt"
    refused = [result for result in results if isinstance(result, FetchFailure)]
    assert len(refused) == 1
    assert isinstance(refused[0].error, DisallowedByRobots)
    assert "/no" not in "".join(server.paths())
    assert refused[0].attempts == ()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_refused_robots_txt_allows_everything(status, serve, fetcher) -> None:
    server = serve(lambda seen: reply(status, b"") if "robots" in seen.path else page(b"x"))

    assert fetcher(server, respect_robots=True).fetch(FetchRequest(url=server.url("/a")))


@pytest.mark.parametrize(
    "broken",
    [
        reply(500, b""),
        reply(503, b""),
        reply(429, b""),
        then_close(b""),
        then_close(reply(200, b"User-agent: *\nDisallow:\n" * 9)[:-50]),
    ],
    ids=["500", "503", "429", "closed", "cut"],
)
def test_an_unreadable_robots_txt_puts_the_site_off_to_the_next_run(broken, serve, fetcher) -> None:
    server = serve(lambda seen: broken if "robots" in seen.path else page(b"x"))
    client = fetcher(server, respect_robots=True, max_attempts=3)

    results = list(client.fetch_all(FetchRequest(url=server.url(f"/{n}")) for n in range(5)))

    assert server.paths() == []
    assert len(server.log) == 3
    assert all(
        isinstance(result, FetchFailure)
        and isinstance(result.error, RateLimited)
        and "robots.txt" in str(result.error)
        for result in results
    )


def test_a_robots_txt_that_comes_at_the_second_try_counts(serve, fetcher) -> None:
    def route(seen):
        if seen.path != "/robots.txt":
            return page(b"x")
        return reply(503, b"") if seen.number == 1 else reply(200, b"User-agent: *\nDisallow: /a")

    server = serve(route)

    with pytest.raises(DisallowedByRobots):
        fetcher(server, respect_robots=True).fetch(FetchRequest(url=server.url("/a")))


@pytest.mark.parametrize(("hops", "is_read"), [(1, True), (5, True), (6, False)])
def test_five_redirects_of_robots_txt_are_followed(hops, is_read, serve, fetcher) -> None:
    def route(seen):
        found = re.fullmatch(r"/(?:robots\.txt|hop(\d+))", seen.path)
        if found is None:
            return page(b"x")
        number = int(found.group(1) or 0)
        if number < hops:
            return reply(301, b"", f"Location: /hop{number + 1}")
        return reply(200, b"User-agent: *\nDisallow: /\n")

    server = serve(route)
    client = fetcher(server, respect_robots=True)

    if is_read:
        with pytest.raises(DisallowedByRobots):
            client.fetch(FetchRequest(url=server.url("/a")))
    else:
        assert client.fetch(FetchRequest(url=server.url("/a"))).body == b"x"


def test_a_compressed_robots_txt_is_read(serve, fetcher) -> None:
    server = serve(site(packed(b"User-agent: *\nDisallow: /\n"), coding="Content-Encoding: gzip"))

    with pytest.raises(DisallowedByRobots):
        fetcher(server, respect_robots=True).fetch(FetchRequest(url=server.url("/a")))


def test_a_redirect_to_a_disallowed_page_is_not_followed(serve, fetcher) -> None:
    def route(seen):
        if seen.path == "/robots.txt":
            return reply(200, b"User-agent: *\nDisallow: /private\n")
        return reply(302, b"", "Location: /private") if seen.path == "/a" else page(b"x")

    server = serve(route)

    with pytest.raises(DisallowedByRobots):
        fetcher(server, respect_robots=True).fetch(FetchRequest(url=server.url("/a")))
    assert server.paths() == ["/a"]


def test_robots_txt_is_asked_again_after_a_day(serve, fetcher, fake_time) -> None:
    server = serve(site(None))
    client = fetcher(
        server, respect_robots=True, clock=fake_time.clock, sleep=fake_time.sleep, now=fake_time.now
    )

    client.fetch(FetchRequest(url=server.url("/a")))
    fake_time.at += 86_000
    client.fetch(FetchRequest(url=server.url("/b")))
    fake_time.at += 1000
    client.fetch(FetchRequest(url=server.url("/c")))

    assert [seen.path for seen in server.log].count("/robots.txt") == 2


def test_threads_that_meet_at_a_new_site_ask_its_robots_txt_once(serve, fetcher) -> None:
    def route(seen):
        if seen.path == "/robots.txt":
            time.sleep(0.1)
            return reply(200, b"User-agent: *\nDisallow: /no\n")
        return page(html(seen.path))

    server = serve(route)
    client = fetcher(server, respect_robots=True)
    bodies: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda n=n: bodies.append(
                client.fetch(FetchRequest(url=server.url(f"/{n}"))).body
            )
        )
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(bodies) == [html(f"/{n}") for n in range(6)]
    assert [seen.path for seen in server.log].count("/robots.txt") == 1


def test_each_origin_has_its_own_robots_txt(serve, fetcher) -> None:
    closed = serve(site(b"User-agent: *\nDisallow: /\n"))
    opened = serve(site(None))
    client = fetcher(closed, opened, respect_robots=True)

    results = {
        result.url: type(result)
        for result in client.fetch_all(
            FetchRequest(url=server.url("/a")) for server in (closed, opened)
        )
    }

    assert results == {closed.url("/a"): FetchFailure, opened.url("/a"): FetchResponse}
