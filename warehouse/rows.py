"""What goes into the warehouse and what comes back; every datetime is aware UTC.

All are frozen. ``Article`` is what a page says; ``ArticleRow`` is what is stored of it
and when it was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPost:
    """The file an imported article came from, byte for byte.

    Attributes:
        dialect: ``jekyll``, ``hexo`` or ``hugo``.
        path: Relative to the imported folder, with ``/``.
        data: The whole file.
    """

    dialect: str
    path: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleRow:
    """One article as one page showed it: the article JSON's fields, then where and when.

    Attributes:
        content_hash: ``c1:`` and 64 hex digits; the same words give the same hash.
        provenance: JSON text, for each field how it was found.
        channel: The listing of the source it was seen in.
        fetched_at: When this content was seen. An import gives the time the file
            itself speaks for, not the time of the import, or a second import would
            be a new sighting.
        post: The original file when the article was imported.
    """

    article_id: str
    source: str
    source_article_id: str
    url: str
    canonical_url: str
    title: str
    authors: tuple[str, ...] = ()
    publisher: str | None = None
    published_at: datetime | None = None
    published_raw: str = ""
    published_precision: str = "unknown"
    published_timezone_source: str = "none"
    updated_at: datetime | None = None
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    language: str | None = None
    lead_image: str | None = None
    body_html: str
    text: str
    content_hash: str
    parser: str
    parser_version: str
    provenance: str = "{}"
    original_url: str | None = None
    channel: str
    fetched_at: datetime
    post: StoredPost | None = None


ARTICLE_COLUMNS: tuple[str, ...] = tuple(
    one.name for one in fields(ArticleRow) if one.name not in {"channel", "fetched_at", "post"}
)
"""The leading columns of the view ``articles``, in order."""


@dataclass(frozen=True, slots=True)
class UpsertCounts:
    """What one upsert did for one source, in rows.

    Attributes:
        new: First sight of an article, and nobody had said this before.
        modified: A known article now says something else.
        unmodified: A known article says the same, or the page is older than what is
            current; metadata may have been repaired.
        duplicate: First sight of an article whose content is known under another id.
        forgotten: Skipped, because a tombstone forbids keeping it.
    """

    new: int = 0
    modified: int = 0
    unmodified: int = 0
    duplicate: int = 0
    forgotten: int = 0

    def __add__(self, other: UpsertCounts) -> UpsertCounts:
        return UpsertCounts(
            self.new + other.new,
            self.modified + other.modified,
            self.unmodified + other.unmodified,
            self.duplicate + other.duplicate,
            self.forgotten + other.forgotten,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What a run did for one source; the numbers of ``--json``."""

    discovered: int = 0
    fetched: int = 0
    not_modified: int = 0
    new: int = 0
    modified: int = 0
    unmodified: int = 0
    duplicate: int = 0
    quarantined: int = 0
    failed: int = 0
    gaps: int = 0
    forgotten: int = 0
    seconds: float = 0.0

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in _COUNTERS}
        )


_COUNTERS = fields(Counters)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run and one of its sources, as the view ``runs`` shows it.

    Attributes:
        state: ``running``, ``completed``, ``failed``, ``interrupted`` or ``crashed``.
    """

    run_id: str
    flow: str
    source: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    counters: Counters
    code_version: str
    parser: str
    parser_version: str
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRow:
    """One fetch, whatever came of it.

    Attributes:
        url: The address that was asked for.
        status: The HTTP status; ``None`` when there was no answer.
        bytes: Size of the decoded body.
        vary: The Vary header, without which a validator may belong to another answer.
        archive_file, archive_offset: Where the page lies in the archive.
        entry: JSON text: the line of a listing that led to it, without which it cannot
            be read again; empty when it needs none.
        digest: SHA-256 of the decoded body, in hex; ``None`` without a body.
        tries: What came of each request, in order.
        retry_at: The host asked not to be asked before then.
        error: Why there is no page, in words.
    """

    source: str
    channel: str
    url: str
    final_url: str = ""
    status: int | None
    attempts: int = 1
    bytes: int = 0
    etag: str | None = None
    last_modified: str | None = None
    vary: str | None = None
    fetched_at: datetime
    archive_file: str | None = None
    archive_offset: int | None = None
    entry: str = ""
    digest: str | None = None
    tries: tuple[str, ...] = ()
    retry_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What to send with the next conditional request for an address."""

    etag: str | None
    last_modified: str | None
    vary: str | None
    fetched_at: datetime
    archive_file: str | None
    archive_offset: int | None
    entry: str
    digest: str | None
    final_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuarantineEntry:
    """A page, listing line or post that failed, with all that is needed to try again.

    Attributes:
        article_id: Which article it would have been, where that is known.
        reason: The error's one word (``layout_changed``).
        expected, found: The parser's words for what is wrong.
        page: The bytes; what a listing line or post was, when there is no page.
        page_more: The bytes of the article's following pages.
        facts: JSON text: what else a replay needs (entry, headers, encoding).
    """

    source: str
    channel: str
    url: str
    article_id: str | None = None
    reason: str
    message: str
    expected: str = ""
    found: str = ""
    page: bytes
    page_more: tuple[bytes, ...] = ()
    content_type: str = ""
    facts: str = "{}"
    fetched_at: datetime
    parser: str
    parser_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEntry:
    """A row of the quarantine as stored.

    Attributes:
        quarantine_id: Stable for the same failing page.
        attempts: How often it was seen failing.
        resolved_at: When a later page, or a replay, succeeded.
    """

    quarantine_id: str
    row: NewQuarantineEntry
    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """How far a channel is done: everything before it was handled.

    Attributes:
        at: The time it stands at, if the channel is ordered by time.
        value: What the flow needs to go on (JSON text or an id).
    """

    source: str
    channel: str
    at: datetime | None
    value: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGap:
    """A stretch of a channel that may have been missed.

    Attributes:
        from_at, to_at: Its ends, as far as they are known.
        how: How it was noticed, in words.
    """

    source: str
    channel: str
    from_at: datetime | None
    to_at: datetime | None
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A gap as stored."""

    gap_id: str
    row: NewGap
    noticed_at: datetime
    run_id: str
    closed_at: datetime | None
    closed_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSet:
    """What a query returned.

    Attributes:
        columns: Names, in order.
        types: DuckDB type names, in order.
        rows: Tuples; times are aware UTC datetimes.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[object, ...]] = field(default_factory=list)


Totals = Mapping[str, UpsertCounts]
"""What an upsert did, by source."""
