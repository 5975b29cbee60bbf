"""A Prefect server behind a proxy, with a certificate of a company's own authority."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flows.serving import health, neighbours, place
from flows.serving.health import silence
from tests.e2e.far import API, HOST, far_away
from tests.e2e.serving import WOSHIPM, server_at, serving_at

AUTH = "desk:planted"
NAMED = ("_PROXY", "_CA_BUNDLE", "SSL_CERT_FILE", "_VERIFY", "_HEADERS", "_AUTH_STRING", "_API_KEY")


@pytest.fixture
def heard():
    """The headers of what the server was asked."""
    return []


@pytest.fixture
def far(tmp_path, heard, monkeypatch):
    """A stand-in for the server, and an environment that names no way to it."""

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            heard.append(dict(self.headers))
            known = {"/api/health": b"true", "/api/admin/version": b'"3.8.8"'}
            body = known.get(self.path, b"<html>somebody's own page</html>")
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words):
            pass

    for name in list(os.environ):
        if name.upper().endswith(NAMED):
            monkeypatch.delenv(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with far_away(tmp_path, server.server_port) as found:
            yield found
        server.shutdown()


@pytest.fixture
def there(far, monkeypatch):
    """The way there, and the authority that its certificate needs."""
    monkeypatch.setenv("HTTPS_PROXY", far.proxy)
    monkeypatch.setenv("SSL_CERT_FILE", str(far.authority))
    return far


def test_server_behind_the_proxy_and_an_authority_of_its_own_answers(there):
    assert silence(API) is None
    assert neighbours.why_unusable(API) is None
    assert set(there.asked_for) == {f"{HOST}:443"}


def test_prefects_own_client_reaches_it_in_the_same_way(there):
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.settings import PREFECT_API_SSL_CERT_FILE, temporary_settings

    with (
        temporary_settings({PREFECT_API_SSL_CERT_FILE: str(there.authority)}),
        SyncPrefectClient(API) as client,
    ):
        assert client.api_healthcheck() is None


def test_server_that_the_proxy_does_not_lead_to_is_told_as_that(there, monkeypatch):
    words = silence("https://elsewhere.test/api")

    assert words.startswith("cannot be reached through the proxy of the environment (502")
    assert "NO_PROXY" in words


def test_proxy_that_does_not_answer_is_named_and_left_out_where_no_proxy_says_so(far, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert silence(API).startswith("does not answer through the proxy of the environment")

    monkeypatch.setenv("NO_PROXY", HOST)
    assert silence(API) == "does not answer"


def test_certificate_that_is_not_trusted_is_told_with_what_to_set(there, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")

    words = silence(API)

    assert words.startswith("has a certificate that is not trusted here: set PREFECT_API_SSL_CERT_")
    assert neighbours.why_unusable(API) == words


def test_file_of_authorities_that_is_not_there_is_told(there, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/authority.pem")

    assert "the file of PREFECT_API_SSL_CERT_FILE or SSL_CERT_FILE (" in silence(API)


@pytest.mark.parametrize("name", ["PREFECT_API_SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_authority_may_be_named_in_other_ways(there, monkeypatch, name):
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("PREFECT_API_SSL_CERT_FILE", "")  # put back at the end
    monkeypatch.setenv(name, str(there.authority))
    place.trust_own_authority(os.environ)

    assert silence(API) is None
    assert os.environ["PREFECT_API_SSL_CERT_FILE"] == str(there.authority)


def test_certificate_may_be_left_unchecked_as_prefect_can(there, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("PREFECT_API_TLS_INSECURE_SKIP_VERIFY", "true")

    assert silence(API) is None


@pytest.mark.parametrize(
    "environ",
    [
        {"PREFECT_API_AUTH_STRING": AUTH},
        {"PREFECT_API_KEY": "key"},
        {"PREFECT_API_AUTH_STRING": AUTH, "PREFECT_API_KEY": "key"},
        {"PREFECT_CLIENT_CUSTOM_HEADERS": json.dumps({"X-Gate": "open"})},
        {
            "PREFECT_API_AUTH_STRING": AUTH,
            "PREFECT_CLIENT_CUSTOM_HEADERS": json.dumps({"authorization": "Gate pass"}),
        },
    ],
    ids=["password", "key", "both", "headers", "a header instead of the password"],
)
def test_server_is_told_what_prefects_own_client_tells_it(there, heard, monkeypatch, environ):
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.settings import (
        PREFECT_API_SSL_CERT_FILE,
        PREFECT_CLIENT_CUSTOM_HEADERS,
        temporary_settings,
    )

    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert silence(API) is None
    ours, given = heard[-1], environ.get("PREFECT_CLIENT_CUSTOM_HEADERS", "{}")
    chosen = {
        PREFECT_API_SSL_CERT_FILE: str(there.authority),
        PREFECT_CLIENT_CUSTOM_HEADERS: json.loads(given),
    }
    with temporary_settings(chosen):
        client = SyncPrefectClient(
            API,
            auth_string=environ.get("PREFECT_API_AUTH_STRING"),
            api_key=environ.get("PREFECT_API_KEY"),
        )
        with client:
            client.api_healthcheck()

    theirs = heard[-1]
    for name in ("authorization", "x-gate"):
        values = [{k.lower(): v for k, v in one.items()}.get(name) for one in (ours, theirs)]
        assert values[0] == values[1], name


@pytest.mark.parametrize("given", ["not JSON", "[1]", ""])
def test_headers_that_cannot_be_read_are_left_to_prefect_to_complain_of(there, monkeypatch, given):
    monkeypatch.setenv("PREFECT_CLIENT_CUSTOM_HEADERS", given)

    assert silence(API) is None


def test_page_of_somebody_else_is_not_taken_for_a_server(there):
    words = silence(f"https://{HOST}")

    assert words.startswith("does not answer as a Prefect server does (HTTP 200)")


@pytest.mark.parametrize("url", ["prefect.test:4200/api", "http://[::1", "ftp://prefect.test/api"])
def test_what_is_no_address_is_told_as_that(url):
    assert "is not an address" in silence(url)


def test_no_proxy_is_asked_for_a_server_on_this_machine(far, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", far.proxy)
    monkeypatch.setenv("HTTPS_PROXY", far.proxy)

    assert not health.is_answering("http://127.0.0.1:9/api")
    assert far.asked_for == []


def test_own_server_at_another_address_of_this_machine_is_spared_the_proxy(monkeypatch):
    environ = {"HTTP_PROXY": "http://p:1", "NO_PROXY": "localhost.test"}

    place.know_own_password(environ, "http://192.0.2.7:4200/api")

    expected = "localhost.test,127.0.0.1,localhost,::1,192.0.2.7"
    assert environ["no_proxy"] == environ["NO_PROXY"] == expected


@pytest.mark.e2e
def test_serve_works_with_a_server_that_only_the_proxy_leads_to(tmp_path, prepared):
    home = prepared(tmp_path / "server")
    (folder := tmp_path / "desk").mkdir()
    with server_at(home) as (server, _):
        port = int(server.url.removesuffix("/api").rpartition(":")[2])
        with (
            far_away(tmp_path, port) as far,
            serving_at(
                folder,
                WOSHIPM,
                api=API,
                HTTPS_PROXY=far.proxy,
                REQUESTS_CA_BUNDLE=str(far.authority),
            ) as serving,
        ):
            serving.environ.pop("SSL_CERT_FILE", None)  # of whoever runs the tests
            serving.start()
            serving.api = server.url  # how this test looks on
            serving.wait_for_another("sync woshipm")

            assert serving.articles("woshipm")
            assert serving.end() == 0
