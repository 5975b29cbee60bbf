"""Articles of several pages: which links lead to the next one, and how their texts are joined."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from parsers import registry
from parsers.extract.pagination import MAX_PAGES, next_page
from parsers.model import Article, Entry, Page

NOW = datetime(2026, 5, 1, tzinfo=UTC)
URL = "https://gazette.example/2026/ferry"
TITLE = "The ferry returns to the old harbour"
SOURCE = registry.make_source("gazette", "generic", {})
LEAD = (
    "After eleven years of repairs the ferry sails again, and the town has turned out to watch it."
)


def sentences(subject: str, count: int = 5) -> str:
    return "".join(
        f"<p>{subject} paragraph {n}: the crew, the captain and the harbour master agree that the "
        "repairs took longer than planned, and that the ship is in better shape than ever.</p>"
        for n in range(count)
    )


def html(text: str, links: str = "", *, title: str = TITLE, head: str = "") -> str:
    return (
        f"<html><head><title>{title}</title>{head}</head><body><article><h1>{title}</h1>"
        f"<p class=lead>{LEAD}</p>{text}</article><nav>{links}</nav></body></html>"
    )


def page(text: str, url: str = URL) -> Page:
    return Page(url=url, text=text, fetched_at=NOW)


def followed(pages: dict[str, str], url: str = URL) -> tuple[Page, list[str]]:
    """The first page with those that follow it, and the URLs that were asked for, in order."""
    whole, asked = page(pages[url], url), []
    while urls := [one for one in registry.next_pages(SOURCE, whole) if one not in asked]:
        asked += urls
        found = [page(pages[one], one) for one in urls if one in pages]
        whole = replace(whole, next_pages=(*whole.next_pages, *found))
        if len(found) < len(urls):
            break
    return whole, asked


def article(pages: dict[str, str], url: str = URL) -> Article:
    return registry.parse(SOURCE, followed(pages, url)[0])


@pytest.mark.parametrize(
    ("url", "link", "words"),
    [
        (URL, f"{URL}?page=2", "2"),
        (URL, "?page=2", "Next"),
        (URL, "?page=1", "2"),  # counted from zero
        (URL, f"{URL}/2/", "2"),
        (URL, "/2026/ferry/page/2", "Next page"),
        (URL, "/2026/ferry-p2", "2"),
        (URL, "/2026/ferry,seite-2", "Nächste Seite"),
        (f"{URL}.html", "ferry_2.html", "下一页"),
        (f"{URL}.shtml", "ferry_2.shtml", "2"),
        (f"{URL}.html", "ferry-2.html", "2"),
        (f"{URL}.html?id=7", "ferry.html?id=7&page=2", "2"),
        (f"{URL}?utm_source=feed", "/2026/ferry?page=2", "[2]"),
        ("https://gazette.example/?p=123", "/?p=123&page=2", "2"),
    ],
)
def test_link_with_a_page_number_and_the_words_of_a_page_leads_to_the_next_page(url, link, words):
    text = html(sentences("First"), f'<a href="{link}">{words}</a>')

    assert next_page([page(text, url)]) is not None


def test_declared_next_page_is_found_in_the_head_and_in_the_body():
    for head, links in [
        (f'<link rel="next" href="{URL}/2">', ""),
        ("", f'<a rel="nofollow next" href="{URL}/2">Older and wiser</a>'),
    ]:
        assert next_page([page(html(sentences("First"), links, head=head))]) == f"{URL}/2"


@pytest.mark.parametrize(
    "link",
    [
        '<a rel="next" href="/2026/the-next-article">The next article</a>',
        '<a rel="next" href="/2026/ferry-2">The ferry returns, again</a>',
        '<a rel="next" href="/2026/ferry2">2</a>',
        '<a rel="next" href="/?p=124">The next post</a>',
        '<a rel="next" href="/page/2/">Older posts</a>',
        '<a href="/2026/?page=2">2</a>',
        '<a href="https://other.example/2026/ferry?page=2">2</a>',
        '<a href="/2026/ferry?page=2">All 212 comments</a>',
        '<a href="/2026/ferry?page=2#comments">2</a>',
        '<div class="comments-pager"><a href="/2026/ferry?page=2">2</a></div>',
        '<a href="/2026/ferry?page=7">7</a>',
        '<a href="/2026/ferry?year=2">2</a>',
        '<a rel="next" href="/2026/ferry/gallery/2">2</a>',
        '<a rel="next" href="">2</a>',
        '<a rel="next" href="http://[broken/2">2</a>',
    ],
)
def test_link_without_two_signs_is_no_next_page(link):
    assert next_page([page(html(sentences("First"), link))]) is None


def test_next_post_of_wordpress_is_no_next_page():
    text = html(sentences("First"), '<a rel="next" href="/?p=124">Next</a>')

    assert next_page([page(text, "https://gazette.example/?p=123")]) is None


def test_front_page_has_no_next_page():
    text = html(
        sentences("First"), '<a rel="next" href="/page/2/">Next</a><a href="/?page=2">2</a>'
    )

    assert next_page([page(text, "https://gazette.example/")]) is None


def test_pages_are_joined_in_order_without_headline_lead_and_page_links():
    pages = {
        URL: html(sentences("First") + "<p>Page 1 of 3</p>", '<a href="?page=2">2</a>'),
        f"{URL}?page=2": html(sentences("Second"), '<a href="?page=3">3</a>'),
        f"{URL}?page=3": html(sentences("Third"), '<a href="?page=2">2</a>'),
    }
    found = article(pages)

    starts = [line.split(":")[0] for line in found.text.split("\n\n")]
    assert starts == [
        *([LEAD] if LEAD in found.text else []),
        *(f"{one} paragraph {n}" for one in ("First", "Second", "Third") for n in range(5)),
    ]
    assert found.text.count(LEAD) == 1
    assert found.completeness == "full"
    assert found.canonical_url == URL


def test_content_hash_is_that_of_the_whole_text():
    two = {
        URL: html(sentences("First"), '<a href="?page=2">2</a>'),
        f"{URL}?page=2": html(sentences("Second")),
    }
    changed = two | {f"{URL}?page=2": html(sentences("Corrected"))}

    assert article(two).content_hash != article(changed).content_hash
    assert article(two).content_hash == article(dict(two)).content_hash


def test_relative_pictures_of_a_later_page_belong_to_its_own_address():
    picture = '<figure><img src="deck.jpg"><figcaption>The deck.</figcaption></figure>'
    pages = {
        URL: html(sentences("First"), f'<a rel="next" href="{URL}/2/">Next</a>'),
        f"{URL}/2/": html(sentences("Second", 2) + picture + sentences("Later", 3)),
    }

    assert f'src="{URL}/2/deck.jpg"' in article(pages).body_html


def test_repeated_page_ends_the_article_and_is_not_joined():
    same = html(sentences("First"), '<a href="?page=2">2</a><a href="?page=3">3</a>')
    pages = {URL: same, f"{URL}?page=2": same, f"{URL}?page=3": same}

    _, asked = followed(pages)
    found = article(pages)

    assert asked == [f"{URL}?page=2"]
    assert found.text.count("First paragraph 1:") == 1
    assert found.completeness == "full"


def test_page_that_links_an_earlier_one_as_next_ends_the_article():
    pages = {
        URL: html(sentences("First"), f'<a rel="next" href="{URL}/2">Next</a>'),
        f"{URL}/2": html(sentences("Second"), f'<a rel="next" href="{URL}/2">Next</a>'),
    }

    assert followed(pages)[1] == [f"{URL}/2"]
    assert article(pages).completeness == "full"


def test_missing_page_makes_the_article_partial():
    pages = {URL: html(sentences("First"), '<a href="?page=2">2</a>')}

    found = article(pages)

    assert found.completeness == "partial"
    assert f"{URL}?page=2" in found.provenance["completeness"]
    assert "First paragraph 4" in found.text


@pytest.mark.parametrize(
    "other",
    [
        html(sentences("Other"), title="Council votes on parking fees"),
        "<html><title>Page not found</title><h1>Page not found</h1><p>Sorry, please go back.</p></html>",
        "",
    ],
)
def test_other_page_in_the_place_of_the_next_one_is_left_out(other):
    pages = {
        URL: html(sentences("First"), '<a href="?page=2">2</a><a href="?page=3">3</a>'),
        f"{URL}?page=2": other,
        f"{URL}?page=3": html(sentences("Third")),
    }

    found = article(pages)

    assert found.completeness == "partial"
    assert "page 2" in found.provenance["completeness"]
    assert "First paragraph 4" in found.text
    assert "Other" not in found.text


def test_article_of_very_many_pages_is_cut_at_the_limit():
    pages = {
        f"{URL}?page={n}" if n > 1 else URL: html(
            sentences(f"Part {n}"), f'<a href="?page={n + 1}">{n + 1}</a>'
        )
        for n in range(1, MAX_PAGES + 5)
    }

    whole, asked = followed(pages)
    found = registry.parse(SOURCE, whole)

    assert len(asked) == MAX_PAGES - 1
    assert found.completeness == "partial"
    assert str(MAX_PAGES) in found.provenance["completeness"]
    assert f"Part {MAX_PAGES} paragraph 0" in found.text


def test_window_of_page_links_leads_to_every_page():
    def links(own: int) -> str:
        return "".join(f'<a href="?page={n}">{n}</a>' for n in {1, own, own + 1, 6} if n <= 6)

    pages = {
        f"{URL}?page={n}" if n > 1 else URL: html(sentences(f"Part {n}"), links(n))
        for n in range(1, 7)
    }

    assert followed(pages)[1] == [f"{URL}?page={n}" for n in range(2, 7)]


def test_selected_body_is_selected_on_every_page():
    source = registry.make_source("gazette", "generic", {"select": {"body": "article"}})
    first, second = (
        page(html(sentences("First"), '<a href="?page=2">2</a>')),
        page(html(sentences("Second")), f"{URL}?page=2"),
    )

    found = registry.parse(source, replace(first, next_pages=(second,)))

    assert "First paragraph 4" in found.text
    assert "Second paragraph 4" in found.text
    assert found.text.count(LEAD) == 1


def test_only_an_item_that_links_its_article_has_next_pages():
    source = registry.make_source("gazette", "feed", {"url": "https://gazette.example/feed.xml"})
    whole = page(html(sentences("First"), '<a href="?page=2">2</a>'))
    entry = Entry(source_article_id=URL, channel="feed", url=URL, link=URL)

    assert registry.next_pages(source, replace(whole, entry=entry)) == (f"{URL}?page=2",)
    carried = replace(entry, content=sentences("First"))
    assert registry.next_pages(source, replace(whole, entry=carried)) == ()
