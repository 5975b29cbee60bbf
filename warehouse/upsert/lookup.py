"""What the warehouse knows of a batch: two tag probes, and little else is read.

Lookups read tags only, and the rest of those few rows that the tags leave open: a join
on keys, or one that returns more, would read whole columns of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
from duckdb import DuckDBPyConnection

from warehouse.upsert import stage
from warehouse.upsert.history import History, SeenInterval, Version
from warehouse.upsert.observations import Observation

VERSIONS = """
    SELECT k.i, v.record_tag, epoch_us(v.seen_at), v.seq
    FROM _store.versions v JOIN copydesk_keys k ON v.article_tag = k.tag
"""

VERSION_KEYS = """
    SELECT t.seq, t.article_key, t.content_key, t.record_key FROM _store.versions t
"""

CONTENTS = """
    SELECT c.seq FROM _store.contents c JOIN copydesk_keys k ON c.content_tag = k.tag
"""

CONTENT_KEYS = """
    SELECT t.seq, t.content_key, t.body_key FROM _store.contents t
"""

# Only a batch with a row older than the last sighting, a replay or an import, asks; and
# sightings are appended in time, so that the bound skips those before it.
# A row that was seen before, nearly all of a replay, comes back as its place alone.
SEEN = """
    SELECT i, is_again, CASE WHEN NOT is_again THEN content_key END,
           CASE WHEN NOT is_again THEN channel END,
           epoch_us(first_seen_at), epoch_us(last_seen_at)
    FROM (
        SELECT k.i, s.content_key, s.channel, s.first_seen_at, s.last_seen_at,
               s.content_key = k.content::UUID AND s.channel = k.channel
               AND k.at BETWEEN s.first_seen_at AND s.last_seen_at AS is_again
        FROM _store.seen s JOIN copydesk_keys k ON s.article_key = k.key::UUID
        WHERE s.last_seen_at >= make_timestamptz({since})
    )
"""

_FEW = 12

TOMBSTONES = "SELECT article_key, source FROM _store.tombstones"


@dataclass(frozen=True, slots=True)
class StoredState:
    """What is stored of the articles of a batch.

    Attributes:
        often: The articles with more than one sight in the batch.
        confirmed: The articles whose only sight in the batch says again what their only
            version says, later, and not within a stretch: a sighting and nothing else.
        repeated: The same, but that sight is stored already: nothing at all.
        chains: The versions of the other articles, in order; those never seen are not in it.
        stretches: The sightings that end at or after the batch's first row.
    """

    often: Set[bytes]
    confirmed: Set[bytes]
    repeated: Set[bytes]
    chains: Mapping[bytes, list[Version]]
    stretches: Mapping[bytes, list[SeenInterval]]

    def is_first(self, sight: Observation) -> bool:
        """Whether its article was never seen, and the batch sees it once."""
        return sight.article_key not in self.chains and sight.article_key not in self.often

    def history(self, article: bytes) -> History:
        """The article's history, to be added to."""
        return History(self.chains.get(article, []), self.stretches.get(article, []))


def load_state(
    db: DuckDBPyConnection, sights: list[Observation], *, has_later: bool
) -> StoredState:
    """What is known of the articles of ``sights``, which are in order of time.

    A sight that is stored under the key an earlier copydesk gave it gets that key. Without
    ``has_later`` nothing at all was seen since the first of them.
    """
    last = {sight.article_key: sight for sight in sights}
    articles = list(last)
    with stage.staged(db, "copydesk_keys", numbered(articles)):
        found = db.execute(VERSIONS).fetchall()
    often: set[bytes] = set()
    if len(articles) < len(sights):
        times = Counter(sight.article_key for sight in sights)
        often = {article for article, count in times.items() if count > 1}
    plain = _confirmed(list(last.values()), found) - often
    repeated: set[bytes] = set()
    stretches: dict[bytes, list[SeenInterval]] = {}
    if found and has_later:
        repeated, stretches = _seen_since(db, list(last.values()), plain, since=sights[0].at)
    confirmed = (plain - repeated).difference(stretches)
    others = [
        _Found(key, *rest)
        for i, *rest in found
        if (key := articles[i]) not in confirmed and key not in repeated
    ]
    return StoredState(often, confirmed, repeated, _chains(db, sights, others), stretches)


def _seen_since(
    db: DuckDBPyConnection, sights: Sequence[Observation], plain: Set[bytes], *, since: int
) -> tuple[set[bytes], dict[bytes, list[SeenInterval]]]:
    """The ``plain`` articles whose sight is stored already, and the sightings of the others.

    Only sightings that end at or after ``since`` are looked at.
    """
    repeated: set[bytes] = set()
    stretches: dict[bytes, list[SeenInterval]] = defaultdict(list)
    with stage.staged(db, "copydesk_keys", _numbered_sights(sights)):
        found = db.execute(SEEN.format(since=int(since))).fetchall()
    for i, is_again, content, channel, first, end in found:
        sight = sights[i]
        if is_again and sight.article_key in plain:
            repeated.add(sight.article_key)
        elif is_again:
            stretch = SeenInterval(sight.content_key, sight.row.channel, first, end)
            stretches[sight.article_key].append(stretch)
        else:
            stretches[sight.article_key].append(SeenInterval(content.bytes, channel, first, end))
    return repeated, dict(stretches)


