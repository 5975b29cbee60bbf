"""What an upsert appends to the tables, as columns."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TypeVar

import pyarrow as pa
from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.db import write_through
from warehouse.keys import key_of
from warehouse.rows import ArticleRow, StoredPost
from warehouse.search import index
from warehouse.upsert.history import Version
from warehouse.upsert.lookup import numbered
from warehouse.upsert.observations import Observation, body_key

POSTS = """
    SELECT k.i FROM _store.posts p JOIN copydesk_keys k ON p.post_key = k.key::UUID
"""

# Rows with bodies go in parts, so that a large load is not in memory three times.
_ROWS_EACH = 2048

# Fewer rows are not worth a checkpoint; DuckDB's row groups have 122,880.
_BULK_ROWS = 8192
_ROW_GROUP = 122_880

# The columns of a record that are stored as the row has them.
_COLUMNS = stage.columns(
    ArticleRow, "article_id", "body_html", "text", "content_hash", "channel", "fetched_at", "post",
    "other_ids", "media",
)  # fmt: skip

T = TypeVar("T")


@dataclass(slots=True)
class PendingInserts:
    """The rows to append, by table.

    Attributes:
        contents: By content key, the first observation that has it.
        records: By record key, the first observation that has it.
        versions: Article, content and record key, and the time.
        changed: The articles that had a version before, or get several.
        sightings: One row each.
    """

    contents: dict[bytes, Observation] = field(default_factory=dict)
    records: dict[bytes, Observation] = field(default_factory=dict)
    versions: list[tuple[bytes, bytes, bytes, int]] = field(default_factory=list)
    changed: set[bytes] = field(default_factory=set)
    sightings: list[Observation] = field(default_factory=list)

    def add_first(self, seen: Observation, *, is_content_new: bool) -> None:
        """Add the first observation of an article."""
        self.versions.append((seen.article_key, seen.content_key, seen.record_key, seen.at))
        self.add_record(seen, is_content_new=is_content_new)
        self.sightings.append(seen)

    def add_version(self, article: bytes, version: Version) -> None:
        """Add a version of an article."""
        self.changed.add(article)
        self.versions.append((article, version.content, version.record, version.at))

    def add_record(self, seen: Observation, *, is_content_new: bool) -> None:
        """Add a record, and its content if that is new."""
        self.records[seen.record_key] = seen
        if is_content_new:
            self.contents[seen.content_key] = seen

    def store(
        self, db: DuckDBPyConnection, *, seq: int, bodies: Mapping[bytes, bytes], run_id: str
    ) -> None:
        """Append everything.

        Args:
            db: The warehouse, in a transaction that is locked for write.
            seq: The first free sequence number.
            bodies: The body keys of the contents stored before.
            run_id: The run that stores the rows.
        """
        if _is_bulk(db, len(self.contents)):
            write_through(db)
        first = seq
        docs: dict[bytes, int] = {}
        for contents in _parts(self.contents.values()):
            stage.insert(db, "_store.contents", _contents(contents, first, run_id))
            docs |= index.add_contents(db, _indexable(contents, first))
            first += len(contents)
        for records in _parts(self.records.values()):
            own = [self._has_own_body(seen, bodies) for seen in records]
            stage.insert(db, "_store.article_records", _records(records, own, run_id))
        stage.insert(db, "_store.article_versions", _versions(self.versions, seq, run_id))
        stage.insert(db, "_store.sightings", _sightings(self.sightings, run_id))
        self._index_articles(db, docs)
        if self.contents:
            # A run without new contents, nearly every one, does not import it.
            from warehouse.syndication.pairs import Content, add_contents

            added = [
                Content(number, seen.content_key, seen.row.text or "")
                for number, seen in enumerate(self.contents.values(), seq)
            ]
            add_contents(db, added)

    def _index_articles(self, db: DuckDBPyConnection, docs: dict[bytes, int]) -> None:
        """Let a search find the articles of the new versions, and no longer the old contents."""
        firsts = [
            (article, self.records[record])
            for article, _, record, _ in self.versions
            if article not in self.changed
        ]
        known = {seen.content_key for _, seen in firsts if seen.content_key not in docs}
        docs |= index.docs_of(db, list(known))
        found = [(docs[seen.content_key], seen) for _, seen in firsts if seen.content_key in docs]
        stage.insert(db, "_store.search_articles", _search_articles(found))
        index.refresh_articles(db, list(self.changed))

    def _has_own_body(self, seen: Observation, bodies: Mapping[bytes, bytes]) -> bool:
        """Return whether its body differs from the one stored with its content."""
        first = self.contents.get(seen.content_key)
        if first is seen:
            return False
        return seen.body_key != (first.body_key if first else bodies[seen.content_key])


def _is_bulk(db: DuckDBPyConnection, count: int) -> bool:
    """Return whether so many contents are worth a checkpoint of their own.

    A checkpoint rewrites the last, unfinished row group, which may not hold more already.
    """
    if count < _BULK_ROWS:
        return False
    return stage.count(db, "SELECT count(*) FROM _store.contents") % _ROW_GROUP < count


def _parts(rows: Iterable[T]) -> Iterator[list[T]]:
    rows = list(rows)
    for start in range(0, len(rows), _ROWS_EACH):
        yield rows[start : start + _ROWS_EACH]


def _contents(batch: Sequence[Observation], seq: int, run_id: str) -> pa.Table:
    # Encoded once for the key and for the table: most of the cost of a new article.
    bodies = [seen.row.body_html.encode() for seen in batch]
    texts = [(seen.row.text or "").encode() for seen in batch]
    keys = [seen.content_key for seen in batch]
    return stage.table(
        content_tag=stage.tags(keys),
        content_key=stage.keys(keys),
        content_hash=([seen.row.content_hash for seen in batch], stage.TEXT),
        body_key=stage.keys(list(map(body_key, bodies, texts))),
        body_html=stage.texts(bodies),
        text=stage.texts(texts),
        first_seen_at=([seen.at for seen in batch], stage.MOMENT),
        seq=(range(seq, seq + len(batch)), stage.WHOLE),
        run_id=stage.same(run_id, len(batch)),
    )


def _indexable(batch: Sequence[Observation], seq: int) -> list[index.Content]:
    return [
        index.Content(
            key=seen.content_key,
            seq=number,
            title=seen.row.title or "",
            text=seen.row.text or "",
        )
        for number, seen in enumerate(batch, seq)
    ]


def _search_articles(found: Sequence[tuple[int, Observation]]) -> pa.Table:
    return stage.table(
        doc=([doc for doc, _ in found], stage.LONG_TAG),
        article_key=stage.keys([seen.article_key for _, seen in found]),
        record_key=stage.keys([seen.record_key for _, seen in found]),
        source=([seen.row.source for _, seen in found], stage.TEXT),
        published_at=([seen.row.published_at for _, seen in found], stage.MOMENT),
    )


def _records(batch: Sequence[Observation], own: Sequence[bool], run_id: str) -> pa.Table:
    """Make the table of records; a body only where it differs from the content's."""
    bodies = [seen.row.body_html if o else None for seen, o in zip(batch, own, strict=True)]
    texts = [(seen.row.text or "") if o else None for seen, o in zip(batch, own, strict=True)]
    return stage.table(
        record_key=stage.keys([seen.record_key for seen in batch]),
        article_key=stage.keys([seen.article_key for seen in batch]),
        content_key=stage.keys([seen.content_key for seen in batch]),
        **stage.values([seen.row for seen in batch], _COLUMNS),
        media=([list(map(asdict, seen.row.media)) for seen in batch], stage.MEDIA),
        body_html=(bodies, stage.TEXT),
        text=(texts, stage.TEXT),
        run_id=stage.same(run_id, len(batch)),
    )


