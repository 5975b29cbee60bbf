"""Credentials, cookies, certificates and the environment: nothing leaks, nothing slips in."""

from __future__ import annotations

import pytest

from flows.fetch import (
    FetchError,
    FetchFailure,
    FetchPolicy,
    FetchRequest,
    FetchResponse,
    UntrustedServer,
)
from flows.secrets.urls import SECRETS
from tests.integration.fetch.conftest import resolving, tls_context
from tests.integration.fetch.faultserver import chunked, html, page, reply, then_close, then_reset


def test_credentials_go_to_their_own_host_alone(serve, fetcher, caplog) -> None:
    other = serve(lambda _seen: page(html("/end")))
    first = serve(
        lambda seen: (
            reply(302, b"", f"Location: {other.url('/end')}")
            if seen.path == "/far"
            else reply(302, b"", "Location: /near2")
            if seen.path == "/near"
            else page(html("/end"))
        )
    )
    client = fetcher(first, other)
    caplog.set_level("DEBUG")

    far = client.fetch(FetchRequest(url=f"http://user:hunter2@{first.host}/far"))
    near = client.fetch(FetchRequest(url=f"http://user:hunter2@{first.host}/near"))

    assert [seen.headers.get("authorization") for seen in first.log] == [
        "Basic dXNlcjpodW50ZXIy"
    ] * 3
    assert "authorization" not in other.log[0].headers
    assert "hunter2" not in caplog.text + repr((far.url, far.final_url, far.attempts, near.url))


def test_credentials_in_a_redirect_are_dropped(serve, fetcher) -> None:
    server = serve(
        lambda seen: (
            page(b"x")
            if seen.path == "/end"
            else reply(302, b"", f"Location: http://evil:pass@{seen.headers['host']}/end")
        )
    )

    fetched = fetcher(server).fetch(FetchRequest(url=server.url("/start")))

    assert "authorization" not in server.log[-1].headers
    assert "pass" not in fetched.final_url


def test_secrets_are_masked_in_every_error(serve, fetcher, caplog) -> None:
    server = serve(lambda _seen: reply(302, b"", "Location: /next?api_key=hunter2&token=hunter2"))
    caplog.set_level("DEBUG")
    url = f"http://user:hunter2@{server.host}/feed?token=hunter2&x=1"

    result = next(iter(fetcher(server).fetch_all([FetchRequest(url=url)])))

    assert isinstance(result, FetchFailure)
    text = f"{result.error} {result.error.url} {result.attempts!r} {caplog.text}"
    assert "hunter2" not in text
    assert "x=1" in result.error.url


def test_an_echo_in_a_body_without_a_length_is_masked(serve, fetcher) -> None:
    server = serve(lambda seen: chunked(f'<link href="{seen.path}" rel="self">'.encode()))
    url = SECRETS.mask(server.url("/feed?key=pl4nted-k3y-17"))

    fetched = fetcher(server).fetch(FetchRequest(url=url))

    assert server.log[-1].path == "/feed?key=pl4nted-k3y-17"
    assert fetched.body == b'<link href="/feed?key=***" rel="self">'


def test_no_cookie_is_kept_or_sent(serve, fetcher) -> None:
    server = serve(lambda _seen: page(b"x", "Set-Cookie: id=1; Path=/"))
    client = fetcher(server)

    for number in range(3):
        client.fetch(FetchRequest(url=server.url(f"/{number}")))

    assert all("cookie" not in seen.headers for seen in server.log)
    assert all("referer" not in seen.headers for seen in server.log)


def test_the_environment_changes_nothing(serve, fetcher, monkeypatch, tmp_path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = serve(lambda _seen: page(b"x"))

    fetcher(server).fetch(FetchRequest(url=server.url()))

    assert "authorization" not in server.log[0].headers


def test_an_honest_user_agent_and_few_codings_are_sent(serve, fetcher) -> None:
    server = serve(lambda _seen: page(b"x"))

    fetcher(server, user_agent="copydesk/9 (+https://project.test/about)").fetch(
        FetchRequest(url=server.url())
    )

    assert server.log[0].headers["user-agent"] == "copydesk/9 (+https://project.test/about)"
    assert server.log[0].headers["accept-encoding"] == "gzip, deflate"


# ------------------------------------------------------------------ TLS


def test_an_unknown_certificate_is_refused_once(certificate, serve, fetcher, monkeypatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate[0])
    monkeypatch.setenv("CURL_CA_BUNDLE", certificate[0])
    server = serve(lambda _seen: page(b"x"), context=tls_context(certificate))

    with pytest.raises(UntrustedServer, match="certificate") as caught:
        fetcher(server).fetch(FetchRequest(url=server.url()))

    assert len(caught.value.attempts) == 1
    assert server.connections == 1
    assert server.log == []


def test_a_certificate_of_the_configured_authority_is_accepted(certificate, serve, fetcher) -> None:
    server = serve(lambda _seen: page(b"x"), context=tls_context(certificate))
    client = fetcher(server, ca_file=certificate[0])

    assert isinstance(client.fetch(FetchRequest(url=server.url())), FetchResponse)
    assert isinstance(client.fetch(FetchRequest(url=server.url("/2"))), FetchResponse)
    assert server.connections == 1


def test_the_deadline_holds_over_tls_too(certificate, serve, fetcher) -> None:
    server = serve(
        lambda _seen: lambda connection: connection.drip(page(b"x" * 500), seconds=0.05),
        context=tls_context(certificate),
    )
    client = fetcher(server, ca_file=certificate[0], attempt_seconds=0.4, max_attempts=1)

    with pytest.raises(FetchError) as caught:
        client.fetch(FetchRequest(url=server.url()))

    assert caught.value.reason == "timed_out"
    assert caught.value.attempts[0].seconds < 0.8


def test_a_certificate_for_another_host_is_refused(certificate, serve, fetcher) -> None:
    server = serve(lambda _seen: page(b"x"), context=tls_context(certificate))
    client = fetcher(
        policy=FetchPolicy(
            allow_private_hosts=(f"other.example:{server.port}",),
            respect_robots=False,
            ca_file=certificate[0],
        ),
        resolve=resolving("127.0.0.1"),
    )

    with pytest.raises(UntrustedServer):
        client.fetch(FetchRequest(url=f"https://other.example:{server.port}/"))


@pytest.mark.parametrize("broken", [then_reset(b""), then_close(b""), then_close(b"junk\r\n\r\n")])
def test_errors_of_libraries_do_not_reveal_the_address(broken, serve, fetcher) -> None:
    server = serve(lambda _seen: broken)

    with pytest.raises(FetchError) as caught:
        fetcher(server, max_attempts=2).fetch(FetchRequest(url=server.url("/f?token=hunter2")))

    assert "hunter2" not in f"{caught.value} {caught.value.attempts!r}"
