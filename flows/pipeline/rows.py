"""Rows of the warehouse: from articles, fetches and failures.

An ``Article`` is the content of a page; an ``ArticleRow`` has where and when it was seen, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from flows.fetch import FetchFailure, FetchResponse
from parsers.errors import ParseError
from parsers.frontmatter.read import POST_PARSER
from parsers.media import media_address
from parsers.model import Article, BadEntry, Entry, Media, Page, Parser, Source
from parsers.text.urls import canonicalize, is_http
from warehouse.rows import ArticleRow, FetchRow, MediaRow, NewQuarantineEntry, StoredPost

IMPORT_CHANNEL = "import"
"""The channel of posts that a person imported."""

_SAME = tuple(one.name for one in fields(Article) if one.name not in {"provenance", "media"})


def article_row(
    article: Article,
    *,
    channel: str,
    seen_at: datetime,
    post: StoredPost | None = None,
    other_ids: tuple[str, ...] = (),
) -> ArticleRow:
    """The row of an article that was seen in a channel at a time (aware UTC)."""
    return ArticleRow(
        **{name: getattr(article, name) for name in _SAME},
        media=tuple(MediaRow(**asdict(one)) for one in article.media),
        provenance=json.dumps(dict(article.provenance), ensure_ascii=False, sort_keys=True),
        channel=channel,
        fetched_at=seen_at,
        post=post,
        other_ids=other_ids,
    )


def other_ids(article: Article, entry: Entry) -> tuple[str, ...]:
    """The ids of an article beside its own one.

    A declared canonical URL may serve several articles; then the id is the page's address.
    """
    if article.source_article_id == entry.source_article_id:
        return entry.other_ids
    if article.source_article_id != article.canonical_url or not is_http(article.url):
        return ()
    return (canonicalize(article.url),)


def article_of(row: ArticleRow) -> Article:
    """The article of a stored row."""
    values = {name: getattr(row, name) for name in _SAME}
    media = tuple(Media(**asdict(one)) for one in row.media)
    return Article(**values, media=media, provenance=json.loads(row.provenance))


def entry_json(entry: Entry | None) -> str:
    """An entry as JSON text, to parse its page again without its listing."""
    if entry is None:
        return ""
    values = asdict(entry)
    if not entry.media:  # so that an upgrade fetches no page again
        del values["media"]
    return json.dumps(values, ensure_ascii=False, sort_keys=True)


def entry_from_json(text: str) -> Entry | None:
    """Read the text that ``entry_json`` wrote."""
    return make_entry(json.loads(text)) if text else None


def make_entry(fields: Mapping[str, Any]) -> Entry:
    """The entry of the fields that ``dataclasses.asdict`` gave and JSON kept."""
    media = tuple(Media(**one) for one in fields.get("media", ()))
    other_ids = tuple(fields.get("other_ids", ()))
    return Entry(**{**fields, "media": media, "other_ids": other_ids})


def comparable(entry: Entry) -> Entry:
    """The entry as its item of the listing gives it: other ids depend on the other items.

    The addresses of its media are without signatures, which change with each fetch.
    """
    media = tuple(replace(one, url=media_address(one.url)) for one in entry.media)
    return replace(entry, other_ids=(), media=media)


def is_same_entry(text: str, entry: Entry | None) -> bool:
    """Whether a text of ``entry_json`` is of an entry with the same values."""
    known = entry_from_json(text)
    if known is None or entry is None:
        return known is entry
    return comparable(known) == comparable(entry)


def fetch_row(
    source: Source,
    channel: str,
    fetched: FetchResponse | FetchFailure,
    *,
    entry: Entry | None = None,
    keep_validators: bool,
) -> FetchRow:
    """The row of one fetch.

    Args:
        source: The source of the page.
        channel: The channel of its listing.
        fetched: The response, or the failure.
        entry: The line of the listing, without which the page cannot be parsed.
        keep_validators: Whether a later 304 may mean this response. It may only if the same
            transaction stores all of it.
    """
    if isinstance(fetched, FetchFailure):
        return FetchRow(
            source=source.slug,
            channel=channel,
            url=fetched.url,
            final_url=fetched.final_url,
            status=fetched.error.status,
            attempt_count=len(fetched.attempts),
            seconds=_seconds(fetched),
            fetched_at=fetched.fetched_at,
            listing_entry=entry_json(entry),
            error=str(fetched.error),
            attempt_results=_attempt_results(fetched),
            retry_after_at=getattr(fetched.error, "retry_at", None),
        )
    return FetchRow(
        source=source.slug,
        channel=channel,
        url=fetched.request.url,
        final_url=fetched.final_url,
        status=fetched.status,
        attempt_count=len(fetched.attempts),
        seconds=_seconds(fetched),
        bytes=len(fetched.body),
        etag=fetched.etag if keep_validators else None,
        last_modified=fetched.last_modified if keep_validators else None,
        vary=fetched.vary or None,
        fetched_at=fetched.fetched_at,
        archive_file=fetched.archive_file,
        archive_offset=fetched.archive_offset,
        listing_entry=entry_json(entry),
        body_sha256=None if fetched.not_modified else body_sha256(fetched),
        attempt_results=_attempt_results(fetched),
    )


def body_sha256(fetched: FetchResponse) -> str:
    """SHA-256 of the body, in hex."""
    return sha256(fetched.body).hexdigest()


def _attempt_results(fetched: FetchResponse | FetchFailure) -> tuple[str, ...]:
    """The result of each request, in order."""
    return tuple(
        f"{one.reason} {one.status}" if one.status else one.reason for one in fetched.attempts
    )


def _seconds(fetched: FetchResponse | FetchFailure) -> float | None:
    """The time of all requests, to the millisecond; waits and robots.txt do not count."""
    if not fetched.attempts:
        return None
    return round(sum(one.seconds for one in fetched.attempts), 3)


def page_failure(
    source: Source, entry: Entry, page: Page, fetched: FetchResponse | None, error: Exception
) -> NewQuarantineEntry:
    """A page that could not be parsed, with everything that a replay needs.

    The content of a feed entry takes the place of a page.
    """
    content = (entry.content or "").encode("utf-8", "surrogatepass")
    return _failure(
        source.slug,
        source.parser,
        error,
        channel=entry.channel,
        url=entry.link or entry.url,
        article_id=f"{source.slug}:{entry.source_article_id}",
        page=fetched.body if fetched else content,
        page_more=tuple(one.text.encode("utf-8", "surrogatepass") for one in page.next_pages),
        content_type=fetched.content_type if fetched else "text/html; charset=utf-8",
        listing_entry=entry_json(entry),
        fetched_at=page.fetched_at,
    )


def entry_failure(
    source: Source, listing_url: str, bad: BadEntry, at: datetime
) -> NewQuarantineEntry:
    """A line of a listing that could not be read; its bytes identify it.

    It has no address, so its message names the channel.
    """
    failure = _failure(
        source.slug,
        source.parser,
        bad.error,
        channel=bad.channel,
        url="",
        page=bad.raw.encode("utf-8", "surrogatepass"),
        content_type="application/json" if bad.raw.lstrip().startswith("{") else "text/xml",
        listing_entry=json.dumps({"listing": listing_url}),
        fetched_at=at,
    )
    return replace(failure, message=f"{bad.channel}: {failure.message}")


def listing_failure(
    source: Source, channel: str, fetched: FetchResponse, error: ParseError
) -> NewQuarantineEntry:
    """A listing that could not be parsed."""
    return _failure(
        source.slug,
        source.parser,
        error,
        channel=channel,
        url=fetched.request.url,
        page=fetched.body,
        content_type=fetched.content_type,
        listing_entry="",
        fetched_at=fetched.fetched_at,
    )


def post_failure(
    slug: str, path: str, data: bytes, error: Exception, written_at: datetime
) -> NewQuarantineEntry:
    """An imported file that could not be parsed."""
    return _failure(
        slug,
        POST_PARSER,
        error,
        channel=IMPORT_CHANNEL,
        url=path,
        article_id=getattr(error, "article_id", "") or None,
        page=data,
        content_type="text/markdown",
        fetched_at=written_at,
    )


def _failure(slug: str, parser: Parser, error: Exception, **fields: Any) -> NewQuarantineEntry:
    return NewQuarantineEntry(
        source=slug,
        reason=getattr(error, "reason", "bad_row"),
        message="\n".join([str(error), *getattr(error, "__notes__", [])]),
        expected=getattr(error, "expected", ""),
        found=getattr(error, "found", ""),
        parser=parser.name,
        parser_version=parser.version,
        **fields,
    )
