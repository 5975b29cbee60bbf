"""Feeds: every format, repairs, broken items and truncated feeds."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import BadListing, LayoutChanged
from parsers.feeds import MAX_ITEMS, Feed, FeedItem, parse_feed
from parsers.text import charset
from tests.corpus import CORPUS, needs_corpus

FEEDS = CORPUS / "feeds"
HERE = "https://gazette.example/feed.xml"


def rss(items: str, channel: str = "<title>T</title><link>https://gazette.example/</link>") -> str:
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{channel}{items}</channel></rss>'


def numbered(count: int) -> str:
    return "".join(
        f"<item><title>t{n}</title><link>/{n}</link>"
        f"<description><![CDATA[<p>item {n}</item> & more</p>]]></description></item>"
        for n in range(count)
    )


def only(text: str) -> FeedItem:
    (item,) = parse_feed(text, HERE).items
    return item


def titles(feed: Feed) -> list[str]:
    return [item.title for item in feed.items]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "an empty document"),
        ("\ufeff \n", "an empty document"),
        ('{"entries": []}', '{"entries": []}'),
        ("{broken", "{broken"),
        (
            "<!DOCTYPE html><html><head><title>Error 500</title></head></html>",
            "an HTML page titled 'Error 500'",
        ),
        ('<?xml version="1.0"?><urlset><url/></urlset>', "a document whose root is <urlset>"),
        ("<!-- never closed <rss>", "an empty document"),
    ],
)
def test_other_documents_than_feeds_are_refused(text, found):
    with pytest.raises(BadListing) as caught:
        parse_feed(text, HERE)

    assert caught.value.found == found


def test_rss_item_gives_every_field():
    item = only(
        '\ufeff\n<?xml version="1.0" encoding="gb2312"?>\n'
        '<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/">'
        "<channel><link>https://gazette.example/news/</link><item>"
        "<media:title>no</media:title><title> 渡轮 \n恢复 </title><link>1.html</link><guid>g1</guid>"
        "<pubDate>Thu, 26 May 2022 09:30:00 +0800</pubDate><dc:creator>甲</dc:creator>"
        "<category>港口</category><category>港口</category><description>摘要</description>"
        "<content:encoded><![CDATA[<p>正文</p>]]></content:encoded></item></channel></rss>"
    )

    assert item == FeedItem(
        title="渡轮 恢复",
        link="https://gazette.example/news/1.html",
        guid="g1",
        published_raw="Thu, 26 May 2022 09:30:00 +0800",
        updated_raw="",
        authors=("甲",),
        categories=("港口",),
        publisher="",
        language="",
        image="",
        base="",
        description="摘要",
        content="<p>正文</p>",
        raw=item.raw,
    )
    assert item.raw.startswith("<item")


def test_atom_entry_gives_every_field():
    item = only(
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:base="/a/"><title>T</title>'
        '<entry xml:base="b/"><title type="html">x &amp;lt; &lt;b&gt;y&lt;/b&gt;</title>'
        '<link rel="self" href="no"/><link href="1"/><id>urn:1</id><published>2022-05-26T09:30:00Z</published>'
        "<updated>2022-05-27T00:00:00Z</updated><author><name>甲</name></author>"
        '<category term="energy" label="能源"/><summary>摘要</summary>'
        '<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>正文<br/></p></div></content>'
        "</entry></feed>"
    )

    assert (item.title, item.link, item.guid) == (
        "x &lt; y",
        "https://gazette.example/a/b/1",
        "urn:1",
    )
    assert (item.published_raw, item.updated_raw) == (
        "2022-05-26T09:30:00Z",
        "2022-05-27T00:00:00Z",
    )
    assert (item.authors, item.categories) == (("甲",), ("能源",))
    assert (item.description, item.content) == ("摘要", "<div><p>正文<br></p></div>")


def test_atom_text_is_escaped():
    item = only(
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title type="text">a &lt;b&gt;</title>'
        '<content type="text">1 &lt; 2</content></entry></feed>'
    )

    assert (item.title, item.content) == ("a &lt;b&gt;", "1 &lt; 2")


def test_rdf_items_beside_the_channel_are_read():
    feed = parse_feed(
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">'
        '<channel rdf:about="x"><title>T</title><link>https://gazette.example/</link></channel>'
        '<item rdf:about="https://gazette.example/1"><title>a</title><link>1</link></item></rdf:RDF>'
    )

    assert [(item.title, item.link, item.guid) for item in feed.items] == [
        ("a", "https://gazette.example/1", "https://gazette.example/1")
    ]


@pytest.mark.parametrize(
    ("guid", "link"),
    [
        ("<guid>https://gazette.example/1</guid>", "https://gazette.example/1"),
        ('<guid isPermaLink="false">https://gazette.example/1</guid>', ""),
        ("<guid>g-1</guid>", ""),
    ],
)
def test_guid_replaces_a_missing_link_only_if_it_is_a_url(guid, link):
    assert only(rss(f"<item><title>a</title>{guid}</item>")).link == link


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("A &amp; B", "A & B"),
        ("A & B", "A & B"),
        ("A&nbsp;&mdash;&hellip;", "A —…"),
        ("A &nosuch; &;", "A &nosuch; &;"),
        ("&#0;&#xD800;&#x1F600;&#99999999;", "\ufffd\ufffd😀\ufffd"),
        ("a\x0b\x00b", "ab"),
        ("&#145;a&#x92; \x93b\x94 &#129;", "‘a’ “b” \x81"),
        ("<![CDATA[a & &nbsp; b]]>", "a & &nbsp; b"),
    ],
)
def test_invalid_xml_is_repaired_without_loss(written, read):
    assert only(rss(f"<item><title>{written}</title></item>")).title == read


def test_undeclared_prefixes_are_read():
    item = only(rss("<item><title>a</title><dc:creator>甲</dc:creator><foo:bar z:q='1'/></item>"))

    assert (item.title, item.authors) == ("a", ("甲",))


def test_document_type_of_old_rss_is_ignored():
    doctype = (
        '<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://gazette.example/rss.dtd">'
    )

    assert titles(parse_feed(doctype + rss(numbered(2)))) == ["t0", "t1"]


@pytest.mark.parametrize(
    ("declaration", "read"),
    [
        ('<!ENTITY org "Quay &amp; Co">', "Quay & Co news"),
        ("<!ENTITY other 'x'><!ENTITY org '&#233;t&#xe9;'>", "été news"),
        ('<!ENTITY org "">', "news"),
        ("", "&org; news"),
    ],
)
def test_entity_that_is_a_short_text_is_read(declaration, read):
    doctype = f"<!DOCTYPE rss [\n{declaration}\n]>"

    assert titles(parse_feed(f"{doctype}{rss('<item><title>&org; news</title></item>')}")) == [read]


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">',
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;',
        '<!ENTITY a "]>">',
    ],
)
def test_document_that_declares_entities_is_refused(declaration):
    with pytest.raises(BadListing, match="without entity declarations"):
        parse_feed(f"<?xml version='1.0'?><!DOCTYPE rss [{declaration}]>{rss('')}")


def test_truncated_feed_always_has_a_broken_item():
    text = rss(numbered(4))
    whole = parse_feed(text, HERE)
    read = 0
    for cut in range(len(text)):
        try:
            feed = parse_feed(text[:cut], HERE)
        except BadListing:
            continue
        assert any(bad.error.expected == "the end of the root element" for bad in feed.broken), cut
        assert feed.items == whole.items[: len(feed.items)], cut
        read += 1

    assert read > 300


def test_item_that_cannot_be_repaired_costs_only_itself():
    broken = numbered(4).replace("<title>t2</title>", "<title>t2</title><!-- a -- b -->")

    feed = parse_feed(rss(broken), HERE)

    assert titles(feed) == ["t0", "t1", "t3"]
    assert [(type(bad.error), "t2" in bad.raw) for bad in feed.broken] == [(LayoutChanged, True)]
    assert (feed.title, feed.link) == ("T", "https://gazette.example/")


@pytest.mark.parametrize(
    ("written", "broken"),
    [
        ("<title>t1</title>", "<title>t1<br></title>"),
        ("<title>t1</title>", "<title>t1</b></title></title>"),
        ("<title>t1</title>", "<title>t1"),
        ("<title>t1</title>", "<Title>t1</TITLE>"),
        ("<title>t1</title>", "<title>t1</title><media:x a=1 a='2' b c=\"<\"/>"),
        ("<title>t1</title>", "<title>t1</title><p>a < b <i>c</p> ]]>"),
        ("</item><item><title>t2", "<item><title>t2"),
        ("<item><title>t1", "</channel><item><title>t1"),
        ("<item><title>t1", '<item foo="><title>t1'),
        ("<item><title>t1", "<item><p><title>t1"),
        ("<item><title>t1", "<item <title>t1"),
        ('<rss version="2.0">', '<rss version="2.0" version=2.0 a>'),
        ('<rss version="2.0">', '<rss version="2.0" xmlns:a="" xmlns:b=" x y " xmlns="{}">'),
    ],
)
def test_broken_markup_of_an_item_costs_no_item(written, broken):
    feed = parse_feed(rss(numbered(4).replace(written, broken)), HERE)

    assert titles(feed) == ["t0", "t1", "t2", "t3"]
    assert [item.description for item in feed.items] == [
        f"<p>item {n}</item> & more</p>" for n in range(4)
    ]
    assert feed.broken == ()


def test_text_after_the_root_is_ignored():
    feed = parse_feed(rss(numbered(2)) + "<script>track()</script>", HERE)

    assert (titles(feed), feed.broken) == (["t0", "t1"], ())


def test_too_many_items_are_refused():
    with pytest.raises(BadListing, match=f"at most {MAX_ITEMS} items"):
        parse_feed(rss("<item/>" * (MAX_ITEMS + 1)))


@pytest.mark.parametrize(
    "text",
    [
        "<rss>" + "<a>" * 50_000 + "</a>" * 50_000 + "</rss>",
        "<rss>" + "<item>" * 100_000,
        "<rss><channel><item><title>x" + "<![CDATA[" * 100_000,
        "<rss>" + "".join(f"<p{n}:a/>" for n in range(20_000)) + "</rss>",
        "<!--" * 100_000,
        "<rss " + "a='" * 100_000,
        "<rss>" + "<![CDATA[" * 100_000,
        "<!DOCTYPE rss [" + "".join(f"<!ENTITY a{n} 'x'>" for n in range(20_000)) + "]><rss></rss>",
        "<!DOCTYPE rss [<!ENTITY a '" + "x" * 200 + "'>]><rss>" + "&a;" * 100_000 + "</rss>",
    ],
    ids=[
        "deep",
        "unclosed",
        "cdata",
        "prefixes",
        "comments",
        "attributes",
        "no_item",
        "entities",
        "expansion",
    ],
)
def test_hostile_document_is_refused_at_once(text):
    started = time.perf_counter()

    with pytest.raises(BadListing):
        parse_feed(text)

    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("item", [1, 3])
def test_cdata_section_without_an_end_hides_no_item(item):
    items = "".join(
        f"<item><title>t{n}</title><description><![CDATA[<p>item {n}</p>]]></description></item>"
        for n in range(4)
    )

    feed = parse_feed(rss(items.replace(f"item {item}</p>]]>", f"item {item}</p>")), HERE)

    assert [item.description for item in feed.items] == [f"<p>item {n}</p>" for n in range(4)]


@pytest.mark.parametrize(
    "inner",
    [
        "<p>" * 30_000 + "</q>" * 30_000,
        "<title>" + "&lt;!--" * 30_000,
        "&lt;b>" * 30_000,
        "<a><![CDATA[</a></item><item>" * 2_000,
    ],
    ids=["end_tags", "comments", "elements", "sections"],
)
def test_hostile_item_takes_no_time(inner):
    started = time.process_time()

    parse_feed(rss(f"<item><title>{inner}</item>{numbered(1)}"), HERE)

    assert time.process_time() - started < 2


@given(
    place=st.integers(0, 2000),
    token=st.sampled_from(["<", ">", "&", "]]>", "<item>", "</item>", '"', "\x00"]),
)
def test_damaged_feed_is_parsed_or_refused_without_another_exception(place, token):
    whole = rss(numbered(6))
    at = place % len(whole)
    try:
        feed = parse_feed(whole[:at] + token + whole[at + 1 :], HERE)
    except BadListing:
        return

    assert len(feed.items) + len(feed.broken) >= 5


@needs_corpus
def test_every_feed_of_the_corpus_is_read_or_refused_by_name():
    refused = {}
    for file in sorted(FEEDS.glob("*/*.*")):
        text = charset.decode(file.read_bytes(), "").text
        try:
            feed = parse_feed(text, HERE)
        except BadListing as error:
            refused[file.name] = error.found
        else:
            assert feed.broken == (), file.name

    assert refused == {
        "_chromium_gb18030_with_no_encoding_specified.html.xml": "an HTML page titled '中国制造的领军者3名'",
        "feed-sample1.xml": "a document whose root is <products>",
        "public_transport_agent.xml": "an HTML page",
    }
