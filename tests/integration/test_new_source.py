"""`copydesk sources new`: the drafted package, its test, and a sync of the installed package."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows import cli
from flows.scaffold.draft import Selector, draft_of
from flows.scaffold.templates import module_text
from parsers import registry
from parsers.model import Page
from parsers.plugins import ParserRegistry
from tests.e2e.project import open_project
from tests.site import Fault

ROOT = Path(__file__).parents[2]
TITLE = "The ferry returns"
LINES = (
    "The ferry sails again on Monday, and the crew is glad to be back at sea after the winter.",
    "Repairs took longer than planned, the harbour master said, because parts came from abroad.",
    "Tickets cost four crowns, as they did last year, and children under six travel for free.",
)
FEED_LINK = '<link rel="alternate" type="application/rss+xml" href="/gazette.xml">'


def html(*lines: str, title: str = TITLE, head: str = FEED_LINK) -> bytes:
    text = "".join(f"<p>{line}</p>" for line in lines)
    return (
        f'<!doctype html><html lang="en"><head><title>{title} | Gazette</title>{head}</head><body>'
        f'<header><a href="/">Gazette</a></header><article class="story"><h1>{title}</h1>'
        '<div class="meta"><span class="by">By Mara Quill</span> '
        '<time datetime="2026-05-01T08:30:00+02:00">1 May</time></div>'
        f'<div class="story-text">{text}</div></article>'
        '<aside class="more"><p>Other news of the harbour and of the town.</p></aside></body></html>'
    ).encode()


@pytest.fixture
def gazette(tmp_path):
    """A project whose site has a feed and two articles."""
    with open_project(tmp_path) as project:
        host = f"http://127.0.0.1:{project.news_site.port}"
        items = "".join(
            f"<item><title>x</title><link>{host}/2026/{name}</link></item>"
            for name in ("ferry", "council")
        )
        feed = f"<rss version='2.0'><channel><title>Gazette</title>{items}</channel></rss>"
        project.faults["/gazette.xml"] = Fault(status=200, body=feed.encode())
        project.faults["/2026/ferry"] = Fault(status=200, body=html(*LINES))
        other = html(*LINES[::-1], title="Council votes on fees")
        project.faults["/2026/council"] = Fault(status=200, body=other)
        yield project


def new(project, slug="gazette", path="/2026/ferry", *options: str) -> int:
    url = f"http://127.0.0.1:{project.news_site.port}{path}"
    line = ["sources", "new", slug, url, "--folder", str(project.folder), *options]
    return cli.run([*line, "--json", "--config", str(project.config)])


def run(*arguments: str, cwd: Path) -> str:
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        arguments, cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_drafted_package_passes_its_test_and_an_installed_one_is_synced(
    gazette, tmp_path, capsys, monkeypatch
):
    assert new(gazette) == 0
    made = json.loads(capsys.readouterr().out)
    package, installed = Path(made["folder"]), tmp_path / "installed"

    tested = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=package)
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    run(*pip, "--quiet", "--no-index", "--target", str(installed), str(package), cwd=tmp_path)
    monkeypatch.syspath_prepend(str(installed))
    monkeypatch.setattr(registry, "PARSERS", ParserRegistry(registry.PARSERS.values()))
    with gazette.config.open("a", encoding="utf-8") as file:
        file.write('\n[sources.gazette]\nparser = "gazette"\n')
    report = gazette.sync("gazette")

    assert "1 passed" in tested
    assert made["feed"].endswith("/gazette.xml")
    assert (report.exit_code, report.totals()["new"]) == (0, 2)
    rows = gazette.rows(
        "SELECT title, authors, parser, parser_version, text FROM articles ORDER BY title"
    )
    assert [row[:4] for row in rows] == [
        ("Council votes on fees", ["Mara Quill"], "gazette", "1"),
        (TITLE, ["Mara Quill"], "gazette", "1"),
    ]
    assert rows[1][4] == "\n\n".join(LINES)
    assert gazette.rows("SELECT parser, parser_version FROM runs") == [("gazette", "1")]


def test_drafted_article_is_that_of_the_page(gazette, capsys):
    new(gazette)

    made = json.loads(capsys.readouterr().out)
    article = made["article"]
    assert (article["title"], article["authors"]) == (TITLE, ["Mara Quill"])
    assert article["published_at"] == "2026-05-01T06:30:00+00:00"
    assert article["text"] == "\n\n".join(LINES)
    assert made["warnings"] == []


def test_page_without_a_feed_gives_a_source_of_addresses(gazette, tmp_path, capsys):
    gazette.faults["/2026/ferry"] = Fault(status=200, body=html(*LINES, head=""))

    assert new(gazette) == 0
    made = json.loads(capsys.readouterr().out)

    module = (Path(made["folder"]) / "copydesk_gazette.py").read_text(encoding="utf-8")
    assert made["feed"] is None
    assert '"article_urls": ()' in module


def test_saved_page_needs_no_network(gazette, tmp_path, capsys):
    page = tmp_path / "page.html"
    page.write_bytes(html(*LINES))
    gazette.faults["/2026/ferry"] = Fault(status=500)

    assert new(gazette, "gazette", "/2026/ferry", "--page", str(page)) == 0
    recorded = tmp_path / "copydesk-gazette/tests/pages/ferry.html"
    assert recorded.read_bytes() == page.read_bytes()


@pytest.mark.parametrize(
    ("slug", "fault", "code", "word"),
    [
        ("Gazette!", None, 2, "Gazette!"),
        ("feed", None, 2, "feed"),
        ("gazette", Fault(status=404), 1, "404"),
        ("gazette", Fault(status=200, body=b"<html><p>Hello.</p></html>"), 1, "--page"),
        ("gazette", Fault(status=200, body=b""), 1, "2026/ferry"),
    ],
)
def test_what_cannot_be_drafted_is_an_error_and_leaves_no_files(
    gazette, capsys, slug, fault, code, word
):
    if fault:
        gazette.faults["/2026/ferry"] = fault

    assert new(gazette, slug) == code
    assert word in capsys.readouterr().err
    assert list(gazette.folder.glob("copydesk-*")) == []


def test_existing_package_is_not_overwritten(gazette, capsys):
    new(gazette)
    module = gazette.folder / "copydesk-gazette/copydesk_gazette.py"
    module.write_text("# mine\n", encoding="utf-8")

    assert new(gazette) == 2
    assert module.read_text(encoding="utf-8") == "# mine\n"


def test_in_the_tree_of_copydesk_the_draft_is_a_registered_module(gazette, capsys, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    tree = gazette.folder
    (tree / "parsers/sources").mkdir(parents=True)
    (tree / "tests/fixtures").mkdir(parents=True)
    before = (ROOT / "parsers/registry.py").read_text(encoding="utf-8")
    (tree / "parsers/registry.py").write_text(before, encoding="utf-8")

    assert new(gazette, "harbour-gazette") == 0

    made = json.loads(capsys.readouterr().out)
    assert made["files"] == [
        "parsers/sources/harbour_gazette.py",
        "tests/fixtures/harbour-gazette/ferry.expected.json",
        "tests/fixtures/harbour-gazette/ferry.html",
        "tests/fixtures/harbour-gazette/versions.json",
        "parsers/registry.py",
    ]
    assert registered(tree / "parsers/registry.py") == [
        *registered(ROOT / "parsers/registry.py"),
        "harbour_gazette",
    ]


def registered(file: Path) -> list[str]:
    """The modules in ``_REGISTERED``, all of which are imported."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "parsers.sources"
        for alias in node.names
    }
    (value,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_REGISTERED"
    ]
    names = [ast.unparse(one).removesuffix(".PARSER") for one in value.elts]
    assert set(names) == imported
    return names


