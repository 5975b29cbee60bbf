"""What is stored of a batch: two tag probes, and the rows that the tags leave open.

A join on keys, or one that returns more columns, would read whole columns.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.upsert.history import History, SeenInterval, Version
from warehouse.upsert.observations import Observation

VERSIONS = """
    SELECT k.i, v.record_tag, epoch_us(v.seen_at), v.seq
    FROM _store.article_versions v JOIN copydesk_keys k ON v.article_tag = k.tag
"""

VERSION_KEYS = """
    SELECT t.seq, t.article_key, t.content_key, t.record_key FROM _store.article_versions t
"""

CONTENTS = """
    SELECT c.seq FROM _store.contents c JOIN copydesk_keys k ON c.content_tag = k.tag
"""

CONTENT_KEYS = """
    SELECT t.seq, t.content_key, t.body_key FROM _store.contents t
"""

# Only a batch with a row older than the last sighting (a replay, an import) needs it. Sightings
# are appended in order of time, so that the bound skips earlier ones. A row that was seen
# before, nearly all of a replay, comes back as its place alone.
SEEN = """
    SELECT i, is_again, CASE WHEN NOT is_again THEN content_key END,
           CASE WHEN NOT is_again THEN channel END,
           epoch_us(first_seen_at), epoch_us(last_seen_at)
    FROM (
        SELECT k.i, s.content_key, s.channel, s.first_seen_at, s.last_seen_at,
               s.content_key = k.content::UUID AND s.channel = k.channel
               AND k.at BETWEEN s.first_seen_at AND s.last_seen_at AS is_again
        FROM _store.sightings s JOIN copydesk_keys k ON s.article_key = k.key::UUID
        WHERE s.last_seen_at >= make_timestamptz({since})
    )
"""

_CONTEXT = """
    SELECT last_seq, (SELECT count(*) FROM _store.suppressions),
           EXISTS (SELECT 1 FROM _store.sightings WHERE last_seen_at >= make_timestamptz({since}))
    FROM _store.write_sequence
"""

# Room for the rows of one upsert between two values of the write sequence.
_ROWS_EACH = 1 << 24

_FEW = 12


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What an upsert has to take into account.

    Attributes:
        last_seq: The write sequence.
        suppressions: How many there are.
        has_later: Whether a sighting is as late as the first observation of the batch.
    """

    last_seq: int
    suppressions: int
    has_later: bool

    @property
    def seq(self) -> int:
        """The first sequence number for rows that no other transaction uses."""
        return self.last_seq * _ROWS_EACH


def batch_context(db: DuckDBPyConnection, since: int) -> BatchContext:
    """Read the context of observations made at ``since`` (microseconds since 1970) and later."""
    # With a parameter DuckDB looks for pandas each time, which takes longer than the query.
    return BatchContext(*db.execute(_CONTEXT.format(since=int(since))).fetchall()[0])


@dataclass(frozen=True, slots=True)
class StoredState:
    """What is stored of the articles of a batch.

    Attributes:
        repeated: The articles with more than one observation in the batch.
        confirmed: The articles whose only observation repeats their only version, later and
            outside every interval: a new sighting and nothing else.
        stored: The same, but the sighting is stored already: nothing to do.
        chains: The versions of the other articles, in order; without those never seen.
        intervals: The sightings that end at or after the batch's first observation.
    """

    repeated: Set[bytes]
    confirmed: Set[bytes]
    stored: Set[bytes]
    chains: Mapping[bytes, list[Version]]
    intervals: Mapping[bytes, list[SeenInterval]]

    def is_first(self, seen: Observation) -> bool:
        """Return whether its article was never seen, and the batch has it once."""
        return seen.article_key not in self.chains and seen.article_key not in self.repeated

    def history(self, article: bytes) -> History:
        """Return the article's history, for adding to it."""
        return History(self.chains.get(article, []), self.intervals.get(article, []))


def load_state(
    db: DuckDBPyConnection, batch: Sequence[Observation], *, has_later: bool
) -> StoredState:
    """Look up the articles of ``batch``, which is in order of time."""
    last = {one.article_key: one for one in batch}
    articles = list(last)
    with stage.staged(db, "copydesk_keys", numbered(articles)):
        found = db.execute(VERSIONS).fetchall()
    repeated: set[bytes] = set()
    if len(articles) < len(batch):
        times = Counter(one.article_key for one in batch)
        repeated = {article for article, count in times.items() if count > 1}
    plain = _confirmed(list(last.values()), found) - repeated
    stored: set[bytes] = set()
    intervals: dict[bytes, list[SeenInterval]] = {}
    if found and has_later:
        stored, intervals = _seen_since(db, list(last.values()), plain, since=batch[0].at)
    confirmed = (plain - stored).difference(intervals)
    others = [
        _Found(key, *rest)
        for i, *rest in found
        if (key := articles[i]) not in confirmed and key not in stored
    ]
    return StoredState(repeated, confirmed, stored, _chains(db, batch, others), intervals)


