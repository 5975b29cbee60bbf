"""Validators: sent verbatim where they belong, trusted only where they can be."""

from __future__ import annotations

import pytest

from flows.fetch import FetchRequest, UnexpectedStatus
from tests.integration.fetch.faultserver import html, page, reply

BODY = html("/a")
MODIFIED = "Fri, 20 Nov 2026 10:00:00 GMT"


def not_modified(*fields: str) -> bytes:
    return reply(304, b"", *fields, length=False)


def test_validators_are_kept_and_sent_verbatim(serve, fetcher) -> None:
    server = serve(
        lambda seen: (
            not_modified()
            if seen.headers.get("if-none-match") == 'W/"a,b  c"'
            and seen.headers.get("if-modified-since") == MODIFIED
            else page(BODY, 'ETag: W/"a,b  c"', f"Last-Modified: {MODIFIED}")
        )
    )
    client = fetcher(server)

    first = client.fetch(FetchRequest(url=server.url("/a")))
    second = client.fetch(
        FetchRequest(url=server.url("/a"), etag=first.etag, last_modified=first.last_modified)
    )

    assert (first.status, first.not_modified, first.body) == (200, False, BODY)
    assert (second.status, second.not_modified, second.body) == (304, True, b"")
    assert (second.etag, second.last_modified) == ('W/"a,b  c"', MODIFIED)
    assert second.attempts[-1].reason == "not_modified"


def test_new_validators_of_a_304_replace_the_old_ones(serve, fetcher) -> None:
    server = serve(lambda _seen: not_modified('ETag: "new"'))

    fetched = fetcher(server).fetch(FetchRequest(url=server.url("/a"), etag='"old"'))

    assert fetched.etag == '"new"'


def test_an_unexpected_304_is_fetched_again_without_conditions(serve, fetcher) -> None:
    server = serve(lambda seen: not_modified() if seen.number == 1 else page(BODY))

    fetched = fetcher(server).fetch(FetchRequest(url=server.url("/a")))

    assert fetched.body == BODY
    assert [attempt.status for attempt in fetched.attempts] == [304, 200]


def test_a_server_that_insists_on_304_is_an_error(serve, fetcher) -> None:
    server = serve(lambda _seen: not_modified())

    with pytest.raises(UnexpectedStatus, match="unconditional"):
        fetcher(server, max_attempts=2).fetch(FetchRequest(url=server.url("/a")))


def test_a_304_does_not_disturb_the_connection(serve, fetcher) -> None:
    server = serve(
        lambda seen: not_modified() if "if-none-match" in seen.headers else page(html(seen.path))
    )
    client = fetcher(server)

    for number in range(4):
        assert client.fetch(FetchRequest(url=server.url("/a"), etag='"x"')).not_modified
        assert client.fetch(FetchRequest(url=server.url(f"/{number}"))).body == html(f"/{number}")

    assert server.connections == 1


def test_validators_are_sent_to_no_other_address(serve, fetcher) -> None:
    server = serve(
        lambda seen: reply(302, b"", "Location: /end") if seen.path == "/a" else page(BODY)
    )

    fetcher(server).fetch(FetchRequest(url=server.url("/a"), etag='"1"'))

    assert "if-none-match" in server.log[0].headers
    assert "if-none-match" not in server.log[1].headers


def test_validators_go_to_the_address_they_came_from(serve, fetcher) -> None:
    server = serve(
        lambda seen: (
            reply(302, b"", "Location: /end")
            if seen.path == "/a"
            else not_modified()
            if seen.headers.get("if-none-match") == '"1"'
            else page(BODY, 'ETag: "1"')
        )
    )
    client = fetcher(server)
    first = client.fetch(FetchRequest(url=server.url("/a")))

    second = client.fetch(
        FetchRequest(url=server.url("/a"), etag=first.etag, validators_for=first.final_url)
    )

    assert second.not_modified
    assert "if-none-match" not in server.log[2].headers


@pytest.mark.parametrize(
    ("vary", "is_kept"),
    [
        (None, True),
        ("Accept-Encoding", True),
        ("accept-encoding", True),
        ("Accept-Encoding, Cookie", False),
        ("User-Agent", False),
        ("*", False),
    ],
)
def test_validators_of_an_answer_that_varies_are_not_reused(vary, is_kept, serve, fetcher) -> None:
    fields = ['ETag: "x"', f"Last-Modified: {MODIFIED}"]
    server = serve(lambda _seen: page(BODY, *fields, *([f"Vary: {vary}"] if vary else [])))

    fetched = fetcher(server).fetch(FetchRequest(url=server.url("/a")))

    assert (fetched.etag, fetched.last_modified) == (('"x"', MODIFIED) if is_kept else (None, None))
    assert fetched.vary == (vary or "")


def test_bytes_of_a_strange_validator_are_preserved(serve, fetcher) -> None:
    raw = '"新"'.encode()
    server = serve(
        lambda seen: (
            not_modified()
            if seen.headers.get("if-none-match", "").encode("latin-1") == raw
            else page(BODY, "ETag: " + raw.decode("latin-1"))
        )
    )
    client = fetcher(server)

    first = client.fetch(FetchRequest(url=server.url("/a")))

    assert client.fetch(FetchRequest(url=server.url("/a"), etag=first.etag)).not_modified


@pytest.mark.parametrize("etag", ['"新"', '"a\r\nX-Evil: 1"', '"' + "a" * 5000 + '"', '"\x00"'])
def test_a_validator_that_cannot_be_sent_is_left_out(etag, serve, fetcher) -> None:
    server = serve(lambda _seen: page(BODY))

    assert fetcher(server).fetch(FetchRequest(url=server.url("/a"), etag=etag)).body == BODY

    assert "if-none-match" not in server.log[0].headers
    assert "x-evil" not in server.log[0].headers


def test_a_validator_too_long_to_keep_is_not_offered(serve, fetcher) -> None:
    server = serve(lambda _seen: page(BODY, 'ETag: "' + "a" * 2000 + '"'))

    assert fetcher(server).fetch(FetchRequest(url=server.url("/a"))).etag is None


def test_header_names_compare_without_case(serve, fetcher) -> None:
    server = serve(lambda _seen: page(BODY, "x-CACHE: HIT"))

    assert fetcher(server).fetch(FetchRequest(url=server.url("/a"))).headers["X-Cache"] == "HIT"
