"""Right or not at all: no cut, garbled or mislabelled body is ever accepted."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache

import pytest

from flows.fetch import (
    ConnectionFailed,
    FailedContentCheck,
    FetchError,
    FetchRequest,
    IncompleteBody,
    TooLarge,
    TransientFetchError,
    UnexpectedStatus,
)
from tests.integration.fetch.faultserver import (
    Reply,
    Seen,
    chunked,
    html,
    packed,
    page,
    reply,
    then_close,
    then_reset,
)

BODY = html("/page", 5000)
PACKED = packed(BODY)
GZIP = "Content-Encoding: gzip"
HTML = "Content-Type: text/html"

HEADLESS = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


FAULTS: dict[str, tuple[Reply, type[FetchError]]] = {
    "short_content_length": (then_close(reply(200, BODY)[:-100]), IncompleteBody),
    "no_last_chunk": (then_close(chunked(BODY, last=b"")), IncompleteBody),
    "cut_in_a_chunk": (then_close(chunked(BODY)[:-200]), IncompleteBody),
    "negative_chunk_size": (then_close(chunked(BODY, last=b"-5\r\nhello\r\n")), IncompleteBody),
    "chunk_size_with_prefix": (then_close(chunked(BODY, last=b"0x0\r\n\r\n")), IncompleteBody),
    "chunk_size_of_garbage": (then_close(chunked(BODY, last=b"zz\r\n")), IncompleteBody),
    "gzip_cut_under_right_length": (reply(200, PACKED[:-200], HTML, GZIP), IncompleteBody),
    "gzip_cut_before_its_trailer": (reply(200, PACKED[:-8], HTML, GZIP), IncompleteBody),
    "gzip_cut_in_right_chunks": (chunked(PACKED[:-200], GZIP), IncompleteBody),
    "gzip_cut_by_the_close": (
        then_close(reply(200, PACKED[:-50], HTML, GZIP, length=False)),
        IncompleteBody,
    ),
    "gzip_with_bad_checksum": (
        reply(200, PACKED[:-8] + bytes(4) + PACKED[-4:], HTML, GZIP),
        IncompleteBody,
    ),
    "gzip_with_flipped_byte": (
        reply(200, PACKED[:60] + bytes([PACKED[60] ^ 0xFF]) + PACKED[61:], HTML, GZIP),
        IncompleteBody,
    ),
    "gzip_then_junk": (reply(200, PACKED + b"junk", HTML, GZIP), IncompleteBody),
    "gzip_label_on_plain_text": (reply(200, BODY, HTML, GZIP), IncompleteBody),
    "gzip_without_label_cut": (reply(200, PACKED[:-8], HTML), IncompleteBody),
    "gzip_without_label_then_junk": (reply(200, PACKED + b"junk", HTML), IncompleteBody),
    "deflate_cut": (
        reply(200, zlib.compress(BODY)[:-20], HTML, "Content-Encoding: deflate"),
        IncompleteBody,
    ),
    "unknown_coding": (reply(200, BODY, HTML, "Content-Encoding: br"), IncompleteBody),
    "close_delimited_cut": (
        then_close(reply(200, BODY[:-300], HTML, length=False)),
        IncompleteBody,
    ),
    "negative_length": (
        then_close(HEADLESS + b"Content-Length: -1\r\n\r\n" + BODY),
        IncompleteBody,
    ),
    "length_in_words": (
        then_close(HEADLESS + b"Content-Length: many\r\n\r\n" + BODY),
        IncompleteBody,
    ),
    "length_with_plus": (
        then_close(HEADLESS + b"Content-Length: +%d\r\n\r\n" % len(BODY) + BODY),
        IncompleteBody,
    ),
    "two_lengths": (
        then_close(
            HEADLESS + b"Content-Length: 10\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
        ),
        IncompleteBody,
    ),
    "unknown_transfer_coding": (
        then_close(HEADLESS + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + BODY),
        IncompleteBody,
    ),
    "reset_in_the_body": (then_reset(reply(200, BODY)[:2000]), IncompleteBody),
    "reset_before_the_answer": (then_reset(b""), ConnectionFailed),
    "closed_without_a_word": (then_close(b""), ConnectionFailed),
    "closed_in_the_head": (then_close(b"HTTP/1.1 200 OK\r\nContent-"), TransientFetchError),
    "not_http": (then_close(b"SSH-2.0-OpenSSH_9.2\r\n"), IncompleteBody),
    "too_many_fields": (
        then_close(HEADLESS + b"X-Filler: 1\r\n" * 150 + b"\r\n"),
        IncompleteBody,
    ),
    "endless_field": (
        then_close(HEADLESS + b"X-Filler: " + b"a" * 70_000 + b"\r\n\r\n"),
        IncompleteBody,
    ),
    "partial_content_unasked": (reply(206, BODY[:500], HTML), UnexpectedStatus),
    "no_content": (reply(204, b"", length=False), UnexpectedStatus),
    "transformed_by_a_proxy": (reply(203, BODY, HTML), UnexpectedStatus),
    "not_modified_unasked": (reply(304, b"", length=False), UnexpectedStatus),
    "switching_protocols": (then_close(b"HTTP/1.1 101 Switching\r\n\r\n"), UnexpectedStatus),
    "server_error": (reply(500, b"oops"), UnexpectedStatus),
    "unavailable": (reply(503, b"later"), UnexpectedStatus),
    "gateway_timeout": (reply(504, b""), UnexpectedStatus),
    "cloudflare_unknown": (reply(520, b""), UnexpectedStatus),
    "too_early": (reply(425, b""), UnexpectedStatus),
    "no_html_end": (reply(200, BODY[:1000], HTML), FailedContentCheck),
    "empty_page": (reply(200, b"", HTML), FailedContentCheck),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_never_accepted_and_its_retry_succeeds(fault, serve, fetcher) -> None:
    broken, _ = FAULTS[fault]
    server = serve(lambda seen: page(BODY) if seen.number > 2 else broken)

    fetched = fetcher(server).fetch(FetchRequest(url=server.url("/page"), expect="html"))

    assert fetched.body == BODY
    assert fetched.attempts[-1].reason == "ok"
    assert len(fetched.attempts) == 3
    assert all(attempt.error for attempt in fetched.attempts[:-1])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lasting_fault_is_a_typed_error_with_its_attempts(fault, serve, fetcher) -> None:
    broken, kind = FAULTS[fault]
    server = serve(lambda _seen: broken)

    with pytest.raises(kind) as caught:
        fetcher(server, max_attempts=3).fetch(FetchRequest(url=server.url("/page"), expect="html"))

    assert isinstance(caught.value, TransientFetchError)
    assert len(caught.value.attempts) == 3
    assert "3 attempts" in str(caught.value)


RIGHT: dict[str, Reply] = {
    "plain": page(BODY),
    "gzip": page(PACKED, GZIP),
    "x_gzip": page(PACKED, "Content-Encoding: x-gzip"),
    "no_coding_by_a_charset": page(BODY, "Content-Encoding: utf-8"),
    "no_coding_by_name": page(BODY, "Content-Encoding: none, identity"),
    "gzip_in_upper_case": page(PACKED, "content-encoding: GZIP"),
    "gzip_of_two_members": page(packed(BODY[:900]) + packed(BODY[900:]), GZIP),
    "gzip_with_zero_padding": page(PACKED + bytes(9), GZIP),
    "gzip_by_close": then_close(reply(200, PACKED, HTML, GZIP, length=False)),
    "gzip_without_label": page(PACKED),
    "gzip_file": reply(200, PACKED, "Content-Type: application/x-gzip"),
    "gzip_file_by_close": then_close(reply(200, PACKED, HTML, length=False)),
    "gzip_twice_and_labelled_once": page(packed(PACKED), GZIP),
    "gzip_twice_and_labelled_so": page(packed(PACKED), "Content-Encoding: gzip, gzip"),
    "deflate": page(zlib.compress(BODY), "Content-Encoding: deflate"),
    "bare_deflate": page(bare_deflate(BODY), "Content-Encoding: deflate"),
    "identity": page(BODY, "Content-Encoding: identity"),
    "chunks": chunked(BODY),
    "chunks_of_one_byte": chunked(BODY, size=1),
    "chunks_with_extension_and_trailer": chunked(BODY, last=b"0;a=b\r\nX-Trailer: 1\r\n\r\n"),
    "chunks_of_gzip": chunked(PACKED, GZIP),
    "same_length_twice": page(BODY, f"Content-Length: {len(BODY)}"),
    "by_close_with_html_end": then_close(reply(200, BODY, HTML, length=False)),
    "early_hints_first": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + page(BODY),
    "continue_first": b"HTTP/1.1 100 Continue\r\n\r\n" + page(BODY),
    "ninety_fields": page(BODY, *(f"X-Filler-{number}: 1" for number in range(90))),
}


@pytest.mark.parametrize("form", RIGHT)
def test_every_right_form_is_accepted_at_once(form, serve, fetcher) -> None:
    server = serve(lambda _seen: RIGHT[form])

    fetched = fetcher(server).fetch(FetchRequest(url=server.url("/page"), expect="html"))

    assert fetched.body == BODY
    assert len(fetched.attempts) == 1


def test_junk_after_a_body_does_not_reach_the_next_answer(serve, fetcher) -> None:
    server = serve(
        lambda seen: page(html(seen.path)) + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX"
    )
    client = fetcher(server)

    bodies = [client.fetch(FetchRequest(url=server.url(f"/{n}"))).body for n in range(5)]

    assert bodies == [html(f"/{n}") for n in range(5)]


@pytest.mark.parametrize(
    ("expect", "content_type", "body", "is_whole"),
    [
        ("any", "text/plain", b"just words", False),
        ("any", "application/json", b'{"a": [1, 2]}', True),
        ("any", "application/json", b'{"a": [1, 2', False),
        ("json", "text/plain", b'{"a": 1}', True),
        ("any", "application/rss+xml", b"<?xml version='1.0'?><rss><channel/></rss>", True),
        ("any", "application/rss+xml", b"<?xml version='1.0'?><rss><channel/>", False),
        ("xml", "", b"<!-- c --><feed/>", True),
        ("any", "text/html", b"<html>x</html>", True),
    ],
)
def test_a_body_that_ends_with_the_connection_must_prove_its_end(
    expect, content_type, body, is_whole, serve, fetcher
) -> None:
    answer = reply(200, body, f"Content-Type: {content_type}", length=False)
    server = serve(lambda _seen: then_close(answer))
    client = fetcher(server, max_attempts=1)

    if is_whole:
        assert client.fetch(FetchRequest(url=server.url(), expect=expect)).body == body
    else:
        with pytest.raises(IncompleteBody, match="neither a length nor chunks"):
            client.fetch(FetchRequest(url=server.url(), expect=expect))


@cache
def bombs_bytes() -> bytes:
    """300 MB of nothing, packed: a second's work, longer than a request may wait on a busy machine."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()


