"""Media of bodies: figures, images and embedded media, in Chinese and in English."""

from __future__ import annotations

import pytest

from tests.unit.parsers.body_pages import (
    CHINESE,
    ENGLISH,
    IMAGE,
    IMAGE_URL,
    LANGUAGES,
    SampleText,
    lines,
    parse,
    read,
)

# -- figures ------------------------------------------------------------------------------


@LANGUAGES
@pytest.mark.parametrize(
    "figure",
    [
        "<figure>{image}<figcaption>{caption}</figcaption></figure>",
        "<figure class='wp-caption'>{image}<figcaption class='caption'><p>{caption}</p></figcaption></figure>",
        "<figure><div><a href='/one.jpg'>{image}</a></div><figcaption><b>{caption}</b></figcaption></figure>",
        "<figure>{image}<div class='photo-caption'>{caption}</div></figure>",
        "<div class='wp-caption'>{image}<p class='wp-caption-text'>{caption}</p></div>",
        "<div><div class='i'>{image}</div><div class='image-caption'>{caption}</div></div>",
        "<aside class='picture'><figure>{image}<figcaption>{caption}</figcaption></figure></aside>",
        "<figure class='gallery'><figure>{image}<figcaption>{caption}</figcaption></figure></figure>",
    ],
)
@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_caption_is_in_the_body_and_not_in_the_text(place: str, figure: str, sample: SampleText):
    markup = figure.format(image=IMAGE, caption=sample.caption)
    parts = {
        "start": [markup, sample.first, sample.last],
        "middle": [sample.first, markup, sample.last],
        "end": [sample.first, sample.last, markup],
    }[place]

    article = read("".join(parts), sample)

    assert lines(article) == list(sample.sentences)
    assert f'<img src="{IMAGE_URL}"' in article.body_html
    assert '<figcaption class="beside-text">' in article.body_html
    assert sample.caption in article.body_html


@LANGUAGES
@pytest.mark.parametrize("caption", ["", "<figcaption>{}</figcaption>", "<p>{}</p>", "{}"])
def test_figure_between_headline_and_text_is_in_the_body(caption: str, sample: SampleText):
    figure = f"<header><figure>{IMAGE}{caption.format(sample.caption)}</figure></header>"

    article = read(f"{figure}<div>{sample.first}{sample.last}</div>", sample)

    assert lines(article) == list(sample.sentences)
    assert f'src="{IMAGE_URL}"' in article.body_html
    assert (sample.caption in article.body_html) == bool(caption)
    assert article.lead_image == IMAGE_URL


@pytest.mark.parametrize(
    "figures",
    [
        "".join(f"<figure><img src='/{n}.jpg'></figure>" for n in range(3)),
        f"<a href='/other'><figure>{IMAGE}</figure></a>",
        f"<aside><figure>{IMAGE}<figcaption>Another story</figcaption></figure></aside>",
    ],
    ids=["list", "link", "aside"],
)
def test_figure_of_a_teaser_before_the_text_is_not_in_the_body(figures: str):
    body = f"<div>{figures}</div><div>{ENGLISH.first}{ENGLISH.last}</div>"

    assert "<img" not in read(body, ENGLISH).body_html


@LANGUAGES
def test_figure_without_a_caption_is_kept(sample: SampleText):
    article = read(f"{sample.first}<figure>{IMAGE}</figure>{sample.last}", sample)

    assert f'<figure><img src="{IMAGE_URL}"></figure>' in article.body_html
    assert article.lead_image == IMAGE_URL


@pytest.mark.parametrize(
    "figure",
    [
        "<figure><a href='/x'><img src='/x.jpg'></a><figcaption><a href='/x'>Lighthouse painted</a></figcaption></figure>",
        "<div><figure><img src='/x.jpg'></figure><h3><a href='/x'>Lighthouse painted</a></h3></div>",
        "<div class='related'><figure><img src='/x.jpg'></figure></div>",
        "<figure class='advert'><img src='/x.jpg'></figure>",
        "<figure hidden><img src='/x.jpg'></figure>",
    ],
)
def test_figure_of_a_teaser_is_not_in_the_body(figure: str):
    article = read(ENGLISH.first + figure + ENGLISH.last, ENGLISH)

    assert "x.jpg" not in article.body_html


# -- images -------------------------------------------------------------------------------

IMAGES = [
    '<img data-src="/one.jpg">',
    '<img src="/img/blank.gif" data-original="/one.jpg">',
    '<img src="data:image/gif;base64,R0lGOD" data-lazy-src="/one.jpg">',
    '<img src="/none.gif" file="/one.jpg">',
    '<img class="lazy" src="data:image/gif;base64,R0lGOD"><noscript><img src="/one.jpg"></noscript>',
    '<img srcset="/one.jpg 1x">',
    '<img srcset="/small.jpg 480w,/one.jpg 800w">',
    '<img src="/placeholder.png" srcset="/small.jpg, /one.jpg 2x">',
    '<img data-srcset="/one.jpg 800w">',
    '<picture><source srcset="/one.jpg 2x, /small.jpg 1x"><img alt="a"></picture>',
    '<picture><source srcset="/one.webp"><img src="/one.jpg"></picture>',
    '<picture><noscript><img src="/one.jpg"></noscript></picture>',
]


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("around", ["<p>{}</p>", "<div>{}</div>", "<figure>{}</figure>"])
def test_lazy_and_responsive_images_are_kept(around: str, image: str):
    article = read(CHINESE.first + around.format(image) + CHINESE.last, CHINESE)

    assert article.body_html.count("<img") == 1
    assert f'<img src="{IMAGE_URL}"' in article.body_html
    assert article.lead_image == IMAGE_URL


