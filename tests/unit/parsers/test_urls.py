"""URLs: canonical form and absolute links."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import UnknownUrl
from parsers.text.urls import TRACKING, absolute, canonicalize, host_of, is_http
from tests.corpus import vectors

SHARE = "http://finews.zning.xyz/html_News/NewsShare.html?infoCode=NW202203142308441556"


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        (SHARE, SHARE),
        (SHARE + "&utm_source=x&spm=1.2#top", SHARE),
        ("HTTPS://Example.ORG:443/a/../b/%7euser", "https://example.org/b/%7euser"),
        ("http://example.org:80", "http://example.org/"),
        ("http://example.org:8080/", "http://example.org:8080/"),
        ("https://example.org/?", "https://example.org/"),
        ("https://example.org/?&&a=1&", "https://example.org/?a=1"),
        ("https://example.org/?b=2&a=1", "https://example.org/?b=2&a=1"),
        ("https://example.org/?UTM_Medium=m&gclid=1&id=7&fbclid=2", "https://example.org/?id=7"),
        ("https://example.org/?%75tm_id=1", "https://example.org/"),
        ("https://example.org/?q=utm_source", "https://example.org/?q=utm_source"),
        ("https://example.org/?scene=1&scenery=2", "https://example.org/?scenery=2"),
        ("https://user:secret@example.org/", "https://example.org/"),
        (
            "https://例子.测试/路径?名=值",
            "https://xn--fsqu00a.xn--0zwm56d/%E8%B7%AF%E5%BE%84?%E5%90%8D=%E5%80%BC",
        ),
        ("  https://example.org/\t", "https://example.org/"),
    ],
)
def test_address_has_one_canonical_form(url: str, canonical: str) -> None:
    assert canonicalize(url) == canonical


def test_source_decides_what_else_to_drop() -> None:
    url = "https://example.org/a?id=1&from=list"

    assert canonicalize(url, drop=TRACKING | {"from"}) == "https://example.org/a?id=1"
    assert canonicalize(url + "&utm_id=1", drop=frozenset()) == url + "&utm_id=1"


@pytest.mark.parametrize(
    "url",
    ["", "/a/b", "javascript:alert(1)", "ftp://example.org/", "http://", "http://[::1", "NW1"],
)
def test_other_text_than_a_web_url_is_refused(url: str) -> None:
    with pytest.raises(UnknownUrl) as caught:
        canonicalize(url)
    assert caught.value.found == url
    assert not is_http(url)


@pytest.mark.parametrize(
    ("href", "found"),
    [
        ("b.html", "https://example.org/a/b.html"),
        ("../c", "https://example.org/c"),
        ("/c?x=1#y", "https://example.org/c?x=1#y"),
        ("//cdn.example.org/i.png", "https://cdn.example.org/i.png"),
        ("http://other.example/", "http://other.example/"),
        ("\\\\evil.example\\x", "https://evil.example/x"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("http://[", ""),
    ],
)
def test_links_are_made_absolute_as_browsers_do(href: str, found: str) -> None:
    assert absolute("https://example.org/a/", href) == found


def test_without_a_base_only_absolute_links_are_links() -> None:
    assert absolute("", "https://example.org/x") == "https://example.org/x"
    assert absolute("", "x.html") == ""
    assert absolute("not an address", "x.html") == ""
    assert absolute("not an address", "https://example.org/x") == "https://example.org/x"


queries = st.lists(
    st.tuples(
        st.sampled_from(["infoCode", "utm_a", "spm", "a b", "%41", "=", "&", "?", "名", ""]),
        st.text(max_size=6),
    ),
    max_size=5,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


@given(
    host=st.sampled_from(
        ["example.org", "EXAMPLE.org:80", "例子.测试", "127.1", "u:p@example.org"]
    ),
    path=st.text(max_size=20),
    query=queries,
    fragment=st.text(max_size=5),
)
def test_canonicalizing_twice_changes_nothing(
    host: str, path: str, query: str, fragment: str
) -> None:
    try:
        once = canonicalize(f"http://{host}/{path}?{query}#{fragment}")
    except UnknownUrl:
        return
    assert canonicalize(once) == once
    assert "#" not in once


def test_web_platform_cases_agree() -> None:
    cases = [case for case in vectors("vectors/urltestdata.json") if isinstance(case, dict)]
    web = [
        case
        for case in cases
        if not case.get("failure")
        and case.get("protocol") in {"http:", "https:"}
        and _can_be_written(case["input"])
    ]
    wrong = [
        (case["input"], case["base"], case["href"], found)
        for case in web
        if (found := absolute(case["base"] or "", case["input"])) != case["href"]
    ]

    assert len(web) > 200
    assert wrong == []


def test_web_platform_failures_are_no_addresses() -> None:
    cases = [case for case in vectors("vectors/urltestdata.json") if isinstance(case, dict)]
    failures = [
        case for case in cases if case.get("failure") and case["input"].lower().startswith("http")
    ]

    assert len(failures) > 50
    # ada leaves undecodable punycode to the resolver; nothing else gets through.
    accepted = [case["input"] for case in failures if is_http(case["input"])]
    assert [url for url in accepted if "xn--" not in url.lower()] == []


def _can_be_written(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


@pytest.mark.parametrize("url", [r"http://evil.example\@good.example/a", r"http:\\evil.example/a"])
def test_the_host_of_an_address_is_the_one_that_is_fetched(url) -> None:
    assert host_of(url) == host_of(canonicalize(url)) == "evil.example"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("https://quay.example/a??", "https://quay.example/a"),
        ("https://quay.example/a??b=1", "https://quay.example/a?b=1"),
        ("https://quay.example/a???b=1", "https://quay.example/a?b=1"),
        ("https://quay.example/a?b=1?c", "https://quay.example/a?b=1?c"),
    ],
)
def test_question_marks_before_a_query_are_one(written, canonical):
    assert canonicalize(written) == canonical
