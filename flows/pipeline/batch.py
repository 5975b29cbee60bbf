"""What travels from step to step of a run: leads, arrived pages, and batches of them.

``Batch`` is a plain class, so that Prefect hands it on without looking inside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from flows.fetch import (
    Expect,
    FetchFailure,
    FetchRequest,
    FetchResponse,
    PermanentFetchError,
    PolicyRefusal,
)
from flows.pipeline import rows
from parsers.model import Entry, Page, Source
from parsers.text.charset import decode
from warehouse.records.not_modified import NotModified
from warehouse.rows import ArticleRow, FetchRow, NewGap, NewQuarantineEntry, Validators


@dataclass(frozen=True, slots=True)
class FetchTarget:
    """An entry, and the page of the listing that led to it, if one did."""

    entry: Entry
    listing: Page | None


@dataclass(slots=True)
class FetchedPage:
    """A page to be read.

    Attributes:
        fetched: ``None`` when its listing carried it.
        is_vouched: False when its server said nothing had changed, and it had.
    """

    entry: Entry
    page: Page
    fetched: FetchResponse | None = None
    is_trusted: bool = True


FOR_GOOD = (PermanentFetchError, PolicyRefusal)
"""What asking again would not change."""


class Batch:
    """What one transaction will store, filled from step to step.

    Attributes:
        failed: The addresses whose page did not come.
        never: Those of them that were refused for good: the page is gone, or not allowed.
    """

    def __init__(self, leads: Iterable[FetchTarget] = ()) -> None:
        self.leads = list(leads)
        self.pages: list[FetchedPage] = []
        self.confirmed: dict[str, NotModified] = {}
        self.rows: list[ArticleRow] = []
        self.page_rows: dict[str, FetchRow] = {}
        self.bad: list[NewQuarantineEntry] = []
        self.gaps: list[NewGap] = []
        self.reached: dict[str, tuple[datetime, str]] = {}
        self.answered: list[str] = []  # addresses of listings: what failed of them is over
        self.forgotten = 0
        self.failed: set[str] = set()
        self.never: set[str] = set()

    def note(
        self,
        source: Source,
        channel: str,
        fetched: FetchResponse | FetchFailure | None,
        *,
        entry: Entry | None = None,
        keep_validators: bool = False,
        error: str | None = None,
    ) -> None:
        """Record a fetch, once an address; the first word about an error stays."""
        if fetched is None or fetched.request.url in self.page_rows:
            return
        if isinstance(fetched, FetchFailure):
            self.failed.add(fetched.request.url)
            if isinstance(fetched.error, FOR_GOOD):
                self.never.add(fetched.request.url)
        row = rows.fetch_row(source, channel, fetched, entry=entry, keep_validators=keep_validators)
        self.page_rows[row.url] = replace(row, error=error or row.error)

    def add(self, other: Batch) -> None:
        """Store what another batch of the same source came to together with this."""
        self.leads += other.leads
        self.confirmed |= other.confirmed
        self.rows += other.rows
        self.page_rows = other.page_rows | self.page_rows
        self.bad += other.bad
        self.gaps += other.gaps
        self.forgotten += other.forgotten
        self.failed |= other.failed
        self.never |= other.never

    def join(self, other: Batch) -> None:
        """Store what the other holds together with this; its gaps belong to the first batch."""
        self.page_rows |= other.page_rows
        self.bad += other.bad
        self.reached |= other.reached
        self.answered += other.answered


class DiscoveryResult:
    """What discovering a source yielded.

    Attributes:
        leads: The entries to follow, first listed first.
        answered: The channels whose listing came anew and could be read.
        garbled: The channels with lines that could not be read.
        unread: How many listings did not come, or could not be read.
        rest: To be stored with the last batch: fetches of listings, failed lines and
            listings, and watermarks; and gaps with the first, because a later run knows the
            entries of that batch, and would see no gap any more.
    """

    def __init__(self) -> None:
        self.leads: list[FetchTarget] = []
        self.answered: set[str] = set()
        self.garbled: set[str] = set()
        self.unread = 0
        self.rest = Batch()

    def failures(self) -> Batch:
        """Of the rest, what an interrupted run stores: it promises nothing about entries."""
        failures = Batch()
        failures.bad = self.rest.bad
        return failures

    def batches(self, size: int) -> list[Batch]:
        """The leads in batches; the first one also holds the gaps, the last one the rest."""
        batches = [
            Batch(self.leads[start : start + size]) for start in range(0, len(self.leads), size)
        ] or [Batch()]
        batches[0].gaps += self.rest.gaps
        batches[-1].join(self.rest)
        return batches


def build_request(
    url: str,
    known: Validators | None,
    entry: Entry | None = None,
    *,
    expect: Expect = "any",
    trusted_since: datetime | None = None,
) -> FetchRequest:
    """A request, conditional when "not modified" would mean that nothing changed.

    The page alone does not say so where its listing tells the title or the time: then
    the line that led to it must be the same as well. And a server is not believed for
    ever: what was last fetched whole before ``trusted_since`` is fetched whole again.
    """
    is_stale = known and trusted_since and known.fetched_at < trusted_since
    if known is None or is_stale or known.entry != rows.entry_json(entry):
        return FetchRequest(url=url, expect=expect)
    archived = None
    if known.archive_file is not None and known.archive_offset is not None:
        archived = (known.archive_file, known.archive_offset)
    return FetchRequest(
        url=url,
        etag=known.etag,
        last_modified=known.last_modified,
        validators_for=known.final_url,
        expect=expect,
        archived=archived,
    )


def decode_page(fetched: FetchResponse, entry: Entry | None) -> Page:
    """What was fetched, decoded."""
    decoded = decode(fetched.body, fetched.content_type)
    return Page(
        url=fetched.request.url,
        final_url=fetched.final_url,
        text=decoded.text,
        fetched_at=fetched.fetched_at,
        encoding=decoded.encoding,
        replacements=decoded.replacements,
        entry=entry,
    )
