"""Existing posts into the warehouse: the work behind ``copydesk import``.

One transaction a batch, so that a killed import keeps whole batches and a second one
goes over what is there without changing it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from flows import bridge
from flows.posts.finding import BadPost, PostPath, find_posts, read_posts
from flows.report import Report, counts_of
from flows.run import Run
from flows.settings import Settings
from parsers.errors import ParseError
from parsers.posts import Post
from warehouse import articles, quarantine, runs
from warehouse.errors import BadRow
from warehouse.rows import ArticleRow, Counters, QuarantineRow, StoredPost, Upserted
from warehouse.sights import check_row

CHANNEL = "import"
UNKNOWN = "posts"
POSTS_EACH = 1000


def import_posts(settings: Settings, paths: Sequence[Path], *, source: str | None) -> Report:
    """Store every post of some files and folders; what cannot be read goes to quarantine.

    Args:
        settings: Where the warehouse is.
        paths: Files and folders.
        source: The source of posts that do not name theirs.

    Raises:
        WarehouseError: The warehouse could not be written; earlier batches are whole.
    """
    started = time.monotonic()
    found = list(find_posts(paths))
    with Run("import", settings, ()) as run:
        for start in range(0, len(found), POSTS_EACH):
            batch = found[start : start + POSTS_EACH]
            _import_batch(run, batch, source or UNKNOWN)
            run.surroundings.progress("import", start + len(batch), len(found))
            if run.is_stopping:
                break
        for tally in run.tallies.values():
            tally.seconds = time.monotonic() - started
        report = run.finish()
        run.publish()
    return report


def _import_batch(run: Run, found: Sequence[PostPath | BadPost], source: str) -> None:
    """Read and store one batch in one transaction."""
    rows: list[ArticleRow] = []
    bad: list[QuarantineRow] = []
    for one in found:
        (post,) = read_posts([one], source=source)
        if isinstance(post, Post) and isinstance(one, PostPath):
            _take_post(run, post, seen_at(post, one.file), rows, bad)
        elif isinstance(post, BadPost):
            _take_bad(run, post, source, bad)
    with run.writing() as db:
        run.begin_sources(db)
        done = articles.upsert_articles(db, rows, run_id=run.id)
        quarantine.put(db, bad, run_id=run.id)
        good = {row.post.path for row in rows if row.post}
        quarantine.resolve(
            db, run_id=run.id, article_ids={row.article_id for row in rows}, urls=good
        )
        for slug, tally in run.tallies.items():
            counts = tally.uncounted() | counts_of(done.get(slug, Upserted()))
            runs.add_counters(db, run.id, slug, Counters(**counts))
    for slug, tally in run.tallies.items():
        tally.add(**counts_of(done.get(slug, Upserted())))
        tally.mark_counted()


def seen_at(post: Post, file: Path) -> datetime:
    """When the post's content was seen, as far as the file itself tells (aware UTC).

    Its own time, or that of the file if it has none or claims a later one: a time that
    a second import gives again, so that it changes nothing, and that never makes an old
    post newer than a page fetched since.
    """
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    published = post.article.published_at
    return min(published, written) if published else written


def _take_post(
    run: Run, post: Post, at: datetime, rows: list[ArticleRow], bad: list[QuarantineRow]
) -> None:
    tally = run.tally(post.source)
    tally.add(discovered=1, fetched=1)
    own = StoredPost(dialect=post.dialect, path=post.path, data=post.data)
    row = bridge.article_row(post.article, channel=CHANNEL, seen_at=at, post=own)
    try:
        check_row(row)
    except BadRow as error:
        tally.quarantine(f"{post.path}: {error}")
        bad.append(bridge.failed_post(post.source, post.path, post.data, error, at))
    else:
        rows.append(row)


def _take_bad(run: Run, post: BadPost, source: str, bad: list[QuarantineRow]) -> None:
    if isinstance(post.error, ParseError) and post.error.article_id:
        source = post.error.article_id.partition(":")[0]
    tally = run.tally(source)
    tally.add(discovered=1)
    if isinstance(post.error, ParseError):
        tally.quarantine(str(post.error))
        at = datetime.fromtimestamp(post.file.stat().st_mtime, UTC)
        bad.append(bridge.failed_post(source, post.relative, post.data, post.error, at))
    else:
        tally.fail(str(post.error))
