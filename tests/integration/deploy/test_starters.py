"""The sites of deploy/publish, built by the real generators from the articles of the demo."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import feedparser
import pytest
from bs4 import BeautifulSoup

from flows import settings
from flows.cli import demo_run
from flows.publication.publish import publish
from flows.serve.run_local import sync_without_prefect
from flows.settings import Settings
from parsers.frontmatter import Dialect, post_path
from parsers.frontmatter.write import CHINA
from tests import empty_warehouse, site
from tests.generators import STARTERS, BuiltPage, build, page_path, read_page, require, start_site
from tests.integration.flows.press import publishing
from warehouse import connect_read_only
from warehouse.read.articles import read_articles
from warehouse.rows import ArticleRow

pytestmark = pytest.mark.e2e

GENERATORS: tuple[Dialect, ...] = ("jekyll", "hexo", "hugo")
SITE_TITLE = "新闻 News"
FEEDS = {"jekyll": "feed.xml", "hexo": "atom.xml", "hugo": "index.xml"}
TITLES = (
    "\"Double\" and 'single' quotes ’",
    "<script>alert('x')</script> & <b>bold</b>",
    "{{ site.title }} {{ 7 * 7 }}",
    "{% include secret.html %} {% raw %}",
    "{{< figure >}} {{% x %}}",
    "key: value: more",
    "# heading, then a #hash",
    "- leading hyphen",
    "@at !tag *star &anchor",
    "`backticks` and ```fences```",
    "Rocket 🚀 family 👨‍👩‍👧 flag 🇨🇳",
    "שלום \u202eabc\u202c \u200fend",
    r"back\slash \n \" C:\temp",
    "&amp; &lt;b&gt; &#39; &copy; stay",
    "很长的标题" * 120,
    "《标题》：「引号」，“双引号”……——！？、【括】",
    "<%= 1 + 1 %> <?php ?> ${x} #{y} ]]>",
    "*emphasis* _and_ [link](x) | table",
    "yes",
    "2022-03-14",
    "null",
    "1e3",
    "12:30:45",
    "~",
)
COMMANDS = (
    "before {{ 7 * 7 }} and {% include secret.html %} and {{< figure >}} `code` *stars* &amp; after"
)
BODY = (
    "<p>before {{ 7 * 7 }} and {% include secret.html %} and {{&lt; figure &gt;}} `code` *stars* "
    "&amp;amp; after</p><script>alert(1)</script><pre>one\n\n    two {% raw %}</pre>"
)


def feed_of_hostile_titles(url: str) -> str:
    items = [
        {
            "id": f"h{number}",
            "url": f"{url}/h{number}",
            "title": title,
            "content_html": f"{BODY}<p>number {number}</p>",
            "date_published": f"2026-03-{number + 1:02}T08:00:00Z",
            "authors": [{"name": f'<b>{number}</b> & "Ann" {{{{ 7 * 7 }}}}'}],
        }
        for number, title in enumerate(TITLES)
    ]
    version = "https://jsonfeed.org/version/1.1"
    return json.dumps({"version": version, "title": "Hostile", "items": items})


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The warehouse of the demo, with a source of hostile titles."""
    folder = tmp_path_factory.mktemp("newsroom")
    with site.serve() as news_site, publishing(folder) as press:
        feed = feed_of_hostile_titles(press.url)
        press.answers["/hostile.json"] = (200, "application/feed+json", feed)
        config = demo_run.write_config(
            folder, port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        text = config.read_text(encoding="utf-8")
        allowed = f'"127.0.0.1:{news_site.port}"'
        assert allowed in text
        text = text.replace(allowed, f'{allowed}, "{press.url.removeprefix("http://")}"', 1)
        text += (
            f'\n[sources.hostile]\nparser = "feed"\nurl = "{press.url}/hostile.json"\n'
            'categories = ["R&D <i>x</i> {{ 7 * 7 }}", "最新文章"]\n'
        )
        config.write_text(text, encoding="utf-8")
        made = settings.load(config, {})
        empty_warehouse.place(made.warehouse.path)
        sync_without_prefect(made, [one.slug for one in made.selected_sources(())])
        yield made


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A built site, and what it was built from."""

    public: Path
    articles: list[ArticleRow]
    pages: dict[str, BuiltPage]


@pytest.fixture(scope="module")
def built(
    newsroom: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Dialect], Site]:
    """The site of a generator, made when it is first asked for."""
    made: dict[Dialect, Site] = {}

    def site_of(generator: Dialect) -> Site:
        require(generator)
        if generator not in made:
            folder = start_site(generator, tmp_path_factory.mktemp(generator) / "site")
            own = settings.load(folder / "copydesk.toml", {})
            done = publish(newsroom.model_copy(update={"publish": own.publish}), "site")
            assert (done.state, done.exit_code) == ("published", 0)
            build(generator, folder)
            with connect_read_only(newsroom.warehouse.snapshot) as db:
                # An article without a date is a draft in Jekyll and Hexo.
                is_hugo = generator == "hugo"
                articles = [one for one in read_articles(db) if is_hugo or one.published_at]
            pages = {
                one.article_id: read_page(folder / page_path(generator, post_path(one, generator)))
                for one in articles
            }
            made[generator] = Site(public=folder / "public", articles=articles, pages=pages)
        return made[generator]

    return site_of


@pytest.mark.parametrize("generator", GENERATORS)
def test_page_of_every_article_has_its_title_names_time_and_text(built, generator):
    made = built(generator)

    assert len(made.articles) > 97
    for article in made.articles:
        page = made.pages[article.article_id]
        expected = (article.title, f"{article.title} · {SITE_TITLE}")
        assert (page.title, page.window_title) == expected
        assert _same(page.categories, generator) == _same(article.categories, generator)
        assert page.authors in ([], list(article.authors))
        assert _is_time_of(page, article)
        assert "".join(article.text.split()) in "".join(page.text.split())
        assert page.scripts == 0


@pytest.mark.parametrize("generator", GENERATORS)
def test_hostile_titles_and_names_are_text_and_nothing_in_a_body_is_executed(built, generator):
    made = built(generator)
    hostile = [one for one in made.articles if one.source == "hostile"]

    assert {one.title for one in hostile} == set(TITLES)
    for article in hostile:
        page = made.pages[article.article_id]
        assert page.title == article.title
        assert page.authors == list(article.authors)
        assert COMMANDS in page.text
        pre = page.body.select_one("pre")
        assert pre is not None
        assert pre.get_text() == "one\n\n    two {% raw %}"


@pytest.mark.parametrize("generator", GENERATORS)
def test_lists_and_feed_have_every_title_and_each_link_leads_to_a_page(built, generator):
    made = built(generator)
    titles = sorted(one.title or "" for one in made.articles)

    feed = feedparser.parse((made.public / FEEDS[generator]).read_bytes())
    front = BeautifulSoup((made.public / "index.html").read_bytes(), "lxml")

    assert feed.bozo == 0
    assert len(feed.entries) == len(titles)
    assert sorted(one.get_text() for one in front.select(".list a")) == titles
    links = {str(one["href"]) for one in front.select("a")}
    for page in made.pages.values():
        links.update(page.menu_links, page.category_links)
    assert len(links) > len(titles)
    assert [one for one in links if not _is_served(made.public, one)] == []


@pytest.mark.parametrize("generator", GENERATORS)
def test_category_pages_list_the_articles_of_the_category(built, generator):
    made = built(generator)
    expected, found = defaultdict(list), defaultdict(list)
    for article in made.articles:
        for name in _same(article.categories, generator):
            expected[name].append(article.title)
    # Hexo has a page for each place of a category below others.
    for link in {one for page in made.pages.values() for one in page.category_links}:
        soup = BeautifulSoup(_file(made.public, link).read_bytes(), "lxml")
        (heading,) = soup.select("h1")
        (name,) = _same([heading.get_text()], generator)
        found[name] += [one.get_text() for one in soup.select(".list a")]

    assert {name: sorted(titles) for name, titles in found.items()} == {
        name: sorted(titles) for name, titles in expected.items()
    }


def _same(categories: Sequence[str], generator: Dialect) -> list[str]:
    """Categories, of which Hugo takes those as one that differ in case only."""
    return [one.casefold() if generator == "hugo" else one for one in categories]


def _is_time_of(page: BuiltPage, article: ArticleRow) -> bool:
    if article.published_at is None:
        return page.time == ""
    if article.published_precision == "day":
        return page.time[:10] == article.published_at.astimezone(CHINA).date().isoformat()
    return datetime.fromisoformat(page.time) == article.published_at.replace(microsecond=0)


def _is_served(public: Path, link: str) -> bool:
    return link.startswith("/") and _file(public, link).is_file()


def _file(public: Path, link: str) -> Path:
    file = public / unquote(link).removeprefix("/")
    return file / "index.html" if link.endswith("/") else file


def test_three_sites_have_one_style_sheet():
    sheets = list(STARTERS.rglob("style.css"))

    assert len(sheets) == 3
    assert len({one.read_bytes() for one in sheets}) == 1


def test_packages_of_hexo_are_pinned_by_hash_and_name_no_registry():
    lock = json.loads((STARTERS / "hexo/package-lock.json").read_text("utf-8"))
    packages = {name: one for name, one in lock["packages"].items() if name}

    assert len(packages) > 100
    assert [name for name, one in packages.items() if "resolved" in one] == []
    assert [name for name, one in packages.items() if "integrity" not in one] == []
