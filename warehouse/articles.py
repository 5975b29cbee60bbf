"""The upsert: article rows into contents, records, versions and sightings.

Nothing is looked up row by row, and nothing costs time in proportion to what is stored
but two key probes inside DuckDB. What a row means is decided in ``history``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pyarrow as pa
from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.guard import look_at_guard, take_guard
from warehouse.history import History, Stretch, Version
from warehouse.keys import key_of
from warehouse.rows import ArticleRow, Upserted
from warehouse.sights import Sight, sights_of
from warehouse.times import EPOCH

# Lookups read tags only, and the rest of those few rows that the tags leave open: a join
# on keys, or one that returns more, would read whole columns of them.
VERSIONS = """
    SELECT k.i, v.record_tag, epoch_us(v.seen_at), v.seq
    FROM _store.versions v JOIN copydesk_keys k ON v.article_tag = k.tag
"""

VERSION_KEYS = """
    SELECT v.seq, v.article_key, v.content_key, v.record_key
    FROM _store.versions v JOIN copydesk_found k ON v.seq = k.seq
"""

CONTENTS = """
    SELECT c.seq FROM _store.contents c JOIN copydesk_keys k ON c.content_tag = k.tag
"""

CONTENT_KEYS = """
    SELECT c.seq, c.content_key, c.body_key
    FROM _store.contents c JOIN copydesk_found k ON c.seq = k.seq
"""

# Sightings are appended in time, so the bound skips nearly all of them in a live run;
# only a replay of old pages reads further back.
SEEN = """
    SELECT k.i, s.content_key, s.channel, epoch_us(s.first_seen_at), epoch_us(s.last_seen_at)
    FROM _store.seen s JOIN copydesk_keys k ON s.article_key = k.key::UUID
    WHERE s.last_seen_at >= ?
"""

POSTS = """
    SELECT k.i FROM _store.posts p JOIN copydesk_keys k ON p.post_key = k.key::UUID
