"""Namespaces and spellings: each vocabulary is read in each format of feeds."""

from __future__ import annotations

import pytest

from tests.unit.parsers.feed_documents import LINK, TEXT, read


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
