"""A static site of a newsroom, built again after changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from duckdb import DuckDBPyConnection
from lxml import etree
from starlette.testclient import TestClient

from flows.cli import run
from flows.errors import ConfigurationError
from flows.web.format import clean
from flows.web.site.build import SiteResult, build_site
from flows.web.site.names import article_path
from flows.web.site.options import SiteOptions
from flows.web.site.serve import make_app
from tests import newsroom
from tests.feed_rules import check_atom, check_json_feed
from tests.integration.web.conftest import EVIL, HOSTILE, fill
from tests.unit.warehouse.factories import NOON, article, upsert
from warehouse import connect, publish, transaction
from warehouse.care.erasure import erase

OPTIONS = SiteOptions(title="Ferry & Port", base_url="https://news.example/desk", language="en")
HOSTILE_TITLES = (
    "<script>alert(1)</script>", "{{ 7*7 }} {% raw %}", "\"quotes\" 'single' &amp; & <b>",
    "مرحبا שלום abc", "-- --- # * _em_ `code`", "]]> <!-- --> </title></h1>", "  a\ttab ",
)  # fmt: skip
BODY = (
    "<p>text <a href='https://press.example/x'>link</a><a href='javascript:x()'>bad</a>"
    "<a href='other.html'>relative</a></p><h2 id=main class=x onclick=x()>part</h2>"
    "<img src='https://press.example/i.png' alt='a picture' onerror='x()'><img src='i.png'>"
    "<iframe src='https://press.example'></iframe><svg onload=x()></svg><style>p{}</style>"
    "<form><input></form><script>x()</script><img src='data:image/png;base64,AA'>"
)


class Desk:
    """A warehouse, and the folder of its site."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = folder / "w.duckdb"
        self.site = folder / "site"
        (folder / "copydesk.toml").write_text('[warehouse]\npath = "w.duckdb"\n', "utf-8")

    def change(self, edit: Callable[[DuckDBPyConnection], object]) -> None:
        with connect(self.warehouse) as db, transaction(db):
            edit(db)

    def build(self, options: SiteOptions = OPTIONS, site: Path | None = None) -> SiteResult:
        with connect(self.warehouse) as db:
            return build_site(db, site or self.site, options)

    def files(self) -> dict[str, bytes]:
        return {
            file.relative_to(self.site).as_posix(): file.read_bytes()
            for file in self.site.rglob("*") if file.is_file() and file.name[0] != "."
        }  # fmt: skip


def soup_of(file: Path) -> BeautifulSoup:
    return BeautifulSoup(file.read_bytes(), "lxml")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("site"))
    with connect(desk.warehouse) as db:
        fill(db)
        titled = [
            article(f"title-{n}", title, source="gazette", body_html=BODY, tags=(title,),
                    categories=(title,), authors=(title,), published_at=NOON + timedelta(days=n))
            for n, title in enumerate(HOSTILE_TITLES)
        ]  # fmt: skip
        undated = article("undated", "no day", published_at=None, published_on=None)
        upsert(db, *titled, undated)
    assert desk.build().exit_code == 0
    return desk


@pytest.fixture(scope="module")
def pages(desk: Desk) -> dict[str, BeautifulSoup]:
    return {path: soup_of(desk.site / path) for path in desk.files() if path.endswith(".html")}


def addresses(page: BeautifulSoup) -> Iterator[str]:
    for name in ("href", "src", "action"):
        yield from (str(tag[name]) for tag in page.find_all(attrs={name: True}))


def test_every_link_inside_the_site_leads_to_a_file(desk, pages):
    files, broken, linked = desk.files(), [], {"index.html", "404.html"}
    for path, page in pages.items():
        for address in addresses(page):
            if urlsplit(address).scheme or address.startswith("#"):
                continue
            parts: list[str] = []
            base = PurePosixPath(path).parent.parts if path != "404.html" else ()
            if path == "404.html":
                assert address.startswith(("/desk/", "#"))
                address = address.removeprefix("/desk/")
            for part in (*base, *unquote(urlsplit(address).path).split("/")):
                if part == "..":
                    assert parts, (path, address)
                    parts.pop()
                elif part:
                    parts.append(part)
            linked.add("/".join(parts))
            broken += [(path, address)] * ("/".join(parts) not in files)

    assert broken == []
    assert {path for path in pages if path not in linked} == set()


