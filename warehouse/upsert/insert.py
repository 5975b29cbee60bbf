"""What an upsert adds to the tables, in columns."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from operator import attrgetter
from typing import TypeVar

import pyarrow as pa
from duckdb import DuckDBPyConnection

from warehouse.db import write_through
from warehouse.rows import StoredPost
from warehouse.upsert import stage
from warehouse.upsert.history import Version
from warehouse.upsert.keys import key_of
from warehouse.upsert.lookup import numbered
from warehouse.upsert.observations import Observation, body_key

POSTS = """
    SELECT k.i FROM _store.posts p JOIN copydesk_keys k ON p.post_key = k.key::UUID
"""

# Rows with bodies go in parts, so that a large load never stands in memory three times.
_ROWS_EACH = 2048

# Fewer are not worth a checkpoint; DuckDB's row groups are so large.
_BULK_ROWS = 8192
_ROW_GROUP = 122_880

# The columns of a record that are stored as the row has them.
_SAID = {
    "source": stage.TEXT,
    "source_article_id": stage.TEXT,
    "url": stage.TEXT,
    "canonical_url": stage.TEXT,
    "title": stage.TEXT,
    "authors": stage.TEXTS,
    "publisher": stage.TEXT,
    "published_at": stage.MOMENT,
    "published_raw": stage.TEXT,
    "published_precision": stage.TEXT,
    "published_timezone_source": stage.TEXT,
    "updated_at": stage.MOMENT,
    "categories": stage.TEXTS,
    "tags": stage.TEXTS,
    "language": stage.TEXT,
    "lead_image": stage.TEXT,
    "parser": stage.TEXT,
    "parser_version": stage.TEXT,
    "provenance": stage.TEXT,
    "original_url": stage.TEXT,
}
_said = attrgetter(*_SAID)

T = TypeVar("T")


@dataclass(slots=True)
class PendingInserts:
    """The rows to be added, by table.

    Attributes:
        contents: By content key, the first sight that says it.
        records: By record key, the first sight that says it.
        versions: Article, content and record key, and when it began to be said.
        seen: Sightings.
    """

    contents: dict[bytes, Observation] = field(default_factory=dict)
    records: dict[bytes, Observation] = field(default_factory=dict)
    versions: list[tuple[bytes, bytes, bytes, int]] = field(default_factory=list)
    seen: list[Observation] = field(default_factory=list)

    def first(self, sight: Observation, *, is_content_new: bool) -> None:
        """Adds the first that was ever seen of an article."""
        self.versions.append((sight.article_key, sight.content_key, sight.record_key, sight.at))
        self.record(sight, is_content_new=is_content_new)
        self.seen.append(sight)

    def version(self, article: bytes, version: Version) -> None:
        """Adds a link of an article's chain."""
        self.versions.append((article, version.content, version.record, version.at))

    def record(self, sight: Observation, *, is_content_new: bool) -> None:
        """Adds a record, and the content with it when nobody has said it."""
        self.records[sight.record_key] = sight
        if is_content_new:
            self.contents[sight.content_key] = sight

    def store(
        self, db: DuckDBPyConnection, *, seq: int, bodies: Mapping[bytes, bytes], run_id: str
    ) -> None:
        """Appends everything.

        Args:
            db: The warehouse, in a transaction that has the guard.
            seq: The first sequence number that is free.
            bodies: The body keys of the contents stored before.
            run_id: Whose rows these are.
        """
        if _is_bulk(db, len(self.contents)):
            write_through(db)
        first = seq
        for contents in _parts(self.contents.values()):
            stage.insert(db, "_store.contents", _contents(contents, first, run_id))
            first += len(contents)
        for records in _parts(self.records.values()):
            own = [self._has_own_body(sight, bodies) for sight in records]
            stage.insert(db, "_store.records", _records(records, own, run_id))
        stage.insert(db, "_store.versions", _versions(self.versions, seq, run_id))
        stage.insert(db, "_store.seen", _seen(self.seen, run_id))

    def _has_own_body(self, sight: Observation, bodies: Mapping[bytes, bytes]) -> bool:
        """Whether its body is not, to the letter, the one stored with its content."""
        first = self.contents.get(sight.content_key)
        if first is sight:
            return False
        return sight.body_key != (first.body_key if first else bodies[sight.content_key])


