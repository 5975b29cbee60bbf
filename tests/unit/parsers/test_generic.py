"""Any page: the generic parser finds each field, and refuses to guess.

Whole pages with their expected articles are the recorded cases in
``tests/fixtures/generic``; here are the rules one at a time, and hostile pages.
"""

from __future__ import annotations

import gzip
import json
import time

import pytest

from parsers import registry
from parsers.errors import IncompleteArticle, UnknownUrl, WrongPage
from parsers.extract.heuristics import HOSTS, SHANGHAI, host_facts
from parsers.extract.tree import flatten, parse_tree, text_of
from parsers.sources import generic
from parsers.text.charset import decode
from tests.corpus import corpus
from tests.unit.parsers.generic_pages import (
    CHINESE,
    PARAGRAPHS,
    SENTENCES,
    TEXT,
    URL,
    ld,
    page,
    read,
)

# -- body ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "around",
    [
        "<nav><a href='/a'>Home</a><a href='/b'>News</a></nav>",
        "<aside><p>Another report tells at length how the storm tore the ramp away, and why.</p></aside>",
        "<div class='comments'><p>I have waited for this ferry for a year, and here it is at last.</p></div>",
        "<div style='display:none'><p>Nobody can see these words, which stand in a hidden box, ever.</p></div>",
        "<h2>Related</h2><div><h3><a href='/x'>Lighthouse painted</a></h3><p>The lighthouse is red, they say.</p></div>",
        "<p>Sign up for our newsletter, and never miss a story about the harbour again.</p>",
        "<p>© Gazette. All rights reserved.</p>",
        "<p>These words may not be republished without leave of the office, ever.</p>",
        f"<p>{SENTENCES[0]}</p>",
        "<h3>More great Gazette stories</h3><ul><li><a href='/x'>The lighthouse</a> is red, they say.</li></ul>",
        "<p>" + "1/1/1/" * 20_000 + "</p>",
        "<p>" + "word " * 20_000 + "</p>",
    ],
)
def test_lines_after_the_article_are_not_in_the_text(around: str):
    assert read(page(after=around)).text == TEXT


@pytest.mark.parametrize(
    "between",
    [
        "<h3>Related</h3>",
        "<p>Read more: the lighthouse is painted, too.</p>",
        "<aside><p>Short note aside</p></aside>",
        "<p>(Photo: Example Agency)</p>",
        "<ul><li><a href='/x'>The lighthouse is painted again, and it is red now</a></li></ul>",
        '<p>{"layout": 2, "text": "Buy now, and save a lot."}</p>',
        "<script>var words = 'not text, but code.';</script>",
    ],
)
def test_boilerplate_between_paragraphs_is_not_in_the_text(between: str):
    first, rest = PARAGRAPHS.split("\n", 1)

    assert read(page(body=f"{first}{between}{rest}")).text == TEXT


def test_small_box_with_a_linked_heading_is_a_teaser():
    parts = [PARAGRAPHS.replace("ferry", f"ferry of island {number}") for number in range(4)]
    teaser = (
        "<div><h3><a href='/x'>Lighthouse is red</a></h3>"
        "<p>The lighthouse is red, they say, and red it stays.</p></div>"
    )

    found = read(page(body=teaser.join(parts))).text

    assert "island 3" in found
    assert "ighthouse" not in found


def test_unknown_time_zone_is_refused_when_the_source_is_made():
    with pytest.raises(registry.OptionError, match="time_zone: expected a zone"):
        registry.make_source("generic", "generic", {"time_zone": "Asia/Nowhere"})


def test_subheadings_lists_and_short_lines_of_the_body_belong_to_it():
    body = PARAGRAPHS + "<h2>Fares</h2><ul><li>Adults: four crowns</li><li>Students: two</li></ul>"

    assert read(page(body=body)).text.split("\n\n", 3)[3].split() == (
        ["Fares", "Adults:", "four", "crowns", "Students:", "two"]
    )


def test_a_caption_and_the_headline_are_not_in_the_text_but_the_image_is_in_the_body():
    figure = "<figure><img src='/f.jpg'><figcaption>The ferry at dawn, seen from the pier.</figcaption></figure>"
    article = read(page(body=f"<h1>Ferry returns</h1>{figure}{PARAGRAPHS}"))

    assert article.text == TEXT
    assert '<img src="https://gazette.example/f.jpg"' in article.body_html


