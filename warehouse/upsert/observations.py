"""Rows with their keys and times, checked: what the upsert works on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from operator import attrgetter
from typing import NamedTuple

from warehouse.errors import BadRow
from warehouse.rows import ArticleRow, StoredPost
from warehouse.times import EPOCH, MICROSECOND, micros
from warehouse.upsert.keys import content_key, key_of, wide_key_of


class Observation(NamedTuple):
    """One row: which article said what, and when.

    A tuple, because a batch makes thousands and a frozen dataclass takes three times
    as long to make.

    Attributes:
        at: Microseconds since 1970.
        record_key: Of everything the row says but where and when it was seen.
    """

    row: ArticleRow
    at: int
    article_key: bytes
    content_key: bytes
    record_key: bytes

    @property
    def body_key(self) -> bytes:
        """The key of its markup and text exactly; made when asked for."""
        return body_key(self.row.body_html.encode(), self.row.text.encode())

    def under(self, stored: bytes) -> bytes:
        """The record's key: ``stored``, if that is what an earlier copydesk would call it."""
        is_earlier = stored != self.record_key and stored == self.earlier_key
        return stored if is_earlier else self.record_key

    @property
    def earlier_key(self) -> bytes:
        """The key that records were stored under before keys were made of UTF-16.

        UTF-8 of Chinese text takes several times as long to make as UTF-16, so it is made
        only for what is stored, and for rows of an article whose record differs.
        """
        row = self.row
        return key_of(
            row.article_id, row.content_hash, self.body_key.hex(), row.url, row.canonical_url,
            row.title, "\x1e".join(row.authors), _optional(row.publisher),
            _moment(row.published_at), row.published_raw, row.published_precision,
            row.published_timezone_source, _moment(row.updated_at), "\x1e".join(row.categories),
            "\x1e".join(row.tags), _optional(row.language), _optional(row.lead_image),
            row.parser, row.parser_version, row.provenance, _optional(row.original_url),
        )  # fmt: skip


def body_key(body_html: bytes, text: bytes) -> bytes:
    """The key of some markup and its text, both UTF-8."""
    hashed = sha256(body_html)
    hashed.update(b"\0")
    hashed.update(text)
    return hashed.digest()[:16]


def observations_of(rows: Iterable[ArticleRow]) -> list[Observation]:
    """The rows in the order of time; equal times stay in the order given.

    Raises:
        BadRow: The first row that cannot be stored, before anything is.
    """
    return sorted(map(_sight, rows), key=_AT)


def check_row(row: ArticleRow) -> None:
    """Nothing, for a row that can be stored.

    A flow that would rather quarantine one article than lose the batch asks first.

    Raises:
        BadRow: No id, a malformed hash, a time without zone, half a surrogate pair.
    """
    _sight(row)


_AT = attrgetter("at")
# One step in C for all that a record is made of.
_SAID = attrgetter(
    "article_id", "source", "source_article_id", "content_hash", "url", "canonical_url", "title",
    "publisher", "published_at", "published_raw", "published_precision", "published_timezone_source",
    "updated_at", "language", "lead_image", "parser", "parser_version", "provenance",
    "original_url", "authors", "categories", "tags", "body_html", "text", "channel", "fetched_at",
    "post",
)  # fmt: skip


def _sight(row: ArticleRow) -> Observation:
    (
        article_id, source, own_id, content_hash, url, canonical_url, title, publisher, published,
        raw, precision, timezone_source, updated, language, lead_image, parser, parser_version,
        provenance, original_url, authors, categories, tags, body_html, text, channel, at, post,
    ) = _SAID(row)  # fmt: skip
    if not source or not own_id or article_id != f"{source}:{own_id}":
        raise _nobody(row)
    try:
        record = wide_key_of(
            # How many each list has, so that their items may follow one by one.
            f"{len(authors)} {len(categories)} {len(tags)}",
            article_id, content_hash, url, canonical_url, title,
            "-" if publisher is None else "+" + publisher,
            "-" if published is None else str((published - EPOCH) // MICROSECOND),
            raw, precision, timezone_source,
            "-" if updated is None else str((updated - EPOCH) // MICROSECOND),
            "-" if language is None else "+" + language,
            "-" if lead_image is None else "+" + lead_image,
            parser, parser_version, provenance,
            "-" if original_url is None else "+" + original_url,
            *authors, *categories, *tags, body_html, text,
        )  # fmt: skip
        channel.encode()
        if post:
            f"{post.dialect}{post.path}".encode()
        return Observation(row, micros(at), key_of(article_id), content_key(content_hash), record)
    except UnicodeEncodeError as error:
        raise _half_a_character(row) from error
    except ValueError as error:
        raise _bad(row, "content_hash", str(error)) from error
    except TypeError:
        _check_zones(row)
        raise


def _nobody(row: ArticleRow) -> BadRow:
    """The error for a row that does not say whose it is."""
    if not row.source or not row.source_article_id:
        return _bad(row, "source_article_id", "expected an id, found none: quarantine the page")
    found = f"expected <source>:<source_article_id>, found {row.article_id!r}"
    return _bad(row, "article_id", found)


def _optional(value: str | None) -> str:
    """Text that tells an absent value from an empty one."""
    return "-" if value is None else "+" + value


def _moment(moment: datetime | None) -> str:
    return "-" if moment is None else str(micros(moment))


def _check_zones(row: ArticleRow) -> None:
    for name in ("fetched_at", "published_at", "updated_at"):
        moment: datetime | None = getattr(row, name)
        if moment is not None and moment.tzinfo is None:
            raise _bad(row, name, "expected a time with a zone, found none")


def _half_a_character(row: ArticleRow) -> BadRow:
    """The error for the first field that is not valid Unicode."""
    for name in ArticleRow.__dataclass_fields__:
        value = getattr(row, name)
        if isinstance(value, StoredPost):
            value = (value.dialect, value.path)
        for text in value if isinstance(value, tuple) else (value,):
            try:
                str(text).encode()
            except UnicodeEncodeError as error:
                found = f"expected Unicode text, found half a surrogate pair at {error.start}"
                return _bad(row, name, f"{found}: decode the page again or quarantine it")
    raise AssertionError("a row that could not be encoded has no such field")


def _bad(row: ArticleRow, field: str, message: str) -> BadRow:
    name = row.article_id.encode(errors="backslashreplace").decode()
    return BadRow(f"{name}: {field}: {message}", article_id=name, field=field)
