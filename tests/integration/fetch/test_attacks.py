"""Every attack of the corpus that touches fetching has its test, by category."""

from __future__ import annotations

import json

import pytest

from flows.fetch import FetchPolicy, FetchRequest, FetchResponse, redact_url, safe_text
from tests.corpus import CORPUS, needs_corpus
from tests.integration.fetch import (
    test_bodies,
    test_deadlines,
    test_redirects,
    test_secrets,
    test_ssrf,
    test_throttle,
)
from tests.integration.fetch.faultserver import page, reply

TESTS = {
    "ssrf-redirect-file": test_redirects.test_a_redirect_passes_the_same_rules,
    "ssrf-redirect-otherhost": test_redirects.test_a_redirect_passes_the_same_rules,
    "ssrf-redirect-gopher": test_redirects.test_a_redirect_passes_the_same_rules,
    "ssrf-redirect-toolong": test_redirects.test_a_redirect_passes_the_same_rules,
    "ssrf-redirect-userinfo": test_secrets.test_credentials_in_a_redirect_are_dropped,
    "ssrf-redirect-nolocation": test_redirects.test_a_redirect_that_leads_nowhere_ends,
    "ssrf-redirect-crlf": test_redirects.test_no_header_is_injected_by_a_redirect,
    "ssrf-rebind-3": test_ssrf.test_a_name_with_any_address_inside_is_refused,
    "bomb-gzip": test_bodies.test_too_much_is_refused_once_and_for_all,
    "size-endless": test_bodies.test_too_much_is_refused_once_and_for_all,
    "size-drip-headers": test_deadlines.test_the_total_deadline_holds_over_all_attempts,
    "hdr-01": test_redirects.test_no_header_is_injected_by_an_address,
    "hdr-02": test_throttle.test_a_policy_that_cannot_work_is_refused_by_its_key,
    "tls-selfsigned": test_secrets.test_an_unknown_certificate_is_refused_once,
    "tls-ca-env": test_secrets.test_an_unknown_certificate_is_refused_once,
    "secret-01": test_secrets.test_credentials_go_to_their_own_host_alone,
    "secret-02": test_secrets.test_secrets_are_masked_in_every_error,
    "secret-03": test_secrets.test_secrets_are_masked_in_every_error,
}
ELSEWHERE = {
    "hdr-05": "tests/integration/fetch/test_conditional.py",
    "secret-07": "the configuration's own tests",
}
OURS = {
    "ssrf-redirect",
    "ssrf-rebind",
    "decompression",
    "size",
    "time",
    "header-injection",
    "tls",
    "secret-leak",
}


@needs_corpus
def test_no_attack_on_fetching_is_without_a_test() -> None:
    cases = json.loads((CORPUS / "attacks.json").read_text("utf-8"))["cases"]
    ids = {case["id"] for case in cases if case["category"] in OURS}

    assert ids - set(TESTS) - set(ELSEWHERE) == set()
    assert len(ids) > 15


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b]0;pwned\x07\x1b[2J",
        "\u202eevil",
        "a\r\nINFO forged line",
        "\x9b2J",
        "\u2028x",
        "\ud800",
    ],
)
def test_foreign_words_cannot_forge_a_log_line(hostile, serve, fetcher, caplog) -> None:
    line = hostile.encode("utf-8", "replace").decode("latin-1").replace("\r\n", " ")
    server = serve(lambda _seen: reply(f"418 {line}", b"", f"Location: {line}"))
    caplog.set_level("DEBUG")

    result = next(iter(fetcher(server).fetch_all([FetchRequest(url=server.url(f"/{hostile}"))])))

    assert not isinstance(result, FetchResponse)
    text = f"{result.error}{caplog.text}{safe_text(hostile)}{redact_url(hostile)}"
    assert not set(text) & set("\x1b\x07\x9b\u202e\u2028\ud800\r")
    assert len(str(result.error).splitlines()) == 1


def test_no_foreign_word_is_taken_for_a_format(serve, fetcher, caplog) -> None:
    server = serve(lambda _seen: reply("418 %s%n {0} {self}", b""))
    caplog.set_level("DEBUG")

    result = next(iter(fetcher(server).fetch_all([FetchRequest(url=server.url("/%s%n{0}"))])))

    assert not isinstance(result, FetchResponse)
    assert "{self}" in str(result.error)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://user:hunter2@h/feed.xml", "https://***@h/feed.xml"),
        ("https://h/f?token=hunter2&api_key=hunter2&x=1", "https://h/f?token=***&api_key=***&x=1"),
        ("https://h/f?access_token=hunter2#f", "https://h/f?access_token=***#f"),
        ("https://h/f?X-Amz-Signature=hunter2", "https://h/f?X-Amz-Signature=***"),
        ("https://h/f?PASSWORD=hunter2", "https://h/f?PASSWORD=***"),
        ("https://h/f?auth=hunter2;sig=hunter2", "https://h/f?auth=***"),
        ("http://h/a?infoCode=NW2022&monkey=1", "http://h/a?infoCode=NW2022&monkey=1"),
        ("//user:hunter2@h/", "//***@h/"),
    ],
)
def test_secrets_of_an_address_are_masked_and_the_rest_is_kept(url, masked) -> None:
    assert redact_url(url) == masked


def test_verification_of_certificates_cannot_be_turned_off() -> None:
    assert not [name for name in FetchPolicy.__slots__ if "verify" in name or "insecure" in name]


def test_one_source_that_is_attacked_leaves_the_others_alone(serve, fetcher) -> None:
    server = serve(lambda seen: page(seen.path.encode()))
    client = fetcher(server)
    urls = ["http://127.0.0.1:1/", "file:///etc/passwd", server.url("/good"), "http://[::1]/"]

    results = {result.url: result for result in client.fetch_all(FetchRequest(url=u) for u in urls)}

    assert isinstance(results[server.url("/good")], FetchResponse)
    assert sum(isinstance(result, FetchResponse) for result in results.values()) == 1