"""


@dataclass(slots=True)
class _Batch:
    """What one upsert will append; ``bodies`` are those of the contents stored before."""

    bodies: dict[bytes, bytes] = field(default_factory=dict)
    contents: dict[bytes, Sight] = field(default_factory=dict)
    records: dict[bytes, Sight] = field(default_factory=dict)
    versions: list[tuple[bytes, Version]] = field(default_factory=list)
    seen: list[Sight] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )


def upsert_articles(
    db: DuckDBPyConnection, rows: Sequence[ArticleRow], *, run_id: str
) -> dict[str, Upserted]:
    """Adds what is new in ``rows`` and says, by source, what they were.

    The caller owns the transaction (``warehouse.transaction``), so that a watermark
    commits with its rows. Rows are handled in the order of ``fetched_at``, equal times
    in the order given; an article or content may be in the batch any number of times.
    The version seen last is current, whatever the order of arrival; of two readings of
    one moment the one stored later. A page older than the current version becomes part
    of the history. The same rows again change nothing.

    Raises:
        BadRow: A row cannot be stored; nothing of the batch was.
    """
    sights = sights_of(rows)
    batch = _Batch()
    take_guard(db)
    guard = look_at_guard(db)
    if guard.tombstones:
        sights = _without_forgotten(db, sights, batch)
    if sights:
        histories = _histories(db, sights)
        batch.bodies = _stored_bodies(db, _said_first(sights, histories))
        for sight in sights:
            _place(sight, histories[sight.article_key], batch)
        _append(db, batch, guard.seq, run_id)
        _append_posts(db, sights, guard.seq, run_id)
    return {source: Upserted(**counts) for source, counts in batch.counts.items()}


# --- what is known ---------------------------------------------------------------------


def _histories(db: DuckDBPyConnection, sights: Sequence[Sight]) -> dict[bytes, History]:
    """The history of each article of the batch; empty where there is none."""
    histories = {sight.article_key: History() for sight in sights}
    articles = list(histories)
    with stage.staged(db, "copydesk_keys", _numbered(articles)):
        found = db.execute(VERSIONS).fetchall()
        since = EPOCH + timedelta(microseconds=sights[0].at)
        for i, content, channel, first, last in db.execute(SEEN, [since]).fetchall():
            stretch = Stretch(content.bytes, channel, first, last)
            histories[articles[i]].seen.append(stretch)
    said = {int.from_bytes(sight.record_key[:8]): sight for sight in sights}
    for article, version in _versions_of(db, articles, said, found):
        histories[article].chain.append(version)
    for history in histories.values():
        history.begin()
    return histories


def _versions_of(
    db: DuckDBPyConnection,
    articles: Sequence[bytes],
    said: Mapping[int, Sight],
    found: Iterable[tuple[int, int, int, int]],
) -> Iterator[tuple[bytes, Version]]:
    """What the tags found, less what belongs to others.

    A record's key covers its article's id, so the two tags together are 96 bits that
    agree: versions that say what the batch says, nearly all, need no further look.
    """
    others = []
    for i, record, moment, seq in found:
        sight = said.get(record)
        if sight and sight.article_key == articles[i]:
            yield articles[i], Version(moment, seq, sight.content_key, sight.record_key)
        else:
            others.append((i, moment, seq))
    keys = _keys_at(db, VERSION_KEYS, [seq for *_, seq in others])
    for i, moment, seq in others:
        article, content, record_key = keys[seq]
        if article == articles[i]:
            yield article, Version(moment, seq, content, record_key)


def _keys_at(db: DuckDBPyConnection, sql: str, places: Sequence[int]) -> dict[int, list[bytes]]:
    """The keys of the rows with those sequence numbers."""
    if not places:
        return {}
    with stage.staged(db, "copydesk_found", stage.table(seq=(places, stage.WHOLE))):
        return {seq: [key.bytes for key in keys] for seq, *keys in db.execute(sql).fetchall()}


def _said_first(sights: Iterable[Sight], histories: Mapping[bytes, History]) -> list[bytes]:
    """The contents of rows whose exact record their article has not given before."""
    return list(
        dict.fromkeys(
            sight.content_key
            for sight in sights
            if sight.record_key not in histories[sight.article_key].records
        )
    )


def _stored_bodies(db: DuckDBPyConnection, contents: list[bytes]) -> dict[bytes, bytes]:
    """The body keys of those contents that are stored, by content."""
    if not contents:
        return {}
    with stage.staged(db, "copydesk_keys", _numbered(contents)):
        found = db.execute(CONTENTS).fetchall()
    # A tag may find another content too; knowing that one is stored does no harm.
    keys = _keys_at(db, CONTENT_KEYS, [seq for (seq,) in found])
    return dict(keys.values())


def _without_forgotten(db: DuckDBPyConnection, sights: list[Sight], batch: _Batch) -> list[Sight]:
    """The rows that no tombstone forbids; the others are only counted."""
    found = db.execute("SELECT article_key, source FROM _store.tombstones").fetchall()
    articles = {key.bytes for key, _ in found if key is not None}
    sources = {source for key, source in found if key is None}
    kept = []
    for sight in sights:
        if sight.article_key in articles or sight.row.source in sources:
            batch.counts[sight.row.source]["forgotten"] += 1
        else:
            kept.append(sight)
    return kept


def _numbered(keys: Sequence[bytes]) -> pa.Table:
    """Keys with their tags and places, so that what is found is found by place."""
    return stage.table(
        key=stage.keys(keys), tag=stage.tags(keys), i=(range(len(keys)), stage.SMALL)
    )


# --- what each row means ---------------------------------------------------------------


def _place(sight: Sight, history: History, batch: _Batch) -> None:
    """Puts one sight into its article's history and counts what it was."""
    before = history.current
    is_known = sight.content_key in batch.bodies or sight.content_key in batch.contents
    is_record_new = sight.record_key not in history.records
    for version in history.add(sight):
        batch.versions.append((sight.article_key, version))
    if is_record_new:
        batch.records[sight.record_key] = sight
    if is_record_new and not is_known:
        batch.contents[sight.content_key] = sight
    if history.note(sight):
        batch.seen.append(sight)

    if before is None:
        meaning = "duplicate" if is_known else "new"
    else:
        meaning = "unmodified" if history.current == before else "modified"
    batch.counts[sight.row.source][meaning] += 1


# --- what is appended ------------------------------------------------------------------


def _append(db: DuckDBPyConnection, batch: _Batch, seq: int, run_id: str) -> None:
    stage.insert(db, "_store.contents", _contents(batch.contents, seq, run_id))
    bodies = batch.bodies | {key: sight.body_key for key, sight in batch.contents.items()}
    stage.insert(db, "_store.records", _records(batch.records, bodies, run_id))
    stage.insert(db, "_store.versions", _versions(batch.versions, seq, run_id))
    stage.insert(db, "_store.seen", _seen(batch.seen, run_id))


