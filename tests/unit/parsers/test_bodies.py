"""Whole bodies: parts that other extractors lose, in Chinese and in English."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from parsers import registry
from parsers.model import Article, Page

URL = "https://gazette.example/2024/05/ferry"
IMAGE = '<img src="/one.jpg">'
IMAGE_URL = "https://gazette.example/one.jpg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one article in one language."""

    title: str
    sentences: tuple[str, str, str, str]
    short: str
    heading: str
    items: tuple[str, str]
    intro: str
    caption: str
    cell: str

    @property
    def first(self) -> str:
        return _paragraphs(*self.sentences[:2])

    @property
    def last(self) -> str:
        return _paragraphs(*self.sentences[2:])


def _paragraphs(*lines: str) -> str:
    return "".join(f"<p>{line}</p>\n" for line in lines)


ENGLISH = Words(
    title="Ferry returns after nine weeks",
    sentences=(
        "The ferry came back to the harbour on Thursday, a year after the storm had torn it away.",
        "Repairs took longer than planned, the harbour office said, and cost more than expected.",
        "The first crossing leaves at six, and the timetable of last summer returns with two boats.",
        "Fishermen complained that the timetable leaves out the early boat, and nobody answered.",
    ),
    short="It rained.",
    heading="What happened",
    items=("Adults pay four crowns", "Students pay two"),
    intro="The fares are as follows:",
    caption="The ferry in the dock",
    cell="berth",
)
CHINESE = Words(
    title="停航九周的渡轮恢复运行",
    sentences=(
        "渡口管理处周四宣布，停航三周的港口航线从今天早上起恢复运行，首班船载着四十名乘客。",
        "管理处说，新的发动机每天少用三吨柴油，秋天以前还有两条船会换上同样的机器。",
        "码头上的商店也重新开门，店主们希望周末能迎来更多的客人，票价不变。",
        "渔民抱怨说，新的时刻表里没有他们需要的早班船，管理处答应再考虑一次。",
    ),
    short="下雨了。",
    heading="事情经过",
    items=("成人票四元", "学生票两元"),
    intro="票价如下：",
    caption="停在船坞里的渡轮",
    cell="泊位",
)
LANGUAGES = pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=["english", "chinese"])


def read(body: str, words: Words) -> Article:
    return parse(
        f"<html><head><title>{words.title}</title></head><body><nav><a href='/'>Home</a></nav>"
        f"<main><h1>{words.title}</h1>{body}</main><footer><p>© Gazette</p></footer></body></html>"
    )


def parse(html: str) -> Article:
    source = registry.make_source("generic", "generic", {})
    fetched = datetime(2024, 6, 1, tzinfo=UTC)
    return registry.parse(source, Page(url=URL, text=html, fetched_at=fetched))


def lines(article: Article) -> list[str]:
    return [line.strip() for line in article.text.splitlines() if line.strip()]


# -- before the first long sentence -------------------------------------------------------


@LANGUAGES
@pytest.mark.parametrize(
    "start",
    [
        "<p>{short}</p>",
        "<div>{short}</div>",
        "<h2>{heading}</h2>",
        "<h2>{heading}</h2><p>{short}</p>",
        "<ul><li>{items[0]}</li><li>{items[1]}</li></ul>",
        "<p>{short}</p><figure><img src='/a.jpg'><figcaption>{caption}</figcaption></figure>",
    ],
)
def test_short_beginning_of_the_text_is_kept(start: str, words: Words):
    expected = [words.heading, words.short, *words.items]
    markup = start.format(
        short=words.short, heading=words.heading, items=words.items, caption=words.caption
    )

    found = lines(read(markup + words.first + words.last, words))

    assert found == [each for each in expected if each in markup] + list(words.sentences)


@LANGUAGES
def test_bold_heading_before_the_text_is_kept_when_another_follows(words: Words):
    heading = f"<p><strong>{words.heading} {{}}</strong></p>"
    body = heading.format(1) + words.first + heading.format(2) + words.last

    assert lines(read(body, words))[0] == f"{words.heading} 1"
    assert lines(read(heading.format(1) + words.first + words.last, words))[0] == words.sentences[0]


@LANGUAGES
def test_short_line_without_markup_is_kept_before_a_break(words: Words):
    article = read("<br><br>".join((words.short, *words.sentences)), words)

    assert lines(article) == [words.short, *words.sentences]


@LANGUAGES
@pytest.mark.parametrize(
    "update",
    [
        "<h2>{0}</h2><p>{1}</p>",
        "<div class='update'><time>10:30</time><h3>{0}</h3><p>{1}</p></div>",
        "<article class='post'><header><h2>{0}</h2></header><div><p>{1}</p></div></article>",
        "<section><h3>{0}</h3><div><p>{1}</p></div></section>",
    ],
)
def test_first_update_of_a_live_blog_keeps_its_heading(update: str, words: Words):
    headings = [f"{words.heading} {number}" for number in (4, 3, 2, 1)]
    pairs = list(zip(headings, words.sentences, strict=True))

    found = lines(read("".join(update.format(*pair) for pair in pairs), words))

    assert [line for line in found if "10:30" not in line] == [
        line for pair in pairs for line in pair
    ]