def _seen_since(
    db: DuckDBPyConnection, batch: Sequence[Observation], plain: Set[bytes], *, since: int
) -> tuple[set[bytes], dict[bytes, list[SeenInterval]]]:
    """Return the ``plain`` articles whose sighting is stored, and the intervals of the others.

    Only sightings that end at or after ``since`` take part.
    """
    stored: set[bytes] = set()
    intervals: dict[bytes, list[SeenInterval]] = defaultdict(list)
    with stage.staged(db, "copydesk_keys", _numbered_observations(batch)):
        found = db.execute(SEEN.format(since=int(since))).fetchall()
    for i, is_again, content, channel, first, end in found:
        seen = batch[i]
        if is_again and seen.article_key in plain:
            stored.add(seen.article_key)
        elif is_again:
            interval = SeenInterval(seen.content_key, seen.row.channel, first, end)
            intervals[seen.article_key].append(interval)
        else:
            intervals[seen.article_key].append(SeenInterval(content.bytes, channel, first, end))
    return stored, dict(intervals)


def _confirmed(
    batch: Sequence[Observation], found: Iterable[tuple[int, int, int, int]]
) -> set[bytes]:
    """Return the articles with one version, which their observation repeats later.

    A record's key covers the article's id, so the two tags together are 96 bits: versions that
    the batch repeats, nearly all, need no further look.
    """
    only: dict[int, tuple[int, int, int, int] | None] = {}
    for version in found:
        only[version[0]] = None if version[0] in only else version
    tags = stage.long_numbers([one.record_key for one in batch])
    return {
        batch[i].article_key
        for i, version in only.items()
        if version and version[1] == tags[i] and version[2] <= batch[i].at
    }


class _Found(NamedTuple):
    """A version whose article tag is that of an article of the batch."""

    article: bytes
    record_tag: int
    at: int
    seq: int


def _chains(
    db: DuckDBPyConnection, batch: Sequence[Observation], found: Sequence[_Found]
) -> dict[bytes, list[Version]]:
    """Return the versions found by tag, without those of other articles."""
    if not found:
        return {}
    by_tag = dict(zip(stage.long_numbers([one.record_key for one in batch]), batch, strict=True))
    chains: dict[bytes, list[Version]] = defaultdict(list)
    others = []
    for one in found:
        seen = by_tag.get(one.record_tag)
        if seen is not None and seen.article_key == one.article:
            version = Version(one.at, one.seq, seen.content_key, seen.record_key)
            chains[one.article].append(version)
        else:
            others.append(one)
    keys = keys_at(db, VERSION_KEYS, [one.seq for one in others])
    for one in others:
        article, content, record = keys[one.seq]
        if article == one.article:
            chains[article].append(Version(one.at, one.seq, content, record))
    for chain in chains.values():
        if len(chain) > 1:
            chain.sort()
    return dict(chains)


def keys_at(db: DuckDBPyConnection, sql: str, seqs: Sequence[int]) -> dict[int, list[bytes]]:
    """Return the keys of the rows with those sequence numbers."""
    if not seqs:
        return {}
    if len(seqs) <= _FEW:
        # For one number DuckDB reads one block a column, for a set all of a row group's.
        found = db.execute(" UNION ALL ".join(f"{sql} WHERE t.seq = {seq}" for seq in seqs))
        rows = found.fetchall()
    else:
        with stage.staged(db, "copydesk_found", stage.table(seq=(seqs, stage.WHOLE))):
            rows = db.execute(f"{sql} JOIN copydesk_found f ON t.seq = f.seq").fetchall()
    return {seq: [key.bytes for key in keys] for seq, *keys in rows}


def stored_bodies(db: DuckDBPyConnection, contents: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the body keys of those contents that are stored, by content."""
    if not contents:
        return {}
    with stage.staged(db, "copydesk_keys", numbered(contents)):
        found = db.execute(CONTENTS).fetchall()
    # A tag may find another content too, which does no harm.
    keys = keys_at(db, CONTENT_KEYS, [seq for (seq,) in found])
    return dict(keys.values())


def suppressed(db: DuckDBPyConnection) -> tuple[set[bytes], set[str]]:
    """Return the articles, by key, and the sources that are kept out."""
    found = db.execute("SELECT article_key, source FROM _store.suppressions").fetchall()
    articles = {key.bytes for key, _ in found if key is not None}
    return articles, {source for key, source in found if key is None}


def numbered(keys: Sequence[bytes]) -> pa.Table:
    """Make a table of keys with their tags and places, so that rows are found by place."""
    return stage.table(
        key=stage.keys(keys), tag=stage.tags(keys), i=(range(len(keys)), stage.SMALL)
    )


def _numbered_observations(batch: Sequence[Observation]) -> pa.Table:
    """Make a table of one observation an article, with its place."""
    return stage.table(
        key=stage.keys([one.article_key for one in batch]),
        content=stage.keys([one.content_key for one in batch]),
        channel=([one.row.channel for one in batch], stage.TEXT),
        at=([one.at for one in batch], stage.MOMENT),
        i=(range(len(batch)), stage.SMALL),
    )
