"""Observations: article rows, validated once, with their keys and times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from hashlib import sha256
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from warehouse.errors import BadRow
from warehouse.keys import content_key, key_of, wide_key_of
from warehouse.rows import ArticleRow, MediaRow, StoredPost
from warehouse.times import EPOCH, MICROSECOND, micros


class Observation(NamedTuple):
    """An article row that can be stored: which article had which content, and when.

    A tuple, because a batch makes thousands and a frozen dataclass takes three times as long.

    Attributes:
        at: ``row.fetched_at`` in microseconds since 1970.
        record_key: Key of everything in the row except channel, time and post.
    """

    row: ArticleRow
    at: int
    article_key: bytes
    content_key: bytes
    record_key: bytes

    @property
    def body_key(self) -> bytes:
        """The key of exactly this markup and text; computed on each access."""
        return body_key(self.row.body_html.encode(), (self.row.text or "").encode())


def body_key(body_html: bytes, text: bytes) -> bytes:
    """Return the key of some markup and its text, both UTF-8."""
    hashed = sha256(body_html)
    hashed.update(b"\0")
    hashed.update(text)
    return hashed.digest()[:16]


# One step in C for every field.
_FIELDS = attrgetter(
    "article_id", "source", "source_article_id", "content_hash", "url", "canonical_url", "title",
    "publisher", "published_at", "published_raw", "published_precision",
    "published_timezone_source", "updated_at", "language", "lead_image", "parser",
    "parser_version", "provenance", "original_url", "authors", "categories", "tags", "body_html",
    "text", "channel", "fetched_at", "post", "published_on", "published_timezone", "completeness",
    "media",
)  # fmt: skip


# Schema 5 had another name for this key. The hash keeps it, so that equal records stay equal.
_PROVENANCE_KEY = '"published_timezone_source":'
_HASHED_PROVENANCE_KEY = '"published_zone_from":'


# The zone that the migration to schema 9 gave to all rows.
_MIGRATED_ZONE = ZoneInfo("Asia/Shanghai")


def observe(row: ArticleRow) -> Observation:
    """Validate a row and compute its keys.

    Raises:
        BadRow: It has no id, a malformed hash, a time without a zone or a lone surrogate.
    """
    (
        article_id, source, own_id, content_hash, url, canonical_url, title, publisher, published,
        raw, precision, timezone_source, updated, language, lead_image, parser, parser_version,
        provenance, original_url, authors, categories, tags, body_html, text, channel, at, post,
        published_on, published_timezone, completeness, media,
    ) = _FIELDS(row)  # fmt: skip
    if not source or not own_id or article_id != f"{source}:{own_id}":
        raise _bad_id(row)
    try:
        record = wide_key_of(
            # The lengths of the lists, so that their items may follow one by one.
            f"{len(authors)} {len(categories)} {len(tags)}",
            article_id, content_hash, url, canonical_url, title or "",
            "-" if publisher is None else "+" + publisher,
            "-" if published is None else str((published - EPOCH) // MICROSECOND),
            raw, precision, timezone_source,
            "-" if updated is None else str((updated - EPOCH) // MICROSECOND),
            "-" if language is None else "+" + language,
            "-" if lead_image is None else "+" + lead_image,
            parser, parser_version,
            provenance.replace(_PROVENANCE_KEY, _HASHED_PROVENANCE_KEY),
            "-" if original_url is None else "+" + original_url,
            *authors, *categories, *tags, body_html, text or "",
            *_added_parts(published, published_on, published_timezone, completeness),
            *_media_parts(media),
        )  # fmt: skip
        channel.encode()
        if post:
            f"{post.dialect}{post.path}".encode()
        return Observation(row, micros(at), key_of(article_id), content_key(content_hash), record)
    except UnicodeEncodeError as error:
        raise _lone_surrogate(row) from error
    except ValueError as error:
        raise _bad(row, "content_hash", str(error)) from error
    except TypeError:
        _check_zones(row)
        raise


def _added_parts(
    published: datetime | None, on: date | None, timezone: str | None, completeness: str
) -> tuple[str, ...]:
    """Return the parts of a record key that schema 9 added; none for values of a migrated row.

    So the migration changes no key, and an article observed again unchanged gets no new version.
    """
    if timezone is None and on is None:
        is_migrated = True
    else:
        is_migrated = (
            timezone == _MIGRATED_ZONE.key
            and published is not None
            and on == published.astimezone(_MIGRATED_ZONE).date()
        )
    if is_migrated and completeness == "full":
        return ()
    return (timezone or "", on.isoformat() if on else "", completeness)


def _media_parts(media: Sequence[MediaRow]) -> Iterator[str]:
    """Yield five parts of a record key for each; none for a row of an earlier schema."""
    for one in media:
        yield from (one.kind, one.url)
        yield "-" if one.type is None else "+" + one.type
        yield "-" if one.length is None else str(one.length)
        yield "-" if one.duration is None else str(float(one.duration))


def _bad_id(row: ArticleRow) -> BadRow:
    if not row.source or not row.source_article_id:
        return _bad(row, "source_article_id", "expected an id, found none")
    found = f"expected <source>:<source_article_id>, found {row.article_id!r}"
    return _bad(row, "article_id", found)


def _check_zones(row: ArticleRow) -> None:
    for name in ("fetched_at", "published_at", "updated_at"):
        moment: datetime | None = getattr(row, name)
        if moment is not None and moment.tzinfo is None:
            raise _bad(row, name, "expected a time with a zone, found none")


def _lone_surrogate(row: ArticleRow) -> BadRow:
    """Return the error for the first field that is not valid Unicode."""
    for name in ArticleRow.__dataclass_fields__:
        value = getattr(row, name)
        if isinstance(value, StoredPost):
            value = (value.dialect, value.path)
        if name == "media":
            value = tuple(text for one in value for text in (one.kind, one.url, one.type))
        for text in value if isinstance(value, tuple) else (value,):
            try:
                str(text).encode()
            except UnicodeEncodeError as error:
                found = f"expected Unicode text, found a lone surrogate at {error.start}"
                return _bad(row, name, found)
    raise AssertionError("a row that could not be encoded has no such field")


def _bad(row: ArticleRow, field: str, message: str) -> BadRow:
    name = row.article_id.encode(errors="backslashreplace").decode()
    return BadRow(f"{name}: {field}: {message}", article_id=name, field=field)