def _confirmed(
    sights: Sequence[Observation], found: Iterable[tuple[int, int, int, int]]
) -> set[bytes]:
    """The articles with one version, which says what their sight, here by place, says later.

    A record's key covers its article's id, so the two tags together are 96 bits that
    agree: versions that say what the batch says, nearly all, need no further look.
    """
    only: dict[int, tuple[int, int, int, int] | None] = {}
    for version in found:
        only[version[0]] = None if version[0] in only else version
    tags = stage.long_numbers([sight.record_key for sight in sights])
    return {
        sights[i].article_key
        for i, version in only.items()
        if version and version[1] == tags[i] and version[2] <= sights[i].at
    }


class _Found(NamedTuple):
    """A version whose article tag is that of an article of the batch."""

    article: bytes
    record_tag: int
    at: int
    seq: int


def _chains(
    db: DuckDBPyConnection, sights: list[Observation], found: Sequence[_Found]
) -> dict[bytes, list[Version]]:
    """What the tags found, less what belongs to others."""
    if not found:
        return {}
    said = dict(zip(stage.long_numbers([one.record_key for one in sights]), sights, strict=True))
    chains: dict[bytes, list[Version]] = defaultdict(list)
    others = _take(chains, said, found)
    if others:
        said = _under_earlier_keys(sights, chains, others)
        others = _take(chains, said, others)
    keys = keys_at(db, VERSION_KEYS, [one.seq for one in others])
    for one in others:
        article, content, record = keys[one.seq]
        if article == one.article:
            chains[article].append(Version(one.at, one.seq, content, record))
    for chain in chains.values():
        if len(chain) > 1:
            chain.sort()
    return dict(chains)


def _take(
    chains: dict[bytes, list[Version]], said: Mapping[int, Observation], found: Iterable[_Found]
) -> list[_Found]:
    """Adds the versions that a sight repeats to ``chains``; the others."""
    others = []
    for one in found:
        article, record_tag, moment, seq = one
        sight = said.get(record_tag)
        if sight is not None and sight.article_key == article:
            chains[article].append(Version(moment, seq, sight.content_key, sight.record_key))
        else:
            others.append(one)
    return others


def _under_earlier_keys(
    sights: list[Observation], chains: Mapping[bytes, list[Version]], others: Iterable[_Found]
) -> dict[int, Observation]:
    """Gives sights the key that an earlier copydesk stored them under; those sights by tag."""
    stored = {(one.article, one.record_tag) for one in others}
    asked = {article for article, _ in stored}
    renamed = {}
    for place, sight in enumerate(sights):
        article = sight.article_key
        if article in asked and not any(
            one.record == sight.record_key for one in chains.get(article, ())
        ):
            key = sight.earlier_key
            (tag,) = stage.long_numbers([key])
            if (article, tag) in stored:
                renamed[tag] = sights[place] = sight._replace(record_key=key)
    return renamed


def keys_at(db: DuckDBPyConnection, sql: str, places: Sequence[int]) -> dict[int, list[bytes]]:
    """The keys of the rows with those sequence numbers."""
    if not places:
        return {}
    if len(places) <= _FEW:
        # For one number DuckDB reads one block a column, for a set all of a row group's.
        found = db.execute(" UNION ALL ".join(f"{sql} WHERE t.seq = {seq}" for seq in places))
        rows = found.fetchall()
    else:
        with stage.staged(db, "copydesk_found", stage.table(seq=(places, stage.WHOLE))):
            rows = db.execute(f"{sql} JOIN copydesk_found f ON t.seq = f.seq").fetchall()
    return {seq: [key.bytes for key in keys] for seq, *keys in rows}


def stored_bodies(db: DuckDBPyConnection, contents: Sequence[bytes]) -> dict[bytes, bytes]:
    """The body keys of those contents that are stored, by content."""
    if not contents:
        return {}
    with stage.staged(db, "copydesk_keys", numbered(contents)):
        found = db.execute(CONTENTS).fetchall()
    # A tag may find another content too; knowing that one is stored does no harm.
    keys = keys_at(db, CONTENT_KEYS, [seq for (seq,) in found])
    return dict(keys.values())


def forgotten(db: DuckDBPyConnection) -> tuple[set[bytes], set[str]]:
    """The articles and the sources that must not be kept."""
    found = db.execute(TOMBSTONES).fetchall()
    articles = {key.bytes for key, _ in found if key is not None}
    return articles, {source for key, source in found if key is None}


def numbered(keys: Sequence[bytes]) -> pa.Table:
    """Keys with their tags and places, so that what is found is found by place."""
    return stage.table(
        key=stage.keys(keys), tag=stage.tags(keys), i=(range(len(keys)), stage.SMALL)
    )


def _numbered_sights(sights: Sequence[Observation]) -> pa.Table:
    """One sight an article, with its place."""
    return stage.table(
        key=stage.keys([sight.article_key for sight in sights]),
        content=stage.keys([sight.content_key for sight in sights]),
        channel=([sight.row.channel for sight in sights], stage.TEXT),
        at=([sight.at for sight in sights], stage.MOMENT),
        i=(range(len(sights)), stage.SMALL),
    )