@pytest.mark.parametrize("name", ["sidebar", "comment", "related-content", "share"])
def test_sentences_of_a_box_count_more_than_its_class_name(name: str):
    notice = (
        "<div class='cookie-notice'><p>"
        + "We use what browsers store, and we say so here, at length. " * 4
        + "</p></div>"
    )
    html = (
        f"<html><title>Ferry returns</title><div class='{name}'><article><h1>Ferry returns</h1>"
        f"{PARAGRAPHS}{PARAGRAPHS.replace('e', 'é')}</article></div>{notice}</html>"
    )

    assert read(html).text == f"{TEXT}\n\n{TEXT.replace('e', 'é')}"


@pytest.mark.parametrize(
    "line",
    [
        "Copyright law protects the harbour's old maps, and their makers.",
        "Advertisement of the crossing starts next week, the office said.",
        "Your browser is not needed: the office prints the timetable, and posts it.",
        "Log in to your account at the harbour office, and choose a crossing.",
        "More than two stories of the hotel burned, the harbour office said.",
        "This article is for passengers who cross more than once a week.",
    ],
)
def test_sentence_that_begins_like_boilerplate_is_text(line: str):
    assert line in read(page(body=f"{PARAGRAPHS}<p>{line}</p>" + PARAGRAPHS.replace("e", "é"))).text


def test_offer_of_an_account_inside_the_article_ends_it():
    offer = "<h3>Create a free account to continue reading</h3><div><p>Members read all of it, and pay nothing.</p></div>"

    assert read(page(body=PARAGRAPHS + offer)).text == TEXT


def test_question_that_an_interview_repeats_is_kept():
    question = "<div class='q'><p>Which island do you like best, and why do you go there each year?</p></div>"
    body = "".join(f"{question}<p>{text}</p>" for text in SENTENCES)

    assert read(page(body=body)).text.count("Which island") == len(SENTENCES)


def test_paragraphs_that_the_page_repeats_together_are_left_out():
    again = "".join(f"<div><p>{text}</p></div>" for text in SENTENCES[:2])
    end = "<p>The harbour office thanks all who waited, it said, and opens the quay at five.</p>"

    found = read(page(body=f"{PARAGRAPHS}{again}{end}")).text

    assert [found.count(text) for text in SENTENCES] == [1, 1, 1]


def test_sentence_of_links_with_words_beside_them_is_kept():
    sentence = "<p><a href='/a'>Ferries of the northern islands</a>, <a href='/b'>all of them</a>, sail again.</p>"

    assert (
        "sail again." in read(page(body=PARAGRAPHS + sentence + PARAGRAPHS.replace("e", "é"))).text
    )


def test_a_standfirst_that_the_description_repeats_is_the_first_paragraph():
    lead = "After a year of repairs the ferry sails again, to the joy of two islands."
    article = read(
        page(
            f'<meta name="description" content="{lead}">',
            f"<div class='x'>{lead}</div><ul><li><a href='/'>a</a></li></ul>",
            f"<article>{PARAGRAPHS}</article>",
        )
    )

    assert article.text == f"{lead}\n\n{TEXT}"


@pytest.mark.parametrize("depth", [300, 500, 3000, 20_000])
@pytest.mark.parametrize("tag", ["div", "font", "b"])
def test_text_survives_any_depth(depth: int, tag: str):
    assert read(page(body=f"<{tag}>" * depth + PARAGRAPHS + f"</{tag}>" * depth)).text == TEXT


def test_a_page_that_is_not_too_deep_is_not_flattened():
    html = "<div>" * 10 + "<p>words</p>" + "</div>" * 10

    assert flatten(html) == html


def test_a_tag_with_a_hundred_thousand_attributes_costs_nothing():
    many = " ".join(f"data-a{i}='{i}'" for i in range(100_000))

    started = time.process_time()

    assert read(page(before=f"<div {many}>x</div>")).text == TEXT
    assert time.process_time() - started < 3  # libxml2 alone takes nine seconds


def test_text_without_markup_keeps_its_words():
    root = parse_tree("<p>a\x00b\x0bc</p>")

    assert root is not None
    assert text_of(root) == "abc"


def test_text_behind_an_inner_element_belongs_to_the_text_of_the_outer_one():
    html = page().replace(
        "<h1>Ferry returns</h1>", "<h1>Ferry <em>Alma</em> returns<br>to port</h1>"
    )

    assert (
        read(html.replace("<title>Ferry", "<title>Ferry Alma")).title
        == "Ferry Alma returns to port"
    )


