"""Publications that are one file of all articles (JSON lines), or feeds of the newest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from duckdb import DuckDBPyConnection

from flows.import_export.feeds.selection import (
    DEFAULT_LENGTH,
    RENDERERS,
    SUFFIXES,
    articles_feed,
    corrections_feed,
)
from flows.import_export.jsonl_csv import is_copydesk_file, write_jsonl
from flows.output_folder import OutputFolder
from flows.pipeline.rows import article_of
from flows.publication.files import FOREIGN, PublicationFiles
from flows.publication.plan import PlannedPost, newest_day
from flows.publication.state import Entry
from flows.publish_settings import PublishSettings
from parsers.model import Article
from warehouse.read.publication import PublishedArticle, read_by_record

JSON_LINES = "articles.jsonl"
_OPTIONS = {"base_url", "language", "per", "title", "window_days", "window_posts"}
_RECORDS_EACH = 2000


def version_of(articles: Iterable[PublishedArticle], settings: PublishSettings) -> str:
    """A digest of all that the documents of a publication are made of."""
    digest = hashlib.sha256()
    options = settings.model_dump(mode="json", include=_OPTIONS)
    digest.update(json.dumps(options, sort_keys=True).encode())
    for one in articles:
        digest.update(f"{one.article_id}\n{one.record}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def publish_feeds(
    db: DuckDBPyConnection,
    files: PublicationFiles,
    name: str,
    settings: PublishSettings,
    articles: Sequence[PublishedArticle],
    version: str,
) -> None:
    """Write the feeds of articles and of corrections, both as Atom and as JSON Feed."""
    for kind, make in (("articles", articles_feed), ("corrections", corrections_feed)):
        planned = {
            format_: PlannedPost(key=f"\n{kind}{suffix}", path=f"{kind}{suffix}", version=version)
            for format_, suffix in SUFFIXES.items()
        }
        due = {format_: one for format_, one in planned.items() if not files.keep(one)}
        for format_, one in due.items():
            url = f"{settings.base_url}/{one.path}" if settings.base_url else ""
            feed = make(
                db,
                name=f"{kind} {name}",
                title=settings.title or name,
                sources=settings.sources,
                since=_since(articles, settings),
                limit=settings.window_posts or (None if settings.window_days else DEFAULT_LENGTH),
                home_url=settings.base_url,
                feed_url=url,
            )
            files.write(one, RENDERERS[format_](feed), is_post=False)


def publish_json_lines(
    db: DuckDBPyConnection,
    folder: OutputFolder,
    files: PublicationFiles,
    articles: Sequence[PublishedArticle],
    version: str,
    *,
    is_dry: bool,
) -> None:
    """Write ``articles.jsonl``, one article a line, oldest publication first."""
    one = PlannedPost(key=f"\n{JSON_LINES}", path=JSON_LINES, version=version)
    if files.keep(one):
        return
    file, state, changes = folder.file(JSON_LINES), files.state, files.changes
    is_new = not file.exists()
    if not is_new and not is_copydesk_file(file):
        changes.left_alone[JSON_LINES] = FOREIGN
        return
    files.mark_changed()
    if not is_dry:
        write_jsonl(_in_order(db, articles), file)
    (changes.written if is_new else changes.updated).append(JSON_LINES)
    state.put(Entry(key=one.key, path=one.path, version=version, sha256=""))


def _in_order(db: DuckDBPyConnection, articles: Sequence[PublishedArticle]) -> Iterator[Article]:
    ordered = sorted(
        articles, key=lambda one: (one.published_at or one.first_seen_at, one.article_id)
    )
    for start in range(0, len(ordered), _RECORDS_EACH):
        some = ordered[start : start + _RECORDS_EACH]
        found = {row.article_id: row for row in read_by_record(db, [one.record for one in some])}
        yield from (article_of(found[one.article_id]) for one in some)


def _since(articles: Sequence[PublishedArticle], settings: PublishSettings) -> datetime | None:
    """The begin of the window, at midnight UTC."""
    if not settings.window_days:
        return None
    first = newest_day(articles, datetime.now(UTC).date()) - timedelta(settings.window_days - 1)
    return datetime.combine(first, time(), UTC)
