"""Whole bodies: parts that other extractors lose, in Chinese and in English."""

from __future__ import annotations

import pytest

from tests.unit.parsers.body_pages import (
    CHINESE,
    ENGLISH,
    LANGUAGES,
    SampleText,
    lines,
    parse,
    read,
)

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
def test_short_beginning_of_the_text_is_kept(start: str, sample: SampleText):
    expected = [sample.heading, sample.short, *sample.items]
    markup = start.format(
        short=sample.short, heading=sample.heading, items=sample.items, caption=sample.caption
    )

    found = lines(read(markup + sample.first + sample.last, sample))

    assert found == [each for each in expected if each in markup] + list(sample.sentences)


@LANGUAGES
def test_bold_heading_before_the_text_is_kept_when_another_follows(sample: SampleText):
    heading = f"<p><strong>{sample.heading} {{}}</strong></p>"
    body = heading.format(1) + sample.first + heading.format(2) + sample.last

    assert lines(read(body, sample))[0] == f"{sample.heading} 1"
    assert (
        lines(read(heading.format(1) + sample.first + sample.last, sample))[0]
        == sample.sentences[0]
    )


@LANGUAGES
def test_short_line_without_markup_is_kept_before_a_break(sample: SampleText):
    article = read("<br><br>".join((sample.short, *sample.sentences)), sample)

    assert lines(article) == [sample.short, *sample.sentences]


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
def test_first_update_of_a_live_blog_keeps_its_heading(update: str, sample: SampleText):
    headings = [f"{sample.heading} {number}" for number in (4, 3, 2, 1)]
    pairs = list(zip(headings, sample.sentences, strict=True))

    found = lines(read("".join(update.format(*pair) for pair in pairs), sample))

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
def test_text_after_an_early_end_tag_is_kept(page: str, sample: SampleText):
    html = f"<html><head><title>{sample.title}</title></head>" + page.format(
        title=sample.title, first=sample.first, last=sample.last
    )

    assert lines(parse(html)) == list(sample.sentences)


# -- tables and lists ---------------------------------------------------------------------


@LANGUAGES
@pytest.mark.parametrize("place", ["start", "middle", "end", "figure", "box"])
@pytest.mark.parametrize("cell", ["<a href='/c'>{}</a>", "{}"])
def test_table_is_kept_with_the_links_in_its_cells(cell: str, place: str, sample: SampleText):
    rows = [[f"{sample.cell} {number}", f"{number}a0b1c2d3"] for number in range(5)]
    table = "".join(f"<tr><td>{a}</td><td>{cell.format(b)}</td></tr>" for a, b in rows)
    table = f"<table><tr><th>{sample.heading}</th><th>#</th></tr>{table}</table>"
    table = {"figure": f"<figure>{table}</figure>", "box": f"<div class='wide'>{table}</div>"}.get(
        place, table
    )
    parts = {
        "start": [table, sample.first, sample.last],
        "end": [sample.first, sample.last, table],
    }.get(place, [sample.first, table, sample.last])

    found = read("".join(parts), sample).text

    assert [row for row in rows if "\t".join(row) not in found] == []
    assert sample.heading in found


@LANGUAGES
def test_table_longer_than_the_sentences_is_kept(sample: SampleText):
    rows = "".join(
        f"<tr><td><a href='/b/{n}'>{sample.cell} {n}</a></td><td><a href='/h/{n}'>{n}f0e1d2c3b4a5</a></td>"
        f"<td>{n} MB</td></tr>"
        for n in range(60)
    )

    article = read(f"{sample.first}<table>{rows}</table>{sample.last}", sample)

    assert article.text.count("f0e1d2c3b4a5") == 60
    assert all(sentence in article.text for sentence in sample.sentences)


@LANGUAGES
def test_list_of_terms_keeps_values_that_are_links(sample: SampleText):
    terms = "".join(f"<dt>{sample.cell} {n}</dt><dd><a href='/{n}'>A{n}</a></dd>" for n in range(3))

    found = lines(read(f"{sample.first}<dl>{terms}</dl>{sample.last}", sample))

    assert [line for n in range(3) for line in (f"{sample.cell} {n}", f"A{n}")] == found[2:-2]


