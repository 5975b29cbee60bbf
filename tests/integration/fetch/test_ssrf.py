"""SSRF: no address in a page, a feed or a redirect leads to a private host."""

from __future__ import annotations

import json
import re

import pytest

from flows.fetch import (
    BadAddress,
    FetchError,
    FetchFailure,
    FetchPolicy,
    FetchRequest,
    PermanentFetchError,
    PolicyRefusal,
)
from flows.fetch.ssrf import AddressPolicy, parse_target, refused_address
from flows.pipeline.run import fetch_policy
from flows.settings import FetchSettings, Settings
from tests.corpus import CORPUS, needs_corpus
from tests.integration.fetch.conftest import PUBLIC, resolving
from tests.integration.fetch.faultserver import page

OWN_CASES = [
    "http://127.0.0.1/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://127.1/",
    "http://0/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[ff02::1]/",
    "http://[100::1]/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.8/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://203.0.113.9/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://good.example:80@127.0.0.1:8080/",
    "http://127.0.0.1\\@good.example/",
    "http://good.example;@127.0.0.1/",
    "http://127.0.0.1#@good.example/",
    "http://127.0.0.1?@good.example/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://loca\tlhost/",
    " http://127.0.0.1/ ",
    "http://127.0.0.1:99999/",
    "\\\\127.0.0.1\\x",
    "//127.0.0.1/x",
    "http:127.0.0.1",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "ftp://127.0.0.1/x",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "javascript:alert(1)",
    "data:text/html,x",
    "dict://127.0.0.1:11211/stat",
    "blob:http://x/y",
    "duckdb:///x",
    "",
    "just words",
    "http://",
    "http://good.example:6379/",
    "http://good.example/" + "a" * 3000,
]


def local_or_refused(host: str, port: int) -> list[object]:
    """Names of the corpus: ``localhost`` is itself, the rest is the metadata service."""
    inside = "127.0.0.1" if "localhost" in host.lower() else "169.254.169.254"
    return resolving(inside)(host, port)


@pytest.mark.parametrize("url", OWN_CASES)
def test_an_address_inside_is_refused_before_any_connection(url, no_connection, fetcher) -> None:
    client = fetcher(policy=FetchPolicy(), resolve=local_or_refused)

    with pytest.raises((PolicyRefusal, PermanentFetchError)) as caught:
        client.fetch(FetchRequest(url=url))

    assert no_connection == []
    assert caught.value.reason in ("policy_refusal", "bad_address")
    assert str(caught.value)


def corpus_cases() -> list[str]:
    path = CORPUS / "attacks.json"
    if not path.exists():
        return []
    cases = json.loads(path.read_text("utf-8"))["cases"]
    return [case["payload"] for case in cases if case["category"] == "ssrf"]


@needs_corpus
@pytest.mark.parametrize("url", corpus_cases())
def test_every_ssrf_case_of_the_corpus_is_refused(url, no_connection, fetcher) -> None:
    client = fetcher(policy=FetchPolicy(), resolve=local_or_refused)

    result = list(client.fetch_all([FetchRequest(url=url)]))

    assert no_connection == []
    assert len(result) == 1
    assert isinstance(result[0], FetchFailure)
    assert isinstance(result[0].error, PolicyRefusal | PermanentFetchError)


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        (PUBLIC, "::1"),
        (PUBLIC, "10.0.0.1"),
        ("::ffff:192.168.1.1",),
        ("fe80::1%2",),
    ],
)
def test_a_name_with_any_address_inside_is_refused(addresses, no_connection, fetcher) -> None:
    client = fetcher(policy=FetchPolicy(respect_robots=False), resolve=resolving(*addresses))

    with pytest.raises(PolicyRefusal, match="no public address") as caught:
        client.fetch(FetchRequest(url="http://rebind.example/"))

    assert no_connection == []
    assert caught.value.rule


def test_a_name_is_resolved_once_and_the_checked_address_is_used(no_connection, fetcher) -> None:
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return resolving(PUBLIC if len(asked) == 1 else "127.0.0.1")(host, port)

    client = fetcher(policy=FetchPolicy(respect_robots=False, max_attempts=1), resolve=rebinding)

    with pytest.raises(FetchError):
        client.fetch(FetchRequest(url="http://rebind.example/"))

    assert asked == ["rebind.example"]
    assert no_connection == [(PUBLIC, 80)]