def test_every_page_has_a_policy_and_no_script_but_that_of_the_search(pages):
    for path, page in pages.items():
        policy = page.select_one("meta[http-equiv=Content-Security-Policy]")
        assert policy is not None, path
        rules = str(policy["content"])
        assert rules.count("'self'") >= 3
        assert "unsafe" not in rules
        assert ("script-src" in rules) == (path == "search.html")
        scripts = [tag["src"] for tag in page.find_all("script")]
        assert scripts == (["search.js"] if path == "search.html" else [])
        assert not page.select("[onclick], [onerror], [onload], [style], iframe, style, object")


@pytest.mark.parametrize("title", HOSTILE_TITLES)
def test_a_hostile_title_is_shown_as_it_is(desk, pages, title):
    path = article_path(f"gazette:title-{HOSTILE_TITLES.index(title)}")
    page = pages[path]
    author = page.select(".meta > bdi")[-1]
    shown = [page.h1, *page.select(".topics a"), author]

    assert [one and one.get_text() for one in shown] == [clean(title)] * 4
    assert page.title is not None
    assert page.title.get_text().startswith(clean(title))
    links = pages["sources/gazette/index.html"].select("ul.articles h2 a")
    assert clean(title) in [one.get_text() for one in links]


def test_the_html_of_an_article_is_cleaned(pages):
    story = pages[article_path("gazette:title-0")].select_one("article.story")
    assert story is not None
    images = story.find_all("img")

    assert {one.get("alt") for one in images} == {"", "a picture"}
    assert [one.attrs for one in images if one.get("src")] == [
        {"src": "https://press.example/i.png", "alt": "a picture", "loading": "lazy",
         "referrerpolicy": "no-referrer"}
    ]  # fmt: skip
    assert {tag.name for tag in story.find_all()} <= {"p", "a", "h2", "img", "bdi"}
    assert [tag.get("href") for tag in story.find_all("a")] == [
        "https://press.example/x",
        None,
        None,
    ]
    assert story.h2 is not None
    assert story.h2.attrs == {}
    evil = pages[article_path(HOSTILE)]
    assert evil.h1 is not None
    assert evil.h1.get_text() == clean(EVIL)


def test_an_unknown_day_has_a_list(pages):
    links = pages["days/unknown/index.html"].select("ul.articles h2 a")

    assert "no day" in [one.get_text() for one in links]


def test_feeds_and_sitemap_lead_to_the_pages_of_the_site(desk):
    files = desk.files()
    feeds = [path for path in files if path.endswith("feed.xml")]
    assert {"feed.xml", "sources/finews/feed.xml"} <= set(feeds)
    for path in feeds:
        links = check_atom(files[path]).xpath("//*[local-name()='entry']/*[@rel='alternate']/@href")
        items = check_json_feed(files[path.replace(".xml", ".json")])["items"]
        assert links
        for address in (*links, *(one["url"] for one in items)):
            assert str(address).removeprefix(OPTIONS.base_url) in files
    found = etree.fromstring(files["sitemap.xml"]).xpath("//*[local-name()='loc']/text()")
    assert {str(one).removeprefix(OPTIONS.base_url) for one in found} <= set(files)
    assert sum("/articles/" in one for one in found) == sum("articles/" in one for one in files
                                                            if one.startswith("articles/"))  # fmt: skip


def test_a_second_build_writes_nothing(desk):
    times = {file: file.stat().st_mtime_ns for file in desk.site.rglob("*")}
    result = desk.build()

    assert (result.written, result.removed) == (0, 0)
    assert result.unchanged == len(desk.files()) + 1  # .nojekyll
    assert {file: file.stat().st_mtime_ns for file in desk.site.rglob("*")} == times


def test_a_folder_below_any_path_is_served_with_its_404_page(desk):
    client = TestClient(make_app(desk.site, "/desk", 80), base_url="http://localhost:80")

    assert client.get("/", follow_redirects=False).headers["location"] == "/desk/"
    assert client.get("/desk/").status_code == client.get("/desk/index.html").status_code == 200
    missing = client.get("/desk/a/b/c.html")
    assert (missing.status_code, b"No such page" in missing.content) == (404, True)
    assert client.get("/desk/.copydesk-site.tsv").status_code == 404
    assert client.get("/desk/%2e%2e/w.duckdb").status_code == 404