# -- after an early end tag ---------------------------------------------------------------


@LANGUAGES
@pytest.mark.parametrize(
    "page",
    [
        "<body><nav>x</nav></body></html><div><h1>{title}</h1>{first}{last}</div>",
        "<body><div><h1>{title}</h1>{first}</body></html>{last}</div>",
        "<body><div><h1>{title}</h1>{first}</BODY >{last}</div></html>",
        "<body><div><div><h1>{title}</h1>{first}</div></div>{last}</div></body></html>",
        "<body><article><h1>{title}</h1>{first}</article>{last}</body></html>",
        "</html><body><h1>{title}</h1>{first}{last}</body>",
    ],
)
def test_text_after_an_early_end_tag_is_kept(page: str, words: Words):
    html = f"<html><head><title>{words.title}</title></head>" + page.format(
        title=words.title, first=words.first, last=words.last
    )

    assert lines(parse(html)) == list(words.sentences)


# -- tables and lists ---------------------------------------------------------------------


@LANGUAGES
@pytest.mark.parametrize("place", ["start", "middle", "end", "figure", "box"])
@pytest.mark.parametrize("cell", ["<a href='/c'>{}</a>", "{}"])
def test_table_is_kept_with_the_links_in_its_cells(cell: str, place: str, words: Words):
    rows = [[f"{words.cell} {number}", f"{number}a0b1c2d3"] for number in range(5)]
    table = "".join(f"<tr><td>{a}</td><td>{cell.format(b)}</td></tr>" for a, b in rows)
    table = f"<table><tr><th>{words.heading}</th><th>#</th></tr>{table}</table>"
    table = {"figure": f"<figure>{table}</figure>", "box": f"<div class='wide'>{table}</div>"}.get(
        place, table
    )
    parts = {
        "start": [table, words.first, words.last],
        "end": [words.first, words.last, table],
    }.get(place, [words.first, table, words.last])

    found = read("".join(parts), words).text

    assert [row for row in rows if "\t".join(row) not in found] == []
    assert words.heading in found


@LANGUAGES
def test_table_longer_than_the_sentences_is_kept(words: Words):
    rows = "".join(
        f"<tr><td><a href='/b/{n}'>{words.cell} {n}</a></td><td><a href='/h/{n}'>{n}f0e1d2c3b4a5</a></td>"
        f"<td>{n} MB</td></tr>"
        for n in range(60)
    )

    article = read(f"{words.first}<table>{rows}</table>{words.last}", words)

    assert article.text.count("f0e1d2c3b4a5") == 60
    assert all(sentence in article.text for sentence in words.sentences)


@LANGUAGES
def test_list_of_terms_keeps_values_that_are_links(words: Words):
    terms = "".join(f"<dt>{words.cell} {n}</dt><dd><a href='/{n}'>A{n}</a></dd>" for n in range(3))

    found = lines(read(f"{words.first}<dl>{terms}</dl>{words.last}", words))

    assert [line for n in range(3) for line in (f"{words.cell} {n}", f"A{n}")] == found[2:-2]


@LANGUAGES
def test_table_of_the_lines_about_an_article_is_not_text(words: Words):
    table = (
        "<table><tr><td>发布时间：2024-05-02 10:00</td><td>A</td></tr>"
        "<tr><td>作者：张三</td><td>B</td></tr></table>"
    )

    assert lines(read(table + words.first + words.last, words)) == list(words.sentences)


@LANGUAGES
@pytest.mark.parametrize(
    "markup",
    [
        "<ul><li>{0}</li><li>{1}</li></ul>",
        "<ol><li>{0}</li><li>{1}</li></ol>",
        "<dl><dt>{0}</dt><dd>{1}</dd></dl>",
        "<ul><li><a href='/a'>{0}</a></li><li><a href='/b'>{1}</a></li></ul>",
    ],
)
@pytest.mark.parametrize("is_last", [False, True])
def test_list_that_a_colon_announces_is_kept(is_last: bool, markup: str, words: Words):
    listed = f"<p>{words.intro}</p>" + markup.format(*words.items)
    parts = [words.first, words.last, listed] if is_last else [words.first, listed, words.last]

    found = lines(read("".join(parts), words))

    assert sorted(found) == sorted([*words.sentences, words.intro, *words.items])


@LANGUAGES
def test_list_of_sentences_is_kept_with_its_links(words: Words):
    items = "".join(
        f"<li><a href='/a'>{each}</a> — {words.sentences[0][-9:]}</li>" for each in words.items
    )

    found = read(f"{words.first}<ul>{items}</ul>{words.last}", words).text

    assert [each for each in words.items if each not in found] == []


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
def test_caption_is_in_the_body_and_not_in_the_text(place: str, figure: str, words: Words):
    markup = figure.format(image=IMAGE, caption=words.caption)
    parts = {
        "start": [markup, words.first, words.last],
        "middle": [words.first, markup, words.last],
        "end": [words.first, words.last, markup],
    }[place]

    article = read("".join(parts), words)

    assert lines(article) == list(words.sentences)
    assert f'<img src="{IMAGE_URL}"' in article.body_html
    assert '<figcaption class="beside-text">' in article.body_html
    assert words.caption in article.body_html


