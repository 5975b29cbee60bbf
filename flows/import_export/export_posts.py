"""Export articles as posts or as one file: the work of ``copydesk export``."""

from __future__ import annotations

import filecmp
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from duckdb import DuckDBPyConnection

from flows.errors import ConfigurationError
from flows.import_export.export_journal import Journal
from flows.import_export.jsonl_csv import is_copydesk_file, write_csv, write_jsonl
from flows.import_export.plan_posts import (
    PostPlan,
    plan_posts,
    posts_of_others,
    with_other_paths,
)
from flows.import_export.post_head import head_of, keep_added_keys
from flows.import_export.rewritten_heads import RewrittenHeads
from flows.import_export.write_files import ExportResult, file_exists, write_files
from flows.output_folder import OutputFolder
from flows.pipeline.rows import article_of
from flows.pipeline.snapshot import current_snapshot
from flows.settings import Settings
from flows.text import pluralize
from parsers.frontmatter import Dialect, write_post
from parsers.model import Article
from parsers.text.characters import single_line
from warehouse import connect_read_only
from warehouse.read import articles as read
from warehouse.records import posts
from warehouse.records.posts import ArticleInfo, StoredFile

ONE_FILE = {"jsonl": write_jsonl, "csv": write_csv}
NOT_OURS = "copydesk did not write it; move it away"
NOT_EMPTIED = "no article is selected, and it holds some; --allow-empty replaces it"
_MAX_NAMES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """The result of an export or of a check, for people and as JSON.

    Attributes:
        articles: How many articles were selected; ``exported`` counts files.
    """

    articles: int
    exported: ExportResult
    directory: Path
    is_check: bool

    @property
    def exit_code(self) -> int:
        """4 after a check with a difference, 1 after a failed write, 3 for a file left alone.

        Extra posts are no difference: a site may hold others, and an export may be of one source.
        """
        if self.exported.is_same:
            return 0
        return 4 if self.is_check else 1 if self.exported.failed else 3

    def as_json(self) -> dict[str, Any]:
        """The counts, and every path that is not as expected."""
        found = self.exported
        return {
            "directory": str(self.directory),
            "check": self.is_check,
            "articles": self.articles,
            **found.counts(),
            "changed_files": found.differences,
            "missing_files": found.missing,
            "failed_files": found.failed,
            "extra_files": found.extra,
        }

    def message(self) -> str:
        """A line of counts: articles, then files; then a line for each file that is not as expected."""
        found = self.exported
        own = {} if self.is_check else {"changed": "left alone"}
        counts = ", ".join(
            f"{count} {own.get(kind, kind.replace('_', ' '))}"
            for kind, count in found.counts().items()
            if count
        )
        files = f"; files: {counts}" if counts else ""
        lines = [f"{self.directory}: {pluralize(self.articles, 'article')}{files}"]
        if not self.articles:
            lines.append("no article is selected: check --source and --since")
        lines += [f"! {path} differs: {why}" for path, why in found.differences.items()]
        lines += [f"! {path} is missing" for path in found.missing]
        lines += [f"! {path} could not be written: {why}" for path, why in found.failed.items()]
        return "\n".join(map(single_line, lines + _extra_lines(found.extra)))


def _extra_lines(extra: Sequence[str]) -> list[str]:
    if not extra:
        return []
    some, more = ", ".join(extra[:_MAX_NAMES]), len(extra) - _MAX_NAMES
    names = some + (f" and {more} more (--json names all)" if more > 0 else "")
    files = pluralize(len(extra), "file belongs", "files belong")
    return [f"{files} to no exported article, left alone: {names}"]


def export_articles(
    settings: Settings,
    directory: Path,
    format_: str,
    *,
    source: str | None = None,
    since: datetime | None = None,
    check: bool = False,
    allow_empty: bool = False,
    take_over: bool = False,
    rewrite: bool = False,
) -> ExportReport:
    """Write the current articles, or with ``check`` compare the files in the folder.

    Args:
        settings: Configuration of the warehouse.
        directory: The folder of posts; for jsonl and csv the folder of ``articles.<format>``.
        format_: jekyll, hexo, hugo, jsonl or csv.
        source: Only articles of this source.
        since: Only articles published then or later; without zone it is UTC.
        check: Compare, write nothing.
        allow_empty: Replace a file with articles although no article is selected.
        take_over: Replace posts that others wrote, and update them from now on.
        rewrite: Write a correct head for imported posts whose head is no YAML.

    Raises:
        WarehouseError: There is no snapshot yet, or it cannot be read.
        ConfigurationError: A check of a folder that does not exist, or an unknown source.
    """
    if check and not directory.exists():
        raise no_folder(directory)
    since = in_utc(since)
    with connect_read_only(current_snapshot(settings).path) as db:
        count = count_selected(db, settings, source=source, since=since)
        selection = _Selection(db=db, source=source, since=since)
        if format_ in ONE_FILE:
            may_replace = bool(count) or allow_empty
            exported = _one_file(selection, directory, format_, may_replace, check=check)
        else:
            exported = _posts(
                selection,
                directory,
                cast("Dialect", format_),
                check=check,
                take_over=take_over,
                rewrite=rewrite,
            )
    return ExportReport(articles=count, exported=exported, directory=directory, is_check=check)


