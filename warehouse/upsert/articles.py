"""The upsert: observed articles into contents, records, versions and sightings.

An observation is, in this order:

- suppressed, if its article or source was erased (``_without_suppressed``);
- for an article never stored: duplicate, if another article has the same content hash, else
  new (``_place_first``);
- for a stored article: updated, if it changes the current content, else unchanged (``_place``).
  A version older than the current one is stored and counts as unchanged
  (``History.place_version``).

``_place_all`` counts what repeats the current version, as nearly all of a live run does, without
a history. No row is looked up by itself, and only two tag probes inside DuckDB (``lookup``) take
time in proportion to what is stored.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from duckdb import DuckDBPyConnection

from warehouse.db import lock_for_write
from warehouse.rows import UpsertCounts
from warehouse.search.index import index_missing
from warehouse.syndication.index import add_missing
from warehouse.upsert import insert, lookup
from warehouse.upsert.history import History
from warehouse.upsert.observations import Observation

# Contents of an earlier copydesk, half a second of work, that each batch with new ones adds to the
# search index and to the fingerprints.
_MISSING_EACH = 1000


@dataclass(slots=True)
class _Batch:
    """What one upsert appends; ``bodies`` are those of the contents stored before."""

    pending: insert.PendingInserts = field(default_factory=insert.PendingInserts)
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )

    def has_content(self, content: bytes) -> bool:
        """Return whether a content is stored, or pending."""
        return content in self.bodies or content in self.pending.contents


def upsert_articles(
    db: DuckDBPyConnection, observations: Iterable[Observation], *, run_id: str
) -> dict[str, UpsertCounts]:
    """Store what is new in ``observations``; return the counts by source.

    The caller owns the transaction (``warehouse.transaction``), so that a watermark commits
    with its rows. Observations take effect in the order of ``fetched_at``, equal times in the
    order given; an article or content may be in the batch any number of times. The version
    seen last is current, whatever the order of arrival; of two parses of one page the one
    stored later. A page older than the current version becomes part of the history. The same
    observations again change nothing.

    A batch may have any size; each row of a larger one costs less.
    """
    observed = sorted(observations, key=attrgetter("at"))
    if not observed:
        return {}
    batch = _Batch()
    lock_for_write(db)
    context = lookup.batch_context(db, observed[0].at)
    if context.suppressions:
        observed = _without_suppressed(db, observed, batch)
    if observed:
        state = lookup.load_state(db, observed, has_later=context.has_later)
        _place_all(db, observed, state, batch)
        batch.pending.store(db, seq=context.seq, bodies=batch.bodies, run_id=run_id)
        insert.insert_posts(db, observed, seq=context.seq, run_id=run_id)
        if batch.pending.contents:
            index_missing(db, limit=_MISSING_EACH)
            add_missing(db, limit=_MISSING_EACH)
    return {source: UpsertCounts(**counts) for source, counts in batch.counts.items()}


def _without_suppressed(
    db: DuckDBPyConnection, observed: list[Observation], batch: _Batch
) -> list[Observation]:
    """Return the observations that are not suppressed; count the others."""
    articles, sources = lookup.suppressed(db)
    kept = []
    for seen in observed:
        if seen.article_key in articles or seen.row.source in sources:
            batch.counts[seen.row.source]["suppressed"] += 1
        else:
            kept.append(seen)
    return kept


def _place_all(
    db: DuckDBPyConnection, observed: list[Observation], state: lookup.StoredState, batch: _Batch
) -> None:
    """Decide what each observation means, the plain cases first."""
    plain = state.confirmed | state.stored
    unchanged = [seen for seen in observed if seen.article_key in plain]
    batch.pending.sightings += [s for s in unchanged if s.article_key in state.confirmed]
    for source, count in Counter([seen.row.source for seen in unchanged]).items():
        batch.counts[source]["unchanged"] += count
    if len(unchanged) == len(observed):
        return
    rest = [seen for seen in observed if seen.article_key not in plain]
    batch.bodies = lookup.stored_bodies(db, _contents_of_new_records(rest, state))
    histories: dict[bytes, History] = {}
    for seen in rest:
        if state.is_first(seen):
            _place_first(seen, batch)
            continue
        history = histories.get(seen.article_key)
        if history is None:
            history = histories[seen.article_key] = state.history(seen.article_key)
        _place(seen, history, batch)


def _contents_of_new_records(
    observed: Sequence[Observation], state: lookup.StoredState
) -> list[bytes]:
    """Return the contents of observations whose record their article has not had before."""
    return list(
        dict.fromkeys(
            seen.content_key
            for seen in observed
            if not any(
                one.record == seen.record_key for one in state.chains.get(seen.article_key, ())
            )
        )
    )


def _place_first(seen: Observation, batch: _Batch) -> None:
    """Do what ``_place`` would do with an empty history, without making one."""
    is_known = batch.has_content(seen.content_key)
    batch.pending.add_first(seen, is_content_new=not is_known)
    batch.counts[seen.row.source]["duplicate" if is_known else "new"] += 1


def _place(seen: Observation, history: History, batch: _Batch) -> None:
    """Put one observation into its article's history and count what it was."""
    before = history.current
    is_known = batch.has_content(seen.content_key)
    is_record_new = seen.record_key not in history.records
    for version in history.place_version(seen):
        batch.pending.add_version(seen.article_key, version)
    if is_record_new:
        batch.pending.add_record(seen, is_content_new=not is_known)
    if history.extend_interval(seen):
        batch.pending.sightings.append(seen)

    if before is None:
        meaning = "duplicate" if is_known else "new"
    else:
        meaning = "unchanged" if history.current == before else "updated"
    batch.counts[seen.row.source][meaning] += 1
