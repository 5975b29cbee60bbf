"""Secrets of addresses: the same mark for the same secret, and the secret on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.secrets.urls import UrlSecrets

PASSWORD = "pl4nted-pass"
TOKEN = "T0k3nValue"


@pytest.fixture
def store() -> UrlSecrets:
    return UrlSecrets()


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://desk:pw@example.org/a", "https://***@example.org/a"),
        ("https://desk@example.org/a", "https://***@example.org/a"),
        ("https://a:b@c@example.org/a", "https://***@example.org/a"),
        ("https://example.org/a?b=1&token=x&c=2#d", "https://example.org/a?b=1&token=***&c=2#d"),
        ("https://example.org/a?ToKeN=x", "https://example.org/a?ToKeN=***"),
        ("https://example.org/a?to%6ben=x;y", "https://example.org/a?to%6ben=***"),
        ("https://example.org/a;sid=4/b", "https://example.org/a;sid=***/b"),
        ("https://example.org/a#access_token=x", "https://example.org/a#access_token=***"),
        ("https://example.org/a?X-Amz-Signature=x", "https://example.org/a?X-Amz-Signature=***"),
        ("https://example.org/a?tokens", "https://example.org/a?tokens"),
        ("https://example.org/a?token=", "https://example.org/a?token="),
        ("https://example.org/a?q=token", "https://example.org/a?q=token"),
        ("https://example.org/100%?keyword=x&postcode=1", "https://example.org/100%?keyword=x&postcode=1"),
        ("http://user:pw@[bad/?key=1", "http://***@[bad/?key=***"),
    ],
)  # fmt: skip
def test_secrets_of_an_address_are_masked(url, masked, store) -> None:
    assert store.mask(url) == masked
    assert store.mask(masked) == masked


@pytest.mark.parametrize(
    "name",
    [
        "token", "key", "apikey", "api_key", "pass", "password", "jwt", "session", "sid", "code",
        "bearer", "authorization", "access_key", "sig", "signature", "feed_secret", "user_key",
    ],
)  # fmt: skip
def test_every_listed_parameter_is_secret(name, store) -> None:
    url = store.mask(f"https://example.org/rss?{name}=v&x=1")

    assert url == f"https://example.org/rss?{name}=***&x=1"
    assert store.reveal("https", "example.org", f"/rss?{name}=***&x=1") == f"/rss?{name}=v&x=1"


def test_configured_names_are_secret_too(store) -> None:
    store.add_names(["Ticket"])

    assert store.mask("https://example.org/?ticket=9") == "https://example.org/?ticket=***"
    assert store.mask_page("https://example.org/?ticket=9") == "https://example.org/?ticket=***"


def test_two_secrets_of_one_host_get_two_marks(store) -> None:
    first = store.mask("https://example.org/rss?token=one", owner="a")
    second = store.mask("https://example.org/rss?token=two", owner="b")

    assert (first, second) == (
        "https://example.org/rss?token=***",
        "https://example.org/rss?token=***b",
    )
    assert store.mask("https://example.org/rss?token=two", owner="c") == second
    assert store.reveal("https", "example.org", "/rss?token=***b&page=2") == "/rss?token=two&page=2"


def test_a_secret_goes_to_its_own_host_alone(store) -> None:
    store.mask("https://desk:pw@example.org:8443/rss?token=one")

    assert store.credentials("https", "example.org:8443", "***") == ("desk", "pw")
    for scheme, host in (("http", "example.org:8443"), ("https", "other.example")):
        assert store.credentials(scheme, host, "***") is None
        assert store.reveal(scheme, host, "/rss?token=***") == "/rss?token=***"


def test_a_declared_secret_is_masked_anywhere(store) -> None:
    url = store.mask("https://example.org/u/s%2Fx.xml?q=s%2Fx", secrets=["s%2Fx"])

    assert url == "https://example.org/u/***?q=***"
    assert store.reveal("https", "example.org", "/u/***?q=***") == "/u/s%2Fx.xml?q=s%2Fx"


def test_the_code_of_an_article_is_no_secret(store) -> None:
    store.mask(f"https://example.org/rss?code=600519&token={TOKEN}")

    assert store.mask_page("https://example.org/a?code=1&token=z").endswith("?code=1&token=***2")
    assert store.clean(b"stock 600519, code=600519") == b"stock 600519, code=***"


def test_echoes_of_a_server_are_masked(store) -> None:
    store.mask(f"https://desk:{PASSWORD}@example.org/rss?token={TOKEN}&key=word")

    echo = (
        f'<a href="https://desk:{PASSWORD}@example.org/?token={TOKEN}&amp;key=word">'
        f"{PASSWORD} word keyword=word next=%3Fkey%3Dword ZGVzazpwbDRudGVkLXBhc3M= {TOKEN}"
    )
    assert store.clean_text(echo) == (
        '<a href="https://***@example.org/?token=***&amp;key=***">'
        "*** word keyword=word next=%3Fkey%3D*** *** ***"
    )


def test_a_short_value_is_an_echo_only_in_addresses_of_its_host(store) -> None:
    store.mask("https://example.org/rss?key=1")

    page = b"/a?key=1 https://example.org/a?key=1 https://other.example/a?key=1 /a?key=12"
    masked = b"/a?key=*** https://example.org/a?key=*** https://other.example/a?key=1 /a?key=12"
    assert store.clean(page, host="example.org") == masked
    assert store.clean(page, host="other.example") == page


def test_a_secret_in_an_address_of_another_host_goes_there(store) -> None:
    store.mask(f"https://example.org/rss?token={TOKEN}")

    text = (
        f'{{"a": "https:\\/\\/cdn.example\\/f?t={TOKEN}", "b": "https://evil.example/?token=***"}}'
    )
    masked = store.clean(text.encode(), host="example.org").decode()

    assert masked == text.replace(TOKEN, "***")
    assert store.reveal("https", "cdn.example", "/f?t=***") == f"/f?t={TOKEN}"
    assert store.reveal("https", "evil.example", "/?token=***") == "/?token=***"


@pytest.mark.parametrize(
    ("url", "from_secret", "masked"),
    [
        (f"https://cdn.example/{TOKEN}/a", False, "https://cdn.example/***/a"),
        (f"https://cdn.example/a?t={TOKEN}", False, "https://cdn.example/a?t=***"),
        ("https://cdn.example/a?session=5&code=6", False, "https://cdn.example/a?session=5&code=6"),
        (
            "https://cdn.example/a?session=5&code=6",
            True,
            "https://cdn.example/a?session=***&code=6",
        ),
    ],
)
def test_redirects_that_repeat_a_secret_are_masked(url, from_secret, masked, store) -> None:
    store.mask(f"https://example.org/rss?token={TOKEN}")

    found = store.mask_redirect(url, from_secret=from_secret)

    assert found == masked
    path = found.removeprefix("https://cdn.example")
    assert f"https://cdn.example{store.reveal('https', 'cdn.example', path)}" == url


def test_nothing_changes_without_a_secret(store) -> None:
    assert not store
    assert store.mask_redirect("https://example.org/?token=x", from_secret=False).endswith("=x")
    assert store.clean(b"token=x") == b"token=x"


@given(st.text(), st.text())
def test_a_mask_is_stable_and_reveals_the_same_address(path, value) -> None:
    store = UrlSecrets()
    url = f"https://example.org/{path}?token={value}&b={path}"

    masked = store.mask(url)

    assert store.mask(url) == store.mask(masked) == masked
    assert UrlSecrets().mask(url) == masked


def test_a_secret_that_begins_with_another_is_masked_to_its_end(store) -> None:
    store.mask("https://other.example/feed?key=pl4nted-k3y-17")
    store.mask("https://example.org/feed?key=pl4nted-k3y-17-b")

    assert store.clean(b"<pl4nted-k3y-17-b> <pl4nted-k3y-17>") == b"<***> <***>"