@LANGUAGES
@pytest.mark.parametrize("caption", ["", "<figcaption>{}</figcaption>", "<p>{}</p>", "{}"])
def test_figure_between_headline_and_text_is_in_the_body(caption: str, words: Words):
    figure = f"<header><figure>{IMAGE}{caption.format(words.caption)}</figure></header>"

    article = read(f"{figure}<div>{words.first}{words.last}</div>", words)

    assert lines(article) == list(words.sentences)
    assert f'src="{IMAGE_URL}"' in article.body_html
    assert (words.caption in article.body_html) == bool(caption)
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
def test_figure_without_a_caption_is_kept(words: Words):
    article = read(f"{words.first}<figure>{IMAGE}</figure>{words.last}", words)

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
def test_relative_addresses_begin_at_the_base_element(words: Words):
    body = f"<p><img src='one.jpg'></p><p>{words.sentences[0]} <a href='next.html'>{words.short}</a></p>"
    html = (
        "<html><head><base href='//cdn.example/root/'><link rel='canonical' href='/a/ferry'>"
        f"<title>{words.title}</title></head><h1>{words.title}</h1><div>{body}{words.last}</div>"
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
    around: str, embed: str, address: str, words: Words
):
    article = read(words.first + around.format(embed) + words.last, words)

    assert lines(article) == list(words.sentences)
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
def test_quoted_post_is_text(around: str, words: Words):
    post = (
        f"<blockquote class='twitter-tweet'><p>{words.short}</p>"
        "— Ida <a href='https://twitter.example/1'>May 2</a></blockquote>"
    )
    article = read(words.first + around.format(post) + words.last, words)

    assert words.short in lines(article)
    assert "https://twitter.example/1" in article.body_html


# -- which box ----------------------------------------------------------------------------


@LANGUAGES
@pytest.mark.parametrize("name", ["info", "share-text", "intext-ad", "related"])
def test_box_of_most_sentences_is_the_article_whatever_its_name(name: str, words: Words):
    notice = f"<div><p>{words.sentences[0][::-1]}</p></div>"

    article = read(f"<div class='{name}'>{words.first}{words.last}</div>{notice}", words)

    assert lines(article)[: len(words.sentences)] == list(words.sentences)


TEASER = (
    "<article class='post post-{0}'><h3><a href='/{0}'>Lighthouse number {0} is painted</a></h3>"
    "<div>2024-05-0{0}</div><p>{0} {1}</p><a href='/{0}'>More</a></article>"
)
COMMENT = (
    "<li class='c c-{0}'><span>Reader {0}</span> <p>2 May 2024, 10:0{0}</p><p>{0} {1}</p></li>"
)


@LANGUAGES
@pytest.mark.parametrize("item", [TEASER, COMMENT], ids=["teasers", "comments"])
def test_repeated_boxes_beside_the_article_are_not_in_the_text(item: str, words: Words):
    items = "".join(item.format(number, words.sentences[number % 4]) for number in range(8))
    body = f"<div>{words.first}{words.last}</div><div>{items}</div>"

    assert lines(read(body, words)) == list(words.sentences)


@LANGUAGES
def test_parts_of_one_class_are_one_article(words: Words):
    parts = "".join(
        f"<section class='part'><p>{line} {line[:-1]}, {number}.</p></section>"
        for number, line in enumerate(words.sentences * 3)
    )

    assert len(lines(read(parts, words))) == 12


def test_legal_notice_and_style_sheet_are_no_article():
    legal = "This text may not be republished without leave, says the office of rights. " * 12
    style = ".ferry { color: red; margin: 0 } .quay { color: blue; border: 1px solid black } " * 20
    article = read(
        f"<div>{ENGLISH.first}</div><div><p>{legal}</p></div><div>{style}</div>", ENGLISH
    )

    assert lines(article) == list(ENGLISH.sentences[:2])


@LANGUAGES
def test_line_that_could_end_the_article_needs_little_text_after_it(words: Words):
    heading = "相关新闻" if words is CHINESE else "Share this"
    body = f"{words.first}{words.first}{words.last}<p>{heading}</p><p>{words.sentences[3]}!</p>"

    assert lines(read(f"<div>{body}</div>", words))[-1] == f"{words.sentences[3]}!"


def test_notice_of_a_platform_is_not_text():
    notice = "特别声明：以上内容(如有图片或视频亦包括在内)为自媒体平台用户上传并发布，本平台仅提供信息存储服务。"

    assert lines(read(f"{CHINESE.first}{CHINESE.last}<p>{notice}</p>", CHINESE)) == list(
        CHINESE.sentences
    )
