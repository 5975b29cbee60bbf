"""Recognize posts that an import need not store: this warehouse wrote them, or has them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import get_args

from duckdb import DuckDBPyConnection

from flows.import_export.read_posts import PostOutcome
from flows.pipeline.rows import article_of
from parsers.frontmatter import Dialect, rewrite_post, write_post
from parsers.frontmatter.block import MARK
from warehouse.read.articles import read_records
from warehouse.records import posts

# Each post of copydesk has one of these lines; rendering is only worth it for them.
_WRITTEN = re.compile(rb"^(?:article_id: |date: .* \+\d\d:\d\d$)", re.MULTILINE)
_MAX_HEAD = 8192
_ARTICLES_EACH = 100


def known_outcomes(
    db: DuckDBPyConnection, outcomes: Sequence[PostOutcome], *, changed: Collection[str] = ()
) -> set[int]:
    """Return which outcomes, by number, change nothing.

    The file is the post that an export of this warehouse writes, or wrote of an earlier
    revision; or an imported file whose head an export rewrote; or an earlier import stored it
    under this path, and its article is unchanged.

    Args:
        db: The warehouse.
        outcomes: The files.
        changed: Paths of stored files whose article has other values today.
    """
    keys = [(i, key) for i, one in enumerate(outcomes) if (key := _key(one))]
    own = _own_posts(db, [key for _, key in keys])
    own |= _rewritten_posts(db, [key for _, key in keys])
    imported = [
        (i, one.imported.row)
        for i, one in enumerate(outcomes)
        if one.imported and (post := one.imported.row.post) and post.path not in changed
    ]
    current = posts.current_posts(db, [row for _, row in imported])
    return {i for i, key in keys if key in own} | {imported[number][0] for number in current}


def _key(outcome: PostOutcome) -> tuple[str, bytes] | None:
    """Return the id of its article and its bytes; ``None`` where the article is unknown."""
    if outcome.imported and (post := outcome.imported.row.post):
        return outcome.imported.row.article_id, post.data
    bad = outcome.bad
    return (bad.article_id, bad.page) if bad and bad.article_id else None


def _own_posts(db: DuckDBPyConnection, keys: Iterable[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
    wanted: dict[str, set[bytes]] = defaultdict(set)
    for article_id, data in keys:
        if _WRITTEN.search(data, 0, _MAX_HEAD):
            wanted[article_id].add(data)
    names, own = list(wanted), set()
    for start in range(0, len(names), _ARTICLES_EACH):
        for row in read_records(db, names[start : start + _ARTICLES_EACH]):
            article = article_of(row)
            for dialect in get_args(Dialect):
                data = write_post(article, dialect).data
                if data in wanted[row.article_id]:
                    own.add((row.article_id, data))
    return own


def _rewritten_posts(
    db: DuckDBPyConnection, keys: Iterable[tuple[str, bytes]]
) -> set[tuple[str, bytes]]:
    mark = f"\n{MARK}".encode()
    wanted = {key for key in keys if key[1].find(mark, 0, _MAX_HEAD) >= 0}
    if not wanted:
        return set()
    files = posts.article_files(db, sorted({article_id for article_id, _ in wanted}))
    made = {(article_id, rewrite_post(data, path)) for article_id, path, data in files}
    return wanted & made