# -- title --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ('<title>Ferry returns | Gazette</title><h1>Gazette</h1><h1>Ferry returns</h1>', "Ferry returns"),
        ('<title>Harbour: Ferry returns</title><h1>Harbour</h1><h1>Harbour: Ferry returns</h1>', "Harbour: Ferry returns"),
        ('<title>Ferry | Gazette</title><meta property="og:title" content="Ferry returns"><script type="application/ld+json">{"@type":"NewsArticle","headline":"Ferry returns"}</script><h1>Ferry</h1>', "Ferry returns"),
        ('<title>"Quoted" ferry</title><meta property="og:title" content=""><h1>"Quoted" ferry</h1>', '"Quoted" ferry'),
        ('<title>Ferry &amp; quay_News_Gazette</title>', "Ferry & quay"),
        ('<title>Ferry returns | Gazette</title><meta property="og:site_name" content="Gazette"><meta property="og:title" content="Ferry returns | Gazette"><script type="application/ld+json">{"@type":"NewsArticle","headline":"Ferry returns | Gazette"}</script>', "Ferry returns"),
        ('<title>Ferry returns | Daily</title><meta property="og:title" content="Ferry returns | Daily"><script type="application/ld+json">{"@type":"NewsArticle","headline":"Ferry returns | Daily"}</script><h1>Ferry returns</h1>', "Ferry returns"),
        ('<title>Ferry returns | Gazette News</title><link rel="canonical" href="https://www.gazette.example/1"><meta property="og:title" content="Ferry returns | Gazette News"><script type="application/ld+json">{"@type":"NewsArticle","headline":"Ferry returns | Gazette News"}</script>', "Ferry returns"),
        ('<title>Ferry returns to port - Gazette</title><h1><span>Harbour</span><span>Ferry returns to port</span></h1>', "Ferry returns to port"),
        ('<title>Gazette</title><meta property="og:site_name" content="Gazette"><meta property="og:title" content="Ferry returns - Gazette">', "Ferry returns"),
        ('<title>Ferry returns to port - Gazette</title><h1>News of the harbour<br>Ferry returns to port</h1>', "Ferry returns to port"),
        ('<title>Ferry returns to port after nine long weeks of repairs : Harbour archive | Notes of a captain</title><h1>Harbour archive</h1>', "Ferry returns to port after nine long weeks of repairs"),
        ('<title>Gazette</title><script type="application/ld+json">{"@type":"NewsArticle","headline":"Ferry &amp; quay"}</script>', "Ferry & quay"),
        ('<title>Ferry returns to port - Gazette</title><h2 class="headline">Ferry returns to port</h2>', "Ferry returns to port"),
    ],
)  # fmt: skip
def test_title(head: str, title: str):
    assert read(f"<html>{head}<div>{PARAGRAPHS}</div></html>").title == title


