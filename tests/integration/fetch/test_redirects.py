"""Every hop of a redirect passes the same rules; loops and dead ends are errors."""

from __future__ import annotations

import socket

import pytest

from flows.fetch import (
    BadRedirect,
    FetchRequest,
    PermanentFetchError,
    PolicyRefusal,
)
from flows.fetch.ssrf import AddressPolicy, parse_target, same_site
from tests.integration.fetch.conftest import hasty, resolving
from tests.integration.fetch.faultserver import html, page, reply

INSIDE = [
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:22/",
    "http://[::1]/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_",
    "ftp://127.0.0.1/",
    "//10.0.0.1/",
    "http://other.example/",
    "http://2130706433/",
    "http://127.0.0.1:1/" + "a" * 3000,
    "http://good.example:6379/",
]


@pytest.mark.parametrize("location", INSIDE)
def test_a_redirect_passes_the_same_rules(location, serve, fetcher, monkeypatch) -> None:
    server = serve(lambda _seen: reply(302, b"", f"Location: {location}"))
    client = fetcher(server, resolve=resolving("169.254.169.254"))
    tried = []
    connect = socket.socket.connect
    monkeypatch.setattr(
        socket.socket, "connect", lambda self, to: (tried.append(to), connect(self, to))[1]
    )

    with pytest.raises((PolicyRefusal, PermanentFetchError)) as caught:
        client.fetch(FetchRequest(url=server.url("/start")))

    assert tried == [("127.0.0.1", server.port)]
    assert len(caught.value.attempts) == 1
    assert "it redirects to" in str(caught.value)


@pytest.mark.parametrize("location", ["http://allowed.example/", "http://www.allowed.example/"])
def test_a_redirect_may_lead_to_a_configured_source(
    location, serve, fetcher, no_connection
) -> None:
    del serve
    guard = AddressPolicy(source_hosts=("allowed.example", "www.allowed.example"))
    guard.check_redirect(parse_target("http://first.example/"), parse_target(location))
    with pytest.raises(PolicyRefusal, match="source_hosts"):
        AddressPolicy().check_redirect(
            parse_target("http://first.example/"), parse_target(location)
        )
    AddressPolicy(source_hosts=("*",)).check_redirect(
        parse_target("http://first.example/"), parse_target(location)
    )
    assert no_connection == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("example.org", "www.example.org", True),
        ("finance.eastmoney.com", "wap.eastmoney.com", True),
        ("a.com.cn", "b.com.cn", False),
        ("www.a.com.cn", "m.a.com.cn", True),
        ("example.org", "example.com", False),
        ("93.184.216.34", "93.184.216.35", False),
    ],
)
def test_subdomains_belong_to_one_site(one, other, expected) -> None:
    assert same_site(one, other) is expected


def test_a_redirect_on_the_same_site_is_followed_and_recorded(serve, fetcher) -> None:
    server = serve(
        lambda seen: (
            page(html("/end")) if seen.path == "/end" else reply(301, b"gone", "Location: /end")
        )
    )

    fetched = fetcher(server).fetch(FetchRequest(url=server.url("/start")))

    assert (fetched.url, fetched.final_url) == (server.url("/start"), server.url("/end"))
    assert [attempt.reason for attempt in fetched.attempts] == ["redirect", "ok"]
    assert [attempt.status for attempt in fetched.attempts] == [301, 200]


@pytest.mark.parametrize(
    ("route", "message"),
    [
        (lambda seen: reply(302, b"", f"Location: {seen.path}"), "circle"),
        (
            lambda seen: reply(302, b"", "Location: " + ("/b" if seen.path == "/a" else "/a")),
            "circle",
        ),
        (lambda seen: reply(302, b"", f"Location: {seen.path}x"), "at most 5 redirects"),
        (lambda _seen: reply(302, b""), "without a Location"),
        (lambda _seen: reply(302, b"", "Location: http://[::1"), "no address"),
    ],
    ids=["itself", "two", "twenty", "nowhere", "garbage"],
)
def test_a_redirect_that_leads_nowhere_ends(route, message, serve, fetcher) -> None:
    server = serve(route)

    with pytest.raises(BadRedirect, match=message):
        fetcher(server).fetch(FetchRequest(url=server.url("/a")))

    assert len(server.log) <= 6