def test_a_name_is_checked_again_at_every_connection(no_connection, fetcher) -> None:
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return resolving(PUBLIC if len(asked) == 1 else "127.0.0.1")(host, port)

    policy = FetchPolicy(respect_robots=False, backoff_seconds=0.001, backoff_floor_seconds=0)
    client = fetcher(policy=policy, resolve=rebinding)

    with pytest.raises(PolicyRefusal):
        client.fetch(FetchRequest(url="http://rebind.example/"))

    assert no_connection == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    "address",
    [PUBLIC, "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2a00:1450::1"],
)
def test_public_addresses_are_allowed(address) -> None:
    assert refused_address(address) is None


def test_only_the_named_host_and_port_may_be_private(serve, fetcher) -> None:
    named = serve(lambda _seen: page(b"named"))
    other = serve(lambda _seen: page(b"other"))
    client = fetcher(named)

    assert client.fetch(FetchRequest(url=named.url())).body == b"named"
    with pytest.raises(PolicyRefusal, match="allow_private_hosts"):
        client.fetch(FetchRequest(url=other.url()))
    assert other.log == []


def test_a_source_on_an_unusual_port_is_allowed_by_name(no_connection, fetcher) -> None:
    policy = FetchPolicy(source_hosts=("good.example:8080",), respect_robots=False, max_attempts=1)
    client = fetcher(policy=policy, resolve=resolving(PUBLIC))

    with pytest.raises(FetchError):
        client.fetch(FetchRequest(url="http://good.example:8080/"))
    with pytest.raises(PolicyRefusal, match="port 8081"):
        client.fetch(FetchRequest(url="http://good.example:8081/"))

    assert no_connection == [(PUBLIC, 8080)]


@pytest.mark.parametrize("entry", ["", "a b", "http://x/y", "[::1", "x:99999"])
def test_a_host_entry_that_is_none_is_refused_by_name(entry) -> None:
    with pytest.raises(ValueError, match="expected host or host:port"):
        AddressPolicy(allow_private_hosts=(entry,))


def test_bad_address_names_what_was_expected() -> None:
    with pytest.raises(BadAddress, match="expected an absolute address"):
        parse_target("just words")


def test_a_server_on_ipv6_is_reached_and_only_by_name(serve, fetcher) -> None:
    try:
        server = serve(lambda _seen: page(b"six"), address="::1")
    except OSError:
        pytest.skip("no IPv6 on this machine")
    allowed = FetchPolicy(allow_private_hosts=(f"[::1]:{server.port}",), respect_robots=False)
    url = f"http://[::1]:{server.port}/"

    assert fetcher(policy=allowed).fetch(FetchRequest(url=url)).body == b"six"
    with pytest.raises(PolicyRefusal, match="loopback"):
        fetcher(policy=FetchPolicy()).fetch(FetchRequest(url=url))


def test_the_next_address_of_a_name_is_tried_when_the_first_is_dead(serve, fetcher) -> None:
    server = serve(lambda _seen: page(b"x"))
    policy = FetchPolicy(
        allow_private_hosts=(f"two.example:{server.port}",), respect_robots=False, max_attempts=1
    )
    client = fetcher(policy=policy, resolve=resolving("127.0.0.9", "127.0.0.1"))

    assert client.fetch(FetchRequest(url=f"http://two.example:{server.port}/")).body == b"x"


@pytest.mark.parametrize(
    "url",
    ["http://[::1]:8080/", "http://[fd00::1]/", "http://127.0.0.1:8765/", "http://host.test:8080/"],
)
def test_hint_can_be_followed_literally(url):
    """The named entry under the named key of [fetch] allows the address."""
    target, given = parse_target(url), {}
    for _ in range(2):  # a private address at an unusual port has two rules
        policy = fetch_policy(Settings(fetch=FetchSettings(**given)), ())
        guard = AddressPolicy(
            allow_private_hosts=policy.allow_private_hosts, source_hosts=policy.source_hosts
        )
        try:
            guard.check(target)
        except PolicyRefusal as refusal:
            entry, key = re.search(r"add '([^']+)' to fetch\.(\w+)", str(refusal)).groups()
            given.setdefault(key, []).append(entry)
    guard.check(target)


def test_hint_of_a_redirect_can_be_followed_literally():
    origin, target = parse_target("http://a.test/"), parse_target("http://[2606:4700::1]/")
    with pytest.raises(PolicyRefusal) as refused:
        AddressPolicy().check_redirect(origin, target)
    (entry,) = re.findall(r"add '([^']+)' to fetch\.source_hosts", str(refused.value))

    hosts = fetch_policy(Settings(fetch=FetchSettings(source_hosts=(entry,))), ()).source_hosts
    AddressPolicy(source_hosts=hosts).check_redirect(origin, target)
