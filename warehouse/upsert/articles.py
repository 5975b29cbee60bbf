"""The upsert: article rows into contents, records, versions and sightings.

Nothing is looked up row by row, and nothing costs time in proportion to what is stored
but two tag probes inside DuckDB (``lookups``). Rows that say what is known already, nearly
all of a live run, only leave a sighting; what any other row means is decided in ``history``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from duckdb import DuckDBPyConnection

from warehouse.rows import ArticleRow, UpsertCounts
from warehouse.upsert import insert, lookup
from warehouse.upsert.history import History
from warehouse.upsert.observations import Observation, observations_of
from warehouse.upsert.write_lock import batch_context, lock_for_write


@dataclass(slots=True)
class _Batch:
    """What one upsert will append; ``bodies`` are those of the contents stored before."""

    additions: insert.PendingInserts = field(default_factory=insert.PendingInserts)
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )

    def knows(self, content: bytes) -> bool:
        """Whether a content is stored, or will be."""
        return content in self.bodies or content in self.additions.contents


def upsert_articles(
    db: DuckDBPyConnection, rows: Sequence[ArticleRow], *, run_id: str
) -> dict[str, UpsertCounts]:
    """Adds what is new in ``rows`` and says, by source, what they were.

    The caller owns the transaction (``warehouse.transaction``), so that a watermark
    commits with its rows. Rows are handled in the order of ``fetched_at``, equal times
    in the order given; an article or content may be in the batch any number of times.
    The version seen last is current, whatever the order of arrival; of two readings of
    one moment the one stored later. A page older than the current version becomes part
    of the history. The same rows again change nothing.

    Any number of rows may come at once: the more, the less each costs.

    Raises:
        BadRow: A row cannot be stored; nothing of the batch was.
    """
    sights = observations_of(rows)
    if not sights:
        return {}
    batch = _Batch()
    lock_for_write(db)
    outlook = batch_context(db, sights[0].at)
    if outlook.tombstones:
        sights = _without_forgotten(db, sights, batch)
    if sights:
        known = lookup.load_state(db, sights, has_later=outlook.has_later)
        _place_all(db, sights, known, batch)
        batch.additions.store(db, seq=outlook.seq, bodies=batch.bodies, run_id=run_id)
        insert.posts(db, sights, seq=outlook.seq, run_id=run_id)
    return {source: UpsertCounts(**counts) for source, counts in batch.counts.items()}


def _without_forgotten(
    db: DuckDBPyConnection, sights: list[Observation], batch: _Batch
) -> list[Observation]:
    """The rows that no tombstone forbids; the others are only counted."""
    articles, sources = lookup.forgotten(db)
    kept = []
    for sight in sights:
        if sight.article_key in articles or sight.row.source in sources:
            batch.counts[sight.row.source]["forgotten"] += 1
        else:
            kept.append(sight)
    return kept


def _place_all(
    db: DuckDBPyConnection, sights: list[Observation], known: lookup.StoredState, batch: _Batch
) -> None:
    """Finds out what each sight means, the plain cases first."""
    plain = known.confirmed | known.repeated
    said = [sight for sight in sights if sight.article_key in plain]
    batch.additions.seen += [sight for sight in said if sight.article_key in known.confirmed]
    for source, count in Counter([sight.row.source for sight in said]).items():
        batch.counts[source]["unmodified"] += count
    if len(said) == len(sights):
        return
    rest = [sight for sight in sights if sight.article_key not in plain]
    batch.bodies = lookup.stored_bodies(db, _said_first(rest, known))
    histories: dict[bytes, History] = {}
    for sight in rest:
        if known.is_first(sight):
            _place_first(sight, batch)
            continue
        history = histories.get(sight.article_key)
        if history is None:
            history = histories[sight.article_key] = known.history(sight.article_key)
        _place(sight, history, batch)


def _said_first(sights: Sequence[Observation], known: lookup.StoredState) -> list[bytes]:
    """The contents of rows whose exact record their article has not given before."""
    return list(
        dict.fromkeys(
            sight.content_key
            for sight in sights
            if not any(
                one.record == sight.record_key for one in known.chains.get(sight.article_key, ())
            )
        )
    )


def _place_first(sight: Observation, batch: _Batch) -> None:
    """What ``_place`` would do with an empty history, without making one."""
    is_known = batch.knows(sight.content_key)
    batch.additions.first(sight, is_content_new=not is_known)
    batch.counts[sight.row.source]["duplicate" if is_known else "new"] += 1


def _place(sight: Observation, history: History, batch: _Batch) -> None:
    """Puts one sight into its article's history and counts what it was."""
    before = history.current
    is_known = batch.knows(sight.content_key)
    is_record_new = sight.record_key not in history.records
    for version in history.add(sight):
        batch.additions.version(sight.article_key, version)
    if is_record_new:
        batch.additions.record(sight, is_content_new=not is_known)
    if history.note(sight):
        batch.additions.seen.append(sight)

    if before is None:
        meaning = "duplicate" if is_known else "new"
    else:
        meaning = "unmodified" if history.current == before else "modified"
    batch.counts[sight.row.source][meaning] += 1
