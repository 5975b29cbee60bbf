"""The hosts that addresses are fetched from."""

from __future__ import annotations

from flows.pipeline.lanes import hosts_of
from flows.pipeline.run import fetch_policy
from flows.settings import RsshubSettings, Settings


def test_addresses_of_mirrors_have_the_hosts_of_the_mirrors() -> None:
    instances = ("https://hub.example", "http://hub2.example:1200/x")
    mirrors = fetch_policy(Settings(rsshub=RsshubSettings(instances=instances)), ()).mirrors

    found = hosts_of(["https://rsshub.invalid/a/b", "https://press.example/1"], mirrors)

    assert found == {"hub.example", "hub2.example:1200", "press.example"}


def test_address_that_cannot_be_fetched_has_no_host() -> None:
    assert hosts_of(["mailto:desk@press.example", ""], {}) == set()
