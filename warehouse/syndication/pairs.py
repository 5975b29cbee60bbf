"""Store the fingerprints of new contents, and their pairs with all that are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.syndication.candidates import MAX_DOCS, find_candidates, texts_of
from warehouse.syndication.sample import Sample, sample
from warehouse.syndication.shingles import Hashes, ShingleBatch, shingle
from warehouse.syndication.similarity import ShingledText, Similarity, compare, shingled

# Of one part the shingles take some 50 bytes a character while they are made.
_PART_TEXTS = 4096
_PART_CHARACTERS = 2_000_000
_MAX_CHARACTERS = 1_000_000
"""Only the beginning of a longer text is compared."""

_KEYS = """
    SELECT c.seq, c.content_key FROM _store.contents c JOIN copydesk_seqs k ON c.seq = k.seq
"""

_RARE = """
    SELECT k.i FROM copydesk_prints k ANTI JOIN _store.syndication_common c ON c.print = k.print
    ORDER BY k.i
"""


class Content(NamedTuple):
    """A content to compare: its number in ``_store.contents``, its key and its text."""

    seq: int
    key: bytes
    text: str


@dataclass(slots=True)
class _Texts:
    """The shingles of contents by sequence number; those of this call need not be read again."""

    _sequences: dict[int, tuple[Hashes, frozenset[str]]] = field(default_factory=dict)
    _shingled: dict[int, ShingledText] = field(default_factory=dict)

    def add(self, seqs: Sequence[int], batch: ShingleBatch) -> None:
        """Add the shingles of some contents."""
        parts = zip(batch.by_text(), batch.numbers, strict=True)
        self._sequences |= dict(zip(seqs, parts, strict=True))

    def read(self, db: DuckDBPyConnection, seqs: Sequence[int]) -> None:
        """Read those contents whose shingles are not known."""
        unknown = [one for one in seqs if one not in self._sequences]
        for start in range(0, len(unknown), _PART_TEXTS):
            stored = texts_of(db, unknown[start : start + _PART_TEXTS])
            for part in _parts([Content(seq, b"", text) for seq, text in stored.items()]):
                self.add([one.seq for one in part], _shingle(part))

    def __contains__(self, seq: int) -> bool:
        return seq in self._sequences

    def __getitem__(self, seq: int) -> ShingledText:
        if seq not in self._shingled:
            self._shingled[seq] = shingled(*self._sequences[seq])
        return self._shingled[seq]


def add_contents(db: DuckDBPyConnection, contents: Sequence[Content]) -> None:
    """Store contents that are new, or were missing; the caller owns the transaction."""
    texts = _Texts()
    keys = {one.seq: one.key for one in contents}
    for part in _parts(contents):
        alike = _alike(_candidates(db, part, texts), texts)
        _store_pairs(db, list(alike), keys)


def _parts(contents: Sequence[Content]) -> Iterator[list[Content]]:
    part: list[Content] = []
    size = 0
    for one in contents:
        if part and (len(part) >= _PART_TEXTS or size + len(one.text) > _PART_CHARACTERS):
            yield part
            part, size = [], 0
        part.append(one)
        size += len(one.text)
    if part:
        yield part


def _shingle(contents: Sequence[Content]) -> ShingleBatch:
    return shingle([one.text[:_MAX_CHARACTERS] for one in contents])


def _candidates(
    db: DuckDBPyConnection, contents: Sequence[Content], texts: _Texts
) -> list[tuple[int, int]]:
    """Store fingerprints; return which contents to compare, by sequence number."""
    first = stage.count(db, "SELECT coalesce(max(doc), 0) + 1 FROM _store.syndication_docs")
    batch = _shingle(contents)
    found = sample(batch)
    prints = _rare_prints(db, found, first)
    docs = _docs(contents, found, prints, first)
    stage.insert(db, "_store.syndication_docs", docs)
    if not prints.num_rows:
        return []
    stage.insert(db, "_store.syndication_prints", prints)
    with stage.staged(db, "copydesk_prints", prints), stage.staged(db, "copydesk_docs", docs):
        pairs = [(contents[doc - first].seq, other) for doc, other in find_candidates(db)]
    texts.add([one.seq for one in contents], batch)
    texts.read(db, list({other for _, other in pairs}))
    # Only in a damaged warehouse, of which `doctor --verify` reports the rule, a text is missing.
    return [pair for pair in pairs if pair[1] in texts]


def _rare_prints(db: DuckDBPyConnection, found: Sample, first: int) -> pa.Table:
    """Return the fingerprints to store, without those that too many contents have."""
    order = np.argsort(found.prints, kind="stable")
    prints = pa.table(
        {
            "i": np.arange(len(order), dtype=np.int32),
            "print": found.prints[order],
            "doc": (found.texts[order] + first).astype(np.uint32),
        }
    )
    with stage.staged(db, "copydesk_prints", prints):
        rare = db.execute(_RARE).fetchnumpy()["i"]
    values, places, counts = np.unique(
        found.prints[order][rare], return_inverse=True, return_counts=True
    )
    is_frequent = counts > MAX_DOCS
    stage.insert(db, "_store.syndication_common", pa.table({"print": values[is_frequent]}))
    return prints.select(["print", "doc"]).take(pa.array(rare[~is_frequent[places]]))


def _docs(contents: Sequence[Content], found: Sample, prints: pa.Table, first: int) -> pa.Table:
    stored = prints.column("doc").to_numpy().astype(np.int64) - first
    return pa.table(
        {
            "doc": np.arange(first, first + len(contents), dtype=np.uint32),
            "content_seq": np.array([one.seq for one in contents], np.int64),
            "level": found.levels.astype(np.uint8),
            "print_count": np.bincount(stored, minlength=len(contents)).astype(np.uint32),
            "numbers": found.numbers,
        }
    )


def _alike(
    pairs: Sequence[tuple[int, int]], texts: _Texts
) -> Iterator[tuple[int, int, Similarity]]:
    for seq, other in pairs:
        if found := compare(texts[seq], texts[other]):
            yield seq, other, found


def _store_pairs(
    db: DuckDBPyConnection,
    alike: Sequence[tuple[int, int, Similarity]],
    known: Mapping[int, bytes],
) -> None:
    if not alike:
        return
    keys = {**known, **keys_of(db, [other for _, other, _ in alike if other not in known])}
    rows = stage.table(
        content_key=stage.keys([keys[seq] for seq, _, _ in alike]),
        other_content_key=stage.keys([keys[other] for _, other, _ in alike]),
        kind=([found.kind for _, _, found in alike], stage.TEXT),
        jaccard=pa.array([found.jaccard for _, _, found in alike], pa.float32()),
        containment=pa.array([found.containment for _, _, found in alike], pa.float32()),
    )
    stage.insert(db, "_store.syndication_pairs", rows)


def keys_of(db: DuckDBPyConnection, seqs: Sequence[int]) -> dict[int, bytes]:
    """Return the keys of some contents by sequence number."""
    if not seqs:
        return {}
    with stage.staged(db, "copydesk_seqs", stage.table(seq=(seqs, stage.WHOLE))):
        return {seq: key.bytes for seq, key in db.execute(_KEYS).fetchall()}
