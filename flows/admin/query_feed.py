"""A feed of the articles that a statement selects: ``copydesk query SQL --format atom``."""

from __future__ import annotations

from flows.admin.query import file_to_read, run_interruptible
from flows.callbacks import Notify
from flows.import_export.feeds.selection import RENDERERS, feed_of
from flows.settings import Settings
from warehouse import connect_for_queries, connect_read_only, run_query
from warehouse.errors import BadQuery
from warehouse.read.feed_articles import read_by_id

COLUMN = "article_id"


def query_feed(settings: Settings, sql: str, format_: str, *, live: bool, notify: Notify) -> bytes:
    """Return a feed with an entry for each article of the result, in its order.

    The entries are the stored articles; other columns of the result are not part of the feed.

    Args:
        settings: The configuration.
        sql: A statement whose result has the column ``article_id``.
        format_: atom or jsonfeed.
        live: Whether to read the warehouse itself.
        notify: Called with a message if the snapshot is old.

    Raises:
        WarehouseMissing: No snapshot was published yet.
        BadQuery: The statement is refused or fails, or its result names no articles.
    """
    file = file_to_read(settings, live=live, notify=notify)
    with connect_for_queries(file) as db:
        result = run_interruptible(db, lambda: run_query(db, sql))
    if COLUMN not in result.columns:
        raise BadQuery(
            f"a feed needs the column {COLUMN} of the view articles, found "
            f"{', '.join(result.columns)}: add it to the statement"
        )
    place = result.columns.index(COLUMN)
    ids = [str(row[place]) for row in result.rows]
    with connect_read_only(file) as db:
        found = read_by_id(db, ids)
    known = {one.row.article_id for one in found}
    if unknown := next((one for one in ids if one not in known), None):
        raise BadQuery(
            f"a feed needs ids of stored articles in the column {COLUMN}, found {unknown!r}"
        )
    return RENDERERS[format_](feed_of(found, name=f"query {sql.strip()}", title="Query"))
