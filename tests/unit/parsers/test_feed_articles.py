"""Articles of feeds: each kind of value from each vocabulary that publishers use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parsers import registry
from parsers.model import Entry, Page
from tests import feeds_peers
from tests.unit.parsers.feed_documents import (
    ALTERNATE,
    LINK,
    TEXT,
    URL,
    atom,
    atom_entry,
    rss,
    rss_item,
)


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
