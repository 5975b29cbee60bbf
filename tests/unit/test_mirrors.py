"""Fail-over between mirrors: what is asked, in which order, and what a caller gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.fetch.errors import (
    Cancelled,
    ConnectionFailed,
    FetchError,
    RefusedByServer,
    UnexpectedStatus,
)
from flows.fetch.messages import (
    FetchFailure,
    FetchRequest,
    FetchResult,
    stored_response,
)
from flows.fetch.mirrors import MAX_FAILURES, Mirrors, mirror_url

ORIGIN = "https://any.invalid"
NOW = datetime(2026, 11, 30, tzinfo=UTC)
REFUSED = RefusedByServer("403", status=403)
GONE = RefusedByServer("404", status=404)
BROKEN = UnexpectedStatus("503", status=503)


class Hosts:
    """Mirrors a.example, b.example and c.example, and what each answers."""

    def __init__(self, **answers: bytes | FetchError) -> None:
        self.answers = answers
        self.asked: list[str] = []
        hosts = tuple(f"https://{name}.example" for name in answers)
        self.mirrors = Mirrors({ORIGIN: hosts})

    def fetch(self, requests: Iterable[FetchRequest]) -> Iterator[FetchResult]:
        for request in requests:
            self.asked.append(request.url.removeprefix("https://"))
            answer = self.answers[request.url.removeprefix("https://").partition(".")[0]]
            if isinstance(answer, bytes):
                found = stored_response(request.url, answer, fetched_at=NOW)
                yield replace(found, request=request)
            else:
                yield FetchFailure(
                    request=request, url=request.url, error=answer, fetched_at=NOW, seconds=0
                )

    def ask(self, *paths: str) -> list[FetchResult]:
        wanted = [FetchRequest(url=f"{ORIGIN}/{path}") for path in paths]
        found = list(self.mirrors.fetch_all(wanted, self.fetch))
        by_request = {id(one.request): one for one in found}
        return [by_request[id(one)] for one in wanted]


@pytest.mark.parametrize(
    "answer", [REFUSED, ConnectionFailed("no"), b"<!doctype html><title>Wait</title>"]
)
def test_mirror_that_refuses_is_not_asked_again(answer):
    hosts = Hosts(a=answer, b=b"<rss/>")

    results = [hosts.ask(path)[0] for path in ("1", "2")]

    assert hosts.asked == ["a.example/1", "b.example/1", "b.example/2"]
    assert [one.request.url for one in results] == [f"{ORIGIN}/1", f"{ORIGIN}/2"]
    assert [one.final_url for one in results] == ["https://b.example/1", "https://b.example/2"]


@pytest.mark.parametrize("answer", [GONE, BROKEN])
def test_failure_of_one_address_asks_the_next_mirror_for_it_alone(answer):
    hosts = Hosts(a=answer, b=b"<rss/>")

    for path in "123456"[: MAX_FAILURES + 1]:
        hosts.ask(path)

    assert hosts.asked == [
        *(f"{host}.example/{n + 1}" for n in range(MAX_FAILURES) for host in "ab"),
        f"b.example/{MAX_FAILURES + 1}",
    ]


def test_last_failure_is_returned_with_the_request_of_the_caller():
    hosts = Hosts(a=REFUSED, b=BROKEN)
    (found,) = hosts.ask("1")

    assert isinstance(found, FetchFailure)
    assert (found.url, found.final_url, found.error) == (
        f"{ORIGIN}/1", "https://b.example/1", BROKEN,
    )  # fmt: skip
    assert hosts.asked == ["a.example/1", "b.example/1"]


def test_page_for_people_is_returned_when_no_mirror_has_the_feed():
    (found,) = Hosts(a=b"<html>").ask("1")

    assert found.body == b"<html>"


def test_interrupted_request_is_asked_of_no_other_mirror():
    hosts = Hosts(a=Cancelled("stop"), b=b"<rss/>")
    hosts.ask("1")

    assert hosts.asked == ["a.example/1"]


def test_other_addresses_are_fetched_as_they_are():
    hosts = Hosts(a=b"<rss/>")
    other = FetchRequest(url="https://a.example/x")

    (found,) = hosts.mirrors.fetch_all([other], hosts.fetch)

    assert found.request is other


@pytest.mark.parametrize(
    ("mirror", "path", "url"),
    [
        ("https://a.example", "/x", "https://a.example/x"),
        ("https://a.example/hub/", "/x?limit=1", "https://a.example/hub/x?limit=1"),
        ("https://a.example/?key=***", "/x", "https://a.example/x?key=***"),
        ("https://a.example?key=***", "/x?limit=1", "https://a.example/x?limit=1&key=***"),
    ],
)
def test_address_at_a_mirror_has_both_queries(mirror, path, url):
    assert mirror_url(mirror, path) == url