def _is_bulk(db: DuckDBPyConnection, count: int) -> bool:
    """Whether so many contents are worth a checkpoint of their own.

    A checkpoint writes the last, unfinished row group anew: it may not hold more already.
    """
    if count < _BULK_ROWS:
        return False
    stored = int(db.execute("SELECT count(*) FROM _store.contents").fetchall()[0][0])
    return stored % _ROW_GROUP < count


def _parts(rows: Iterable[T]) -> Iterator[list[T]]:
    rows = list(rows)
    for start in range(0, len(rows), _ROWS_EACH):
        yield rows[start : start + _ROWS_EACH]


def _contents(sights: Sequence[Observation], seq: int, run_id: str) -> pa.Table:
    # Made once for the key and for the table: most of what a new article costs.
    bodies = [sight.row.body_html.encode() for sight in sights]
    texts = [sight.row.text.encode() for sight in sights]
    keys = [sight.content_key for sight in sights]
    return stage.table(
        content_tag=stage.tags(keys),
        content_key=stage.keys(keys),
        content_hash=([sight.row.content_hash for sight in sights], stage.TEXT),
        body_key=stage.keys(list(map(body_key, bodies, texts))),
        body_html=stage.texts(bodies),
        text=stage.texts(texts),
        first_seen_at=([sight.at for sight in sights], stage.MOMENT),
        seq=(range(seq, seq + len(sights)), stage.WHOLE),
        run_id=stage.same(run_id, len(sights)),
    )


def _records(sights: Sequence[Observation], own: Sequence[bool], run_id: str) -> pa.Table:
    """Records; their body only where it is not that of their content."""
    said = zip(*(_said(sight.row) for sight in sights), strict=True)
    return stage.table(
        record_key=stage.keys([sight.record_key for sight in sights]),
        article_key=stage.keys([sight.article_key for sight in sights]),
        content_key=stage.keys([sight.content_key for sight in sights]),
        **{name: (values, kind) for (name, kind), values in zip(_SAID.items(), said, strict=True)},
        body_html=(
            [s.row.body_html if o else None for s, o in zip(sights, own, strict=True)],
            stage.TEXT,
        ),
        text=([s.row.text if o else None for s, o in zip(sights, own, strict=True)], stage.TEXT),
        run_id=stage.same(run_id, len(sights)),
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


def _seen(sights: Sequence[Observation], run_id: str) -> pa.Table:
    times = pa.array([sight.at for sight in sights], stage.MOMENT)
    return stage.table(
        article_key=stage.keys([sight.article_key for sight in sights]),
        content_key=stage.keys([sight.content_key for sight in sights]),
        channel=([sight.row.channel for sight in sights], stage.TEXT),
        first_seen_at=times,
        last_seen_at=times,
        run_id=stage.same(run_id, len(sights)),
    )


# --- imported posts --------------------------------------------------------------------


def posts(db: DuckDBPyConnection, sights: Sequence[Observation], *, seq: int, run_id: str) -> None:
    """Keeps the files of imported articles, each once."""
    found = {
        _post_key(sight.row.article_id, post): (sight, post)
        for sight in sights
        if (post := sight.row.post)
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
    """``key_of(article_id, path, data in hex)``, without the long string."""
    if "\x1f" in article_id or "\x1f" in post.path:
        return key_of(article_id, post.path, post.data.hex())
    hashed = sha256(f"{article_id}\x1f{post.path}\x1f".encode())
    hashed.update(hexlify(post.data))
    return hashed.digest()[:16]


def _posts(
    found: Sequence[tuple[bytes, tuple[Observation, StoredPost]]], seq: int, run_id: str
) -> pa.Table:
    of = [sight for _, (sight, _) in found]
    files = [post for _, (_, post) in found]
    return stage.table(
        post_key=stage.keys([key for key, _ in found]),
        article_key=stage.keys([sight.article_key for sight in of]),
        content_key=stage.keys([sight.content_key for sight in of]),
        record_key=stage.keys([sight.record_key for sight in of]),
        dialect=([post.dialect for post in files], stage.TEXT),
        path=([post.path for post in files], stage.TEXT),
        data=([post.data for post in files], stage.BYTES),
        first_seen_at=([sight.at for sight in of], stage.MOMENT),
        seq=(range(seq, seq + len(files)), stage.WHOLE),
        run_id=stage.same(run_id, len(files)),
    )
