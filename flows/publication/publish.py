"""Publish articles into the folder of a site, then run its command: ``[publish.<name>]``.

The articles come from the read snapshot, never from the warehouse itself. Every run publishes its
snapshot before its publications, and a reader of the warehouse would make other runs wait.

    1  lock         one publication of a name at a time
    2  adopt        files of the folder that an import stored belong to the publication
    3  plan         selection, window and path of each post, without reading a text
    4  files        removed, moved, written; nothing is read or written for an unchanged post
    5  command      if a file changed, or the command of an earlier run failed
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import cast
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from flows.errors import ConfigurationError, Interrupted, RunFailed
from flows.import_export.export_feeds import is_copydesk_feed
from flows.import_export.export_journal import Journal
from flows.import_export.post_head import add_keys
from flows.output_folder import OutputFolder
from flows.pipeline import locks
from flows.pipeline.rows import article_of
from flows.pipeline.snapshot import current_snapshot
from flows.publication.adopt import adopt_imported
from flows.publication.category_pages import KEY as PAGE
from flows.publication.category_pages import category_pages
from flows.publication.command import run_command
from flows.publication.documents import publish_feeds, publish_json_lines, version_of
from flows.publication.files import FOREIGN, PublicationFiles
from flows.publication.paths import FOLDERS
from flows.publication.plan import (
    Plan,
    PlannedPost,
    in_window,
    plan_posts,
    select,
)
from flows.publication.result import PublicationResult
from flows.publication.site import publish_site
from flows.publication.state import PublicationState, state_file
from flows.publish_settings import POST_FORMATS
from flows.settings import Settings
from flows.settings_file import did_you_mean
from parsers.frontmatter import Dialect, write_post
from parsers.frontmatter.write import FINEWS_SITE
from warehouse import connect_read_only
from warehouse.db import read_sequence
from warehouse.read.publication import (
    PublishedArticle,
    imported_files,
    published_articles,
    read_by_record,
)
from warehouse.records import posts
from warehouse.records.suppression import SuppressionList, list_suppressions

POSTS_EACH = 2000
_LASTING_LEVELS = 2
"""``source/_posts`` stays, even if it has no post."""
LOCK_SECONDS = 60.0
"""How long a publication waits for another one of its name."""


class PublicationLocked(RunFailed):
    """Another run publishes; the message names it."""


def select_publications(settings: Settings, names: Sequence[str] = ()) -> list[str]:
    """The named publications in the order of the configuration; all of them if none is named.

    Raises:
        ConfigurationError: No publication has that name, or none is configured.
    """
    found = settings.publish
    for name in names:
        if name not in found:
            raise ConfigurationError(
                f"there is no publication {name!r}{did_you_mean(name, found)}; "
                f"configured are: {', '.join(found) or 'none'}"
            )
    if not found:
        raise ConfigurationError(
            "no publication is configured; add a section, such as [publish.blog] with format = "
            '"jekyll" and folder = "site"'
        )
    return [name for name in found if not names or name in names]


def publish(
    settings: Settings,
    name: str,
    *,
    dry_run: bool = False,
    is_stopping: Callable[[], bool] = lambda: False,
    notify: Callable[[str], None] = lambda _text: None,
) -> PublicationResult:
    """Publish one publication.

    Args:
        settings: The configuration.
        name: Of the publication.
        dry_run: Change nothing; the result is what a run would do.
        is_stopping: Ends the command when it returns true.
        notify: Called when another run of this publication is waited for.

    Raises:
        ConfigurationError: A source is unknown, the folder cannot be used, or its files are of
            another warehouse.
        PublicationLocked: Another run of this publication does not end.
        WarehouseError: There is no snapshot yet, or it cannot be read.
        Interrupted: ``is_stopping`` returned true; the next run continues.
    """
    lock = locks.acquire(
        settings,
        lock_name(name),
        flow="publish",
        run_id=name,
        wait_seconds=LOCK_SECONDS,
        notify=notify,
    )
    try:
        with lock:
            return _Publisher(settings, name, dry_run=dry_run).run(is_stopping)
    except locks.SourceLocked as error:
        owner = locks.lock_owner(settings, lock_name(name))
        process = f" (process {owner.process.pid}, since {owner.since})" if owner else ""
        raise PublicationLocked(
            f"{name}: another run publishes it{process}: wait for it, or stop it"
        ) from error


def lock_name(name: str) -> str:
    """The lock of a publication; no source has a name with a space."""
    return f"publish {name}"


class _Publisher:
    """The work of one publication."""

    def __init__(self, settings: Settings, name: str, *, dry_run: bool) -> None:
        self._settings = settings
        self._one = settings.publish[name]
        self._folder = OutputFolder(
            self._one.folder, is_read_only=dry_run, lasting_levels=_LASTING_LEVELS
        )
        self._result = PublicationResult(name=name, settings=self._one, is_dry=dry_run)

    @cached_property
    def _journal(self) -> Journal:
        """What exports wrote into the folder."""
        return Journal(self._folder.root, is_read_only=True)

    def run(self, is_stopping: Callable[[], bool]) -> PublicationResult:
        result, one = self._result, self._one
        file = state_file(self._settings, result.name)
        with PublicationState(file, one.folder, is_read_only=result.is_dry) as state:
            files = PublicationFiles(
                self._folder,
                state,
                is_known=self._is_known,
                on_change=lambda: state.set_pending(0),
            )
            result.changes = files.changes
            with connect_read_only(current_snapshot(self._settings).path) as db:
                warehouse_id = str(read_sequence(db).warehouse_id)
                state.set_warehouse(warehouse_id)
                articles = published_articles(db)
                self._check_sources(articles)
                if one.format in POST_FORMATS:
                    self._publish_posts(db, articles, state, files, is_stopping)
                else:
                    self._publish_documents(db, articles, files)
            state.set_warehouse(warehouse_id)
            if failed := result.changes.failed:
                path, why = next(iter(failed.items()))
                more = f"\nand {len(failed) - 1} more" if len(failed) > 1 else ""
                result.error = f"files failed:\n{path}: {why}{more}"
            self._run_commands(state, is_stopping)
        return result

    def _publish_documents(
        self,
        db: DuckDBPyConnection,
        articles: list[PublishedArticle],
        files: PublicationFiles,
    ) -> None:
        one, result = self._one, self._result
        selected = select(articles, one, ())
        if not selected and not list_suppressions(db):
            return  # a new or a wrong warehouse is more likely than an empty site
        if one.format == "feed":
            version = version_of(selected, one)
            publish_feeds(db, files, result.name, one, selected, version)
            return
        if one.format == "site":
            zone = self._settings.defaults.time_zone
            publish_site(
                db, files, result.name, one, selected, time_zone=zone, is_dry=result.is_dry
            )
            return
        inside = in_window(selected, one, self._today)
        selected = [article for article in selected if article.article_id in inside]
        version = version_of(selected, one)
        publish_json_lines(db, self._folder, files, selected, version, is_dry=result.is_dry)

    @property
    def _today(self) -> date:
        return datetime.now(ZoneInfo(self._settings.defaults.time_zone)).date()

    def _is_known(self, path: str, data: bytes) -> bool:
        """Whether an export wrote a file, or a publication whose state is lost."""
        if self._one.format == "feed":
            return is_copydesk_feed(data)
        return self._journal.wrote(path, data)

    def _publish_posts(
        self,
        db: DuckDBPyConnection,
        articles: list[PublishedArticle],
        state: PublicationState,
        files: PublicationFiles,
        is_stopping: Callable[[], bool],
    ) -> None:
        stored = {one.article_id: one.source for one in articles}
        imported = [
            one
            for one in imported_files(db)
            if one.dialect == self._one.format and self._has_source(stored.get(one.article_id))
        ]
        folders = FOLDERS[self._one.format]
        edited = adopt_imported(db, self._folder, folders, imported, state, lambda: self._journal)
        erased = SuppressionList(list_suppressions(db))
        plan = plan_posts(
            articles,
            imported,
            state.entries,
            self._one,
            today=self._today,
            is_sticky=state.file_name == self._one.file_name,
            is_erased=lambda article_id: article_id in erased,
        )
        for article_id, path in edited.items():
            if article_id in plan.posts and article_id not in state.entries:
                del plan.posts[article_id]
                self._result.changes.left_alone[path] = FOREIGN
        self._result.vanished = sorted(state.entries[key].path for key in plan.vanished)
        pages = {page.key: (page, data) for page, data in self._pages(plan)}
        for key in [one for one in state.entries if one.startswith(PAGE) and one not in pages]:
            plan.dropped[key] = "no post is in its category"
        for key in plan.released:
            state.remove(key)
        for key, reason in plan.dropped.items():
            files.remove(key, reason)
        due = [one for one in plan.posts.values() if not files.keep(one)]
        for post, data in self._contents(db, due):
            if is_stopping():
                raise Interrupted(f"{self._result.name}: stopped; the next publication continues")
            files.write(post, data)
        for page, data in pages.values():
            # A site that moved here has pages of its own, which are as good.
            is_theirs = page.key not in state.entries and self._folder.has(page.path)
            if not is_theirs and not files.keep(page):
                files.write(page, data, is_post=False)
        state.set_options(self._one.front_matter, self._one.file_name)

    def _has_source(self, source: str | None) -> bool:
        return source is not None and (not self._one.sources or source in self._one.sources)

    def _pages(self, plan: Plan) -> Iterator[tuple[PlannedPost, bytes]]:
        if self._one.category_pages:
            yield from category_pages(plan.categories, self._one.category_pages)

    def _contents(
        self, db: DuckDBPyConnection, due: list[PlannedPost]
    ) -> Iterator[tuple[PlannedPost, bytes]]:
        """Yield the bytes of posts, in parts that are read whole: the loop may end at any post."""
        dialect, site = cast("Dialect", self._one.format), self._one.footer or FINEWS_SITE
        for start in range(0, len(due), POSTS_EACH):
            part = due[start : start + POSTS_EACH]
            by_seq = {one.seq: one for one in part if one.seq is not None}
            for seq, data in list(posts.file_data(db, list(by_seq))) if by_seq else ():
                yield by_seq[seq], data
            by_id = {one.key: one for one in part if one.seq is None}
            records = [one.record for one in by_id.values()]
            for row in list(read_by_record(db, records)) if by_id else ():
                article = article_of(row)
                data = write_post(article, dialect, site=site).data
                yield by_id[article.article_id], add_keys(data, self._one.front_matter)

    def _check_sources(self, articles: list[PublishedArticle]) -> None:
        known = {one.source for one in articles} | set(self._settings.sources)
        for source in self._one.sources:
            if source not in known:
                raise ConfigurationError(
                    f"publish.{self._result.name}.sources: there is no source {source!r}"
                    f"{did_you_mean(source, known)}"
                )

    def _run_commands(self, state: PublicationState, is_stopping: Callable[[], bool]) -> None:
        """Run the commands that are due; the next run begins with the one that failed."""
        result, commands = self._result, self._one.command
        start = state.pending
        result.is_command_pending = start is not None and bool(commands)
        if result.is_dry or start is None or result.error:
            return
        first = start if start < len(commands) else 0
        for number, arguments in enumerate(commands[first:], first):
            state.set_pending(number)
            done = run_command(
                arguments,
                self._one.folder,
                timeout_seconds=self._one.command_timeout_seconds,
                secret_names=_secret_names(self._settings),
                is_stopping=is_stopping,
            )
            result.commands.append(done)
            if done.error:
                result.error = f"{done.error}\nThe next run repeats it"
                return
        state.set_pending(None)
        result.is_command_pending = False


def _secret_names(settings: Settings) -> set[str]:
    names: set[str] = set()
    for source in settings.sources.values():
        given = source.secret_env
        names.update([given] if isinstance(given, str) else given)
    return names - {""}
