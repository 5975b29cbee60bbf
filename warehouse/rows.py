"""Rows that go into the warehouse and come back: frozen, with aware datetimes in UTC.

The parsers make an ``Article`` of a page; an ``ArticleRow`` is its stored form, with the channel
and the time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPost:
    """The file of an imported article, byte for byte.

    Attributes:
        dialect: ``jekyll``, ``hexo`` or ``hugo``.
        path: Relative to the imported folder, with ``/``.
        data: The whole file.
    """

    dialect: str
    path: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRow:
    """A picture, video or sound of an article.

    Attributes:
        kind: ``picture``, ``video`` or ``audio``.
        length: Bytes.
        duration: Seconds.
    """

    kind: str
    url: str
    type: str | None = None
    length: int | None = None
    duration: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleRow:
    """One article as one page showed it: the fields of the article JSON, then place and time.

    Attributes:
        published_on: The day in ``published_timezone``.
        text: ``None`` for an article of media alone.
        completeness: ``full``, ``partial`` or ``teaser``.
        content_hash: ``c1:`` and 64 hex digits; equal texts have equal hashes.
        provenance: JSON text, for each field how it was found.
        channel: The listing of the source it was seen in.
        fetched_at: When this content was seen. An import gives the time of the file, not of
            the import; otherwise a second import would be a new sighting.
        post: The original file when the article was imported.
        other_ids: Ids that the article may have instead, in order of preference; not stored.
    """

    article_id: str
    source: str
    source_article_id: str
    url: str
    canonical_url: str
    title: str | None
    authors: tuple[str, ...] = ()
    publisher: str | None = None
    published_at: datetime | None = None
    published_on: date | None = None
    published_raw: str = ""
    published_precision: str = "unknown"
    published_timezone: str | None = None
    published_timezone_source: str = "none"
    updated_at: datetime | None = None
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    language: str | None = None
    lead_image: str | None = None
    media: tuple[MediaRow, ...] = ()
    body_html: str
    text: str | None
    completeness: str = "full"
    content_hash: str
    parser: str
    parser_version: str
    provenance: str = "{}"
    original_url: str | None = None
    channel: str
    fetched_at: datetime
    post: StoredPost | None = None
    other_ids: tuple[str, ...] = ()


ARTICLE_COLUMNS: tuple[str, ...] = tuple(
    one.name
    for one in fields(ArticleRow)
    if one.name not in {"channel", "fetched_at", "post", "other_ids"}
)
"""The leading columns of the view ``articles``, in order."""


@dataclass(frozen=True, slots=True)
class UpsertCounts:
    """What one upsert did for one source, in rows.

    Attributes:
        new: The article is seen for the first time, with new content.
        updated: A known article has other content.
        unchanged: A known article has the same content, or the page is older than the current
            revision. Other fields may have changed.
        duplicate: The article is seen for the first time, with content known under another id.
        suppressed: Left out, because the article was deleted on request.
    """

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    suppressed: int = 0

    def __add__(self, other: UpsertCounts) -> UpsertCounts:
        return UpsertCounts(
            self.new + other.new,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.duplicate + other.duplicate,
            self.suppressed + other.suppressed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What a run did for one source: the counters of the run's JSON."""

    discovered: int = 0
    fetched: int = 0
    not_modified: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    quarantined: int = 0
    failed: int = 0
    suppressed: int = 0
    skipped: int = 0
    gaps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run and one of its sources, as the view ``runs`` shows it.

    Attributes:
        state: ``running``, ``completed``, ``completed_with_warnings``, ``failed``,
            ``interrupted`` or ``crashed``.
        messages: Errors and warnings.
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
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRow:
    """One fetch, whatever its result.

    Attributes:
        url: The requested URL.
        status: The HTTP status; ``None`` when no server answered.
        seconds: Time that its requests took, without the waits between them; ``None`` when
            no request was sent.
        bytes: Size of the decoded body.
        vary: The Vary header: with it a validator may belong to another representation.
        archive_file, archive_offset: The place of the page in the archive.
        listing_entry: JSON text of the listing entry that led to the page; empty when the
            page can be parsed without one.
        body_sha256: SHA-256 of the decoded body, in hex; ``None`` without a body.
        attempt_results: The result of each attempt, in order.
        retry_after_at: The host asked for no request before then (Retry-After).
        error: Why there is no page.
    """

    source: str
    channel: str
    url: str
    final_url: str = ""
    status: int | None
    attempt_count: int = 1
    seconds: float | None = None
    bytes: int = 0
    etag: str | None = None
    last_modified: str | None = None
    vary: str | None = None
    fetched_at: datetime
    archive_file: str | None = None
    archive_offset: int | None = None
    listing_entry: str = ""
    body_sha256: str | None = None
    attempt_results: tuple[str, ...] = ()
    retry_after_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What the next conditional request for a URL needs."""

    etag: str | None
    last_modified: str | None
    vary: str | None
    fetched_at: datetime
    archive_file: str | None
    archive_offset: int | None
    listing_entry: str
    body_sha256: str | None
    final_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuarantineEntry:
    """A page, listing entry or post that failed, with all that a replay needs.

    Attributes:
        article_id: The article it belongs to, where that is known.
        reason: The error's one word (``layout_changed``).
        expected, found: What the parser looked for, and what it found.
        page: The bytes of the page, listing entry or post.
        page_more: The bytes of the article's following pages.
        listing_entry: JSON text of the listing entry that led to the page; for an entry
            itself ``{"listing": URL}``.
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
    listing_entry: str = "{}"
    fetched_at: datetime
    parser: str
    parser_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEntry:
    """A quarantine entry as stored.

    Attributes:
        quarantine_id: The same for every failure of the same page.
        attempts: How often it failed.
        resolved_at: When a later page or a replay succeeded.
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
    """How far a channel is processed.

    Attributes:
        at: Everything before it was processed; ``None`` if the channel is not in order of time.
        value: What the next run needs to continue (JSON text or an id).
    """

    source: str
    channel: str
    at: datetime | None
    value: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGap:
    """An interval of a channel in which entries may have been missed.

    Attributes:
        from_at, to_at: Its ends; ``None`` where unknown.
        detected_by: The observation that detected it.
        missing_urls: Addresses of the articles that an audit misses.
    """

    source: str
    channel: str
    from_at: datetime | None
    to_at: datetime | None
    detected_by: str
    missing_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A gap as stored."""

    gap_id: str
    row: NewGap
    detected_at: datetime
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
