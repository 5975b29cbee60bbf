"""Rows with their keys and times, checked: what the upsert works on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from warehouse.errors import BadRow
from warehouse.keys import content_key, key_of
from warehouse.rows import ArticleRow, StoredPost
from warehouse.times import micros


class Sight(NamedTuple):
    """One row: which article said what, and when.

    A tuple, because a batch makes thousands and a frozen dataclass takes three times
    as long to make.

    Attributes:
        at: Microseconds since 1970.
        record_key: Of everything the row says but where and when it was seen.
        body_key: Of its markup and text exactly.
    """

    row: ArticleRow
    at: int
    article_key: bytes
    content_key: bytes
    record_key: bytes
    body_key: bytes


def sights_of(rows: Iterable[ArticleRow]) -> list[Sight]:
    """The rows in the order of time; equal times stay in the order given.

    Raises:
        BadRow: The first row that cannot be stored, before anything is.
    """
    return sorted(map(_sight, rows), key=lambda sight: sight.at)


def check_row(row: ArticleRow) -> None:
    """Nothing, for a row that can be stored.

    A flow that would rather quarantine one article than lose the batch asks first.

    Raises:
        BadRow: No id, a malformed hash, a time without zone, half a surrogate pair.
    """
    _sight(row)


def _sight(row: ArticleRow) -> Sight:
    _check_identity(row)
    try:
        content = content_key(row.content_hash)
    except ValueError as error:
        raise _bad(row, "content_hash", str(error)) from error
    try:
        hashed = sha256(row.body_html.encode())
        hashed.update(b"\0")
        hashed.update(row.text.encode())
        body = hashed.digest()[:16]
        record = key_of(
            row.article_id, row.content_hash, body.hex(), row.url, row.canonical_url, row.title,
            "\x1e".join(row.authors), _optional(row.publisher),
            _moment(row, "published_at"), row.published_raw, row.published_precision,
            row.published_zone_from, _moment(row, "updated_at"), "\x1e".join(row.categories),
            "\x1e".join(row.tags), _optional(row.language), _optional(row.lead_image),
            row.parser, row.parser_version, row.provenance, _optional(row.original_url),
        )  # fmt: skip
        row.channel.encode()
        if row.post:
            f"{row.post.dialect}{row.post.path}".encode()
    except UnicodeEncodeError as error:
        raise _half_a_character(row) from error
    if row.fetched_at.tzinfo is None:
        raise _bad(row, "fetched_at", "expected a time with a zone, found none")
    return Sight(row, micros(row.fetched_at), key_of(row.article_id), content, record, body)


def _check_identity(row: ArticleRow) -> None:
    if not row.source or not row.source_article_id:
        raise _bad(row, "source_article_id", "expected an id, found none: quarantine the page")
    if row.article_id != f"{row.source}:{row.source_article_id}":
        found = f"expected <source>:<source_article_id>, found {row.article_id!r}"
        raise _bad(row, "article_id", found)


def _optional(value: str | None) -> str:
    """Text that tells an absent value from an empty one."""
    return "-" if value is None else f"+{value}"


def _moment(row: ArticleRow, name: str) -> str:
    moment: datetime | None = getattr(row, name)
    if moment is None:
        return "-"
    if moment.tzinfo is None:
        raise _bad(row, name, "expected a time with a zone, found none")
    return str(micros(moment))


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
