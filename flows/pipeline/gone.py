"""Entries whose page answers 404 or 410: reported once, then asked for at growing intervals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from flows.fetch import FetchFailure, FetchResponse, RefusedByServer
from flows.pipeline import rows
from flows.pipeline.batch import Batch, FetchTarget
from flows.pipeline.lookups import GONE_STATUSES, FetchRun
from flows.pipeline.stats import fetch_problem
from parsers.model import Entry, Source
from warehouse.records.gone import GoneAnswer

FIRST_INTERVAL = timedelta(minutes=5)
"""A page may be published shortly after its listing, so the first interval is short."""
GROWTH = 4
MAX_INTERVAL = timedelta(days=30)


class GoneEntries:
    """What is known to be gone among the entries of a batch.

    Attributes:
        due: The targets to fetch now. A gone entry is left out until its interval is over or its
            line of the listing changes. A backfill asks for all, because an operator named them.
    """

    def __init__(self, run: FetchRun, source: Source, targets: Sequence[FetchTarget]) -> None:
        self._run = run
        self._source = source
        self._stats = run.stats[source.slug]
        self._is_sync = run.flow == "sync"
        ids = tuple(self._id(one.entry) for one in targets)
        self._known, self._asked = run.lookups.gone(ids)
        self.due = [one for one in targets if self._is_due(one.entry)]

    def is_known(self, entry: Entry) -> bool:
        """Whether the page of an entry answered 404 or 410."""
        return self._id(entry) in self._known

    def record_live(self, entries: Sequence[Entry], at: datetime, batch: Batch) -> None:
        """Record that the pages of some entries arrived, if they were gone before."""
        ids = map(self._id, entries)
        batch.live |= {one: at for one in ids if one in self._known}

    def record_gone(
        self, entries: Sequence[Entry], failure: FetchFailure, batch: Batch, message: str
    ) -> None:
        """Record that some entries are gone; report those that were not gone before."""
        for entry in entries:
            article_id = self._id(entry)
            batch.live.pop(article_id, None)
            batch.gone[article_id] = GoneAnswer(
                article_id=article_id,
                source=self._source.slug,
                url=failure.request.url,
                status=failure.error.status or GONE_STATUSES[0],
                at=failure.fetched_at,
            )
            if self._is_sync and article_id in self._known:
                self._stats.add(skipped=1)
            elif self._is_sync and self._is_stored(article_id):
                # Publishers remove articles. The state of the article shows it.
                self._stats.add(skipped=1)
                self._stats.warnings.append(f"{message}; the stored article is gone")
            else:
                problem = fetch_problem("page", entry.source_article_id, failure.error)
                self._stats.fail(f"{message}; copydesk asks again later", problem)

    def _is_stored(self, article_id: str) -> bool:
        return bool(self._run.lookups.stored_ids([article_id]))

    def _is_due(self, entry: Entry) -> bool:
        found = self._known.get(self._id(entry))
        if found is None or entry.content is not None or not self._is_sync:
            return True
        before = rows.entry_from_json(self._asked.get(found.url, ""))
        is_same_article = before and before.source_article_id == entry.source_article_id
        if is_same_article and before != entry:
            return True
        return datetime.now(UTC) >= found.last_checked_at + interval(found.check_count)

    def _id(self, entry: Entry) -> str:
        return f"{self._source.slug}:{entry.source_article_id}"


def interval(check_count: int) -> timedelta:
    """How long after its last answer a gone entry is asked for again."""
    factor: int = GROWTH ** min(check_count - 1, 10)  # more would overflow
    return min(FIRST_INTERVAL * factor, MAX_INTERVAL)


def is_gone(response: FetchResponse | FetchFailure | None) -> bool:
    """Whether the server answered that there is no such page."""
    if not isinstance(response, FetchFailure):
        return False
    return isinstance(response.error, RefusedByServer) and response.error.status in GONE_STATUSES