@pytest.fixture(scope="module", autouse=True)
def bomb_is_ready() -> None:
    bombs_bytes()


def bomb(_seen: Seen) -> Reply:
    return page(bombs_bytes(), GZIP)


def endless(_seen: Seen) -> Reply:
    def script(connection) -> None:
        connection.send(HEADLESS + b"\r\n")
        while True:
            connection.send(b"x" * 65536)

    return script


def endless_chunks(_seen: Seen) -> Reply:
    def script(connection) -> None:
        connection.send(HEADLESS + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    return script


@pytest.mark.parametrize(
    "route",
    [
        bomb,
        endless,
        endless_chunks,
        lambda _seen: reply(200, b"x" * 3_000_000, HTML),
        lambda _seen: page(packed(b"") * 1000, GZIP),
    ],
    ids=["bomb", "endless", "endless_chunks", "announced", "a_thousand_members"],
)
def test_too_much_is_refused_once_and_for_all(
    route: Callable[[Seen], Reply], serve, fetcher
) -> None:
    server = serve(route)

    with pytest.raises(TooLarge) as caught:
        fetcher(server, max_body_bytes=2_000_000).fetch(FetchRequest(url=server.url()))

    assert len(server.log) == 1
    assert len(caught.value.attempts) == 1


def test_a_bomb_costs_little_memory(serve, fetcher) -> None:
    import tracemalloc

    server = serve(bomb)
    client = fetcher(server, max_body_bytes=5_000_000)
    client_error = None
    tracemalloc.start()
    try:
        client.fetch(FetchRequest(url=server.url()))
    except TooLarge as error:
        client_error = error
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert client_error is not None
    assert peak < 40_000_000


@pytest.mark.parametrize(
    ("expect", "body", "message"),
    [
        ("html", b"<html><body>the maintenance page without an end", "</html>"),
        ("json", b"<html>please log in</html>", "JSON"),
        ("json", b'{"a": 1', "JSON"),
        ("json", b"[" * 100_000, "JSON"),
        ("xml", b"<html><body>x</body></html>", "HTML page"),
        ("xml", b"<rss><channel></channel>", "</rss>"),
        ("xml", b"no markup", "XML"),
    ],
)
def test_content_check_names_the_expected_format(expect, body, message, serve, fetcher) -> None:
    server = serve(lambda _seen: reply(200, body))

    with pytest.raises(FailedContentCheck, match=message):
        fetcher(server, max_attempts=1).fetch(FetchRequest(url=server.url(), expect=expect))


@pytest.mark.parametrize(
    ("expect", "body"),
    [
        ("html", b"<HTML></HTML >\n<!-- served by a -->"),
        ("html", "<html>新闻</html>".encode("utf-16")),
        ("json", b"\xef\xbb\xbf[]"),
        ("json", '{"标题": "新闻"}'.encode("gb18030")),
        (
            "xml",
            b"\xef\xbb\xbf<?xml version='1.0'?>\n<!DOCTYPE rss [<!ENTITY a 'b'>]>\n<rss></rss>\n<!-- z -->",
        ),
        ("xml", "<?xml version='1.0' encoding='utf-16'?><rss></rss>".encode("utf-16")),
        ("xml", b"<a:feed xmlns:a='u'><a:b></a:b></a:feed >"),
    ],
)
def test_content_checks_know_the_forms_that_occur(expect, body, serve, fetcher) -> None:
    server = serve(lambda _seen: reply(200, body))

    assert fetcher(server).fetch(FetchRequest(url=server.url(), expect=expect)).body == body


@pytest.mark.parametrize("fields", [(), (GZIP,)], ids=["a gzip file", "a gzip file in gzip"])
def test_a_bomb_without_a_label_stops_at_the_limit(fields, serve, fetcher) -> None:
    bomb = packed(bytes(30_000_000))
    body = packed(bomb) if fields else bomb
    server = serve(lambda _seen: reply(200, body, "Content-Type: text/xml", *fields))

    with pytest.raises(TooLarge):
        fetcher(server, max_body_bytes=1_000_000).fetch(
            FetchRequest(url=server.url("/feed.xml.gz"))
        )

    assert len(server.log) == 1
