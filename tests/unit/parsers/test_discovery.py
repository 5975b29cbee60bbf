"""Discovery: feeds of a page, usual addresses, selectors of a list of articles."""

from __future__ import annotations

import pytest

from parsers.discovery import feed_urls, page_links, propose_list, sitemap_urls

PAGE = "https://gazette.example/news/today.html"
RSS = "application/rss+xml"


def feeds(markup: str, url: str = PAGE) -> list[str]:
    return [one.url for one in page_links(markup, url).feeds]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (f'rel="alternate" type="{RSS}"', True),
        ('rel="ALTERNATE home" type=" Application/RSS+xml ; charset=utf-8"', True),
        ('rel="alternate" type="application/feed+json"', True),
        ('rel="feed"', True),
        ('rel="feed stylesheet"', True),
        ('rel="alternate" type="application/xml"', True),
        ('rel="alternate"', True),
        (f'rel="alternate stylesheet" type="{RSS}"', False),
        (f'rel="alternates" type="{RSS}"', False),
        (f'type="{RSS}"', False),
        ('rel="alternate" hreflang="de"', False),
        ('rel="alternate" type="text/html"', False),
    ],
)  # fmt: skip
def test_link_is_a_feed_by_its_relation_and_type(attributes, expected):
    assert bool(feeds(f'<head><link {attributes} href="/feed.xml"></head>')) == expected


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("/a.xml", "https://gazette.example/a.xml"),
        ("?feed=rss2", "https://gazette.example/news/today.html?feed=rss2"),
        ("//cdn.example/a.xml", "https://cdn.example/a.xml"),
        ("feed://gazette.example/a.xml", "https://gazette.example/a.xml"),
        ("feed:https://gazette.example/a.xml", "https://gazette.example/a.xml"),
        ("", None), ("javascript:x()", None), ("http://[broken", None), ("/wp-json/a.xml", None),
    ],
)  # fmt: skip
def test_address_of_a_feed_is_resolved(href, expected):
    found = feeds(f'<link rel="alternate" type="{RSS}" href="{href}">')

    assert found == ([expected] if expected else [])


def test_base_element_order_and_the_first_title_count():
    text = (
        '<base href="/en/">'
        f'<link rel="alternate" type="{RSS}" title="News" href="b.xml">'
        f'<link rel="alternate" type="{RSS}" href="a.xml">'
        f'<link rel="alternate" type="{RSS}" title="Again" href="b.xml">'
    )

    found = page_links(text, PAGE).feeds

    assert [(one.url, one.title) for one in found] == [
        ("https://gazette.example/en/b.xml", "News"),
        ("https://gazette.example/en/a.xml", "https://gazette.example/en/a.xml"),
    ]


@pytest.mark.parametrize(
    ("title", "href", "expected"),
    [
        ("Gazette", "/comments/feed/", True),
        ("Comments on Ferry", "/feed/2", True),
        ("Commentary", "/commentary/feed", False),
        ("News", "/feed", False),
    ],
)
def test_feed_of_comments_is_marked(title, href, expected):
    (feed,) = page_links(f'<link rel="feed" title="{title}" href="{href}">', PAGE).feeds

    assert feed.is_comments is expected


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ('<a href="/news.rss">All news</a>', True),
        ('<a href="/feeds/posts/default">Blog</a>', True),
        ('<a href="/?feed=rss2">Blog</a>', True),
        ('<a href="/?type=100">Blog</a>', True),
        ('<a href="/rss">Follow us</a>', True),
        ('<a href="/follow">RSS</a>', True),
        ('<a href="/embarrassing">A story</a>', False),
        ('<a href="/atomic-power">A story</a>', False),
        ('<a href="/feedback">Contact</a>', False),
    ],
)
def test_anchor_counts_where_no_link_declares_a_feed(anchor, expected):
    assert bool(feeds(anchor)) == expected
    assert feeds(f'<link rel="feed" href="/own">{anchor}') == ["https://gazette.example/own"]


def test_usual_addresses_are_beside_the_page_then_at_the_root():
    found = feed_urls(PAGE)

    assert found[0] == "https://gazette.example/news/feed/"
    assert "https://gazette.example/rss.xml" in found
    assert len(found) == len(set(found)) == 20
    assert sitemap_urls(PAGE)[0] == "https://gazette.example/sitemap.xml"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/owner/name", "https://github.com/owner/name/releases.atom"),
        ("https://github.com/owner", "https://github.com/owner.atom"),
        ("https://www.youtube.com/channel/UC0123456789ab", "https://www.youtube.com/feeds/videos.xml?channel_id=UC0123456789ab"),
    ],
)  # fmt: skip
def test_known_host_has_its_own_rule(url, expected):
    assert feed_urls(url)[0] == expected


# -- lists of articles ---------------------------------------------------------------------

MENU = (
    "<nav>"
    + "".join(f'<a href="/s{n}">Section of the gazette {n}</a>' for n in range(9))
    + "</nav>"
)
ASIDE = '<div class="tags">' + "".join(f'<a href="/t{n}">tag {n}</a>' for n in range(30)) + "</div>"


def teasers(markup: str, count: int = 6) -> str:
    titles = [
        "Ferry returns to the harbour",
        "The quay is repaired at last",
        "A storm is expected tonight",
    ]
    return "".join(markup.format(n=n, title=f"{titles[n % 3]} {n}") for n in range(count))


@pytest.mark.parametrize(
    "markup",
    [
        '<article class="card"><h2><a href="/2026/{n}">{title}</a></h2><time>1 May 2026</time></article>',
        '<li class="item-x"><a class="title" href="/2026/{n}">{title}</a></li>',
        '<div><div class="story"><h3><a href="/2026/{n}">{title}</a></h3><p>Text</p><a href="/2026/{n}">More</a></div></div>',
        '<tr><td class="headline"><a href="/2026/{n}">{title}</a></td><td>today</td></tr>',
    ],
)
def test_repeated_links_with_long_texts_are_the_articles(markup):
    text = f"<body>{MENU}<main>{teasers(markup)}</main>{ASIDE}</body>"

    found = propose_list(text, "https://gazette.example/news")

    assert found is not None
    assert found.count == 6
    assert found.next_page == ""


def test_date_and_next_page_are_proposed():
    card = '<article><h2><a href="/2026/{n}">{title}</a></h2><time>1 May 2026</time></article>'
    text = f'<main>{teasers(card)}<a rel="next" href="/news?page=2">Older</a></main>'

    found = propose_list(text, "https://gazette.example/news")

    assert found is not None
    assert (found.dates[0], found.next_page) == ("time", "a[rel~=next]")


@pytest.mark.parametrize(
    "text", ["", f"<body>{MENU}{ASIDE}</body>", "<p>One text without links.</p>"]
)
def test_page_without_repeated_headlines_has_no_proposal(text):
    assert propose_list(text, "https://gazette.example/news") is None