def _contents(contents: Mapping[bytes, Sight], seq: int, run_id: str) -> pa.Table:
    sights = contents.values()
    return stage.table(
        content_tag=stage.tags(list(contents)),
        content_key=stage.keys(list(contents)),
        content_hash=([sight.row.content_hash for sight in sights], stage.TEXT),
        body_key=stage.keys([sight.body_key for sight in sights]),
        body_html=([sight.row.body_html for sight in sights], stage.TEXT),
        text=([sight.row.text for sight in sights], stage.TEXT),
        first_seen_at=([sight.at for sight in sights], stage.MOMENT),
        seq=(range(seq, seq + len(contents)), stage.WHOLE),
        run_id=([run_id] * len(contents), stage.TEXT),
    )


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
    "published_zone_from": stage.TEXT,
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


def _records(
    records: Mapping[bytes, Sight], bodies: Mapping[bytes, bytes], run_id: str
) -> pa.Table:
    """Records; their body only where it is not, to the letter, that of their content."""
    sights = list(records.values())
    rows = [sight.row for sight in sights]
    own = [bodies[sight.content_key] != sight.body_key for sight in sights]
    return stage.table(
        record_key=stage.keys(list(records)),
        article_key=stage.keys([sight.article_key for sight in sights]),
        content_key=stage.keys([sight.content_key for sight in sights]),
        **{name: ([getattr(row, name) for row in rows], kind) for name, kind in _SAID.items()},
        body_html=(
            [r.body_html if o else None for r, o in zip(rows, own, strict=True)],
            stage.TEXT,
        ),
        text=([r.text if o else None for r, o in zip(rows, own, strict=True)], stage.TEXT),
        run_id=([run_id] * len(rows), stage.TEXT),
    )


def _versions(versions: Sequence[tuple[bytes, Version]], seq: int, run_id: str) -> pa.Table:
    articles = [article for article, _ in versions]
    records = [version.record for _, version in versions]
    return stage.table(
        article_tag=stage.tags(articles),
        record_tag=stage.long_tags(records),
        article_key=stage.keys(articles),
        content_key=stage.keys([version.content for _, version in versions]),
        record_key=stage.keys(records),
        seen_at=([version.at for _, version in versions], stage.MOMENT),
        seq=(range(seq, seq + len(versions)), stage.WHOLE),
        run_id=([run_id] * len(versions), stage.TEXT),
    )


def _seen(sights: Sequence[Sight], run_id: str) -> pa.Table:
    times = pa.array([sight.at for sight in sights], stage.MOMENT)
    return stage.table(
        article_key=stage.keys([sight.article_key for sight in sights]),
        content_key=stage.keys([sight.content_key for sight in sights]),
        channel=([sight.row.channel for sight in sights], stage.TEXT),
        first_seen_at=times,
        last_seen_at=times,
        run_id=([run_id] * len(sights), stage.TEXT),
    )


def _append_posts(db: DuckDBPyConnection, sights: Sequence[Sight], seq: int, run_id: str) -> None:
    """Keeps the files of imported articles, each once."""
    posts = {
        key_of(sight.row.article_id, post.path, post.data.hex()): (sight, post)
        for sight in sights
        if (post := sight.row.post)
    }
    if not posts:
        return
    keys = list(posts)
    with stage.staged(db, "copydesk_keys", _numbered(keys)):
        for (i,) in db.execute(POSTS).fetchall():
            del posts[keys[i]]
    of = [sight for sight, _ in posts.values()]
    files = [post for _, post in posts.values()]
    rows = stage.table(
        post_key=stage.keys(list(posts)),
        article_key=stage.keys([sight.article_key for sight in of]),
        content_key=stage.keys([sight.content_key for sight in of]),
        record_key=stage.keys([sight.record_key for sight in of]),
        dialect=([post.dialect for post in files], stage.TEXT),
        path=([post.path for post in files], stage.TEXT),
        data=([post.data for post in files], stage.BYTES),
        first_seen_at=([sight.at for sight in of], stage.MOMENT),
        seq=(range(seq, seq + len(files)), stage.WHOLE),
        run_id=([run_id] * len(files), stage.TEXT),
    )
    stage.insert(db, "_store.posts", rows)
