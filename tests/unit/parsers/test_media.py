"""Articles of media alone, and the media of any article: feeds, pages, hashes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html import escape

import pytest
from bs4 import BeautifulSoup

from parsers import registry
from parsers.content_hash import content_hash
from parsers.errors import IncompleteArticle, WrongPage
from parsers.html.clean import clean_body
from parsers.identity import digest
from parsers.media import distinct_media, media_of, player, seconds_of
from parsers.model import Article, Entry, Media, Page
from tests import feeds_peers
from tests.unit.parsers.feed_documents import LINK, NAMESPACES, atom, read, rss, rss_item
from tests.unit.parsers.test_json_feed import json_feed

URL = "https://quay.example/2026/evening"
MP3 = "https://cdn.example/1.mp3"
PICTURE = Media(kind="picture", url="https://quay.example/a.jpg")


# --- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "declared", "kind", "page"),
    [
        (MP3, {}, "audio", MP3),
        ("https://x.example/a.MP4?t=1", {}, "video", "https://x.example/a.MP4?t=1"),
        ("https://x.example/640?fmt=png", {"mime": "image/png"}, "picture", "https://x.example/640?fmt=png"),
        ("https://x.example/s", {"kind": "audio"}, "audio", "https://x.example/s"),
        (MP3, {"mime": "application/octet-stream"}, "audio", MP3),
        ("https://www.youtube.com/embed/abc_12-3?rel=0", {}, "video", "https://www.youtube.com/watch?v=abc_12-3"),
        ("https://www.youtube.com/v/abcdef1?version=3", {"mime": "application/x-shockwave-flash"}, "video", "https://www.youtube.com/watch?v=abcdef1"),
        ("https://player.bilibili.com/player.html?bvid=BV1x&page=1", {}, "video", "https://www.bilibili.com/video/BV1x"),
        ("https://v.qq.com/txp/iframe/player.html?vid=k0x", {}, "video", "https://v.qq.com/x/page/k0x.html"),
        ("https://player.vimeo.com/video/12", {}, "video", "https://vimeo.com/12"),
        ("https://w.soundcloud.com/player/?url=1", {}, "audio", "https://w.soundcloud.com/player/?url=1"),
        ("https://peer.example/videos/embed/1", {}, "video", "https://peer.example/videos/embed/1"),
    ],
)  # fmt: skip
def test_kind_is_declared_or_that_of_the_address(url, declared, kind, page):
    found = media_of(url, **declared)

    assert (found.kind, found.url) == (kind, page)


@pytest.mark.parametrize(
    ("url", "declared"),
    [
        ("https://x.example/a.pdf", {"mime": "application/pdf"}),
        ("https://x.example/map", {}),
        ("https://evil.example/x.youtube.com/embed/abcdef1", {}),
        ("https://notyoutube.com/embed/abcdef1", {}),
        ("https://x.example/a", {"kind": "document"}),
    ],
)
def test_other_files_and_documents_are_no_media(url, declared):
    assert media_of(url, **declared) is None


@pytest.mark.parametrize(
    ("declared", "seconds"),
    [
        ("90", 90.0), ("1:30", 90.0), ("01:02:03", 3723.0), ("0:00:07.5", 7.5), ("PT1M30S", 90.0), ("P1DT1S", 86401.0),
        ("0", None), ("", None), ("soon", None), ("PT", None), ("-5", None), ("99999999", None),
    ],
)  # fmt: skip
def test_duration_in_seconds(declared, seconds):
    assert seconds_of(declared) == seconds


@pytest.mark.parametrize(("declared", "length"), [("12", 12), ("0", None), ("", None), ("x", None), ("²", None), ("9" * 30, None)])  # fmt: skip
def test_length_is_a_number_of_bytes(declared, length):
    assert media_of(MP3, length=declared).length == length


def test_one_file_with_two_addresses_is_one_medium_with_all_that_is_declared():
    found = distinct_media(
        [
            Media(kind="audio", url=MP3 + "?session=1", length=5),
            Media(kind="audio", url=MP3.replace("https", "http"), type="audio/mpeg", length=6, duration=9),
            Media(kind="picture", url="https://x.example/?id=1"),
            Media(kind="picture", url="https://x.example/?id=2"),
        ]
    )  # fmt: skip

    first = Media(kind="audio", url=MP3 + "?session=1", type="audio/mpeg", length=5, duration=9)
    assert found[0] == first
    assert len(found) == 3


# --- identity --------------------------------------------------------------------------------


def test_hash_without_a_text_is_that_of_title_and_media():
    one = content_hash(
        "Evening", None, ["https://x.example/a.jpg?w=600", "https://x.example/b.jpg"]
    )

    assert one == content_hash(
        "evening!", None, ["http://x.example/b.jpg", "https://x.example/a.jpg"]
    )
    assert one != content_hash("Evening", None, ["https://x.example/a.jpg"])
    assert one != content_hash(
        "Morning", None, ["https://x.example/a.jpg", "https://x.example/b.jpg"]
    )
    assert one != content_hash("Evening", "https://x.example/a.jpg https://x.example/b.jpg")


def test_hash_of_a_text_does_not_depend_on_media():
    assert content_hash("Evening", "Gulls.", [MP3]) == content_hash("Evening", "Gulls.")


def test_digest_of_an_item_without_words_is_that_of_its_media():
    assert digest("A", '<img src="a.jpg">') != digest("A", '<img src="b.jpg">')
    assert digest("A", '<img src="a.jpg">') == digest("A", "<p><img width=1 src='a.jpg'/></p>")
    assert digest("A", "", [MP3]) != digest("A", "")
    assert digest("A", '<img src="a.jpg"> b', [MP3]) == digest("A", "b")


# --- feeds -----------------------------------------------------------------------------------

ENCLOSURE = f'<enclosure url="{MP3}" type="audio/mpeg" length="1234"/>'
SOUND = Media(kind="audio", url=MP3, type="audio/mpeg", length=1234)


@pytest.mark.parametrize(
    ("inner", "media"),
    [
        (ENCLOSURE, (SOUND,)),
        (
            f'{ENCLOSURE}<media:content url="{MP3}" duration="9"/><itunes:duration>0:08</itunes:duration>',
            (Media(kind="audio", url=MP3, type="audio/mpeg", length=1234, duration=9.0),),
        ),
        (
            f"{ENCLOSURE}<itunes:duration>1:01</itunes:duration>",
            (Media(kind="audio", url=MP3, type="audio/mpeg", length=1234, duration=61.0),),
        ),
        (f'<atom:link rel="enclosure" href="{MP3}" type="audio/mpeg" length="1234"/>', (SOUND,)),
        ('<media:content url="/a.jpg" medium="image"/>', (PICTURE,)),
        (
            '<media:group><media:content url="/s.mp4" bitrate="1"/>'
            '<media:content url="/l.mp4" isDefault="true" fileSize="7"/></media:group>'
            '<media:group><media:content url="/o.mp4"/></media:group>',
            (
                Media(kind="video", url="https://quay.example/l.mp4", length=7),
                Media(kind="video", url="https://quay.example/o.mp4"),
            ),
        ),
        (
            '<media:content><media:player url="https://vimeo.com/1"/></media:content>',
            (Media(kind="video", url="https://vimeo.com/1"),),
        ),
        ('<media:thumbnail url="/t.jpg"/><itunes:image href="/i.jpg"/>', ()),
        ('<media:content url="https://1.gravatar.com/avatar/x" medium="image"/>', ()),
        ('<enclosure url="/a.pdf" type="application/pdf" length="9"/>', ()),
        ('<enclosure url="javascript:x.mp3" type="audio/mpeg"/><enclosure/>', ()),
    ],
)  # fmt: skip
def test_media_are_what_an_item_attaches(inner, media):
    article = rss_item(inner, "<title>Quay Post</title><link>https://quay.example/</link>")

    assert article.media == media
    assert article.text == "Gulls return."
    assert article.provenance["media"].startswith("feed:" if media else "absent: ")


def test_item_of_a_sound_alone_is_an_article_without_a_text():
    article = rss(f"<title>Gulls</title>{LINK}{ENCLOSURE}")

    assert (article.text, article.media, article.completeness) == (None, (SOUND,), "full")
    assert article.provenance["text"].startswith("absent: ")
    assert MP3 in article.body_html
    assert article.content_hash == content_hash("Gulls", None, [MP3])


@pytest.mark.parametrize(
    ("inner", "completeness"),
    [
        ("<description>&lt;img src='/a.jpg'&gt;</description>", "full"),
        ("<description>&lt;img src='/a.jpg'&gt;</description><media:thumbnail url='/t.jpg'/>", "full"),
        ('<enclosure url="https://quay.example/a.jpg" length="0"/>', "teaser"),
        ('<media:thumbnail url="https://quay.example/a.jpg"/>', "teaser"),
        ("<description>&amp;nbsp;</description><media:thumbnail url='https://quay.example/a.jpg'/>", "teaser"),
    ],
)  # fmt: skip
def test_item_of_a_picture_alone_shows_it(inner, completeness):
    article = rss(f"<title>Gulls</title>{LINK}{inner}")

    assert (article.text, article.media) == (None, (PICTURE,))
    assert (article.completeness, article.lead_image) == (completeness, PICTURE.url)
    assert article.body_html.count("<img") == 1


def test_atom_and_json_feed_attach_media():
    link = f'<link rel="enclosure" href="{MP3}" type="audio/mpeg" length="1234"/>'
    entry = atom(f'<title>Gulls</title><link href="https://quay.example/1"/>{link}')
    attachment = {
        "url": MP3, "mime_type": "audio/mpeg", "size_in_bytes": 1234, "duration_in_seconds": 61.5,
    }  # fmt: skip
    (item,) = read(json_feed({"id": "1", "title": "Gulls", "attachments": [attachment, {}, 3]}))

    assert (entry.text, entry.media) == (None, (SOUND,))
    assert item.media == (
        Media(kind="audio", url=MP3, type="audio/mpeg", length=1234, duration=61.5),
    )


def test_items_that_differ_in_their_picture_alone_are_different_articles():
    items = "".join(
        f'<item><title>Gulls</title><link>https://quay.example/</link><enclosure url="/{n}.jpg" type="image/jpeg"/></item>'
        for n in "abab"
    )
    found = read(f"<rss {NAMESPACES}><channel><title>Quay</title>{items}</channel></rss>")

    assert len({one.article_id for one in found}) == len(found) == 2
    assert len({one.content_hash for one in found}) == 2


@pytest.mark.parametrize("title", ["<title>Gulls</title>", ""])
def test_item_of_an_embedded_player_alone_is_an_article_that_links_it(title):
    url = "https://player.example/show?a=1&b=2"
    frame = f"&lt;iframe src='{url.replace('&', '&amp;amp;')}'&gt;&lt;/iframe&gt;"
    (found,) = read(
        f"<rss><channel><item>{title}{LINK}<description>{frame}</description></item></channel></rss>"
    )

    assert (found.text, found.media) == (None, (Media(kind="video", url=url),))
    assert found.provenance["media"] == "body: embedded document"
    assert [one["href"] for one in BeautifulSoup(found.body_html, "html.parser").select("a")] == [
        url
    ]


@pytest.mark.parametrize(
    "body",
    [
        "<iframe src='javascript:alert(1)'></iframe>",
        "<iframe srcdoc='words'></iframe>",
        "<iframe src='https://ad.doubleclick.net/x'></iframe>",
        "<figure><figcaption><a href='https://quay.example/'></a></figcaption></figure>",
    ],
)
def test_item_of_an_embed_without_an_address_is_incomplete(body):
    item = f"<title>Gulls</title>{LINK}<description>{escape(body)}</description>"
    feed = f"<rss><channel><item>{item}</item></channel></rss>"

    found, errors = feeds_peers.articles(feed.encode(), "text/xml", URL)

    assert (found, len(errors)) == ([], 1)


def test_embedded_document_beside_a_text_or_a_known_player_is_no_video():
    other = "&lt;iframe src='https://maps.example/harbour'&gt;&lt;/iframe&gt;"
    for more, media in (
        ("Words.", ()),
        ("&lt;iframe src='https://vimeo.com/1'&gt;&lt;/iframe&gt;",
         (Media(kind="video", url="https://vimeo.com/1"),)),
    ):  # fmt: skip
        item = f"<title>Gulls</title>{LINK}<description>{other}{more}</description>"
        (found,) = read(f"<rss><channel><item>{item}</item></channel></rss>")
        assert found.media == media


def test_item_with_neither_text_nor_media_is_incomplete():
    item = f'<title>Gulls</title>{LINK}<enclosure url="/a.pdf" type="application/pdf"/>'
    feed = f"<rss><channel><item>{item}</item></channel></rss>"

    found, (error,) = feeds_peers.articles(feed.encode(), "text/xml", URL)

    assert found == []
    assert "expected an id, a title, and a text or media" in error


# --- bodies ----------------------------------------------------------------------------------


def test_media_of_a_body_are_those_that_it_shows_and_cleaning_again_finds_them():
    once = clean_body(
        '<p>Gulls.<img src="a.jpg"><img src="/1x1.gif" width="1"><img src="a.jpg?w=9"></p>'
        '<video poster="p.jpg"><source src="v.webm" type="video/webm"></video>'
        '<iframe src="https://player.bilibili.com/player.html?bvid=BV1x"></iframe>'
        '<iframe src="https://maps.example/harbour"></iframe><audio src="/s"></audio>',
        "https://quay.example/",
    )

    assert once.media == (
        PICTURE,
        Media(kind="video", url="https://quay.example/v.webm", type="video/webm"),
        Media(kind="video", url="https://www.bilibili.com/video/BV1x"),
        Media(kind="audio", url="https://quay.example/s"),
    )
    twice = clean_body(once.html, "")
    assert [one.url for one in twice.media] == [one.url for one in once.media[:3]]


def test_relative_addresses_are_media_only_where_no_base_is_known():
    body = '<img src="a/b.jpg"><video src="/v.mp4"></video><img src="data:image/png;base64,AA">'

    found = clean_body(body, "")

    assert [(one.kind, one.url) for one in found.media] == [
        ("picture", "a/b.jpg"),
        ("video", "/v.mp4"),
    ]
    assert found.html == ""
    assert player("/v.mp4") == found.media[1]


# --- pages -----------------------------------------------------------------------------------

TITLE = "Ferry in the evening"
HEADING = f"<h1>{TITLE}</h1>"
OG = '<meta property="og:type" content="article"><meta property="og:image" content="/og.jpg">'
LISTED = Entry(source_article_id="1", channel="x", url=URL, facts={"title": TITLE})


def page(main: str, head: str = OG, title: str = TITLE) -> str:
    return (
        f"<html><head><title>{title} | Quay Post</title>{head}</head><body><header><a href='/'>"
        f"<img src='/brand.png'></a><nav><a href='/w'>World</a></nav></header>{main}<aside><a href='/b'>"
        "<img src='/teaser.jpg'>Another ferry</a></aside><footer><img src='/f.png'>© Quay Post</footer></body></html>"
    )


def parse(markup: str, entry: Entry | None = None) -> Article:
    source = registry.make_source("generic", "generic", {})
    fetched = datetime(2026, 6, 1, tzinfo=UTC)
    return registry.parse(source, Page(url=URL, text=markup, fetched_at=fetched, entry=entry))


@pytest.mark.parametrize(
    ("main", "media"),
    [
        (f"<article>{HEADING}<figure><img src='/a.jpg'><figcaption>The ferry arrives on Monday.</figcaption></figure></article>", [PICTURE]),
        (f"<article>{HEADING}<p class='byline'>Kim Lee</p><div><img src='/a.jpg'></div></article>", [PICTURE]),
        (f"<div>{HEADING}<div><a href='/a.jpg'><img src='/a.jpg'></a><img src='/icon-share.png'></div></div>", [PICTURE]),
        (f"<main>{HEADING}<picture><source srcset='/a.jpg 2x'><img alt=''></picture></main>", [PICTURE]),
        (f"<article>{HEADING}<figure><img class='lazy'></figure></article>", [Media(kind="picture", url="https://quay.example/og.jpg")]),
        (f"<article>{HEADING}<video><source src='/v.mp4' type='video/mp4'></video></article>", [Media(kind="video", url="https://quay.example/v.mp4", type="video/mp4")]),
        (f"<article>{HEADING}<iframe src='https://ads.example/1'></iframe><iframe src='https://vimeo.com/1'></iframe></article>", [Media(kind="video", url="https://vimeo.com/1")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("entry", [None, LISTED], ids=["declared", "listed"])
def test_page_of_media_alone_is_an_article(main, media, entry):
    article = parse(page(main, OG if entry is None else OG.replace("article", "website")), entry)

    assert (article.title, article.text, list(article.media)) == (TITLE, None, media)


@pytest.mark.parametrize(
    ("head", "media"),
    [
        ("<meta property='og:type' content='video.other'><meta property='og:video' content='/player/7'><meta property='og:video:type' content='text/html'>", Media(kind="video", url="https://quay.example/player/7")),
        ("<meta property='og:type' content='video.movie'><meta property='og:video:url' content='/7.mp4'><meta property='og:video:type' content='video/mp4'>", Media(kind="video", url="https://quay.example/7.mp4", type="video/mp4")),
        ("<meta property='og:type' content='music.song'><meta property='og:audio' content='/7.mp3'>", Media(kind="audio", url="https://quay.example/7.mp3")),
    ],
)  # fmt: skip
def test_page_that_declares_to_be_a_video_is_that_video(head, media):
    article = parse(page(f"<main>{HEADING}<div id='player'></div></main>", head))

    assert (article.text, article.media) == (None, (media,))
    assert article.provenance["media"].startswith("meta:og:")


PHOTO = f"<article>{HEADING}<figure><img src='/a.jpg'></figure></article>"


def json_ld(**facts: object) -> str:
    value = {"@type": "NewsArticle", "headline": TITLE, **facts}
    return f'<script type="application/ld+json">{json.dumps(value)}</script>'


@pytest.mark.parametrize(
    ("main", "head"),
    [
        pytest.param("<div id='app'></div>", OG, id="only_declared_picture"),
        pytest.param("<div id='app'></div>", OG + "<meta property='og:video' content='/7.mp4'>", id="only_declared_video"),
        pytest.param(PHOTO, "", id="declares_no_article_and_is_not_listed"),
        pytest.param(f"{PHOTO}<noscript>Please enable JavaScript</noscript>", OG, id="made_by_scripts"),
        pytest.param(PHOTO, json_ld(wordCount=400), id="declares_its_words"),
        pytest.param(PHOTO, json_ld(articleBody="Gulls return."), id="declares_its_text"),
        pytest.param(PHOTO, json_ld(isAccessibleForFree=False), id="behind_a_paywall"),
        pytest.param(f"<article>{HEADING}<img src='/static/logo.png'></article>", OG, id="logo"),
        pytest.param(f"<article>{HEADING}<img src='/a.jpg' width='32'></article>", OG, id="icon"),
        pytest.param(f"<main>{HEADING}<a href='/x'><img src='/x.jpg'></a></main>", OG, id="teaser"),
        pytest.param(f"<main>{HEADING}<div class='related'><img src='/x.jpg'></div></main>", OG, id="related"),
        pytest.param(f"<main>{HEADING}<p hidden><img src='/x.jpg'></p></main>", OG, id="hidden"),
    ],
)  # fmt: skip
def test_page_without_a_text_that_may_lack_one_is_no_article_of_media(main, head):
    with pytest.raises(IncompleteArticle):
        parse(page(main, head))


@pytest.mark.parametrize("title", ["Before you continue", "404 Not Found", "Log in"])
def test_wrong_page_with_a_picture_is_no_article(title):
    with pytest.raises(WrongPage):
        parse(page(f"<main><h1>{title}</h1><img src='/a.jpg'></main>", title=title))


def test_page_of_another_title_than_its_listing_is_no_article_of_media():
    other = Entry(source_article_id="1", channel="x", url=URL, facts={"title": "Two men fined"})

    with pytest.raises(IncompleteArticle):
        parse(page(PHOTO), other)


@pytest.mark.parametrize(
    ("attached", "main", "media"),
    [
        (SOUND, "<div></div>", [SOUND]),
        (Media(kind="picture", url="https://quay.example/t.jpg"), PHOTO, [PICTURE]),
    ],
)
def test_attached_sound_counts_for_a_page_without_media_and_a_picture_does_not(
    attached, main, media
):
    entry = Entry(
        source_article_id="1", channel="x", url=URL, facts={"title": TITLE}, media=(attached,)
    )

    assert list(parse(page(main), entry).media) == media
    if attached.kind == "picture":
        with pytest.raises(IncompleteArticle):
            parse(page("<div></div>"), entry)