TIME = '<time datetime="2026-05-01T08:30:00+02:00">1 May</time>'


@pytest.mark.parametrize(
    ("time", "selector"),
    [
        (TIME, Selector(css="time[datetime]", attribute="datetime")),
        ('<span class="when">1 May 2026, 08:30</span>', Selector(css="span.when")),
        (
            '<span class="when">2026-05-01 08:30 Source: Gazette</span>',
            Selector(css="span.when", is_line=True),
        ),
        ("", None),
    ],
)
def test_selectors_of_time_and_author_give_what_the_page_has(time, selector):
    page = Page(
        url="https://gazette.example/2026/ferry",
        text=html(*LINES).decode().replace(TIME, time),
        fetched_at=datetime(2026, 5, 2, tzinfo=UTC),
    )
    draft = draft_of(page)
    names: dict[str, Any] = {}
    exec(compile(module_text("gazette", page.url, draft), "drafted", "exec"), names)  # noqa: S102
    article = registry.parse(registry.make_source("gazette", names["PARSER"], {}), page)

    assert draft.published == selector
    assert draft.authors == Selector(css="span.by")
    assert draft.body == Selector(css="div.story-text")
    assert article.published_at == draft.article.published_at
    assert article.authors == ("Mara Quill",)


def test_name_that_a_build_made_is_no_selector():
    text = html(*LINES).decode().replace('class="story-text"', 'class="css-1x2y3z9"')
    page = Page(
        url="https://gazette.example/1", text=text, fetched_at=datetime(2026, 5, 2, tzinfo=UTC)
    )

    assert "css-1x2y3z9" not in draft_of(page).body.css


def test_quotes_of_a_page_cannot_leave_the_drafted_text():
    site = '<meta property="og:site_name" content="Gazette &quot;&quot;&quot; + boom() \\">'
    page = Page(
        url="https://gazette.example/1",
        text=html(*LINES, head=site).decode(),
        fetched_at=datetime(2026, 5, 2, tzinfo=UTC),
    )
    module = ast.parse(module_text("gazette", page.url, draft_of(page)))

    called = {ast.unparse(one.func) for one in ast.walk(module) if isinstance(one, ast.Call)}
    assert "boom" not in called
