"""Proxies: which requests they handle, and what the address policy checks behind them."""

from __future__ import annotations

import pytest

from flows import settings
from flows.errors import ConfigurationError
from flows.fetch import ConnectionFailed, FetchRequest, PolicyRefusal, RefusedByServer
from tests.integration.fetch.conftest import hasty, tls_context
from tests.integration.fetch.faultserver import Connection, page, reply


@pytest.fixture
def proxy(serve):
    """A proxy that answers by itself."""
    return serve(lambda seen: page(f"<html>{seen.path}</html>".encode()))


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_handles_requests(name, proxy, fetcher, monkeypatch) -> None:
    monkeypatch.setenv(name, f"http://{proxy.host}")

    fetched = fetcher(policy=hasty(respect_robots=True)).fetch(
        FetchRequest(url="http://feeds.example.org/a%?b=%")
    )

    assert [seen.path for seen in proxy.log] == [
        "http://feeds.example.org/robots.txt",
        "http://feeds.example.org/a%?b=%",
    ]
    assert {seen.headers["host"] for seen in proxy.log} == {"feeds.example.org"}
    assert proxy.connections == 1
    assert fetched.final_url == "http://feeds.example.org/a%?b=%"


def test_the_configured_proxy_comes_before_the_environment(proxy, fetcher, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    fetcher(policy=hasty(proxy=f"http://desk:p%40ss@{proxy.host}")).fetch(
        FetchRequest(url="http://feeds.example.org/")
    )

    assert proxy.log[0].headers["proxy-authorization"] == "Basic ZGVzazpwQHNz"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "feeds.example.org", "10.1.2.3"])
def test_loopback_and_the_hosts_of_no_proxy_are_asked_directly(
    host, proxy, fetcher, monkeypatch, no_connection
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{proxy.host}")
    monkeypatch.setenv("no_proxy", "example.org,10.0.0.0/8")
    client = fetcher(policy=hasty(allow_private_hosts=(host,), max_attempts=1))

    with pytest.raises(ConnectionFailed):
        client.fetch(FetchRequest(url=f"http://{host}/"))

    assert proxy.log == []
    assert all(address[1] == 80 for address in no_connection)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00::1]/",
        "http://0xa000001/",
        "http://intranet/",
        "http://metadata.google.internal/",
        "http://printer.local./",
        "http://feeds.example.org:6379/",
    ],
)
def test_private_addresses_and_names_are_refused_behind_a_proxy(url, proxy, fetcher) -> None:
    with pytest.raises(PolicyRefusal):
        fetcher(policy=hasty(proxy=f"http://{proxy.host}")).fetch(FetchRequest(url=url))

    assert proxy.log == []


def test_a_redirect_behind_a_proxy_passes_the_same_rules(serve, fetcher) -> None:
    proxy = serve(lambda _seen: reply(302, b"", "Location: http://feeds.local/"))

    with pytest.raises(PolicyRefusal):
        fetcher(policy=hasty(proxy=proxy.host, source_hosts=("*",))).fetch(
            FetchRequest(url="http://feeds.example.org/")
        )

    assert len(proxy.log) == 1


def test_an_allowed_private_host_is_asked_through_the_proxy(proxy, fetcher) -> None:
    policy = hasty(proxy=f"http://{proxy.host}", allow_private_hosts=("intranet", "10.0.0.1:8080"))
    client = fetcher(policy=policy)

    client.fetch(FetchRequest(url="http://intranet/"))
    client.fetch(FetchRequest(url="http://10.0.0.1:8080/"))

    assert [seen.path for seen in proxy.log] == ["http://intranet/", "http://10.0.0.1:8080/"]


def test_the_address_of_the_proxy_is_no_page(proxy, fetcher) -> None:
    with pytest.raises(PolicyRefusal):
        fetcher(policy=hasty(proxy=f"http://{proxy.host}")).fetch(FetchRequest(url=proxy.url()))


def test_https_goes_through_a_tunnel(certificate, serve, fetcher) -> None:
    context = tls_context(certificate)

    def tunnel(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        with context.wrap_socket(connection.sock, server_side=True) as secure:
            asked.append(secure.recv(65536).split(b"\r\n")[0])
            secure.sendall(page(b"secret page"))

    asked: list[bytes] = []
    proxy = serve(lambda _seen: tunnel)
    client = fetcher(policy=hasty(proxy=f"http://desk:secret@{proxy.host}", ca_file=certificate[0]))

    fetched = client.fetch(FetchRequest(url="https://feeds.example.org/a%"))

    assert fetched.body == b"secret page"
    assert asked == [b"GET /a% HTTP/1.1"]
    assert proxy.log[0].raw.startswith(b"CONNECT feeds.example.org:443 ")
    assert proxy.log[0].headers["proxy-authorization"].startswith("Basic ")


def test_a_refused_tunnel_names_the_answer_of_the_proxy(serve, fetcher) -> None:
    proxy = serve(lambda _seen: reply("407 Proxy Authentication Required"))

    with pytest.raises(ConnectionFailed, match="Tunnel connection failed: 407"):
        fetcher(policy=hasty(proxy=f"http://desk:secret@{proxy.host}", max_attempts=1)).fetch(
            FetchRequest(url="https://feeds.example.org/")
        )


def test_the_error_of_a_proxy_names_no_password(fetcher) -> None:
    policy = hasty(proxy="http://desk:secret@127.0.0.1:9", max_attempts=1)

    with pytest.raises(ConnectionFailed, match=r"the proxy 127\.0\.0\.1 port 9") as caught:
        fetcher(policy=policy).fetch(FetchRequest(url="http://feeds.example.org/"))

    assert "secret" not in f"{caught.value} {policy}"


def test_a_socks_proxy_of_the_environment_is_refused(fetcher, monkeypatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")

    with pytest.raises(PolicyRefusal) as caught:
        fetcher(policy=hasty()).fetch(FetchRequest(url="http://feeds.example.org/"))

    assert caught.value.rule == "proxy"


@pytest.mark.parametrize("proxy", ["socks5://desk:secret@127.0.0.1:1080", "http://desk:secret@[x"])
def test_a_proxy_that_cannot_be_used_is_refused_with_the_configuration(proxy, tmp_path) -> None:
    file = tmp_path / "copydesk.toml"
    file.write_text(f'[fetch]\nproxy = "{proxy}"\n', encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"fetch\.proxy") as caught:
        settings.load(file, {})

    assert "secret" not in str(caught.value)


def test_a_status_of_the_proxy_is_the_result(serve, fetcher) -> None:
    proxy = serve(lambda _seen: reply(407))

    with pytest.raises(RefusedByServer) as caught:
        fetcher(policy=hasty(proxy=proxy.host)).fetch(FetchRequest(url="http://feeds.example.org/"))

    assert caught.value.status == 407
