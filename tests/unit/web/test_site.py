"""The parts of a static site: names, pages of lists, search index, files, sitemap."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from flows.errors import ConfigurationError, RunFailed
from flows.web.clean_html import clean_body_with_images
from flows.web.language import ENGLISH
from flows.web.site import search_index as index
from flows.web.site.articles import SiteArticle
from flows.web.site.feeds import feed_files
from flows.web.site.files import JOURNAL, MANIFEST, open_files
from flows.web.site.lists import ArticleList, lists_of
from flows.web.site.names import article_path, list_folder
from flows.web.site.options import SiteOptions
from flows.web.site.sitemap import sitemap_files
from parsers.frontmatter.file_names import folded, is_portable

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
SAFE = re.compile(r"[a-z0-9_-]+")


def site_article(number: int, **changes: object) -> SiteArticle:
    article_id = f"gazette:{number}"
    fields: dict[str, object] = {
        "article_id": article_id, "source": "gazette", "title": f"Ferry {number}", "authors": [],
        "publisher": None, "published_us": number * 3_600_000_000,
        "published_on": (NOON + timedelta(hours=number)).date(), "published_precision": "second",
        "published_timezone": "UTC", "updated_us": None, "categories": [], "tags": [],
        "language": "en", "lead_image": None, "media": [], "url": "https://gazette.example/1",
        "completeness": "full", "state": "live", "revision_count": 1, "first_seen_us": 0,
        "line_hash": number, "search_hash": number, "page_hash": number,
        "path": article_path(article_id), **changes,
    }  # fmt: skip
    return SiteArticle(**fields)  # type: ignore[arg-type]


def test_enclosures_of_a_feed_are_files_and_no_pages_of_players():
    media = [
        {"kind": kind, "url": url, "type": None, "length": None, "duration": None}
        for kind, url in [
            ("picture", "https://press.example/shown.jpg"),
            ("video", "https://press.example/1.mp4"),
            ("video", "https://www.youtube.com/watch?v=abcdef1"),
        ]
    ]
    one = site_article(1, media=media)
    of = ArticleList(kind="", name="", articles=[one])
    body = '<img src="https://press.example/shown.jpg"><video src="https://press.example/1.mp4">'

    found = {}
    for text in ("a text", None):
        files = feed_files(of, SiteOptions(), ENGLISH, {one.article_id: (body, text)})
        (item,) = json.loads(files["feed.json"])["items"]
        found[text] = [each["url"] for each in item["attachments"]]

    urls = [each["url"] for each in media]
    assert found == {"a text": urls[1:2], None: urls[:2]}


@given(st.text(max_size=80))
def test_every_name_is_a_safe_one(text):
    parts = article_path(text).removesuffix(".html").split("/")

    assert all(SAFE.fullmatch(part) for part in (*parts, list_folder(text)))
    assert is_portable(article_path(text))
    assert is_portable(list_folder(text))


def test_a_plain_name_is_kept_and_names_that_a_disk_would_fold_stay_apart():
    names = [
        "finews",
        "Finews",
        "ｆinews",
        "con",
        "../finews",
        "碳中和",
        "碳 中和",
        "a-b",
        "a b",
        "",
    ]
    names.append(list_folder("Finews"))
    folders = [list_folder(name) for name in names]

    assert folders[0] == "finews"
    assert len({folded(one) for one in folders}) == len(names)


def pages_of(count: int) -> dict[str, list[int]]:
    """The articles of each page, by path, two to a page."""
    articles = [site_article(number) for number in range(count)]
    of = ArticleList(kind="sources", name="gazette", articles=articles)
    return {page.path: [one.line_hash for one in page.articles] for page in of.pages(length=2)}


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, {"index": []}),
        (3, {"index": [2, 1, 0]}),
        (4, {"page-1": [1, 0], "index": [3, 2]}),
        (7, {"page-1": [1, 0], "page-2": [3, 2], "index": [6, 5, 4]}),
    ],
)
def test_pages_are_numbered_from_the_oldest(count, expected):
    assert pages_of(count) == {
        f"sources/gazette/{name}.html": one for name, one in expected.items()
    }


@given(st.integers(0, 40), st.integers(0, 10))
def test_a_page_with_a_number_keeps_its_articles_when_new_ones_come(count, more):
    before, after = pages_of(count), pages_of(count + more)
    first = "sources/gazette/index.html"

    assert {path for path in before if path != first and after[path] != before[path]} == set()
    assert sorted(chain.from_iterable(after.values())) == list(range(count + more))


def test_pages_of_a_list_lead_to_each_other():
    articles = [site_article(number) for number in range(7)]
    pages = list(ArticleList(kind="", name="", articles=articles).pages(length=2))

    assert [one.path for one in pages] == [
        "all/articles/page-1.html", "all/articles/page-2.html", "index.html"
    ]  # fmt: skip
    assert [one.newer for one in pages] == [*(one.path for one in pages[1:]), ""]
    assert [one.older for one in pages] == ["", *(one.path for one in pages[:-1])]


def test_an_article_is_in_the_list_of_each_of_its_names_once():
    one = site_article(1, categories=["a", "b", "a", ""], tags=["a"], published_on=None)
    lists = lists_of([one])

    assert [of.name for of in lists["categories"]] == ["a", "b"]
    assert [of.articles for of in lists["categories"]] == [[one], [one]]
    assert [of.path for of in lists["days"]] == ["days/unknown/index.html"]


@given(st.integers(0, 400_000))
def test_segments_hold_every_number_once_and_are_few(count):
    found = index.segments(count)
    ends = [one.start + one.length for one in found]

    assert [one.start for one in found] == [0, *ends[:-1]][: len(found)]
    assert count <= (ends or [0])[-1] < count + index.BLOCK_LENGTH
    assert len(found) <= 20


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("央行降准", ["央行", "行降", "降准", "准"]),
        ("Ferry 时刻表, COVID-19", ["ferry", "时刻", "刻表", "表", "covid", "19"]),
        ("ＡＢＣ１２３ Straße", ["abc123", "straße"]),
        ("𠀀𠀁 … </script>", ["𠀀𠀁", "𠀁", "script"]),
        ("<>", []),
    ],
)
def test_words_of_an_index(text, words):
    assert list(index.words_in(text)) == words


def loaded(text: str) -> object:
    """The value that a script of the index passes on."""
    return json.loads("[" + text.removeprefix("copydesk(").removesuffix(");\n") + "]")[1]


def test_shards_of_a_segment_hold_the_numbers_of_every_word():
    segment = index.Segment(512, 512)
    numbered = [(600, site_article(1, title="央行")), (512, site_article(2, title="央行"))]
    shards = [loaded(one) for one in index.segment_texts(segment, sorted(numbered))]

    shard = shards[index.shard_of("央行", segment.shard_count)]
    assert len(shards) == len(index.segment_files(segment)) == 4
    assert isinstance(shard, dict)
    assert shard["央行"] == [0, 88]


def test_a_removed_article_has_no_line_in_its_block():
    found = loaded(index.block_text(2, {257: ["Ferry", "a.html", "", "gazette", "en"]}))

    assert isinstance(found, list)
    assert len(found) == index.BLOCK_LENGTH
    assert [at for at, line in enumerate(found) if line] == [1]


def test_cleaned_html_is_the_same_in_every_process():
    html = (
        '<p><img loading=eager src="https://press.example/a&b" onerror="x()" title="<a> alt=&quot;">'
        '<img alt="x" src="relative.png"></p>'
    )

    assert clean_body_with_images(html) == (
        '<p><img src="https://press.example/a&amp;b" title="&lt;a&gt; alt=&quot;" alt="" '
        'referrerpolicy="no-referrer" loading="lazy">'
        '<img alt="x" referrerpolicy="no-referrer" loading="lazy"></p>'
    )


def write(folder: Path, files: dict[str, str]) -> dict[str, object]:
    """Build a site of these files; what happened."""
    with open_files(folder) as site:
        for path, text in files.items():
            if not site.keep(path, text):
                site.write(path, text, text)
        site.finish()
    return {
        "written": site.written, "updated": site.updated, "removed": site.removed,
        "left_alone": sorted(site.left_alone),
    }  # fmt: skip


def counts(written: int = 0, updated: int = 0, removed: int = 0, *left: str) -> dict[str, object]:
    return {"written": written, "updated": updated, "removed": removed, "left_alone": [*left]}


def test_only_changed_files_are_written_and_gone_ones_removed(tmp_path):
    assert write(tmp_path, {"a.html": "1", "b/c.html": "2"}) == counts(2)
    times = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    assert write(tmp_path, {"a.html": "1", "b/c.html": "2"}) == counts()
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == times

    assert write(tmp_path, {"a.html": "3"}) == counts(0, 1, 1)
    assert {file.name for file in tmp_path.rglob("*")} == {"a.html", MANIFEST}


def test_a_file_that_was_deleted_is_written_again(tmp_path):
    write(tmp_path, {"a.html": "1"})
    (tmp_path / "a.html").unlink()

    assert write(tmp_path, {"a.html": "1"}) == counts(1)


def test_files_of_others_and_edited_files_are_left_alone(tmp_path):
    (tmp_path / "a.html").write_text("mine")
    assert write(tmp_path, {"a.html": "1", "b.html": "1", "c.html": "1"}) == counts(
        2, 0, 0, "a.html"
    )
    (tmp_path / "b.html").write_text("edited")
    (tmp_path / "c.html").write_text("edited")

    assert write(tmp_path, {"b.html": "2"}) == counts(0, 0, 0, "b.html", "c.html")
    assert write(tmp_path, {"b.html": "2"}) == counts(0, 0, 0, "b.html", "c.html")
    assert [(tmp_path / f"{name}.html").read_text() for name in "abc"] == [
        "mine",
        "edited",
        "edited",
    ]


def test_no_file_is_written_through_a_link(tmp_path):
    site, outside = tmp_path / "site", tmp_path / "outside"
    outside.mkdir()
    (outside / "x.html").write_text("mine")
    site.mkdir()
    (site / "folder").symlink_to(outside)
    (site / "x.html").symlink_to(outside / "x.html")

    found = write(site, {"folder/x.html": "1", "x.html": "1"})

    assert found == counts(0, 0, 0, "folder/x.html", "x.html")
    assert (outside / "x.html").read_text() == "mine"
    (site / MANIFEST).symlink_to(outside / "manifest")
    with pytest.raises(ConfigurationError):
        write(site, {})


def test_a_folder_or_a_link_in_the_place_of_a_file_is_left_alone(tmp_path):
    (tmp_path / "a.html").mkdir()
    (tmp_path / "b.html").symlink_to(tmp_path / "a.html")
    (tmp_path / "c").write_text("mine")

    found = write(tmp_path, {"a.html": "1", "b.html": "1", "c/d.html": "1"})

    assert found == counts(0, 0, 0, "a.html", "b.html", "c/d.html")
    assert (tmp_path / "b.html").is_symlink()


def test_a_repository_in_the_folder_is_not_read(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/a.html").write_text("1")

    with open_files(tmp_path) as site:
        assert site._existing == set()


def test_a_manifest_that_names_files_outside_removes_none(tmp_path):
    (tmp_path / "mine").write_text("1")
    site = tmp_path / "site"
    write(site, {"a.html": "1"})
    line = (site / MANIFEST).read_text().splitlines()[1]
    with (site / MANIFEST).open("a") as manifest:
        manifest.write(line.replace("a.html", "../mine") + "\n")

    assert write(site, {})["removed"] == 1
    assert (tmp_path / "mine").exists()


def test_the_build_after_a_killed_one_knows_its_files(tmp_path):
    write(tmp_path, {"a.html": "1"})
    with open_files(tmp_path) as site:  # no finish: the process was killed
        site.write("a.html", "2", "2")
        site.write("b.html", "2", "2")
        site._write_drafts()
    assert (tmp_path / JOURNAL).exists()

    assert write(tmp_path, {"a.html": "1", "b.html": "3"}) == counts(0, 2)
    assert [(tmp_path / f"{name}.html").read_text() for name in "ab"] == ["1", "3"]
    assert not (tmp_path / JOURNAL).exists()


def test_a_damaged_manifest_is_an_error_and_a_second_build_waits_for_no_one(tmp_path):
    with open_files(tmp_path), pytest.raises(RunFailed), open_files(tmp_path):
        pass
    (tmp_path / MANIFEST).write_text("something else\n")
    with pytest.raises(ConfigurationError):
        write(tmp_path, {})
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigurationError):
        write(file, {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "a").mkdir(mode=0o500)

    assert write(tmp_path, {"a/b.html": "1"}) == counts(0, 0, 0, "a/b.html")


def test_a_long_sitemap_is_divided():
    base = "https://news.example/&/"
    files = dict(sitemap_files(base, ["a.html", "b.html", "c.html"], urls_each=2))
    found = {name: etree.fromstring(text.encode()).xpath("//*[local-name()='loc']/text()")
             for name, text in files.items()}  # fmt: skip

    assert found == {
        "sitemap.xml": [f"{base}sitemap-1.xml", f"{base}sitemap-2.xml"],
        "sitemap-1.xml": [f"{base}a.html", f"{base}b.html"],
        "sitemap-2.xml": [f"{base}c.html"],
    }
    assert list(dict(sitemap_files(base, ["a.html"]))) == ["sitemap.xml"]


@pytest.mark.parametrize(
    "values",
    [{"language": "xx"}, {"base_url": "news.example"}, {"base_url": "https://news.example/?a"}],
)
def test_wrong_options_are_errors(values):
    with pytest.raises(ValueError, match="site"):
        SiteOptions(**values)
