"""Jekyll, Hexo and Hugo: the starter sites of ``deploy/publish``, built, and their pages read."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest
from bs4 import BeautifulSoup, Tag

from parsers.frontmatter import Dialect
from parsers.text.plain import plain_text

ROOT = Path(__file__).parents[1]
STARTERS = ROOT / "deploy" / "publish"
HEXO = ROOT / ".cache" / "hexo" / "node_modules"
BUILD_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPage:
    """The page of a post, as a reader sees it."""

    title: str
    window_title: str
    authors: list[str]
    categories: list[str]
    category_links: list[str]
    menu_links: list[str]
    time: str
    body: Tag
    scripts: int

    @property
    def text(self) -> str:
        return plain_text(self.body)


def require(generator: Dialect) -> None:
    """Skip the test if the generator is not installed."""
    if generator == "hexo":
        if not (HEXO / ".bin" / "hexo").exists():
            pytest.skip("needs Hexo: make hexo")
    elif shutil.which(generator) is None:
        pytest.skip(f"needs {generator}: sudo make debian")


def start_site(generator: Dialect, folder: Path) -> Path:
    """Copy a starter site to a folder; return the folder."""
    shutil.copytree(STARTERS / generator, folder, dirs_exist_ok=True)
    if generator == "hexo":
        (folder / "node_modules").symlink_to(HEXO)
    return folder


def build(generator: Dialect, folder: Path) -> None:
    """Build a site as the recipes for CI do."""
    done = subprocess.run(
        ["sh", str(STARTERS / "build.sh"), generator],
        cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def page_path(generator: Dialect, post: str) -> str:
    """Return where a site has the page of a post, both relative to their folder."""
    stem = PurePosixPath(post).stem
    if generator == "jekyll":
        return f"public/{'/'.join(stem.split('-', 3))}.html"
    return (
        f"public/posts/{stem.lower()}/index.html"
        if generator == "hugo"
        else f"public/{stem}/index.html"
    )


def read_page(file: Path) -> BuiltPage:
    """Read the page of a post."""
    soup = BeautifulSoup(file.read_bytes(), "lxml")
    (title,), (body,) = soup.find_all("h1"), soup.find_all("div", class_="body")
    facts = soup.find(class_="facts") or soup
    categories = facts.find_all(class_="category")
    menu = soup.find_all("nav")
    return BuiltPage(
        title=title.get_text(),
        window_title=soup.title.get_text() if soup.title else "",
        authors=[one.get_text() for one in facts.find_all(class_="author")],
        categories=[one.get_text() for one in categories],
        category_links=_links(categories),
        menu_links=_links(menu),
        time="".join(str(one["datetime"]) for one in facts.find_all("time")),
        body=body,
        scripts=len(soup.find_all(["script", "iframe", "object", "embed"])),
    )


def _links(found: Iterable[Tag]) -> list[str]:
    return [str(link["href"]) for one in found for link in one.find_all("a")]
