"""The demo site: the same answers as edition 1 of the test site."""

from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from bs4 import BeautifulSoup

from flows import demo_site
from tests import site
from tests.site.router import represent


@pytest.mark.parametrize("target", demo_site.pages())
def test_recorded_page_is_the_page_of_the_test_site(target):
    """``python -m tests.site.record`` brings the recorded pages up to date."""
    expected = represent(target, 1)

    page = demo_site.pages()[target]

    assert page.content_type == expected.answer.content_type
    assert page.body == expected.answer.body
    assert page.etag == f'W/"{expected.etag}"'


def test_broken_entries_are_those_of_the_test_site():
    assert len(site.oracle(1).unusable) == demo_site.BROKEN_ENTRIES


def test_pages_name_the_address_that_the_site_is_served_at():
    with demo_site.serve() as url, urlopen(f"{url}/woshipm/latest") as answer:  # noqa: S310
        body = answer.read()

    assert url.encode() in body
    assert demo_site.BASE_URL.encode() not in body


def test_root_links_the_listings_of_every_source():
    with demo_site.serve() as url, urlopen(f"{url}/") as answer:  # noqa: S310
        links = [link["href"] for link in BeautifulSoup(answer.read(), "html.parser")("a")]

    assert set(links) <= set(demo_site.pages())
    assert not [link for link in links if "GetNewsText" in link or link.startswith("/robots")]
    parts = ("/CATList-", "/stream-list", "marketType=39", "type=102", "/ofweek/news", "/woshipm")
    assert [sum(part in link for link in links) > 0 for part in parts] == [True] * len(parts)


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/no/such/page", {}, 404),
        ("/robots.txt", {"If-None-Match": demo_site.pages()["/robots.txt"].etag}, 304),
    ],
)
def test_missing_and_unmodified_pages_have_their_status(target, headers, status):
    with demo_site.serve() as url:
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(url + target, headers=headers))  # noqa: S310
        with refused.value as answer:  # an error of urlopen holds the connection
            assert answer.code == status