def count_selected(
    db: DuckDBPyConnection, settings: Settings, *, source: str | None, since: datetime | None
) -> int:
    """Return how many articles an export writes.

    Raises:
        ConfigurationError: The source is not configured, and no article is of it.
    """
    count = read.count_articles(db, source=source, published_since=since)
    if source and not count and not read.count_articles(db, source=source):
        settings.source(source)
    return count


def no_folder(directory: Path) -> ConfigurationError:
    """The error for a check of a folder that does not exist."""
    return ConfigurationError(
        f"{directory}: there is no such folder to compare with; "
        "export there first (without --check), or name the folder that was exported or imported"
    )


def in_utc(moment: datetime | None) -> datetime | None:
    """An aware time; one without zone is UTC."""
    is_naive = moment is not None and moment.tzinfo is None
    return moment.replace(tzinfo=UTC) if moment and is_naive else moment


def _one_file(
    selection: _Selection, directory: Path, format_: str, may_replace: bool, *, check: bool
) -> ExportResult:
    exported, name = ExportResult(), f"articles.{format_}"
    file = directory / name
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / name
        ONE_FILE[format_](selection.articles(), made)
        if file.exists() and filecmp.cmp(made, file, shallow=False):
            exported.identical.append(name)
        elif file.exists() and not is_copydesk_file(file):
            exported.changed.append(name)
            exported.differences[name] = NOT_OURS
        elif check and file.exists():
            exported.changed.append(name)
            exported.differences[name] = "its articles differ from the snapshot"
        elif check:
            exported.missing.append(name)
        elif file.exists() and not may_replace:
            exported.changed.append(name)
            exported.differences[name] = NOT_EMPTIED
        else:
            (exported.updated if file.exists() else exported.written).append(name)
            ONE_FILE[format_](selection.articles(), file)
    return exported


def _posts(
    selection: _Selection,
    directory: Path,
    dialect: Dialect,
    *,
    check: bool,
    take_over: bool,
    rewrite: bool,
) -> ExportResult:
    """Write the posts of a dialect: see ``plan_posts``."""
    infos, files = selection.infos()
    inside = _part_of_site(directory, files) if check else ""
    if inside:
        directory = directory.absolute().parent
    journal = Journal(directory, is_read_only=True)
    plan = plan_posts(infos, files, directory, dialect, inside=inside)
    plan.files = with_other_paths(plan.files, directory, journal.taken_over)
    if take_over:
        others = posts_of_others(plan.files, directory)
        plan.files = with_other_paths(plan.files, directory, others)
    heads = RewrittenHeads(directory, journal, plan.files, is_for_all=rewrite)
    return write_files(
        plan.files,
        _contents(selection, plan, heads, OutputFolder(directory, is_read_only=True)),
        directory,
        check=check,
        inside=inside,
        take_over=take_over,
    )


def _contents(
    selection: _Selection, plan: PostPlan, heads: RewrittenHeads, folder: OutputFolder
) -> Iterator[tuple[str, bytes]]:
    owned = _heads_of_owners(selection, plan, folder)
    for seq, data in posts.file_data(selection.db, list(plan.imported)):
        key = plan.imported[seq]
        yield key, heads.rewritten(key, data)
    for article in selection.articles() if plan.dialects else ():
        if dialect := plan.dialects.get(article.article_id):
            data = write_post(article, dialect).data
            yield article.article_id, keep_added_keys(owned.get(article.article_id, b""), data)


def _heads_of_owners(
    selection: _Selection, plan: PostPlan, folder: OutputFolder
) -> dict[str, bytes]:
    """The head of each corrected post as it is in the folder, else as it was imported."""
    heads, paths = {}, {one.key: one.path for one in plan.files}
    for seq, data in posts.file_data(selection.db, list(plan.corrected)):
        key, existing = plan.corrected[seq], None
        with suppress(OSError):  # writing the file reports it
            existing = folder.read(paths[key])
        heads[key] = head_of(existing or data)
    return heads


def _part_of_site(directory: Path, files: Sequence[StoredFile]) -> str:
    """The path prefix of a folder that is one of several imported together: ``_posts/``.

    Each of them can be checked on its own. Empty for any other folder.
    """
    prefix = f"{directory.absolute().name}/"
    site = directory.absolute().parent
    if any(file_exists(directory, one.path) for one in files):
        return ""
    is_part = any(one.path.startswith(prefix) and file_exists(site, one.path) for one in files)
    return prefix if is_part else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Selection:
    """The exported articles; one iterator at a time."""

    db: DuckDBPyConnection
    source: str | None
    since: datetime | None

    def articles(self) -> Iterator[Article]:
        rows = read.read_articles(self.db, source=self.source, published_since=self.since)
        return map(article_of, rows)

    def infos(self) -> tuple[list[ArticleInfo], list[StoredFile]]:
        """Every article without its text, and the imported files of all of them.

        An imported post and the page that a source read of it are one article: the latter.
        """
        found = posts.article_infos(self.db, source=self.source, published_since=self.since)
        selected = {one.article_id for one in found}
        files = posts.stored_files(self.db, source=self.source)
        files = [one for one in files if one.article_id in selected]
        read = {one.article_id for one in files if one.fetched_id in selected}
        infos = [one for one in found if one.article_id not in read]
        return infos, [_of_fetched(one) if one.article_id in read else one for one in files]


def _of_fetched(file: StoredFile) -> StoredFile:
    return replace(
        file,
        article_id=file.fetched_id or file.article_id,
        has_record=False,
        has_content=bool(file.fetched_has_content),
    )