@LANGUAGES
def test_table_of_the_lines_about_an_article_is_not_text(sample: SampleText):
    table = (
        "<table><tr><td>发布时间：2024-05-02 10:00</td><td>A</td></tr>"
        "<tr><td>作者：张三</td><td>B</td></tr></table>"
    )

    assert lines(read(table + sample.first + sample.last, sample)) == list(sample.sentences)


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
def test_list_that_a_colon_announces_is_kept(is_last: bool, markup: str, sample: SampleText):
    listed = f"<p>{sample.intro}</p>" + markup.format(*sample.items)
    parts = [sample.first, sample.last, listed] if is_last else [sample.first, listed, sample.last]

    found = lines(read("".join(parts), sample))

    assert sorted(found) == sorted([*sample.sentences, sample.intro, *sample.items])


@LANGUAGES
def test_list_of_sentences_is_kept_with_its_links(sample: SampleText):
    items = "".join(
        f"<li><a href='/a'>{each}</a> — {sample.sentences[0][-9:]}</li>" for each in sample.items
    )

    found = read(f"{sample.first}<ul>{items}</ul>{sample.last}", sample).text

    assert [each for each in sample.items if each not in found] == []


# -- which box ----------------------------------------------------------------------------


@LANGUAGES
@pytest.mark.parametrize("name", ["info", "share-text", "intext-ad", "related"])
def test_box_of_most_sentences_is_the_article_whatever_its_name(name: str, sample: SampleText):
    notice = f"<div><p>{sample.sentences[0][::-1]}</p></div>"

    article = read(f"<div class='{name}'>{sample.first}{sample.last}</div>{notice}", sample)

    assert lines(article)[: len(sample.sentences)] == list(sample.sentences)


TEASER = (
    "<article class='post post-{0}'><h3><a href='/{0}'>Lighthouse number {0} is painted</a></h3>"
    "<div>2024-05-0{0}</div><p>{0} {1}</p><a href='/{0}'>More</a></article>"
)
COMMENT = (
    "<li class='c c-{0}'><span>Reader {0}</span> <p>2 May 2024, 10:0{0}</p><p>{0} {1}</p></li>"
)


@LANGUAGES
@pytest.mark.parametrize("item", [TEASER, COMMENT], ids=["teasers", "comments"])
def test_repeated_boxes_beside_the_article_are_not_in_the_text(item: str, sample: SampleText):
    items = "".join(item.format(number, sample.sentences[number % 4]) for number in range(8))
    body = f"<div>{sample.first}{sample.last}</div><div>{items}</div>"

    assert lines(read(body, sample)) == list(sample.sentences)


@LANGUAGES
def test_box_ends_where_its_element_ends_although_a_dialog_is_in_it(sample: SampleText):
    dialog = "<dialog><p>Choose a language.</p></dialog>"
    aside = f"<aside>{dialog}<p>{sample.short} {sample.sentences[3]}</p></aside>"

    article = read(f"{sample.first}{dialog}{aside}<p>{sample.sentences[2]}</p>", sample)

    assert lines(article) == list(sample.sentences[:3])


@LANGUAGES
def test_short_article_in_one_box_with_many_links_is_found(sample: SampleText):
    menu = "<ul>" + "<li><a href='/'>Islands and harbours</a></li>" * 70 + "</ul>"

    assert lines(read(menu + sample.first + sample.last, sample)) == list(sample.sentences)


@LANGUAGES
def test_parts_of_one_class_are_one_article(sample: SampleText):
    parts = "".join(
        f"<section class='part'><p>{line} {line[:-1]}, {number}.</p></section>"
        for number, line in enumerate(sample.sentences * 3)
    )

    assert len(lines(read(parts, sample))) == 12