def test_five_redirects_are_followed(serve, fetcher) -> None:
    server = serve(
        lambda seen: (
            page(b"x")
            if seen.path == "/5"
            else reply(302, b"", f"Location: /{int(seen.path[1:]) + 1}")
        )
    )

    assert fetcher(server).fetch(FetchRequest(url=server.url("/0"))).final_url == server.url("/5")


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/f\u00fcr-alle.xml".encode(), "/f%C3%BCr-alle.xml"),
        ("/f\u00fcr alle.xml".encode("latin-1"), "/f%FCr%20alle.xml"),
        ("/入-à".encode(), "/%E5%85%A5-%C3%A0"),  # with the bytes 85 and A0, white space in Latin-1
        ("/新闻?q=日报&x=%".encode(), "/%E6%96%B0%E9%97%BB?q=%E6%97%A5%E6%8A%A5&x=%"),
        ("/新闻".encode("gbk"), "/%D0%C2%CE%C5"),
        (b"/100%/50%25/%zz", "/100%/50%25/%zz"),
        ("é.xml".encode(), "/%C3%A9.xml"),
    ],
)
def test_a_location_beyond_ascii_is_asked_for_as_a_browser_does(
    location, path, serve, fetcher
) -> None:
    line = location.decode("latin-1")
    server = serve(
        lambda seen: reply(302, b"", f"Location: {line}") if seen.path == "/start" else page(b"x")
    )

    fetched = fetcher(server).fetch(FetchRequest(url=server.url("/start")))

    assert server.paths() == ["/start", path]
    assert fetched.final_url == server.url(path)


def test_the_first_of_two_locations_is_followed(serve, fetcher) -> None:
    server = serve(
        lambda seen: (
            page(b"x")
            if seen.path == "/end"
            else reply(302, b"", "Location: /end", "Location: /end?again")
        )
    )

    assert fetcher(server).fetch(FetchRequest(url=server.url())).final_url == server.url("/end")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_location_may_name_an_international_host(encoding, serve, fetcher) -> None:
    server = serve(
        lambda seen: (
            page(b"x")
            if seen.headers["host"].startswith("www.")
            else reply(
                302,
                b"",
                f"Location: http://www.b\u00fccher.example:{server.port}/ä".encode(encoding).decode(
                    "latin-1"
                ),
            )
        )
    )
    client = fetcher(
        policy=hasty(
            allow_private_hosts=(
                f"bücher.example:{server.port}",
                f"www.bücher.example:{server.port}",
            )
        ),
        resolve=resolving("127.0.0.1"),
    )

    fetched = client.fetch(FetchRequest(url=f"http://bücher.example:{server.port}/"))

    assert server.log[-1].headers["host"] == f"www.xn--bcher-kva.example:{server.port}"
    assert fetched.final_url.startswith("http://www.xn--bcher-kva.example:")


@pytest.mark.parametrize("location", ["/a\r\nX-Evil: 1", "/a%0d%0aX-Evil:%201", "/新闻"])
def test_no_header_is_injected_by_a_redirect(location, serve, fetcher) -> None:
    line = location.encode("utf-8").decode("latin-1")
    server = serve(
        lambda seen: reply(302, b"", f"Location: {line}") if seen.path == "/start" else page(b"x")
    )

    fetcher(server).fetch(FetchRequest(url=server.url("/start")))

    assert all("x-evil" not in seen.headers for seen in server.log)


def test_no_header_is_injected_by_an_address(serve, fetcher) -> None:
    server = serve(lambda _seen: page(b"x"))

    fetcher(server).fetch(FetchRequest(url=server.url("/a\r\nX-Evil: 1")))

    assert "x-evil" not in server.log[0].headers
    assert server.log[0].raw.count(b"\r\n\r\n") == 1
