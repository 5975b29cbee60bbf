"""Fetch a batch: in the process of the run, or on a worker of its cluster, which parses it, too.

A worker gets the targets with what the warehouse knows of them, and what the run knows of their
hosts. Everything comes back: the pages, the responses for the archive, the counters, and what
the hosts asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flows.errors import Interrupted
from flows.fetch import Fetcher, FetchFailure, FetchPolicy, FetchRequest, FetchResponse
from flows.fetch.client import HttpResponse
from flows.fetch.fetcher import SiteStates
from flows.pipeline import steps
from flows.pipeline.batch import Batch, FetchedPage, FetchTarget
from flows.pipeline.cluster import Cluster, SourceSpec
from flows.pipeline.lanes import hosts_of
from flows.pipeline.lookups import KnownLookups
from flows.pipeline.run import RunContext
from flows.pipeline.stats import SourceStats
from flows.secrets.urls import MARK
from parsers.model import Source

_WAITING = "(not yet archived)"
"""The archive file of a response until the process of the run archives it."""

Archived = tuple[HttpResponse, tuple[str, int] | None]
"""A response to archive, and the place of an earlier copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOrder:
    """Entries of one source for a worker."""

    source: SourceSpec
    flow: str
    policy: FetchPolicy
    trusted_since: datetime
    targets: tuple[FetchTarget, ...]
    lookups: KnownLookups
    sites: SiteStates


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedChunk:
    """What a worker made of an order.

    Attributes:
        batch: Its pages have no texts.
        archived: Every response, in order.
    """

    batch: Batch
    stats: SourceStats
    archived: tuple[Archived, ...]
    sites: SiteStates


def fetch(run: RunContext, source: Source, batch: Batch) -> Batch:
    """Fetch the pages of a batch's entries; ``steps.parse`` follows."""
    if run.cluster is None or not batch.targets:
        return steps.fetch(run, source, batch)
    steps.drop_suppressed(run, source, batch)
    if not batch.targets or _needs_this_process(run, source, batch):
        return steps.fetch(run, source, batch)
    targets, batch.targets = batch.targets, []
    try:
        chunk = _fetch_on_worker(run, run.cluster, source, targets)
    except Interrupted:
        run.stats[source.slug].add(skipped=len(targets))
        batch.open_channels |= {one.entry.channel for one in targets}
        return batch
    _take(run, source, batch, chunk)
    return batch


def _needs_this_process(run: RunContext, source: Source, batch: Batch) -> bool:
    """Whether the fetch needs what only this process knows: a secret, or the state of mirrors."""
    policy = run.fetcher.policy
    urls = [one.entry.url for one in batch.targets]
    return (
        "@" in policy.proxy
        or any(MARK in str(value) for value in source.options.values())
        or any(MARK in url or url.startswith(tuple(policy.mirrors)) for url in urls)
    )


def _fetch_on_worker(
    run: RunContext, cluster: Cluster, source: Source, targets: Sequence[FetchTarget]
) -> FetchedChunk:
    urls = [one.entry.url for one in targets if one.entry.content is None]
    hosts = hosts_of(urls, {})
    ids = [f"{source.slug}:{one.entry.source_article_id}" for one in targets]
    name = f"{source.slug}: fetch {len(targets)}"
    with run.lanes.hold(hosts):
        order = FetchOrder(
            source=SourceSpec.of(source),
            flow=run.flow,
            policy=run.fetcher.policy,
            trusted_since=run.trusted_since,
            targets=tuple(_light(one) for one in targets),
            lookups=KnownLookups.read(run.lookups, source.slug, ids, urls),
            sites=run.fetcher.sites().only(hosts),
        )
        chunk = cluster.submit(name, fetch_order, order).result()
        run.fetcher.restore(chunk.sites)
    return chunk


def _light(target: FetchTarget) -> FetchTarget:
    """A target without the page of its listing, where only a fetch gives its article."""
    return target if target.entry.content is not None else replace(target, listing=None)


def _take(run: RunContext, source: Source, batch: Batch, chunk: FetchedChunk) -> None:
    """Archive what a worker fetched, and add its batch and its counters."""
    places = [run.write_archive(response, known) for response, known in chunk.archived]
    found = chunk.batch
    for url, row in found.fetches.items():
        if row.archive_file == _WAITING:
            file, offset = places[row.archive_offset or 0]
            found.fetches[url] = replace(row, archive_file=file, archive_offset=offset)
    run.stats[source.slug].merge(chunk.stats)
    batch.merge(found)
    batch.pages = [_with_place(one, places) for one in found.pages]
    batch.outcomes = found.outcomes


def _with_place(one: FetchedPage, places: Sequence[tuple[str, int]]) -> FetchedPage:
    fetched = one.fetched
    if fetched is None or fetched.archive_file != _WAITING:
        return one
    file, offset = places[fetched.archive_offset or 0]
    return replace(one, fetched=replace(fetched, archive_file=file, archive_offset=offset))


# --- on the worker ---


def fetch_order(order: FetchOrder) -> FetchedChunk:
    """Fetch and parse the entries of an order on a worker."""
    source = order.source.source()
    responses = _Responses()
    stats = SourceStats(source=source.slug)
    with Fetcher(order.policy, archive=responses) as fetcher:
        fetcher.restore(order.sites)
        run = _WorkerRun(
            flow=order.flow,
            stats={source.slug: stats},
            lookups=order.lookups,
            trusted_since=order.trusted_since,
            fetcher=fetcher,
        )
        batch = Batch(order.targets)
        steps.fetch_targets(run, source, batch)
        sites = fetcher.sites()
    batch.outcomes = steps.parse_pages(source, batch.pages)
    for one in batch.pages:
        one.page = replace(one.page, text="")
    batch.targets = [replace(one, listing=None) for one in batch.targets]
    return FetchedChunk(batch=batch, stats=stats, archived=tuple(responses.kept), sites=sites)


@dataclass(frozen=True, slots=True, kw_only=True)
class _WorkerRun:
    """What fetching sees of the run."""

    flow: str
    stats: Mapping[str, SourceStats]
    lookups: KnownLookups
    trusted_since: datetime
    fetcher: Fetcher

    def fetch_all(self, requests: Iterable[FetchRequest]) -> Iterator[FetchResponse | FetchFailure]:
        """Fetch each, whole or not at all."""
        requests = list(requests)
        return self.fetcher.fetch_all(requests) if requests else iter(())


class _Responses:
    """Keeps the responses for the archive; safe for threads."""

    def __init__(self) -> None:
        self.kept: list[Archived] = []
        self._lock = threading.Lock()

    def write(
        self, response: HttpResponse, *, known: tuple[str, int] | None = None
    ) -> tuple[str, int]:
        """Keep a response; its offset is its number."""
        with self._lock:
            self.kept.append((response, known))
            return _WAITING, len(self.kept) - 1
