"""The warehouse, the configuration and the site of a publication."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from flows import settings
from flows.publication.publish import publish
from flows.publication.result import PublicationResult
from parsers.content_hash import content_hash
from tests import empty_warehouse
from tests.unit.warehouse.factories import NOON, article, upsert
from warehouse import ArticleRow, connect
from warehouse import publish as publish_snapshot
from warehouse.records import suppression
from warehouse.rows import StoredPost

COMMAND = [sys.executable, "-c", "open('commands', 'a').write('x')"]
"""Leaves one letter in the folder each time it runs."""


class Desk:
    """A warehouse, a configuration with one publication, and the folder of its site."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        empty_warehouse.place(folder / "data" / "copydesk.duckdb")

    def configure(self, **options: Any) -> None:
        given = {"format": "jekyll", "folder": "site"} | options
        lines = [f"{key} = {_toml(value)}" for key, value in given.items()]
        text = "[publish.blog]\n" + "\n".join(lines) + "\n"
        (self.folder / "copydesk.toml").write_text(text, encoding="utf-8")

    @property
    def settings(self) -> settings.Settings:
        return settings.load(self.folder / "copydesk.toml", {})

    def store(self, *rows: ArticleRow, erase: str = "") -> None:
        path = self.settings.warehouse
        with connect(path.path) as db:
            if rows:
                upsert(db, *rows)
            if erase:
                db.execute("DELETE FROM _store.article_versions")
                suppression.suppress(db, article_id=erase, reason="request", at=NOON)
            publish_snapshot(db, path.snapshot)

    def publish(self, *, dry_run: bool = False) -> PublicationResult:
        return publish(self.settings, "blog", dry_run=dry_run)

    def files(self) -> dict[str, str]:
        found = {
            one.relative_to(self.site).as_posix(): one.read_text("utf-8")
            for one in self.site.rglob("*")
            if one.is_file() and one.name != "commands"
        }
        return dict(sorted(found.items()))

    def times(self) -> dict[Path, int]:
        return {
            one: one.stat().st_mtime_ns
            for one in self.folder.rglob("*")
            if one.is_file() and one.suffix != ".lock"
        }

    @property
    def command_count(self) -> int:
        file = self.site / "commands"
        return len(file.read_text()) if file.exists() else 0


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def post(number: int, text: str, *, day: str = "2026-03-14", **changes: Any) -> ArticleRow:
    """An article of the source ``feed``, published at noon of a day."""
    at = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    given: dict[str, Any] = {
        "source": "feed",
        "published_at": at,
        "published_on": date.fromisoformat(day),
        "content_hash": content_hash(text, text),
    }
    return article(number, text, **{**given, **changes})


def imported(row: ArticleRow, path: str, data: bytes, dialect: str = "jekyll") -> ArticleRow:
    return replace(row, post=StoredPost(dialect=dialect, path=path, data=data), channel="import")
