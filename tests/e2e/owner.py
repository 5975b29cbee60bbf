"""An owner of a site: a repository with a starter site, a configuration, and what the owner types."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flows import cli, settings
from parsers.frontmatter import Dialect
from tests.generators import BuiltPage, build, read_page, start_site
from tests.recipes import WHO
from warehouse import connect, connect_read_only

ARTICLES = "SELECT title, text, published_at, published_precision FROM articles"


@dataclass
class Owner:
    """A folder that is a repository of git, a site of a generator, and a project of copydesk."""

    folder: Path
    generator: Dialect

    @classmethod
    def starting(
        cls, folder: Path, generator: Dialect, *, host: str, keys: str, sections: str
    ) -> Owner:
        """A new owner.

        Args:
            folder: A new folder.
            generator: Of the site.
            host: Host and port of the publishers.
            keys: More lines of ``[publish.site]``.
            sections: More sections of the configuration.
        """
        owner = cls(start_site(generator, folder), generator)
        text = owner.config.read_text("utf-8")
        text = text.replace("[fetch]\n", f'[fetch]\nallow_private_hosts = ["{host}"]\n', 1)
        commands = (("add", "--all"), ("commit", "--quiet", "--message", "New posts"))
        lines = f"command = {[[*WHO, *one] for one in commands]}\n{keys}\n"
        owner.config.write_text(f"{text}{lines}\n{sections}", encoding="utf-8")
        return owner

    @property
    def config(self) -> Path:
        return self.folder / "copydesk.toml"

    def type(self, *arguments: str) -> int:
        """Run one command of copydesk; its exit code."""
        command, *rest = arguments
        return cli.run([command, "--config", str(self.config), *rest])

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            [*WHO, *arguments],
            cwd=self.folder, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    def commits(self) -> int:
        return int(self.git("rev-list", "--count", "HEAD"))

    def is_clean(self) -> bool:
        return self.git("status", "--short") == ""

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8"))
        return file

    def build(self) -> list[BuiltPage]:
        """Build the site anew; the pages of its posts."""
        shutil.rmtree(self.folder / "public", ignore_errors=True)
        build(self.generator, self.folder)
        return self.pages()

    def pages(self) -> list[BuiltPage]:
        """The pages of the posts as they were built."""
        files = sorted((self.folder / "public").rglob("*.html"))
        return [read_page(one) for one in files if b'<div class="body">' in one.read_bytes()]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        path = settings.load(self.config, {}).warehouse.path
        with connect_read_only(path) as db:
            return db.execute(sql).fetchall()

    def age(self, past: timedelta) -> None:
        """Move the answers of all pages into the past, so that revisits become due."""
        with connect(settings.load(self.config, {}).warehouse.path) as db:
            db.execute(
                "UPDATE _store.entries SET first_fetched_at = first_fetched_at - $1, "
                "last_fetched_at = last_fetched_at - $1",
                [past],
            )


def compare(pages: list[BuiltPage], rows: list[tuple[Any, ...]]) -> None:
    """Check that there is a page for each article, with its title, text and time.

    Args:
        pages: Of all posts of a site.
        rows: Of ``ARTICLES``.
    """
    by_title: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for title, *others in rows:
        by_title[title].append(tuple(others))
    shown, stored = Counter(one.title for one in pages), Counter(title for title, *_ in rows)
    assert shown == stored, (shown - stored, stored - shown)
    for page in pages:
        assert any(_shows(page, *one) for one in by_title[page.title]), page.title
        assert page.scripts == 0


def _shows(page: BuiltPage, text: str, at: datetime, precision: str) -> bool:
    has_time = precision in ("second", "minute")
    shown = datetime.fromisoformat(page.time) if has_time else at
    return _words(text) in _words(page.text) and shown == at


def _words(text: str) -> str:
    return "".join(text.split())
