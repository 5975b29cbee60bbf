"""Articles out of the warehouse into posts or one file: the work behind ``copydesk export``."""

from __future__ import annotations

import filecmp
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, cast

from duckdb import DuckDBPyConnection

from flows.publishing.documents import is_copydesk_file, write_csv, write_jsonl
from flows.publishing.write_files import (
    JOURNAL,
    ExportResult,
    PlannedFile,
    file_exists,
    write_files,
)
from flows.settings import Settings
from flows.text import pluralize
from parsers.frontmatter import Dialect, post_path, write_post
from parsers.model import Article
from warehouse import connect_read_only, current_snapshot
from warehouse.read import articles as read
from warehouse.records import posts
from warehouse.records.posts import ArticleInfo, StoredFile
from warehouse.rows import ArticleRow

ONE_FILE = {"jsonl": write_jsonl, "csv": write_csv}
NOT_OURS = "copydesk did not write it; move it away"
_NAMED = 10
_FIELDS = tuple(one.name for one in fields(Article) if one.name != "provenance")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export did or found, and how to say it."""

    exported: ExportResult
    directory: Path
    is_check: bool

    @property
    def exit_code(self) -> int:
        """4 when a check found a difference; 3 when a file of somebody else stood in the way.

        Posts that no exported article accounts for are told, and are none: a site may hold
        others, and an export may be of one source.
        """
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
            "extra_files": found.extra,
        }

    def words(self) -> str:
        """A line of counts, then a line for each file that needs a look."""
        found = self.exported
        own = {} if self.is_check else {"changed": "left alone"}
        counts = ", ".join(
            f"{count} {own.get(kind, kind)}" for kind, count in found.counts().items() if count
        )
        lines = [f"{self.directory}: {counts or 'no article to export'}"]
        lines += [f"! {path} differs: {why}" for path, why in found.differences.items()]
        lines += [f"! {path} is missing" for path in found.missing]
        lines += [f"! {path} could not be written: {why}" for path, why in found.failed.items()]
        return "\n".join(lines + _extra_words(found.extra))


def _extra_words(extra: Sequence[str]) -> list[str]:
    """Which files are no part of the export; no difference, for it says nothing about them."""
    if not extra:
        return []
    some, more = ", ".join(extra[:_NAMED]), len(extra) - _NAMED
    which = some + (f" and {more} more (--json names all)" if more > 0 else "")
    stand = pluralize(len(extra), "file stands", "files stand")
    return [f"{stand} there that no exported article accounts for, left alone: {which}"]


def export_articles(
    settings: Settings,
    directory: Path,
    format_: str,
    *,
    source: str | None = None,
    since: datetime | None = None,
    check: bool = False,
) -> ExportReport:
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
        raise no_folder(directory)
    since = in_utc(since)
    warehouse = settings.warehouse
    snapshot = current_snapshot(warehouse.snapshot, of=warehouse.path)
    with connect_read_only(snapshot.path) as db:
        chosen = _Chosen(db, source, since)
        if format_ in ONE_FILE:
            exported = _one_file(chosen, directory, format_, check=check)
        else:
            exported = _posts(chosen, directory, cast(Dialect, format_), check=check)
    return ExportReport(exported=exported, directory=directory, is_check=check)


def no_folder(directory: Path) -> FileNotFoundError:
    """The error for a check of a folder that does not exist."""
    return FileNotFoundError(
        f"{directory}: there is no such folder to compare with; "
        "export there first (without --check), or name the folder that was exported or imported"
    )


def in_utc(moment: datetime | None) -> datetime | None:
    """An aware time; one without zone is UTC."""
    is_naive = moment is not None and moment.tzinfo is None
    return moment.replace(tzinfo=UTC) if moment and is_naive else moment


def _one_file(chosen: _Chosen, directory: Path, format_: str, *, check: bool) -> ExportResult:
    exported, name = ExportResult(), f"articles.{format_}"
    file = directory / name
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / name
        ONE_FILE[format_](chosen.articles(), made)
        if file.exists() and filecmp.cmp(made, file, shallow=False):
            exported.identical.append(name)
        elif file.exists() and not is_copydesk_file(file):
            exported.changed.append(name)
            exported.differences[name] = NOT_OURS
        elif check and file.exists():
            exported.changed.append(name)
            exported.differences[name] = "it is not what would be written now"
        elif check:
            exported.missing.append(name)
        else:
            (exported.updated if file.exists() else exported.written).append(name)
            ONE_FILE[format_](chosen.articles(), file)
    return exported


def _posts(chosen: _Chosen, directory: Path, dialect: Dialect, *, check: bool) -> ExportResult:
    """Files that were imported go back as they came, all others are written.

    An article that says what one of its files says gives all its files back: copies, and
    versions that stood beside it. Into the site that they came from, as far as they still
    stand there.
    """
    outlines, files = chosen.outlines()
    inside = _part_of_site(directory, files) if check else ""
    if inside:
        directory = directory.absolute().parent
    own = _own_files(files, directory, dialect)
    anew = {one.article_id: one for one in outlines if one.article_id not in own and not inside}
    own = {key: one for key, one in own.items() if one.path.startswith(inside)}
    plan = [PlannedFile(key=key, path=one.path, digest=one.digest) for key, one in own.items()]
    plan += [PlannedFile(key=key, path=post_path(one, dialect)) for key, one in anew.items()]
    keys = {one.seq: key for key, one in own.items()}
    contents = chain(
        ((keys[seq], data) for seq, data in chosen.file_data(list(keys))),
        (
            (article.article_id, write_post(article, dialect).data)
            for article in (chosen.articles() if anew else ())
            if article.article_id in anew
        ),
    )
    return write_files(plan, contents, directory, check=check, inside=inside)


def _own_files(
    files: Sequence[StoredFile], directory: Path, dialect: Dialect
) -> dict[str, StoredFile]:
    """The files that go back as they came: the one of each article by its id, and others."""
    standing = {one.seq for one in files if file_exists(directory, one.path)}
    is_restored = not standing or (directory / JOURNAL).exists()
    fit = [one for one in files if one.dialect == dialect or one.seq in standing]
    fit.sort(key=lambda one: (one.is_current, one.seq in standing, one.seq))
    main = {one.article_id: one for one in fit if one.is_current}
    own: dict[str, StoredFile] = {}
    for one in fit:
        first = main.get(one.article_id)
        if first is one:
            own[one.article_id] = one
        elif first is not None and (is_restored or one.seq in standing):
            own[f"{one.article_id}\n{one.path}"] = one
    return own


def _part_of_site(directory: Path, files: Sequence[StoredFile]) -> str:
    """What the paths of a site's folder begin with, if DIR is such a folder: ``_posts/``.

    Several folders that are imported together keep their names in their files' paths;
    each of them can be checked by itself, for what was imported from it.
    """
    inside = f"{directory.absolute().name}/"
    site = directory.absolute().parent
    if any(file_exists(directory, one.path) for one in files):
        return ""
    return (
        inside
        if any(f.path.startswith(inside) and file_exists(site, f.path) for f in files)
        else ""
    )


class _Chosen:
    """The articles that are exported; one iterator at a time."""

    def __init__(self, db: DuckDBPyConnection, source: str | None, since: datetime | None) -> None:
        self._db = db
        self._source = source
        self._since = since

    def articles(self) -> Iterator[Article]:
        rows = read.read_articles(self._db, source=self._source, published_since=self._since)
        return (_article(row) for row in rows)

    def outlines(self) -> tuple[list[ArticleInfo], list[StoredFile]]:
        found = posts.article_infos(self._db, source=self._source, published_since=self._since)
        chosen = {one.article_id for one in found}
        files = posts.stored_files(self._db, source=self._source)
        return found, [one for one in files if one.article_id in chosen]

    def file_data(self, seqs: list[int]) -> Iterator[tuple[int, bytes]]:
        return posts.file_data(self._db, seqs)


def _article(row: ArticleRow) -> Article:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Article(**values, provenance=json.loads(row.provenance))