def test_legal_notice_and_style_sheet_are_no_article():
    legal = "This text may not be republished without leave, says the office of rights. " * 12
    style = ".ferry { color: red; margin: 0 } .quay { color: blue; border: 1px solid black } " * 20
    article = read(
        f"<div>{ENGLISH.first}</div><div><p>{legal}</p></div><div>{style}</div>", ENGLISH
    )

    assert lines(article) == list(ENGLISH.sentences[:2])


@LANGUAGES
@pytest.mark.parametrize(
    ("span", "is_kept"),
    [
        ("<span class='link-visually-hidden'>, opens new tab</span>", False),
        ("<span class='sr-only'>, opens new tab</span>", False),
        ("<span style='clip:rect(0 0 0 0);height:1px;position:absolute'>, opens new tab</span>", False),
        ("<span style='height:1px'>, opens new tab</span>", True),
        ("<span class='visually-striking'>, opens new tab</span>", True),
    ],
)  # fmt: skip
def test_text_for_screen_readers_is_not_in_the_text(span: str, is_kept: bool, sample: SampleText):
    article = read(
        f"<p><a href='/x'>{sample.short}{span}</a> {sample.sentences[0]}</p>" + sample.last, sample
    )

    assert ("opens new tab" in article.text) == is_kept
    assert lines(article)[1:] == list(sample.sentences[2:])


HEADLINES = "".join(
    f"<tr><td><a href='/{n}'>Lighthouse number {n} on the quay is painted again.</a> (2024-5-{n} 11:08)</td></tr>"
    for n in range(1, 7)
)


@LANGUAGES
@pytest.mark.parametrize(
    "after",
    [
        f"<table>{HEADLINES}</table>",
        "<p>" + " 、 ".join(f"<a href='/{n}'>渡轮{n}号</a> 码头" for n in range(30)) + "</p>",
        "<p>" + " | ".join(f"Ferry {n}" for n in range(30)) + "</p>",
        "<p>欢迎加入本报Facebook專頁，讓你即時掌握本地新聞，與朋友分享！</p>",
        "<div>https://gazette.example/news/2024/ 2024-05-02 17:45 来源： 示例日报 网友评论 (0) 字号 大 中 小</div>",
    ],
    ids=["headlines", "linked keywords", "keywords", "promotion", "source"],
)
def test_lines_that_are_no_sentences_are_not_in_the_text(after: str, sample: SampleText):
    article = read(f"<div>{sample.first}{sample.last}{after}</div>", sample)

    assert lines(article) == list(sample.sentences)


@LANGUAGES
@pytest.mark.parametrize(
    "line",
    [
        "The harbour names its ferries Alma | Bella | Clara | Dora | Edda, and paints them red.",
        "港口的渡轮叫做阿尔玛、贝拉、克拉拉、多拉、埃达、弗里达、格蕾塔、海蒂、伊达、约翰娜，都漆成红色。",
        "The timetable of the ferry was printed for the first time on 2 May 2024.",
        "2011年港口管理处的编辑把渡轮的时刻表第一次印成小册子，作者是一位老船长，当年在码头上卖了三千本。",
    ],
)
def test_sentence_with_separators_or_a_date_is_kept(line: str, sample: SampleText):
    assert lines(read(f"{sample.first}<p>{line}</p>{sample.last}", sample))[2] == line


@LANGUAGES
def test_line_that_could_end_the_article_needs_little_text_after_it(sample: SampleText):
    heading = "相关新闻" if sample is CHINESE else "Share this"
    body = f"{sample.first}{sample.first}{sample.last}<p>{heading}</p><p>{sample.sentences[3]}!</p>"

    assert lines(read(f"<div>{body}</div>", sample))[-1] == f"{sample.sentences[3]}!"


def test_notice_of_a_platform_is_not_text():
    notice = "特别声明：以上内容(如有图片或视频亦包括在内)为自媒体平台用户上传并发布，本平台仅提供信息存储服务。"

    assert lines(read(f"{CHINESE.first}{CHINESE.last}<p>{notice}</p>", CHINESE)) == list(
        CHINESE.sentences
    )