# -- byline -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "before", "authors"),
    [
        (ld(author=[{"@type": "Person", "name": "Ida Sample"}, {"name": "Bo Sample"}]), "", ("Ida Sample", "Bo Sample")),
        (ld(author="By Ida Sample and Bo Sample"), "", ("Ida Sample", "Bo Sample")),
        ('<meta name="author" content="Ida Sample, Reporter">', "", ("Ida Sample",)),
        ('<meta property="article:author" content="https://social.example/ida">', "", ()),
        ('<meta name="author" content="admin">', "", ()),
        ('<meta name="author" content="ida@gazette.example (Ida Sample)">', "", ("Ida Sample",)),
        ('<meta name="author" content="By Ida Sample, Tom Trial and Eva Essai">', "", ("Ida Sample", "Tom Trial", "Eva Essai")),
        ("", "<p class='byline'>Par Ida Sample avec AFP</p>", ("Ida Sample",)),
        ("", "<p>By Ida Sample</p>", ("Ida Sample",)),
        ("", "<p>Von Ida Sample · 3. Mai 2024</p>", ("Ida Sample",)),
        ("", "<span class='author'><a href='/ida'>Ida Sample</a></span>", ("Ida Sample",)),
        ("", "<div class='authors'><img src='/i.jpg'> Ida Sample</div>", ("Ida Sample",)),
        ("", "<h4 class='author'>vom Hafenblogger</h4>", ("Hafenblogger",)),
        ("", "<div class='author'><b>Ida Sample</b><i>Pilot</i><i>Diver of wrecks</i></div>", ("Ida Sample",)),
        ("", "<div class='author'><b>Ida Sample</b><b>Bo O’Sample</b><i>marine engineer</i></div>", ("Ida Sample", "Bo O’Sample")),
        ("", "<p class='byline'><b itemprop='name'>Ida Sample</b> and <b itemprop='name'>Bo Sample</b></p>", ("Ida Sample", "Bo Sample")),
        ("", "<p class='byline'>Ida Sample, RN, BSN</p>", ("Ida Sample",)),
        (ld(author="Ida Sample (IS)"), "", ("Ida Sample",)),
        (ld(author="No Author"), "", ()),
        (ld(author="Staff Reporter"), "<p>by ibby</p>", ("ibby",)),
        ("", "<p><a href='/s'>By subject</a></p>", ()),
        ("", "<p>Ida Sample</p><p>May 2, 2024</p>", ("Ida Sample",)),
        ("", "<p>May 2, 2024</p><p><a href='/ida'>Ida Sample</a></p>", ("Ida Sample",)),
        ("", "<p>May 2, 2024</p><p>Latest News</p>", ()),
        ("", "<p>Harbour Street</p><p>May 2, 2024</p><p>Ida Sample</p>", ()),
        ("", "<p>Harbour Street</p><p>Ferries and boats</p>", ()),
        ("", "<p>By the end of the day</p>", ()),
        ("", "<p>by Ida · May 2, 2024</p>", ("Ida",)),
        ("", "<p>Written by</p><p>Ida Sample</p>", ("Ida Sample",)),
        ("", "<h4>Autor</h4><p>Ida Sample,</p>", ("Ida Sample",)),
        ("", "<p>Contributors: Ida Sample</p>", ("Ida Sample",)),
        ("", "<div class='text__author'>Ida Sample</div>", ("Ida Sample",)),
        ("", "<h2><a href='/'>Harbour</a></h2><div class='author'>Ida Sample</div>", ("Ida Sample",)),
        (ld(author="Gazette staff"), "<p>by Ida Sample</p>", ("Ida Sample",)),
        (ld(author="Gazette staff"), "", ("Gazette staff",)),
        (ld(author={"@type": "Organization", "name": "Gazette"}) + '<meta property="og:site_name" content="Gazette">', "<div class='author'>Ida Sample</div>", ("Ida Sample",)),
        (ld(author="Gazette staff"), "<div class='author'>The harbour, storms</div>", ("Gazette staff",)),
        ("", "<ul class='author'>" + "".join(f"<li>Topic {n}, </li>" for n in "abcdefgh") + "</ul>", ()),
    ],
)  # fmt: skip
def test_authors(head: str, before: str, authors: tuple[str, ...]):
    article = read(page(head, before))

    assert article.authors == authors
    assert article.provenance["authors"].startswith("absent") == (not authors)


def test_author_of_a_teaser_is_not_its_author():
    teasers = "".join(
        f"<h3><a href='/{n}'>Report {n}</a></h3><p class='author'>Bo Sample</p>" for n in range(12)
    )

    assert read(page(after=f"<div>{teasers}</div>")).authors == ()


def test_author_in_the_box_of_the_text_is_found_although_no_text():
    line = "<div class='author-line'><a href='/ida'>Ida Sample</a></div>"
    article = read(page(body=line + PARAGRAPHS))

    assert (article.authors, article.text) == (("Ida Sample",), TEXT)


@pytest.mark.parametrize(
    ("line", "authors", "publisher"),
    [
        ("2022-03-14 10:00 来源：示例日报 作者：张三", ("张三",), "示例日报"),
        ("来源：示例日报作者：张三 李四", ("张三", "李四"), "示例日报"),
        ("示例日报记者 张三 李四", ("张三", "李四"), None),
        ("文/张三", ("张三",), None),
        ("张三/示例青年报", ("张三",), None),
        ("原创 示例文摘 2022-03-14 10:00", ("示例文摘",), None),
        ("责任编辑：王五", (), None),
        ("记者从渡口获悉", (), None),
        ("示例日报记者 近日获悉 报道", (), None),
        ("来源：示例日报 编辑：王五", (), "示例日报"),
    ],
)
def test_chinese_byline(line: str, authors: tuple[str, ...], publisher: str | None):
    article = read(
        f"<html><title>渡口恢复通航</title><h1>渡口恢复通航</h1><div>{line}</div><div>{CHINESE}</div></html>"
    )

    assert (article.authors, article.publisher) == (authors, publisher)


def test_the_site_as_author_of_a_chinese_page_is_no_author():
    article = read(
        f"<html><head><title>渡口恢复通航_示例网</title><meta name='author' content='示例网'></head>"
        f"<h1>渡口恢复通航</h1><div>{CHINESE}</div></html>"
    )

    assert article.authors == ()


