"""Two owners move to copydesk and publish: one of a Jekyll site, one of many RSSHub routes.

Each types what an owner types, builds with the real generator, and every page is compared with
the warehouse.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from html import escape
from pathlib import Path

import pytest

from tests import site
from tests.e2e.owner import ARTICLES, Owner, compare
from tests.generators import ROOT, require
from tests.integration.flows.press import Press, publishing
from tests.recipes import Runner, commit_all

pytestmark = pytest.mark.e2e
SEEDS = Path(site.__file__).parent / "seeds"
DONE = (0, 3)  # the test site has two broken pages

IMPORTED = ("2022-03-14-1.md", "000"), ("2022-02-24-2.md", "003"), ("2022-04-20-3.md", "004")
OWN = """---
layout: post
title: "Ferry: {{ 7 * 7 }} & 'more' <b>"
date: 2022-04-18 08:00:00 +0800
categories: ferries
---
<p>The ferry {{ site.title }} returns at {% include absent.html %} and {{ 7 * 7 }}.</p>
"""
NO_YAML = OWN.replace("\"Ferry: {{ 7 * 7 }} & 'more' <b>\"", "Harbour: a \"new\" pier: 'west'")
OLD = OWN.replace("Ferry: {{ 7 * 7 }}", "Old ferry").replace("2022-04-18", "2019-04-18")
IN_WINDOW = (
    f"{ARTICLES} WHERE published_at::DATE > (SELECT max(published_at)::DATE - 45 FROM articles)"
)


@pytest.fixture
def jekyll_owner(tmp_path: Path) -> Iterator[tuple[Owner, site.NewsSite]]:
    """The owner of some posts of finews, two of her own, and an old one."""
    require("jekyll")
    with site.serve() as news_site:
        url = news_site.url
        owner = Owner.starting(
            tmp_path / "work",  # the clone of the runner has the same path
            "jekyll",
            host=f"127.0.0.1:{news_site.port}",
            keys="window_days = 45",
            sections=f'[sources.finews]\nbase_url = "{url}"\narticle_base_url = "{url}"\n',
        )
        for name, seed in IMPORTED:
            (file,) = SEEDS.glob(f"{seed}_*")
            owner.write(f"_posts/{name}", file.read_text("utf-8"))
        owner.write("_posts/2022-04-18-ferry.md", OWN)
        owner.write("_posts/2022-04-18-pier.md", NO_YAML)
        owner.write("old_post/2019-04-18-ferry.md", OLD)
        commit_all(owner.folder)
        yield owner, news_site


def test_owner_of_a_jekyll_site_moves_in_and_publishes(jekyll_owner, quick_retries):
    owner, news_site = jekyll_owner
    site_of_posts = (str(owner.folder), "--format", "jekyll", "--source", "blog")

    # Import; repair the one head that no YAML parser reads.
    assert owner.type("import", str(owner.folder), "--source", "blog") == 0
    assert owner.is_clean()
    assert owner.type("export", *site_of_posts, "--rewrite") == 0
    assert owner.git("status", "--short") == " M _posts/2022-04-18-pier.md\n"

    # Sync, which publishes: posts outside the window move, no imported byte changes.
    assert owner.type("sync") in DONE
    assert (owner.commits(), owner.is_clean()) == (2, True)
    changes = owner.git("diff", "--summary", "--find-renames=100%", "HEAD~1")
    assert "rename {_posts => old_post}/2022-02-24-2.md (100%)" in changes
    changed = owner.git("diff", "--name-only", "--diff-filter=M", "HEAD~1").split()
    assert changed == ["_posts/2022-04-18-pier.md"]
    compare(owner.build(), owner.rows(IN_WINDOW))

    # Corrections of the publisher, and two erasures: a fetched article and an imported post.
    erased = ("finews:NW202203142308441556", _id_of(owner, "光伏组件价格三连涨"))
    news_site.edition = 2
    owner.age(timedelta(hours=2))
    assert owner.type("sync") in DONE
    corrected = owner.rows(f"{IN_WINDOW} AND revision_count > 1")
    assert owner.commits() == 3
    assert owner.type("erase", *erased, "--yes") == 0
    assert owner.type("publish") == 0
    assert (owner.commits(), owner.is_clean()) == (4, True)
    assert not (owner.folder / "_posts" / "2022-03-14-1.md").exists()
    assert corrected
    compare(owner.build(), owner.rows(IN_WINDOW))

    # From now on in CI: a new clone and the kept corpus. Nothing is new, so nothing is committed.
    runner = runner_of(owner)
    assert runner.run() == 0, runner.printed
    assert (owner.commits(), owner.is_clean()) == (4, True)
    compare(owner.pages(), owner.rows(IN_WINDOW))
    assert owner.rows(f"{ARTICLES} WHERE article_id IN {erased}") == []


def runner_of(owner: Owner) -> Runner:
    """A runner of GitHub with the owner's repository and, in its cache, the corpus."""
    folder = owner.folder.parent
    subprocess.run(
        ["git", "clone", "--quiet", "--bare", owner.folder, folder / "origin"], check=True
    )
    command = f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m flows.cli "$@"\n'
    runner = Runner(folder, "github", site=folder / "origin", commands={"copydesk": command})
    shutil.copytree(owner.folder / "data", runner.cache, symlinks=True)
    return runner