def test_new_articles_change_the_pages_that_show_them(desk):
    before = desk.files()
    rows = [replace(row, article_id=f"finews:new-{n}", source="finews", source_article_id=f"new-{n}",
                    published_at=newsroom.END, published_on=newsroom.END.date(), text=f"new {n}",
                    title=f"new {n}", content_hash=f"c1:{n:064}")
            for n, row in enumerate(islice(newsroom.articles(3), 3))]  # fmt: skip
    with connect(desk.warehouse) as db:
        upsert(db, *rows)
    result = desk.build()
    after = desk.files()
    changed = {path for path in before if after[path] != before[path]}

    assert set(after) - set(before) >= {article_path(row.article_id) for row in rows}
    assert result.written == len(changed) + len(set(after) - set(before))
    assert not [path for path in changed if path.startswith(("articles/", "sources/gazette/"))]
    assert not [path for path in changed if "/page-1.html" in path]
    assert {"index.html", "feed.xml", "sources/finews/index.html", "search.html"} <= changed


def test_an_erased_article_leaves_nothing_behind(desk, tmp_path):
    with connect(desk.warehouse) as db:
        upsert(db, article("secret", "Zyzzyva affair", source="gazette", categories=("Zyzzyva",)))
    desk.build()
    assert b"zyzzyva" in b"".join(desk.files().values()).lower()

    desk.change(lambda db: erase(db, ["gazette:secret"]))
    result = desk.build()

    assert result.removed >= 3
    everything = b"".join(file.read_bytes() for file in desk.site.rglob("*") if file.is_file())
    assert b"zyzzyva" not in everything.lower()
    assert not (desk.site / article_path("gazette:secret")).exists()


def test_templates_of_the_user_replace_those_of_copydesk(desk, tmp_path):
    own = tmp_path / "own"
    (own / "site").mkdir(parents=True)
    (own / "static").mkdir()
    (own / "static/logo.svg").write_text("<svg/>")
    (own / "style.css").write_text("p { color: red }")
    (own / "site/article.html").write_text('{% extends "site/layout.html" %}'
                                           "{% block content %}<i>{{ title }}</i>{% endblock %}")  # fmt: skip
    options = replace(OPTIONS, templates=own, language="zh", sources=("gazette",), base_url="")
    site = tmp_path / "site"
    desk.build(options, site)
    page = soup_of(site / article_path("gazette:title-0"))

    assert page.i is not None
    assert page.i.get_text() == HOSTILE_TITLES[0]
    assert page.html is not None
    assert page.html["lang"] == "zh"
    assert (site / "style.css").read_text() == "p { color: red }"
    assert (site / "static/logo.svg").exists()
    assert [one.name for one in (site / "sources").iterdir() if one.is_dir()] == ["gazette"]
    assert not (site / "sitemap.xml").exists()

    (own / "site/article.html").write_text("line\n{{ nothing }}")
    with pytest.raises(ConfigurationError, match=r"article\.html, line 2"):
        desk.build(options, site)
    (own / "site/article.html").write_text("line\n{% nothing %}")
    with pytest.raises(ConfigurationError, match=r"article\.html, line 2"):
        desk.build(options, site)


def test_one_article_of_each_content_is_shown_on_request(desk, tmp_path):
    result = desk.build(replace(OPTIONS, one_per_content=True), tmp_path / "site")
    with connect(desk.warehouse) as db:
        found = db.execute("SELECT count(DISTINCT content_hash) FROM articles").fetchall()

    assert [(result.articles,)] == found
    assert result.articles < desk.build().articles


def test_the_command_prints_counts_and_reports_files_that_it_left_alone(desk, tmp_path, capsys):
    with connect(desk.warehouse) as db:
        publish(db, desk.warehouse.with_name("w.read.duckdb"))
    config = str(desk.warehouse.with_name("copydesk.toml"))
    site = tmp_path / "public"
    site.mkdir()
    (site / "index.html").write_text("mine")

    assert run(["--config", config, "--json", "site", str(site), "--title", "Port"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert list(found["left_alone"]) == ["index.html"]
    assert found["written"] > 200
    assert found["unchanged"] == 0
    (site / "index.html").unlink()
    assert run(["--config", config, "--json", "site", str(site), "--title", "Port"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == 1
    assert run(["--config", config, "site", str(site), "--base-url", "news"]) == 2
