"""Posts of media alone: read, and written so that reading gives the same article."""

from __future__ import annotations

import pytest

from parsers.content_hash import content_hash
from parsers.frontmatter import read_post, write_post
from parsers.model import Media
from tests.unit.import_export.conftest import make_article

HEAD = "title: Evening\ndate: 2026-03-10 08:00:00 +08:00"
PICTURE = Media(kind="picture", url="https://quay.example/640?fmt=png&w=1")
SOUND = Media(kind="audio", url="https://quay.example/1.mp3?a=1&b=2", type="audio/mpeg", length=5, duration=61.5)  # fmt: skip


def post(body: str, head: str = HEAD, path: str = "_posts/2026-03-10-evening.md"):
    return read_post(f"---\n{head}\n---\n{body}".encode(), path).article


@pytest.mark.parametrize(
    ("body", "media"),
    [
        ("![](evening.jpg)\n", [("picture", "evening.jpg")]),
        ('![A](a.jpg){: .align-center width="50%"}\n{: .photo}\n', [("picture", "a.jpg")]),
        ("![A](/img/a.jpg)\n\n![B](https://x.example/b.png)\n", [("picture", "/img/a.jpg"), ("picture", "https://x.example/b.png")]),
        ('<video controls>\n<source src="/v.mp4" type="video/mp4">\n</video>\n', [("video", "/v.mp4")]),
        ('<audio controls src="s.mp3"></audio>\n', [("audio", "s.mp3")]),
        ('<iframe src="//player.bilibili.com/player.html?bvid=BV1x"></iframe>\n', [("video", "https://www.bilibili.com/video/BV1x")]),
    ],
)  # fmt: skip
def test_post_of_media_alone_is_an_article(body, media):
    article = post(body)

    assert [(one.kind, one.url) for one in article.media] == media
    assert (article.text, article.title) == (None, "Evening")
    assert article.provenance["text"].startswith("absent: ")
    assert article.content_hash == content_hash("Evening", None, [url for _, url in media])


def test_photos_of_hexo_are_media():
    article = post(
        "", f"{HEAD}\nphotos:\n - /a.jpg\n - https://x.example/b.jpg", "source/_posts/a.md"
    )

    assert [one.url for one in article.media] == ["/a.jpg", "https://x.example/b.jpg"]
    assert article.provenance["media"] == "front matter: photos"


@pytest.mark.parametrize("dialect", ["jekyll", "hexo", "hugo"])
@pytest.mark.parametrize(
    ("media", "body_html", "text"),
    [
        ((SOUND,), f'<figure class="beside-text"><a href="{SOUND.url}">1</a></figure>', None),
        ((PICTURE,), '<p><img src="https://quay.example/640?fmt=png&amp;w=1"></p>', None),
        ((Media(kind="picture", url="a.jpg"), Media(kind="video", url="/v.mp4")), "", None),
        ((SOUND, PICTURE), "<p>Gulls.</p>", "Gulls."),
        ((Media(kind="video", url="https://www.youtube.com/watch?v=abcdef1"),), "<p>Gulls.</p>", "Gulls."),
        ((Media(kind="video", url="https://x.example/stream"),), "", None),
    ],
)  # fmt: skip
def test_written_post_reads_as_the_same_media(dialect, media, body_html, text):
    article = make_article(
        source="desk", source_article_id="1", media=media, body_html=body_html, text=text, url="", canonical_url="",
        content_hash=content_hash("标题", text, [one.url for one in media]),
    )  # fmt: skip

    written = write_post(article, dialect)
    found = read_post(written.data, written.path).article

    assert (found.media, found.text, found.content_hash) == (media, text, article.content_hash)


def test_pictures_that_the_body_shows_add_no_line_to_a_head():
    article = make_article(
        source="desk", source_article_id="1", media=(PICTURE,), text=None,
        body_html='<p><img src="https://quay.example/640?fmt=png&amp;w=1"></p>',
    )  # fmt: skip

    assert b"media:" not in write_post(article, "jekyll").data