@pytest.mark.parametrize("base", ["javascript:void(0)", "about:blank", ""])
def test_base_element_that_is_no_web_address_is_ignored(base: str):
    body = f"<base href='{base}'>{ENGLISH.first}<p>{IMAGE}</p>{ENGLISH.last}"

    assert IMAGE_URL in read(body, ENGLISH).body_html


@LANGUAGES
def test_relative_addresses_begin_at_the_base_element(sample: SampleText):
    body = f"<p><img src='one.jpg'></p><p>{sample.sentences[0]} <a href='next.html'>{sample.short}</a></p>"
    html = (
        "<html><head><base href='//cdn.example/root/'><link rel='canonical' href='/a/ferry'>"
        f"<title>{sample.title}</title></head><h1>{sample.title}</h1><div>{body}{sample.last}</div>"
    )

    article = parse(html)

    assert 'src="https://cdn.example/root/one.jpg"' in article.body_html
    assert 'href="https://cdn.example/root/next.html"' in article.body_html
    assert article.lead_image == "https://cdn.example/root/one.jpg"


# -- embedded media -----------------------------------------------------------------------

EMBEDS = [
    ("<iframe src='https://www.youtube.com/embed/abc123'></iframe>", "https://www.youtube.com/embed/abc123"),
    ("<iframe data-src='//player.bilibili.com/player.html?bvid=BV1x'></iframe>", "https://player.bilibili.com/player.html?bvid=BV1x"),
    ("<video controls><source src='/v.mp4'>No video</video>", "https://gazette.example/v.mp4"),
    ("<video src='/v.mp4'></video>", "https://gazette.example/v.mp4"),
    ("<audio src='/a.mp3'></audio>", "https://gazette.example/a.mp3"),
    ("<object data='/v.swf'><embed src='/v.swf'></object>", "https://gazette.example/v.swf"),
    ("<object><param name='movie' value='/v.swf'></object>", "https://gazette.example/v.swf"),
    ("<embed src='/v.swf'>", "https://gazette.example/v.swf"),
    ("<lite-youtube videoid='abc123'></lite-youtube>", "https://www.youtube.com/watch?v=abc123"),
    ("<blockquote class='twitter-tweet'><a href='https://twitter.example/1'></a></blockquote>", "https://twitter.example/1"),
    ("<blockquote class='instagram-media' data-instgrm-permalink='https://insta.example/1'><a href='#'>View</a></blockquote>", "https://insta.example/1"),
    ("<div class='fb-video' data-href='https://face.example/1'></div>", "https://face.example/1"),
    ("<blockquote class='tiktok-embed' cite='https://tok.example/1'><p>@ida</p></blockquote>", "https://tok.example/1"),
]  # fmt: skip


@LANGUAGES
@pytest.mark.parametrize(("embed", "address"), EMBEDS)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "<p>{}</p>",
        "<div class='video'>{}</div>",
        "<figure class='wp-block-embed'>{}</figure>",
    ],
)
def test_embedded_media_are_links_beside_the_text(
    around: str, embed: str, address: str, sample: SampleText
):
    article = read(sample.first + around.format(embed) + sample.last, sample)

    assert lines(article) == list(sample.sentences)
    assert f'<figure class="beside-text"><a href="{address}">' in article.body_html


@pytest.mark.parametrize(
    "embed",
    [
        "<iframe src='https://ad.doubleclick.net/x'></iframe>",
        "<iframe src='https://www.facebook.com/plugins/like.php?href=x'></iframe>",
        "<iframe src='/t' width='1' height='1'></iframe>",
        "<iframe src='/t' style='display: none'></iframe>",
        "<iframe src='about:blank'></iframe>",
        "<video></video>",
        "<div class='advert'><iframe src='/t'></iframe></div>",
    ],
)
def test_advertisements_and_trackers_are_no_links(embed: str):
    article = read(ENGLISH.first + embed + ENGLISH.last, ENGLISH)

    assert "<a " not in article.body_html


@LANGUAGES
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "<div class='twitter-embed'>{}</div>",
        "<figure class='is-provider-twitter'>{}</figure>",
    ],
)
def test_quoted_post_is_text(around: str, sample: SampleText):
    post = (
        f"<blockquote class='twitter-tweet'><p>{sample.short}</p>"
        "— Ida <a href='https://twitter.example/1'>May 2</a></blockquote>"
    )
    article = read(sample.first + around.format(post) + sample.last, sample)

    assert sample.short in lines(article)
    assert "https://twitter.example/1" in article.body_html