def _versions(
    versions: Sequence[tuple[bytes, bytes, bytes, int]], seq: int, run_id: str
) -> pa.Table:
    articles = [version[0] for version in versions]
    records = [version[2] for version in versions]
    return stage.table(
        article_tag=stage.tags(articles),
        record_tag=stage.long_tags(records),
        article_key=stage.keys(articles),
        content_key=stage.keys([version[1] for version in versions]),
        record_key=stage.keys(records),
        seen_at=([version[3] for version in versions], stage.MOMENT),
        seq=(range(seq, seq + len(versions)), stage.WHOLE),
        run_id=stage.same(run_id, len(versions)),
    )


def _sightings(batch: Sequence[Observation], run_id: str) -> pa.Table:
    times = pa.array([seen.at for seen in batch], stage.MOMENT)
    return stage.table(
        article_key=stage.keys([seen.article_key for seen in batch]),
        content_key=stage.keys([seen.content_key for seen in batch]),
        channel=([seen.row.channel for seen in batch], stage.TEXT),
        first_seen_at=times,
        last_seen_at=times,
        run_id=stage.same(run_id, len(batch)),
    )


# --- imported posts --------------------------------------------------------------------


def insert_posts(
    db: DuckDBPyConnection, batch: Sequence[Observation], *, seq: int, run_id: str
) -> None:
    """Append the files of imported articles, each once."""
    found = {
        _post_key(seen.row.article_id, post): (seen, post)
        for seen in batch
        if (post := seen.row.post)
    }
    if not found:
        return
    keys = list(found)
    with stage.staged(db, "copydesk_keys", numbered(keys)):
        for (i,) in db.execute(POSTS).fetchall():
            del found[keys[i]]
    first = seq
    for part in _parts(found.items()):
        stage.insert(db, "_store.posts", _posts(part, first, run_id))
        first += len(part)


def _post_key(article_id: str, post: StoredPost) -> bytes:
    """Return ``key_of(article_id, path, data in hex)``, without the long string."""
    if "\x1f" in article_id or "\x1f" in post.path:
        return key_of(article_id, post.path, post.data.hex())
    hashed = sha256(f"{article_id}\x1f{post.path}\x1f".encode())
    hashed.update(hexlify(post.data))
    return hashed.digest()[:16]


def _posts(
    found: Sequence[tuple[bytes, tuple[Observation, StoredPost]]], seq: int, run_id: str
) -> pa.Table:
    batch = [seen for _, (seen, _) in found]
    files = [post for _, (_, post) in found]
    return stage.table(
        post_key=stage.keys([key for key, _ in found]),
        article_key=stage.keys([seen.article_key for seen in batch]),
        content_key=stage.keys([seen.content_key for seen in batch]),
        record_key=stage.keys([seen.record_key for seen in batch]),
        dialect=([post.dialect for post in files], stage.TEXT),
        path=([post.path for post in files], stage.TEXT),
        data=([post.data for post in files], stage.BYTES),
        first_seen_at=([seen.at for seen in batch], stage.MOMENT),
        seq=(range(seq, seq + len(files)), stage.WHOLE),
        run_id=stage.same(run_id, len(files)),
    )
