"""Articles of feeds: each kind of value from each vocabulary that publishers use."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from parsers import registry
from parsers.model import Article, Entry, Page
from tests import feeds_peers

URL = "https://quay.example/blog/feed"
LINK = "<link>https://quay.example/1</link>"
ALTERNATE = '<link href="https://quay.example/1"/><id>urn:1</id>'
TEXT = "<description>Gulls return.</description>"
NAMESPACES = (
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" '
    'xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0"'
)


def read(text: str, content_type: str = "application/xml") -> list[Article]:
    found, bad = feeds_peers.articles(text.encode(), content_type, URL)
    assert bad == []
    return found


def rss(item: str, channel: str = "<title>Quay Post</title>") -> Article:
    (article,) = read(f"<rss {NAMESPACES}><channel>{channel}<item>{item}</item></channel></rss>")
    return article


def rss_item(inner: str, channel: str = "<title>Quay Post</title>") -> Article:
    """The article of an item with a title, a link, a text and further elements."""
    return rss(f"<title>Gulls</title>{LINK}{TEXT}{inner}", channel)


def atom(entry: str, feed: str = "<title>Quay Post</title>", attributes: str = "") -> Article:
    (article,) = read(
        f'<feed xmlns="http://www.w3.org/2005/Atom" {attributes}>{feed}<entry>{entry}</entry></feed>'
    )
    return article


def atom_entry(inner: str, feed: str = "<title>Quay Post</title>", attributes: str = "") -> Article:
    """The article of an entry with a title, a link, a text and further elements."""
    text = "<summary>Gulls return.</summary>"
    return atom(f"<title>Gulls</title>{ALTERNATE}{text}{inner}", feed, attributes)


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("5 m&lt;sup&gt;2&lt;/sup&gt; of &lt;b&gt;rope&lt;/b&gt;", "5 m2 of rope"),
        ("<![CDATA[The <i class='x'>Gull</i> &amp; tide]]>", "The Gull & tide"),
        ("&lt;div&gt;Gull &amp;amp; tide&lt;/div&gt;", "Gull & tide"),
        ("Gull&lt;br/&gt;tide", "Gull tide"),
        ("&lt;p&gt;Gull", "Gull"),
        ("x &lt; y and &lt;gull&gt; is a word", "x < y and <gull> is a word"),
        ("How to use &lt;b&gt; well", "How to use <b> well"),
        ("&lt;head&gt; is an element", "<head> is an element"),
        ("Gull &amp;lt;b&amp;gt;", "Gull <b>"),
        ("Gull&lt;embed src='x'&gt; tide &lt;o:p w='1'&gt;", "Gull tide"),
        ("Gull<!-- no -->&lt;script&gt;no()&lt;/script&gt;s", "Gulls"),
        ("The gull&#146;s", "The gull’s"),
        ("&lt;![CDATA[The gull]]&gt;", "The gull"),
        ("?tide=1&copy=2 &amp;hellip;", "?tide=1&copy=2 …"),
    ],
)
def test_title_of_rss_is_free_of_markup(written, title):
    assert rss(f"<title>{written}</title>{LINK}{TEXT}").title == title


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ('<title type="html">&lt;b&gt;Gull&lt;/b&gt; &amp;amp; tide</title>', "Gull & tide"),
        ('<title type="text">&lt;b&gt;Gull&lt;/b&gt; &amp;amp;</title>', "<b>Gull</b> &amp;"),
        (
            '<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">A <b>gull</b></div></title>',
            "A gull",
        ),
        ('<title mode="escaped" type="text/html">&lt;b&gt;Gull&lt;/b&gt;</title>', "Gull"),
        ('<title mode="base64" type="text/html">PGI+R3VsbDwvYj4=</title>', "Gull"),
        ("<title>Gull &lt;b&gt; &amp; tide</title>", "Gull <b> & tide"),
        ("<title>A <b>gull</b><script>no()</script></title>", "A gull"),
    ],
)
def test_title_of_atom_follows_its_type(written, title):
    assert atom(f"{written}{ALTERNATE}<summary>Gulls return.</summary>").title == title


@pytest.mark.parametrize("title", ["", "<title/>", "<title> </title>", "<title>&lt;br&gt;</title>"])
def test_item_without_a_title_is_an_article(title):
    article = rss(f"{title}{LINK}{TEXT}")

    assert (article.title, article.text) == (None, "Gulls return.")
    assert article.provenance["title"] == "absent: the item has no title"


@pytest.mark.parametrize(
    ("inner", "authors"),
    [
        ("<author>m@quay.example (Mara Quill)</author><dc:creator>Mara Quill</dc:creator>", 1),
        ("<atom:author><atom:name>Mara Quill</atom:name></atom:author>", 1),
        ("<author><name>Mara Quill</name><email>m@quay.example</email></author>", 1),
        ("<itunes:author>Mara Quill</itunes:author>", 1),
        ('<author>by <a href="/mara">Mara <b>Quill</b></a></author>', 1),
        ("<author>&lt;a href='/mara'&gt;Mara Quill&lt;/a&gt;</author>", 1),
        ("<atom:author><atom:email>m@quay.example</atom:email></atom:author>", 0),
        ("<dc:creator>By Mara Quill</dc:creator><itunes:author>Quay Radio</itunes:author>", 1),
        ("<author>m@quay.example</author>", 0),
        ("", 0),
    ],
)
def test_authors_of_rss_are_names(inner, authors):
    assert rss_item(inner).authors == ("Mara Quill",) * authors


@pytest.mark.parametrize(
    "feed",
    [
        "<atom:author><atom:name>Mara Quill</atom:name></atom:author>",
        "<itunes:author>Mara Quill</itunes:author>",
        "<dc:creator>Mara Quill</dc:creator>",
    ],
)
def test_item_of_rss_inherits_the_authors_of_its_feed(feed):
    assert rss_item("", feed).authors == ("Mara Quill",)
    assert rss_item("<dc:creator>Odo Brandt</dc:creator>", feed).authors == ("Odo Brandt",)


def test_entry_of_atom_inherits_the_authors_of_its_source_then_of_its_feed():
    feed = "<author><name>Mara Quill</name></author>"
    source = "<source><title>Buoy</title><author><name>Ib Sol</name></author></source>"

    assert atom_entry("", feed).authors == ("Mara Quill",)
    assert atom_entry(source, feed).authors == ("Ib Sol",)
    assert atom_entry(f"<author><name>Odo Brandt</name></author>{source}", feed).authors == (
        "Odo Brandt",
    )


@pytest.mark.parametrize(
    ("inner", "publisher"),
    [
        (
            '<source url="https://buoy.example/feed">Buoy &lt;b&gt;News&lt;/b&gt;</source>',
            "Buoy News",
        ),
        ('<source url="https://buoy.example/feed"/>', "Quay Post"),
        ("<dc:publisher>Buoy News</dc:publisher>", "Buoy News"),
        ("", "Quay Post"),
    ],
)
def test_publisher_is_the_source_of_the_item_then_the_feed(inner, publisher):
    assert rss_item(inner).publisher == publisher


@pytest.mark.parametrize(
    ("inner", "image"),
    [
        ('<enclosure url="/a.jpg" type="image/jpeg"/>', "https://quay.example/a.jpg"),
        ('<enclosure url="https://cdn.example/a.PNG?w=1"/>', "https://cdn.example/a.PNG?w=1"),
        ('<enclosure url="https://cdn.example/a.mp3" type="audio/mpeg"/>', None),
        ('<media:content url="https://cdn.example/a" medium="image"/>', "https://cdn.example/a"),
        ('<media:content url="https://cdn.example/a.mp4" type="video/mp4"/>', None),
        ('<media:thumbnail url="https://cdn.example/t.jpg"/>', "https://cdn.example/t.jpg"),
        (
            '<media:content url="https://cdn.example/a.mp4" type="video/mp4">'
            '<media:thumbnail url="https://cdn.example/t.jpg"/></media:content>',
            "https://cdn.example/t.jpg",
        ),
        (
            '<media:group><media:thumbnail url="https://cdn.example/t.jpg"/></media:group>',
            "https://cdn.example/t.jpg",
        ),
        ('<itunes:image href="https://cdn.example/i.jpg"/>', "https://cdn.example/i.jpg"),
        ("<image><url>https://cdn.example/i.jpg</url></image>", "https://cdn.example/i.jpg"),
        (
            '<atom:link rel="enclosure" type="image/png" href="https://cdn.example/e.png"/>',
            "https://cdn.example/e.png",
        ),
    ],
)
def test_lead_image_is_the_picture_that_an_item_names(inner, image):
    assert rss_item(inner).lead_image == image


def test_picture_in_the_text_is_the_lead_image_before_one_outside():
    article = rss(
        f"<title>Gulls</title>{LINK}<description>Gulls &lt;img src='/in.jpg'&gt;</description>"
        '<enclosure url="/out.jpg" type="image/jpeg"/>'
    )

    assert article.lead_image == "https://quay.example/in.jpg"


def test_linked_page_without_a_picture_has_the_one_of_its_item():
    source = registry.make_source("quay", "feed", {"url": URL, "full_text": True})
    text = f"<rss><channel><item>{LINK}<enclosure url='/g.jpg' type='image/jpeg'/></item></channel></rss>"
    page = Page(url=URL, text=text, fetched_at=feeds_peers.FETCHED_AT)
    (entry,) = registry.entries(source, source.parser.listings(source)[0], page)
    assert isinstance(entry, Entry)
    story = "<p>Gulls return to the quay in spring, and the harbour master counts them.</p>" * 3
    html = f"<html><head><title>Gulls</title></head><body><article><h1>Gulls</h1>{story}</article></body></html>"

    article = registry.parse(source, replace(page, url=entry.url, text=html, entry=entry))

    assert article.lead_image == "https://quay.example/g.jpg"
    assert article.provenance["lead_image"] == "feed:image of the item"


@pytest.mark.parametrize(
    ("feed", "entry", "language"),
    [
        ('xml:lang="nb"', "", "nb"),
        ('xml:lang="nb"', '<content xml:lang="sv_SE">Gulls.</content>', "sv-SE"),
        ('xml:lang="nb"', '<dc:language xmlns:dc="http://purl.org/dc/elements/1.1/">da</dc:language>', "da"),
        ('xml:lang="Norwegian (Bokmal)"', "", None),
        ("", "", None),
    ],
)  # fmt: skip
def test_language_of_an_entry_is_the_nearest_one(feed, entry, language):
    article = atom(f"<title>Gulls</title>{ALTERNATE}{entry or '<summary>Gulls.</summary>'}"
                   f"{'<summary>Gulls.</summary>' if 'content' not in entry else ''}", attributes=feed)  # fmt: skip

    assert article.language == language


def test_language_of_a_channel_is_that_of_its_items():
    assert rss_item("", "<language>en-gb</language>").language == "en-gb"
    assert rss_item("", "<dc:language>fi</dc:language>").language == "fi"


def test_links_in_the_text_have_the_nearest_base():
    html = "&lt;a href='g.html'&gt;Gulls&lt;/a&gt; &lt;img src='g.jpg'&gt;"
    article = atom(
        f'<title>Gulls</title>{ALTERNATE}<content type="html" xml:base="2026/">{html}</content>',
        attributes='xml:base="https://static.example/news/"',
    )
    inner = atom(
        f'<title>Gulls</title>{ALTERNATE}<content type="xhtml" xml:base="https://static.example/">'
        '<div xmlns="http://www.w3.org/1999/xhtml"><p xml:base="a/"><a href="g.html">Gulls</a></p>'
        '<a href="h.html">here</a></div></content>'
    )

    assert 'href="https://static.example/news/2026/g.html"' in article.body_html
    assert article.lead_image == "https://static.example/news/2026/g.jpg"
    assert 'href="https://static.example/a/g.html"' in inner.body_html
    assert 'href="https://static.example/h.html"' in inner.body_html


@pytest.mark.parametrize(
    ("links", "url"),
    [
        ('<link rel="self" href="https://quay.example/s"/><link href="1"/>', "https://quay.example/blog/1"),
        (
            '<link type="application/json" href="/j"/><link type="text/html" href="/h"/>',
            "https://quay.example/h",
        ),
        (
            '<link rel="http://www.iana.org/assignments/relation/alternate" href="/i"/>',
            "https://quay.example/i",
        ),
        ('<link rel="enclosure" href="/e.mp3"/><id>https://quay.example/id</id>', "https://quay.example/id"),
    ],
)  # fmt: skip
def test_link_of_an_entry_is_its_page(links, url):
    assert atom(f"<title>Gulls</title><summary>Gulls.</summary>{links}").url == url


@pytest.mark.parametrize(
    ("feed", "attributes", "url"),
    [
        ("", "", "https://quay.example/blog/1"),
        ('<link href="https://site.example/news/"/>', "", "https://site.example/news/1"),
        (
            '<link href="https://site.example/"/>',
            'xml:base="https://base.example/"',
            "https://base.example/1",
        ),
    ],
)
def test_relative_link_belongs_to_the_base_then_to_the_site_of_the_feed(feed, attributes, url):
    entry = '<title>Gulls</title><link href="1"/><summary>Gulls.</summary>'

    assert atom(entry, feed, attributes).url == url


def test_lines_of_a_media_description_stay_lines():
    article = rss(f"<title>Gulls</title>{LINK}<media:description>One.\nTwo.</media:description>")

    assert article.text == "One.\nTwo."


@pytest.mark.parametrize(
    ("links", "url"),
    [
        (
            "<link>https://feeds.example/r/1</link>"
            "<feedburner:origLink>https://quay.example/o</feedburner:origLink>",
            "https://quay.example/o",
        ),
        ('<atom:link href="https://quay.example/a"/>', "https://quay.example/a"),
        ('<atom:link rel="self" href="/s"/><link>https://quay.example/1</link>', "https://quay.example/1"),
        ("<guid>https://quay.example/g</guid>", "https://quay.example/g"),
        ('<guid isPermaLink="false">https://quay.example/g</guid>', URL),
        ("<link>javascript:void(0)</link><guid>https://quay.example/g</guid>", "https://quay.example/g"),
        ("<link>https://quay.example/</link><guid>https://quay.example/g</guid>", "https://quay.example/g"),
        ('<enclosure url="/e.mp3" type="audio/mpeg"/>', "https://quay.example/e.mp3"),
    ],
)  # fmt: skip
def test_link_of_an_rss_item_is_its_page(links, url):
    channel = "<title>Quay Post</title><link>https://quay.example/</link>"

    assert rss(f"<title>Gulls</title>{TEXT}{links}", channel).url == url


@pytest.mark.parametrize(
    "inner",
    [
        "<content:encoded>Full text.</content:encoded><description>Short.</description>",
        '<description>Short.</description><atom:content type="text">Full text.</atom:content>',
        '<body xmlns="http://www.w3.org/1999/xhtml"><p>Full text.</p></body><description>No</description>',
        '<div xmlns="http://www.w3.org/1999/xhtml">Full text.</div>',
        "<content:encoded> </content:encoded><description>Full text.</description>",
        "<content:encoded>&lt;p&gt;&lt;/p&gt;</content:encoded><description>Full text.</description>",
        "<dc:description>Full text.</dc:description>",
        "<itunes:summary>Full text.</itunes:summary>",
        "<googleplay:description>Full text.</googleplay:description><itunes:subtitle>No</itunes:subtitle>",
        "<media:description>Full text.</media:description>",
        "<media:group><media:description>Full text.</media:description></media:group>",
        "<dcterms:abstract>Full text.</dcterms:abstract>",
        "<content:encoded>&lt;img src='/g.jpg'&gt;</content:encoded><description>Full text.</description>",
        "<description>&lt;![CDATA[Full &lt;b&gt;text&lt;/b&gt;.]]&gt;</description>",
    ],
)  # fmt: skip
def test_text_is_the_fullest_that_an_item_has(inner):
    assert rss(f"<title>Gulls</title>{LINK}{inner}").text == "Full text."


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('<content type="html">a &amp;lt; &lt;b&gt;b&lt;/b&gt;</content>', "a < b"),
        ('<content type="text">a &lt;b&gt;</content>', "a <b>"),
        ("<content>One.\n\nTwo.</content>", "One.\n\nTwo."),
        ('<content mode="base64" type="text/html">PGI+R3VsbDwvYj4=</content>', "Gull"),
        ('<content type="application/octet-stream">PGI+R3VsbDwvYj4=</content>', "Gull"),
        ("<content>One <b>gull</b></content>", "One gull"),
        ('<content type="image/png">iVBORw0KGgo=</content><summary>Gulls.</summary>', "Gulls."),
        ('<content src="https://quay.example/v.mp4"/><summary>Gulls.</summary>', "Gulls."),
    ],
)
def test_content_of_atom_follows_its_type(content, text):
    assert atom(f"<title>Gulls</title>{ALTERNATE}{content}").text == text


@pytest.mark.parametrize(
    "time",
    [
        "<pubDate>Wed, 04 Mar 2026 08:30:00 GMT</pubDate>",
        "<dc:date>2026-03-04T08:30:00Z</dc:date>",
        "<dcterms:issued>2026-03-04T08:30:00Z</dcterms:issued>",
        "<dcterms:created>2026-03-04T08:30:00Z</dcterms:created>",
        "<atom:published>2026-03-04T08:30:00Z</atom:published>",
        "<pubDate>soon</pubDate><dc:date>2026-03-04T08:30:00Z</dc:date>",
        "<PUBDATE>Wed, 04 Mar 2026 08:30:00 GMT</PUBDATE>",
    ],
)
def test_publication_time_is_read_in_each_vocabulary(time):
    published = rss_item(time).published_at

    assert published is not None
    assert published.isoformat() == "2026-03-04T08:30:00+00:00"


@pytest.mark.parametrize(
    "time",
    [
        "<atom:updated>2026-03-04T08:30:00Z</atom:updated>",
        "<dcterms:modified>2026-03-04T08:30:00Z</dcterms:modified>",
    ],
)
def test_time_of_a_change_is_no_publication_time(time):
    article = rss_item(time)

    assert article.updated_at is not None
    assert article.updated_at.isoformat() == "2026-03-04T08:30:00+00:00"
    assert article.published_at is None


def test_categories_are_those_of_the_item():
    article = rss_item(
        '<category>Ti&lt;b&gt;de&lt;/b&gt;</category><dc:subject>Gulls</dc:subject><atom:category term="Boats" label=" "/>'
        '<media:category label="Rope">r</media:category><itunes:keywords>salt, Tide</itunes:keywords>'
        '<itunes:category text="Sea"><itunes:category text="Deep sea"/></itunes:category>',
        "<category>Feed</category>",
    )

    assert article.tags == ("Tide", "Boats", "Gulls", "Rope", "Sea", "Deep sea", "salt")


@pytest.mark.parametrize(
    "namespace",
    [
        'xmlns:dc="http://purl.org/dc/elements/1.0/"',
        'xmlns:dc="HTTP://PURL.ORG/DC/ELEMENTS/1.1"',
        'xmlns:dc="https://nowhere.example/unknown"',
        "",
    ],
)
def test_namespace_is_known_in_each_spelling(namespace):
    (article,) = read(
        f"<rss {namespace}><channel><item><title>Gulls</title>{LINK}{TEXT}"
        "<dc:creator>Mara Quill</dc:creator></item></channel></rss>"
    )

    assert article.authors == ("Mara Quill",)


def test_prefix_of_another_name_is_read_by_its_namespace():
    (article,) = read(
        '<x:feed xmlns:x="http://purl.org/atom/ns#"><x:entry><x:title>Gulls</x:title>'
        '<x:link rel="alternate" href="/1"/><x:issued>2026-03-04T08:30:00Z</x:issued>'
        '<x:content mode="escaped" type="text/html">&lt;p&gt;Gulls return.&lt;/p&gt;</x:content>'
        "</x:entry></x:feed>"
    )

    assert (article.title, article.url, article.text) == (
        "Gulls",
        "https://quay.example/1",
        "Gulls return.",
    )
    assert article.published_at is not None


@pytest.mark.parametrize(
    "text",
    [
        f"<RSS><CHANNEL><ITEM><TITLE>Gulls</TITLE>{LINK.upper()}{TEXT.upper()}</ITEM></CHANNEL></RSS>",
        f"<rss><channel><Item><title>Gulls</Title>{LINK}{TEXT}</item></channel></rss>",
        f"<rss><item><title>Gulls</title>{LINK}{TEXT}</item></rss>",
    ],
)
def test_names_in_another_case_and_place_are_read(text):
    (article,) = read(text)

    assert article.title.lower() == "gulls"


def json_feed(*items: object, **feed: object) -> str:
    return json.dumps(
        {"version": "https://jsonfeed.org/version/1.1", "title": "Quay Post", "items": items} | feed
    )


@pytest.mark.parametrize("content_type", ["application/feed+json", "text/xml", "text/plain", ""])
def test_json_feed_is_read_by_its_content(content_type):
    item = {
        "id": "urn:1",
        "url": "/1",
        "title": "A < b",
        "content_html": "<p>Gulls <img src='g.jpg'></p>",
        "date_published": "2026-03-04T09:30:00+01:00",
        "date_modified": "2026-03-05T09:30:00Z",
        "authors": [{"name": "Mara Quill"}, {"url": "https://quay.example/odo"}],
        "tags": ["Tide", "Tide", 4],
        "language": "en",
    }

    (article,) = read(json_feed(item, home_page_url="https://quay.example/"), content_type)

    assert (article.title, article.url, article.publisher) == (
        "A < b",
        "https://quay.example/1",
        "Quay Post",
    )
    assert (article.authors, article.tags, article.language) == (("Mara Quill",), ("Tide",), "en")
    assert (article.lead_image, article.text) == ("https://quay.example/g.jpg", "Gulls")
    assert article.published_at is not None
    assert article.updated_at is not None


@pytest.mark.parametrize(
    ("item", "feed", "expected"),
    [
        ({"author": {"name": "Mara Quill"}}, {}, {"authors": ("Mara Quill",)}),
        ({"authors": {"name": "Mara Quill"}}, {}, {"authors": ("Mara Quill",)}),
        ({}, {"authors": [{"name": "Mara Quill"}]}, {"authors": ("Mara Quill",)}),
        ({"banner_image": "/b.jpg"}, {}, {"lead_image": "https://quay.example/b.jpg"}),
        (
            {"attachments": [{"url": "/a.jpg", "mime_type": "image/jpeg"}]},
            {},
            {"lead_image": "https://quay.example/a.jpg"},
        ),
        ({"url": None, "external_url": "https://buoy.example/1"}, {}, {"url": "https://buoy.example/1"}),
        ({"url": None, "id": "https://quay.example/9"}, {}, {"url": "https://quay.example/9"}),
        ({"content_text": "x < y\n\nTwo."}, {}, {"text": "x < y\n\nTwo."}),
        ({"summary": "Only a summary."}, {}, {"text": "Only a summary."}),
        ({}, {"language": "en_GB"}, {"language": "en-GB"}),
        ({"tags": "no list", "authors": None, "title": " A\nb "}, {}, {"title": "A b", "tags": ()}),
        ({"id": 17}, {}, {"title": "Gulls"}),
    ],
)  # fmt: skip
def test_json_feed_of_both_versions_is_read(item, feed, expected):
    whole = {"id": "1", "url": "https://quay.example/1", "title": "Gulls"}
    text = {} if {"content_text", "summary"} & set(item) else {"content_text": "Gulls return."}

    (article,) = read(json_feed({**whole, **text, **item}, **feed))

    assert {name: getattr(article, name) for name in expected} == expected


def test_item_of_a_json_feed_that_is_no_object_costs_only_itself():
    whole = {"id": "1", "url": "/1", "title": "Gulls", "content_text": "Gulls return."}
    text = json_feed("no item", whole)

    found, bad = feeds_peers.articles(text.encode(), "", URL)

    assert ([article.title for article in found], len(bad)) == (["Gulls"], 1)


ROOTS = {
    "rss 0.90": '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns="http://my.netscape.com/rdf/simple/0.9/" {0}><item>{1}</item></rdf:RDF>',
    "rss 0.91": '<!DOCTYPE rss SYSTEM "http://my.netscape.com/publish/formats/rss-0.91.dtd">'
    "<rss version='0.91' {0}><channel><item>{1}</item></channel></rss>",
    "rss 1.0": '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns="http://purl.org/rss/1.0/" {0}><item>{1}</item></rdf:RDF>',
    "rss 2.0": "<rss version='2.0' {0}><channel><item>{1}</item></channel></rss>",
    "rss of another namespace": "<rss xmlns='https://rss.example/' {0}><item>{1}</item></rss>",
    "atom 0.3": '<feed version="0.3" xmlns="http://purl.org/atom/ns#" {0}><entry>{1}</entry></feed>',
    "atom 1.0": '<feed xmlns="http://www.w3.org/2005/Atom" {0}><entry>{1}</entry></feed>',
    "one entry": '<entry xmlns="http://www.w3.org/2005/Atom" {0}>{1}</entry>',
}
VOCABULARIES = {
    "atom 0.3": (
        'xmlns:a="http://purl.org/atom/ns#"',
        '<a:title>Gulls</a:title><a:link rel="alternate" href="https://quay.example/1"/>'
        "<a:id>urn:1</a:id><a:issued>2026-03-04T08:30:00Z</a:issued><a:summary>Gulls.</a:summary>"
        "<a:modified>2026-03-05T08:30:00Z</a:modified>"
        "<a:author><a:name>Mara Quill</a:name></a:author>",
    ),
    "atom 1.0": (
        'xmlns:a="http://www.w3.org/2005/Atom"',
        '<a:title>Gulls</a:title><a:link href="https://quay.example/1"/><a:id>urn:1</a:id>'
        "<a:published>2026-03-04T08:30:00Z</a:published><a:content>Gulls.</a:content>"
        "<a:updated>2026-03-05T08:30:00Z</a:updated>"
        "<a:author><a:name>Mara Quill</a:name></a:author>",
    ),
    "dublin core 1.0": (
        'xmlns:d="http://purl.org/dc/elements/1.0/" xmlns:t="http://purl.org/dc/terms/"',
        "<d:title>Gulls</d:title><d:identifier>https://quay.example/1</d:identifier>"
        "<d:date>2026-03-04T08:30:00Z</d:date><t:modified>2026-03-05T08:30:00Z</t:modified>"
        "<d:description>Gulls.</d:description><d:creator>Mara Quill</d:creator>",
    ),
    "dublin core 1.1": (
        'xmlns:d="http://purl.org/dc/elements/1.1/" xmlns:t=" http://purl.org/dc/terms "',
        "<d:title>Gulls</d:title><d:identifier>https://quay.example/1</d:identifier>"
        "<d:date>2026-03-04T08:30:00Z</d:date><t:modified>2026-03-05T08:30:00Z</t:modified>"
        "<d:description>Gulls.</d:description><d:creator>Mara Quill</d:creator>",
    ),
}


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("root", ROOTS)
def test_each_vocabulary_is_read_in_each_format(root, vocabulary):
    (article,) = read(ROOTS[root].format(*VOCABULARIES[vocabulary]))

    assert (article.title, article.url, article.text, article.authors) == (
        "Gulls",
        "https://quay.example/1",
        "Gulls.",
        ("Mara Quill",),
    )
    assert article.published_at is not None
    assert article.updated_at is not None
    assert (article.published_at.day, article.updated_at.day) == (4, 5)
