"""Articles out of the warehouse into posts or one file: the work behind ``copydesk export``."""

from __future__ import annotations

import filecmp
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from flows.posts.writing import Exported, ExportRow, write_csv, write_jsonl, write_posts
from flows.settings import Settings
from parsers.article import Article
from parsers.posts import Dialect
from warehouse import connect_read_only, current_snapshot, read
from warehouse.rows import ArticleRow, StoredPost

ONE_FILE = {"jsonl": write_jsonl, "csv": write_csv}
_FIELDS = tuple(one.name for one in fields(Article) if one.name != "provenance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What an export did or found, and how to say it."""

    exported: Exported
    directory: Path
    is_check: bool

    @property
    def exit_code(self) -> int:
        """4 when a check found a difference; 3 when a file of somebody else stood in the way."""
        if self.exported.is_same:
            return 0
        return 4 if self.is_check else 1 if self.exported.failed else 3

    def as_json(self) -> dict[str, Any]:
        """The counts, and every path that needs a look."""
        found = self.exported
        return {
            "directory": str(self.directory),
            "check": self.is_check,
            **found.counts(),
            "changed_files": found.differences,
            "missing_files": found.missing,
            "failed_files": found.failed,
        }

    def words(self) -> str:
        """A line of counts, then a line for each file that needs a look."""
        found = self.exported
        counts = ", ".join(f"{count} {kind}" for kind, count in found.counts().items() if count)
        lines = [f"{self.directory}: {counts or 'no article to export'}"]
        lines += [f"! {path} differs: {why}" for path, why in found.differences.items()]
        lines += [f"! {path} is missing" for path in found.missing]
        lines += [f"! {path} could not be written: {why}" for path, why in found.failed.items()]
        return "\n".join(lines)


def export_articles(
    settings: Settings,
    directory: Path,
    format_: str,
    *,
    source: str | None = None,
    since: datetime | None = None,
    check: bool = False,
) -> Published:
    """Write the current articles, or with ``check`` compare what stands in the folder.

    Args:
        settings: Where the warehouse is.
        directory: The folder of posts; for jsonl and csv, where ``articles.<format>`` goes.
        format_: jekyll, hexo, hugo, jsonl or csv.
        source: Only articles of this source.
        since: Only articles published then or later; without zone it is UTC.
        check: Compare, write nothing.

    Raises:
        WarehouseError: There is no snapshot yet, or it cannot be read.
        FileNotFoundError: A check of a folder that does not exist.
    """
    if check and not directory.exists():
        raise FileNotFoundError(
            f"{directory}: there is no such folder to compare with; "
            "export there first (without --check), or name the folder the posts came from"
        )
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    rows = _Rows(current_snapshot(settings.warehouse.snapshot).path, source, since)
    if format_ in ONE_FILE:
        exported = _one_file(rows, directory, format_, check=check)
    else:
        exported = write_posts(rows, directory, cast(Dialect, format_), check=check)
    return Published(exported=exported, directory=directory, is_check=check)


def _one_file(rows: _Rows, directory: Path, format_: str, *, check: bool) -> Exported:
    exported, name = Exported(), f"articles.{format_}"
    file = directory / name
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / name
        ONE_FILE[format_]((row.article for row in rows), made)
        if file.exists() and filecmp.cmp(made, file, shallow=False):
            exported.identical.append(name)
        elif check and file.exists():
            exported.changed.append(name)
            exported.differences[name] = "it is not what would be written now"
        elif check:
            exported.missing.append(name)
        else:
            (exported.updated if file.exists() else exported.written).append(name)
            ONE_FILE[format_]((row.article for row in rows), file)
    return exported


class _Rows:
    """The articles of a snapshot, read anew each time they are gone through."""

    def __init__(self, snapshot: Path, source: str | None, since: datetime | None) -> None:
        self._snapshot = snapshot
        self._source = source
        self._since = since

    def __iter__(self) -> Iterator[ExportRow]:
        with connect_read_only(self._snapshot) as db:
            own: dict[str, StoredPost] = {
                one.article_id: one.post
                for one in read.read_posts(db, source=self._source)
                if one.is_current
            }
            for row in read.read_articles(db, source=self._source, published_since=self._since):
                yield ExportRow(article=_article(row), post=own.get(row.article_id))


def _article(row: ArticleRow) -> Article:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Article(**values, provenance=json.loads(row.provenance))
