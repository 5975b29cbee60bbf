"""Backfill chunks of WARC files that other crawlers wrote, such as CC-NEWS.

A chunk is a range of bytes of a file. ``parse_range`` needs neither the run nor the warehouse, so
that a worker of a cluster can do it; the process of the run stores what it returns.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath

from flows.archive import ArchiveError, BucketUnreachable
from flows.archive.index import entry_of_url
from flows.archive.inputs import matching_files, open_file
from flows.archive.warc_range import RangeResponse, WarcRange, require_member_each
from flows.errors import ConfigurationError
from flows.fetch import decode_page
from flows.fetch.ssrf import without_credentials
from flows.pipeline import steps
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.batch import Batch, FetchedPage
from flows.pipeline.checkpoint import READ_WARC, new_chunk
from flows.pipeline.cluster import SourceSpec
from flows.pipeline.next_pages import next_urls
from flows.pipeline.repeated_pages import Parsed, RepeatedPages
from flows.pipeline.stats import Problem, page_problem
from parsers.model import Entry, Source
from parsers.sources.rsshub import ANY_INSTANCE
from parsers.text.urls import host_of, is_http, is_in_domain
from warehouse.records.backfill_chunks import DONE, INCOMPLETE, Chunk, NewChunk
from warehouse.rows import NewQuarantineEntry
from warehouse.upsert.observations import Observation

RANGE_BYTES = 16 << 20
"""Of a compressed file; about 700 pages of CC-NEWS."""

_GROUP_PAGES = 200
_MAX_MESSAGES = 20
_FEED_HOSTS = ("www.", "feeds.", "feed.", "rss.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeOrder:
    """A range of a WARC file, to be read for a source.

    Attributes:
        file: A path or an ``s3://`` address, as all machines see it.
        start: The first byte.
        end: The byte after the last one.
    """

    source: SourceSpec
    file: str
    start: int
    end: int


@dataclass(slots=True, kw_only=True)
class RangeResult:
    """What a range gave.

    Attributes:
        observations: Its articles.
        failures: Its pages that could not be parsed.
        not_articles: How many of its pages are no articles.
        counts: Its records, and why most of them are no pages of the source.
        problems: One message for each damaged place.
        unusable: One message for each page of the source that cannot be used.
        is_cut: The file ends inside a record; the next import reads the range again.
    """

    observations: list[Observation] = field(default_factory=list)
    failures: list[NewQuarantineEntry] = field(default_factory=list)
    not_articles: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    is_cut: bool = False


# --- plan ------------------------------------------------------------------------------


def plan_ranges(job: BackfillContext) -> list[NewChunk]:
    """Make chunks of the files of a request, and of what was added to them since.

    A file of another form is an error of the run; the other files are read.

    Raises:
        ConfigurationError: The source names no site, so that no page is known to be of it.
    """
    page_chooser(job.source)
    ends: dict[str, int] = {}
    for chunk in job.plan.chunks:
        if chunk.kind == READ_WARC:
            spec = json.loads(chunk.spec)
            ends[spec["file"]] = max(spec["end"], ends.get(spec["file"], 0))
    files = dict(one for name in job.request.warc_files for one in matching_files(name))
    new = []
    for file, size in files.items():
        try:
            if file not in ends:
                with open_file(file) as stream:
                    require_member_each(stream, file)
        except BucketUnreachable:
            raise
        except ArchiveError as error:
            job.stats.add(discovered=1)
            job.stats.fail(str(error))
            continue
        new += [_chunk(file, at, size) for at in range(ends.get(file, 0), size, RANGE_BYTES)]
    return new


def _chunk(file: str, start: int, size: int) -> NewChunk:
    end = min(start + RANGE_BYTES, size)
    description = f"{PurePosixPath(file).name}, {start / 1e6:.0f} to {end / 1e6:.0f} MB"
    return new_chunk(READ_WARC, description, {"file": file, "start": start, "end": end})


def page_chooser(source: Source) -> Callable[[str], Entry | None]:
    """What gives the entry of a URL; ``None`` where the URL is not of the source.

    A parser of any site takes the pages of the hosts of the source's addresses.

    Raises:
        ConfigurationError: The source has no such address.
    """
    if not source.parser.accepts_any_url:
        return lambda url: entry_of_url(source, without_credentials(url))
    texts = [one for one in source.options.values() if isinstance(one, str)]
    texts += [text for one in source.options.values() if isinstance(one, tuple) for text in one]
    hosts = {host_of(one) for one in texts if is_http(one) and not one.startswith(ANY_INSTANCE)}
    domains = {_domain(host) for host in hosts}
    if not domains:
        raise ConfigurationError(
            f"sources.{source.slug}: expected an address of the site whose pages are imported, found "
            "none: add a source with the address of its feed or sitemap"
        )

    def entry(url: str) -> Entry | None:
        host = host_of(url) if is_http(url) else ""
        if not any(is_in_domain(host, domain) for domain in domains):
            return None
        return source.parser.entry_of(source, without_credentials(url))

    return entry


def _domain(host: str) -> str:
    return next((host.removeprefix(one) for one in _FEED_HOSTS if host.startswith(one)), host)


# --- parse: without the run, on any machine ----------------------------------------------


def parse_range(order: RangeOrder) -> RangeResult:
    """Parse the pages of a source in a range of a WARC file.

    Raises:
        ArchiveError: The file cannot be read.
    """
    source, result = order.source.source(), RangeResult()
    choose, repeated = page_chooser(source), RepeatedPages()
    name = PurePosixPath(order.file).name
    with open_file(order.file) as stream:
        found = WarcRange(stream, order.start, order.end, wants=lambda url: choose(url) is not None)
        pages = found.pages()
        while group := list(islice(pages, _GROUP_PAGES)):
            whole = _whole_pages(source, choose, name, group, result)
            _parse(source, list(whole), repeated, result)
    result.counts += found.counts
    result.problems += found.problems
    result.unusable += found.unusable
    result.is_cut = found.is_cut
    return result


def _whole_pages(
    source: Source,
    choose: Callable[[str], Entry | None],
    name: str,
    group: list[RangeResponse],
    result: RangeResult,
) -> Iterator[FetchedPage]:
    """Yield the pages of a group that are whole articles; the others have more pages elsewhere."""
    for one in group:
        entry = choose(one.response.url)
        assert entry is not None  # noqa: S101 - the range has chosen it
        page = decode_page(one.response, entry)
        if not source.parser.joins_incomplete and next_urls(source, page, set()):
            result.counts["incomplete"] += 1
            result.unusable.append(f"{page.url}: its article has more pages, in other records")
            continue
        yield FetchedPage(entry, page, one.response, origin=f"warc:{name}:{one.offset}")


def _parse(
    source: Source, pages: list[FetchedPage], repeated: RepeatedPages, result: RangeResult
) -> None:
    parsed: list[Parsed] = []
    for one, outcome in zip(pages, steps.parse_pages(source, pages), strict=True):
        if isinstance(outcome, str):
            result.not_articles += 1
        else:
            parsed.append((one, outcome))
    for _, outcome in repeated.refuse(source, parsed):
        if isinstance(outcome, NewQuarantineEntry):
            result.failures.append(outcome)
        else:
            result.observations.append(outcome)


# --- store -----------------------------------------------------------------------------


def read_warc(job: BackfillContext, chunk: Chunk) -> None:
    """Parse and load the pages of a range.

    Raises:
        BucketUnreachable: The bucket of the file gave no answer.
    """
    if job.run.is_dry:
        _list_pages(job, chunk)
        return
    try:
        result = _result(job, chunk)
    except BucketUnreachable:
        raise  # so it would be for every other range
    except ArchiveError as error:
        job.stats.add(discovered=1)
        job.stats.fail(str(error))
        job.plan.finish(chunk, INCOMPLETE)
        job.load(Batch())
        return
    _count(job, _order(job, chunk), result)
    batch = Batch()
    batch.observations, batch.failures = result.observations, result.failures
    job.plan.finish(chunk, INCOMPLETE if result.is_cut else DONE)
    job.load(batch)


def _result(job: BackfillContext, chunk: Chunk) -> RangeResult:
    """The result of a chunk; the workers of a cluster do those behind it meanwhile."""
    cluster = job.run.cluster
    if cluster is None:
        return parse_range(_order(job, chunk))
    for one in job.plan.chunks[chunk.number - 1 :]:
        if len(job.sent) > cluster.orders_ahead:
            break
        if one.kind == READ_WARC and one.state != DONE and one.number not in job.sent:
            order = _order(job, one)
            job.sent[one.number] = cluster.submit(one.description, parse_range, order)
    result: RangeResult = job.sent.pop(chunk.number).result()
    return result


def _order(job: BackfillContext, chunk: Chunk) -> RangeOrder:
    return RangeOrder(source=SourceSpec.of(job.source), **json.loads(chunk.spec))


def _count(job: BackfillContext, order: RangeOrder, result: RangeResult) -> None:
    stats = job.stats
    pages = len(result.observations) + len(result.failures) + result.not_articles
    left = result.not_articles + len(result.unusable)
    stats.add(
        discovered=pages + len(result.unusable) + len(result.problems), fetched=pages, skipped=left
    )
    stats.records.update(result.counts)
    for text in result.problems:
        stats.fail(f"{order.file}: {text}", Problem("page", order.file, cause="damaged records"))
    free = max(0, _MAX_MESSAGES - len(stats.warnings))
    stats.warnings += result.unusable[:free]
    for failure in result.failures:
        text = failure.message.partition("\n")[0]
        article = (failure.article_id or "").partition(":")[2]
        job.run.quarantine(failure, text, page_problem(article, text))


def _list_pages(job: BackfillContext, chunk: Chunk) -> None:
    """List the pages of a range; store nothing."""
    order, choose = _order(job, chunk), page_chooser(job.source)
    with open_file(order.file) as stream:
        found = WarcRange(stream, order.start, order.end, wants=lambda url: choose(url) is not None)
        for page in found.pages():
            at = page.response.fetched_at
            job.stats.add(discovered=1, skipped=1)
            job.stats.warnings.append(f"would read {page.response.url} of {at:%Y-%m-%d %H:%M}")
    job.stats.records.update(found.counts)
    job.plan.finish(chunk)
