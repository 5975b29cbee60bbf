"""Sitemaps: every form, the faults of publishers, and the source that reads them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from parsers import registry
from parsers.errors import BadListing
from parsers.model import BadEntry, Entry, Listing, Page, Source
from parsers.sitemaps import parse_sitemap, robots_sitemaps
from parsers.sitemaps.model import MAX_ENTRIES
from parsers.sources._linked import period_in_name, site_of

BASE = "https://gazette.example/sitemap.xml"
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
NEWS = "http://www.google.com/schemas/sitemap-news/0.9"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def urlset(*items: str, attributes: str = f'xmlns="{SITEMAP}"') -> str:
    return f"<?xml version='1.0'?><urlset {attributes}>{''.join(items)}</urlset>"


def url(path: str, inner: str = "") -> str:
    return f"<url><loc>https://gazette.example/{path}</loc>{inner}</url>"


def addresses(text: str) -> list[str]:
    return [one.url for one in parse_sitemap(text, BASE).entries]


# -- forms ---------------------------------------------------------------------------------


def test_news_sitemap_has_title_time_and_publication():
    news = (
        "<news:news><news:publication><news:name>Harbour &amp; Gazette</news:name>"
        "<news:language>en</news:language></news:publication>"
        "<news:publication_date>2026-11-30T08:00+01:00</news:publication_date>"
        "<news:title>Ferry returns</news:title><news:keywords>harbour, ships</news:keywords></news:news>"
        "<image:image><image:loc>https://gazette.example/a.jpg</image:loc>"
        "<image:title>A ferry</image:title></image:image>"
    )
    names = f'xmlns="{SITEMAP}" xmlns:news="{NEWS}" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'

    (entry,) = parse_sitemap(urlset(url("a", news), attributes=names), BASE).entries

    assert (entry.title, entry.publisher, entry.language) == (
        "Ferry returns",
        "Harbour & Gazette",
        "en",
    )
    assert entry.published_raw == "2026-11-30T08:00+01:00"
    assert (entry.keywords, entry.image) == ("harbour, ships", "https://gazette.example/a.jpg")


def test_index_names_files_with_their_changes():
    text = f"<sitemapindex xmlns='{SITEMAP}'><sitemap><loc>/a.xml.gz</loc><lastmod>2026-11-30</lastmod></sitemap><sitemap><loc>https://gazette.example/b.xml</loc></sitemap></sitemapindex>"

    found = parse_sitemap(text, BASE)

    assert [(one.url, one.changed_raw) for one in found.files] == [
        ("https://gazette.example/a.xml.gz", "2026-11-30"),
        ("https://gazette.example/b.xml", ""),
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (urlset(url("a")), "urlset"),
        ("\ufeff\n " + urlset(url("a")), "urlset"),
        (urlset(url("a"), attributes=""), "urlset"),
        (urlset(url("a"), attributes="xmlns='http://www.google.com/schemas/sitemap/0.84'"), "urlset"),
        (f"<s:urlset xmlns:s='{SITEMAP}'><s:url><s:loc>https://gazette.example/a</s:loc></s:url></s:urlset>", "urlset"),
        ("https://gazette.example/a\nnot an address\n\n", "text"),
        ("<rss version='2.0'><channel><item><title>A</title><link>https://gazette.example/a</link></item></channel></rss>", "feed"),
    ],
)  # fmt: skip
def test_root_decides_about_the_form(text, kind):
    found = parse_sitemap(text, BASE)

    assert (found.kind, [one.url for one in found.entries]) == (kind, ["https://gazette.example/a"])


@pytest.mark.parametrize(
    ("loc", "expected"),
    [
        ("\n  https://gazette.example/a \n", "https://gazette.example/a"),
        ("<![CDATA[https://gazette.example/a?b=1&c=2]]>", "https://gazette.example/a?b=1&c=2"),
        ("https://gazette.example/a?b=1&amp;c=2", "https://gazette.example/a?b=1&c=2"),
        ("https://gazette.example/a?b=1&amp;amp;c=2", "https://gazette.example/a?b=1&c=2"),
        ("https://gazette.example/a?b=1&c=2", "https://gazette.example/a?b=1&c=2"),
        ("/a#part", "https://gazette.example/a"),
    ],
)
def test_address_is_mended(loc, expected):
    assert addresses(urlset(f"<url><loc>{loc}</loc></url>")) == [expected]


def test_address_that_is_none_is_counted_and_a_repeated_one_counts_once():
    found = parse_sitemap(
        urlset(url("a"), "<url><loc>mailto:a@b.example</loc></url>", "<url></url>", url("a")), BASE
    )

    assert ([one.url for one in found.entries], found.skipped) == (["https://gazette.example/a"], 2)


# -- faults --------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [len("</urlset>"), 20, 60])
def test_truncated_file_keeps_every_whole_address_and_reports_the_cut(cut):
    text = urlset(*(url(str(n)) for n in range(20)))[:-cut]

    found = parse_sitemap(text, BASE)

    assert len(found.entries) in {18, 19, 20}
    assert all(one.url.rpartition("/")[2].isdigit() for one in found.entries)
    assert [type(error) for _, error in found.broken] == [BadListing]


def test_broken_address_costs_only_itself():
    text = urlset(url("a"), "<url><loc>https://gazette.example/<b></loc></url>", url("c"))

    found = parse_sitemap(text, BASE)

    assert [one.url for one in found.entries] == [
        "https://gazette.example/a",
        "https://gazette.example/c",
    ]
    assert len(found.broken) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<!doctype html><html><head><title>Gazette</title></head></html>", "an HTML page titled 'Gazette'"),
        ("", "an empty document"),
        ("404 not found", "text that begins with '404 not found'"),
        ("<opml><body/></opml>", "a document whose root is <opml>"),
        ("{}", "text that begins with '{}'"),
    ],
)  # fmt: skip
def test_other_document_is_refused_with_what_it_is(text, found):
    with pytest.raises(BadListing) as caught:
        parse_sitemap(text, BASE)

    assert caught.value.found == found


def test_entity_bomb_and_too_many_addresses_are_refused():
    bomb = '<!DOCTYPE a [<!ENTITY a "&b;&b;"><!ENTITY b "&c;&c;">]>' + urlset(url("&a;"))
    many = "\n".join(f"https://gazette.example/{n}" for n in range(MAX_ENTRIES + 1))

    for text in (bomb, many):
        with pytest.raises(BadListing):
            parse_sitemap(text, BASE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\ufeffsitemap:https://a.example/s.xml  # new\nSITEMAP : /b.xml\n Sitemap: /b.xml", ["https://a.example/s.xml", "https://gazette.example/b.xml"]),
        ("User-agent: *\nDisallow: /\rSitemap: https://a.example/s.xml", ["https://a.example/s.xml"]),
        ("User-agent: *\nSitemap:\nSitemap: javascript:x", []),
        ("<html>Sitemap: https://a.example/s.xml</html>", []),
        ("# comment\n" * 100_000, []),
        ("", []),
    ],
)  # fmt: skip
def test_robots_names_its_sitemaps(text, expected):
    assert list(robots_sitemaps(text, "https://gazette.example/robots.txt")) == expected


# -- the source ----------------------------------------------------------------------------


def source(**options: object) -> Source:
    return registry.make_source("gazette", "sitemap", {"url": BASE, **options})


def read(text: str, *, listing: Listing | None = None, **options: object):
    found = source(**options)
    listing = listing or found.parser.listings(found)[0]
    return registry.read_listing(found, listing, Page(url=listing.url, text=text, fetched_at=NOW))


def paths(text: str, **options: object) -> list[str]:
    entries = read(text, **options).entries
    return [one.url.split("/", 3)[3] for one in entries if isinstance(one, Entry)]


def test_patterns_choose_the_paths():
    text = urlset(url("news/1"), url("news/video/2"), url("about"), url("news/3?page=2"))

    assert paths(text, include=["/news/*"], exclude=["*/video/*", "*?page=*"]) == ["news/1"]


def test_addresses_of_other_sites_are_left_out_with_a_note():
    text = urlset(
        url("a"),
        "<url><loc>https://www.gazette.example/b</loc></url>",
        "<url><loc>https://sport.gazette.example/c</loc></url>",
        "<url><loc>https://other.example/d</loc></url>",
    )

    assert paths(text) == ["a", "b", "c"]
    assert "1 addresses of other sites" in read(text).notes[0]
    assert paths(text, allowed_domains=["other.example"]) == ["a", "b", "c", "d"]


def test_last_change_is_no_publication_and_the_time_of_the_build_is_no_change():
    single = urlset(url("2026/11/29/a", "<lastmod>2026-11-30</lastmod>"))
    built = urlset(*(url(str(n), "<lastmod>2026-11-30</lastmod>") for n in range(10)))

    (entry,) = read(single).entries

    assert isinstance(entry, Entry)
    assert entry.facts == {"updated": "2026-11-30", "day": "2026-11-29"}
    assert [dict(one.facts) for one in read(built).entries if isinstance(one, Entry)] == [{}] * 10


def test_files_of_an_index_come_newest_first_and_end_at_a_depth():
    files = (
        ("2026-09.xml", ""),
        ("2026-11.xml", ""),
        ("new.xml", "2026-11-30T10:00:00Z"),
        ("old.xml", "2024-01-01"),
    )
    text = f"<sitemapindex>{''.join(f'<sitemap><loc>/{n}</loc><lastmod>{at}</lastmod></sitemap>' for n, at in files)}</sitemapindex>"

    found = read(text).listings

    names = [one.url.rpartition("/")[2] for one in found]
    assert names == ["new.xml", "old.xml", "2026-11.xml", "2026-09.xml"]
    assert found[0].changed_at == datetime(2026, 11, 30, 10, tzinfo=UTC)
    assert found[1].changed_at == datetime(2024, 1, 2, tzinfo=UTC)
    assert (found[0].depth, found[0].is_archive) == (1, True)
    deep = Listing(channel="sitemap", url=BASE, depth=11)
    assert read(text, listing=deep).listings == ()


def test_cut_file_has_a_bad_entry():
    text = urlset(url("a"), url("b"))

    kinds = {tuple(type(one) for one in read(text[:-cut]).entries) for cut in range(16, 40)}

    assert kinds == {(Entry, BadEntry)}


def test_what_the_sitemap_knows_completes_the_page():
    words = "The ferry came back to the harbour on Thursday, a year after the storm. " * 4
    text = f"<html><head><title>Ferry returns</title></head><body><h1>Ferry returns</h1><p>{words}</p></body></html>"
    names = f'xmlns="{SITEMAP}" xmlns:n="{NEWS}"'
    news = "<n:news><n:publication><n:name>Gazette</n:name><n:language>en</n:language></n:publication><n:publication_date>2026-11-30T08:00:00Z</n:publication_date><n:title>Ferry returns</n:title></n:news>"
    (entry,) = read(urlset(url("a", news), attributes=names)).entries
    assert isinstance(entry, Entry)

    article = registry.parse(source(), Page(url=entry.url, text=text, fetched_at=NOW, entry=entry))

    assert article.article_id == "gazette:https://gazette.example/a"
    assert article.published_at == datetime(2026, 11, 30, 8, tzinfo=UTC)
    assert (article.publisher, article.language) == ("Gazette", "en")
    assert article.provenance["published_at"] == "sitemap:time of its publication"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sitemap-2026-02.xml", (date(2026, 2, 1), date(2026, 2, 28))),
        ("sitemap_202612.xml.gz", (date(2026, 12, 1), date(2026, 12, 31))),
        ("sitemap.xml?yyyy=2024&mm=02", (date(2024, 1, 1), date(2024, 12, 31))),
        ("2026/11/30.xml", (date(2026, 11, 30), date(2026, 11, 30))),
        ("posts-1.xml", None),
        ("20269999.xml", None),
    ],
)
def test_name_of_a_file_gives_its_period(name, expected):
    assert period_in_name(f"https://gazette.example/{name}") == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("www.gazette.example", "gazette.example"),
        ("sport.gazette.co.uk", "gazette.co.uk"),
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
    ],
)
def test_subdomains_are_one_site(host, expected):
    assert site_of(host) == expected
