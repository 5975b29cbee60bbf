"""The test site as an HTTP server: validators, gzip, HEAD, faults, its own addresses, its end."""

from __future__ import annotations

import gzip
import http.client
import socket
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.site import Fault, run, serve

LIST = "/web/webapi?type=102&count=100&newsid=1"
TEXT = "/NewsData/GetNewsText.do?id=NW202203142308441556"
REWRITTEN = "/NewsData/GetNewsText.do?id=NW202203142308110113"


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("news_site")]


def raw_get(news_site, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", news_site.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_known_page_is_not_sent_again(get, header):
    first = get(TEXT)
    asked = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}[header]

    again = get(TEXT, headers={asked: first.headers[header]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]


@pytest.mark.parametrize(
    "headers",
    [
        {"If-None-Match": '"other"'},
        {"If-None-Match": '"other"', "If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"},
        {"If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"},
        {"If-Modified-Since": "yesterday"},
    ],
)
def test_unknown_or_older_copy_gets_the_page(get, headers):
    assert get(TEXT, headers=headers).status_code == 200


@pytest.mark.parametrize(("path", "changes"), [(LIST, True), (REWRITTEN, True), (TEXT, False)])
def test_validators_change_with_the_content_only(news_site, client, path, changes):
    before = client.get(news_site.url + path)
    news_site.advance()
    after = client.get(news_site.url + path)

    assert (before.content != after.content) is changes
    assert (before.headers["ETag"] != after.headers["ETag"]) is changes
    assert (before.headers["Last-Modified"] != after.headers["Last-Modified"]) is changes


def test_gzip_is_sent_to_clients_that_accept_it(news_site):
    plain, whole = raw_get(news_site, TEXT)
    packed, small = raw_get(news_site, TEXT, **{"Accept-Encoding": "gzip"})

    assert plain.headers["Content-Encoding"] is None
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small) == whole
    assert int(packed.headers["Content-Length"]) == len(small) < len(whole)


def test_head_has_the_headers_of_get(shared, client):
    head = client.head(shared.url + TEXT)
    whole = client.get(shared.url + TEXT)

    same = ("ETag", "Last-Modified", "Content-Type", "Content-Length", "Content-Encoding")
    assert {name: head.headers[name] for name in same} == {
        name: whole.headers[name] for name in same
    }


def test_nothing_follows_the_headers_of_head(news_site):
    asked = f"HEAD {TEXT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", news_site.port), timeout=10) as connection:
        connection.sendall(asked)
        got = b"".join(iter(lambda: connection.recv(65536), b""))

    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert got.endswith(b"\r\n\r\n")
    assert got.count(b"\r\n\r\n") == 1


def test_connection_is_kept_alive(news_site):
    connection = http.client.HTTPConnection("127.0.0.1", news_site.port, timeout=10)
    connection.request("GET", TEXT)
    connection.getresponse().read()
    opened = connection.sock
    connection.request("GET", "/nothing")
    answer = connection.getresponse()

    assert answer.status == 404
    assert answer.version == 11
    assert connection.sock is opened
    assert opened is not None
    connection.close()


def test_requests_are_logged_in_order(news_site, client):
    first = client.get(news_site.url + TEXT)
    client.get(news_site.url + TEXT, headers={"If-None-Match": first.headers["ETag"]})
    client.get(news_site.url + "/nothing")
    client.get(news_site.url + "/__test_site__/edition")

    log = news_site.requests
    assert [(seen.path, seen.status, seen.is_conditional) for seen in log] == [
        ("/NewsData/GetNewsText.do", 200, False),
        ("/NewsData/GetNewsText.do", 304, True),
        ("/nothing", 404, False),
    ]
    assert log[0].target == TEXT
    assert log[0].at <= log[1].at
    assert len(client.get(news_site.url + "/__test_site__/requests").json()) == 3
    news_site.clear_requests()
    assert news_site.requests == ()


def test_edition_is_moved_by_post(news_site, client):
    moved = client.post(news_site.url + "/__test_site__/edition", data="2")

    assert moved.json() == {"edition": 2}
    assert news_site.edition == 2
    assert client.get(news_site.url + "/__test_site__/edition").json() == {"edition": 2}
    assert client.get(news_site.url + "/__test_site__/oracle").json()["edition"] == 2