def _id_of(owner: Owner, title: str) -> str:
    ((found,),) = owner.rows(f"SELECT article_id FROM articles WHERE title LIKE '{title}'")
    return str(found)


ROUTES = 4
AGGREGATED = """
---
title: 'Town 3_ news _2_'
categories:@
 - Towns
 - Town 3
 - Newest
author: Town 3
comments: false
date: Sat, 07 Mar 2026 22:30:00 GMT
thumbnail: 'https://picsum.photos/400/300?random=6'
---

<div>@@@
<p>The council &#123;&#123; 7 * 7 &#125;&#125; of town 3 met in February.</p>@@
</div>
@@@@@@@@@@@@""".replace("@", " ")
HAND_WRITTEN = """---
title: "Ferry: {{ 7 * 7 }} & 'more' <b>"
date: 2026-03-02 08:00:00
---
The ferry {{ config.title }} returns at {% asset_img absent %} and `{{ 7 * 7 }}`.
"""


ERASED = HAND_WRITTEN.replace("Ferry", "Pier")


def publish_route(press: Press, town: int, *texts: str) -> None:
    """Answer a route of the instance that works with some items, a day and 16 hours each."""
    items = "".join(
        f"<item><title>Town {town}: news &lt;{number}&gt;</title>"
        f"<link>{press.url}/town/{town}/{number}</link>"
        f"<description>{escape(f'<p>{text}</p>')}</description>"
        f"<pubDate>{4 + number:02} Mar 2026 16:30:00 GMT</pubDate></item>"
        for number, text in enumerate(texts)
    )
    head = f"<title>Town {town}</title><link>{press.url}/town/{town}</link>"
    feed = f'<rss version="2.0"><channel>{head}{items}</channel></rss>'
    press.answers[f"/works/town/{town}"] = (200, "application/rss+xml", feed)


@pytest.fixture
def hexo_owner(tmp_path: Path) -> Iterator[tuple[Owner, Press]]:
    """The owner of a Hexo site with some routes; the first of two instances refuses her."""
    require("hexo")
    (tmp_path / "press").mkdir()
    with publishing(tmp_path / "press") as press:
        routes = "".join(
            f'[sources.town-{town}]\nparser = "rsshub"\nroute = "/town/{town}"\n'
            for town in range(ROUTES)
        )
        owner = Owner.starting(
            tmp_path / "site",
            "hexo",
            host=press.url.removeprefix("http://"),
            keys='window_posts = 2\nper = "content"',
            sections=f'[defaults]\ncategories = ["Towns"]\nlanguage = "en"\n\n[rsshub]\n'
            f'instances = ["{press.url}/refuses", "{press.url}/works"]\n\n{routes}',
        )
        for town in range(ROUTES):
            press.answers[f"/refuses/town/{town}"] = (403, "text/plain", "no")
            texts = (f"The mayor of town {town} opened {number} bridges." for number in range(3))
            publish_route(press, town, *texts)
        owner.write("source/_posts/town-3-news.md", AGGREGATED)
        owner.write("source/_posts/ferry.md", HAND_WRITTEN)
        owner.write("source/_posts/pier.md", ERASED)
        commit_all(owner.folder)
        yield owner, press


NEWEST_TWO = (
    f"{ARTICLES} QUALIFY row_number() OVER (PARTITION BY source ORDER BY published_at DESC) < 3"
)


def test_owner_of_many_rsshub_routes_moves_in_and_publishes(hexo_owner, quick_retries):
    owner, press = hexo_owner

    # Import a post of the aggregator and two of her own; sync, which publishes.
    assert owner.type("import", str(owner.folder), "--source", "blog") == 0
    assert owner.is_clean()
    assert owner.type("sync") == 0
    assert (owner.commits(), owner.is_clean()) == (2, True)
    assert (owner.folder / "source/_posts/ferry.md").read_text("utf-8") == HAND_WRITTEN
    assert (owner.folder / "source/_posts/town-3-news.md").read_text("utf-8") == AGGREGATED
    assert len(list((owner.folder / "source/_posts").iterdir())) == 2 * ROUTES + 2
    assert len(list((owner.folder / "source/old_post").iterdir())) == ROUTES + 1

    # A route corrects a text; two erasures: an article of a route, and a post of her own.
    bridges = [f"The mayor of town 1 opened {number} bridges." for number in range(3)]
    publish_route(press, 1, *bridges[:2], "The mayor of town 1 opened no bridge.")
    erased = [f"town-2:{press.url}/town/2/2", _id_of(owner, "Pier%")]
    owner.age(timedelta(hours=2))
    assert owner.type("sync") == 0
    assert owner.rows("SELECT title FROM articles WHERE revision_count > 1") == [
        ("Town 1: news <2>",)
    ]
    assert owner.type("erase", *erased, "--yes") == 0
    assert owner.type("publish") == 0
    assert (owner.commits(), owner.is_clean()) == (4, True)
    pages = owner.build()
    compare(pages, owner.rows(NEWEST_TWO))
    assert "Town 2: news <0>" in {one.title for one in pages}
    assert "no bridge" in next(one.text for one in pages if one.title == "Town 1: news <2>")

    # Nothing new: nothing is written or committed, and no erased article comes back.
    assert owner.type("publish") == 0
    assert owner.type("sync") == 0
    assert (owner.commits(), owner.is_clean()) == (4, True)
    assert not {one for (one,) in owner.rows("SELECT article_id FROM articles")} & set(erased)