# -- the rest -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "canonical"),
    [
        ('<link rel="canonical" href="/a?utm_source=x">', "https://gazette.example/a"),
        ('<link rel="canonical" href="https://gazette.example/">', URL),
        ('<link rel="canonical" href="javascript:1">', URL),
        ('<meta property="og:url" content="https://gazette.example/b#c">', "https://gazette.example/b"),
        ("", URL),
    ],
)  # fmt: skip
def test_canonical_address_is_the_identity(head: str, canonical: str):
    article = read(page(head))

    assert article.canonical_url == canonical
    assert article.article_id == f"generic:{canonical}"


@pytest.mark.parametrize(
    ("html", "body", "language"),
    [
        ("<html lang='en-GB'>", PARAGRAPHS, "en-GB"),
        ("<html>", PARAGRAPHS, None),
        ("<html lang='en'>", CHINESE, "zh"),
        ("<html lang='zh-TW'>", CHINESE, "zh-TW"),
    ],
)
def test_language(html: str, body: str, language: str | None):
    assert (
        read(f"{html}<title>Ferry returns</title><h1>Ferry returns</h1>{body}").language == language
    )


@pytest.mark.parametrize(
    "script",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"@type":"NewsArticle","headline":"x",}',
        "null",
        '{"@graph":null,"author":[null,1,{"name":null}]}',
        '{"@type":["NewsArticle",null],"author":{"@id":"#nobody"},"image":[null],"datePublished":7}',
        "{not json",
    ],
)
def test_broken_structured_data_costs_nothing(script: str):
    html = page(f'<script type="application/ld+json">{script}</script>')

    assert read(html).text == TEXT


def test_structured_data_of_another_article_is_not_this_one():
    other = {"@type": "NewsArticle", "headline": "Lighthouse painted", "author": "Bo Other"}
    third = {"@type": "NewsArticle", "headline": "Market moves", "author": "Cy Other"}
    html = page(f'<script type="application/ld+json">{json.dumps([other, third])}</script>')

    assert read(html).authors == ()


@pytest.mark.parametrize(
    "html", ["", " \n", "\x89PNG\r\n\x1a\n\x00\x01", "plain words, no page", "<html></html>"]
)
def test_page_without_sentences_is_incomplete(html: str):
    with pytest.raises(IncompleteArticle):
        read(html)


def test_front_page_is_no_article_unless_it_declares_one():
    html = page()
    with pytest.raises(WrongPage):
        read(html, "https://gazette.example/")
    assert (
        read(page('<meta property="og:type" content="article">'), "https://gazette.example/").text
        == TEXT
    )


def test_any_http_address_is_an_entry_and_nothing_else_is():
    source = registry.make_source("generic", "generic", {})

    entry = generic.entry_of(source, "HTTPS://Gazette.example/a?utm_source=x#top")
    assert entry.source_article_id == "https://gazette.example/a"
    with pytest.raises(UnknownUrl):
        generic.entry_of(source, "ftp://gazette.example/a")
    assert generic.listings(source) == ()


def test_the_longest_listed_host_counts():
    assert host_facts("mp.weixin.qq.com") is HOSTS["mp.weixin.qq.com"]
    assert host_facts("news.qq.com") is HOSTS["qq.com"]
    assert host_facts("qq.com.example").zone == ""
    assert {known.zone for known in HOSTS.values()} == {SHANGHAI}


def test_reading_twice_gives_the_same_article():
    html = page(ld(author="Ida Sample", datePublished="2024-05-02T10:00:00Z"))

    assert read(html) == read(html)


@pytest.mark.parametrize("set_name", ["gne_zh", "fundus_eval"])
def test_real_pages_of_the_corpus_keep_their_words(set_name: str):
    folder = corpus(f"extraction/{set_name}")
    oracles = json.loads((folder / "gt.json").read_text(encoding="utf-8"))
    missed = []
    for name, oracle in sorted(oracles.items())[:12]:
        body = gzip.decompress((folder / "html" / f"{name}.html.gz").read_bytes())
        article = read(decode(body).text, oracle.get("url") or f"file:///{name}")
        paragraphs = [text for wanted, text in oracle["paras"] if wanted and len(text) > 40]
        found = "".join(article.text.split())
        kept = sum("".join(text.split())[:40] in found for text in paragraphs)
        if kept < 0.8 * len(paragraphs):
            missed.append((name, kept, len(paragraphs)))

    assert missed == []