@pytest.mark.parametrize("posted", ["0", "4", "two", ""])
def test_unknown_edition_is_refused(news_site, client, posted):
    answer = client.post(news_site.url + "/__test_site__/edition", data=posted)

    assert answer.status_code in {400, 405}
    assert news_site.edition == 1


def test_nothing_else_can_be_posted(news_site, client):
    assert client.post(news_site.url + LIST, data="x").status_code == 405


def test_there_is_no_edition_after_the_last(news_site):
    news_site.edition = 3

    with pytest.raises(ValueError, match="from 1 to 3, found 4"):
        news_site.advance()


def test_it_listens_on_loopback_only(news_site):
    assert news_site.url == f"http://127.0.0.1:{news_site.port}"
    assert news_site._server.socket.getsockname()[0] == "127.0.0.1"


def test_taken_port_is_an_error(news_site):
    with pytest.raises(OSError, match="in use"):
        serve(news_site.port)


def test_closing_ends_every_connection_and_thread():
    before = len(threads())
    news_site = serve()
    kept = [http.client.HTTPConnection("127.0.0.1", news_site.port) for _ in range(5)]
    for connection in kept:
        connection.request("GET", TEXT)
        connection.getresponse().read()
    assert len(threads()) == before + 6

    news_site.close()
    news_site.close()

    assert len(threads()) == before
    for connection in kept:
        connection.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(news_site.url, timeout=5)


def test_run_writes_the_port_file_and_stops(tmp_path: Path):
    stop, ready = threading.Event(), threading.Event()
    port_file = tmp_path / "port"
    found = []

    def note(news_site):
        found.append(news_site.port)
        ready.set()

    thread = threading.Thread(
        target=run, kwargs={"port_file": port_file, "ready": note, "stop": stop}
    )
    thread.start()
    assert ready.wait(10)
    stop.set()
    thread.join(10)

    assert not thread.is_alive()
    assert port_file.read_text() == f"{found[0]}\n"
    assert list(tmp_path.iterdir()) == [port_file]


# --- faults ----------------------------------------------------------------------------


def first_time_only(fault):
    return lambda _target, turn: fault if turn == 1 else None


def test_fault_of_the_first_try_is_gone_at_the_second(client):
    fault = Fault(status=503, retry_after="7")
    with serve(faults=first_time_only(fault)) as news_site:
        first, second = (client.get(news_site.url + TEXT) for _ in range(2))

    assert (first.status_code, first.headers["Retry-After"]) == (503, "7")
    assert second.status_code == 200
    assert [seen.status for seen in news_site.requests] == [503, 200]


def test_fault_cuts_the_body_short(client):
    with serve(faults=first_time_only(Fault(cut_at=100))) as news_site:
        answer, got = http.client.HTTPConnection("127.0.0.1", news_site.port, timeout=10), b""
        answer.request("GET", TEXT)
        response = answer.getresponse()
        with pytest.raises(http.client.IncompleteRead) as cut:
            got = response.read()
        answer.close()

    assert got == b""
    assert len(cut.value.partial) == 100


def test_fault_replaces_the_body_or_renames_a_key(client):
    faults = {LIST: Fault(body=b"<html>busy</html>"), TEXT: Fault(rename=(b'"text"', b'"body"'))}
    with serve(faults=lambda target, _turn: faults.get(target)) as news_site:
        assert client.get(news_site.url + LIST).text == "<html>busy</html>"
        assert set(client.get(news_site.url + TEXT).json()) == {"body", "content"}


def test_slow_answer_ends_when_the_test_site_closes():
    before = len(threads())
    news_site = serve(faults=lambda _target, _turn: Fault(delay_seconds=3600))
    connection = http.client.HTTPConnection("127.0.0.1", news_site.port, timeout=10)
    connection.request("GET", TEXT)
    while len(threads()) < before + 2:
        threading.Event().wait(0.01)
    started = time.monotonic()

    news_site.close()
    connection.close()

    assert time.monotonic() - started < 5
    assert len(threads()) == before
