"""A warehouse with many short articles, and batches of which half is known."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from warehouse import ArticleRow, Observation, connect, observe
from warehouse.location import Lake, Location

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def build(place: Location, count: int) -> None:
    """Make a warehouse of so many short articles, made by SQL: their keys are MD5, see `known`."""
    columns = {
        "article_key": "md5('a' || i)::UUID",
        "content_key": "md5('c' || i)::UUID",
        "record_key": "md5('r' || i)::UUID",
        "seen": "TIMESTAMPTZ '2024-01-01' + to_seconds(i)",
    }
    article, content, record, seen = columns.values()
    tag = "('0x' || md5('{}' || i)[:{}])::{}"
    source = f"FROM range({count}) t(i)"
    with connect(place) as db:
        db.execute(f"""
            INSERT INTO _store.article_versions BY NAME
            SELECT {tag.format("a", 8, "UINTEGER")} AS article_tag,
                   {tag.format("r", 16, "UBIGINT")} AS record_tag, {article} AS article_key,
                   {content} AS content_key, {record} AS record_key, {seen} AS seen_at,
                   i AS seq, 'r' AS run_id {source}""")
        db.execute(f"""
            INSERT INTO _store.sightings BY NAME
            SELECT {article} AS article_key, {content} AS content_key, 'emnews' AS channel,
                   {seen} AS first_seen_at, {seen} AS last_seen_at, 'r' AS run_id {source}""")
        db.execute(f"""
            INSERT INTO _store.contents BY NAME
            SELECT {tag.format("c", 8, "UINTEGER")} AS content_tag, {content} AS content_key,
                   'c1:' || md5('c' || i) || md5('d' || i) AS content_hash,
                   {content} AS body_key, 'x' AS body_html, 'x' AS text,
                   {seen} AS first_seen_at, i AS seq, 'r' AS run_id {source}""")
        db.execute(f"""
            INSERT INTO _store.article_records BY NAME
            SELECT {record} AS record_key, {article} AS article_key, {content} AS content_key,
                   's' AS "source", 'i' || i AS source_article_id,
                   'https://example.org/' || i AS url, 'https://example.org/' || i AS canonical_url,
                   'title ' || i AS title, [] AS authors, {seen} AS published_at,
                   '' AS published_raw, 'second' AS published_precision,
                   'value' AS published_timezone_source, [] AS categories, [] AS tags,
                   'p' AS "parser", '1' AS parser_version, '' AS provenance, 'r' AS run_id
            {source}""")
        if not isinstance(place, Lake):
            db.execute("CHECKPOINT")


def half_known(batch: int, stored: int, size: int) -> list[ArticleRow]:
    """A batch of so many articles, half of them known and spread over all that is stored."""
    known = [str((batch * 7919 + i * 9973) % stored) for i in range(1, size, 2)]
    MADE.clear()
    MADE.update((f"i{number}", made_keys(number)) for number in known)
    fresh = [row(f"new-{batch}-{i}", batch) for i in range(0, size, 2)]
    return [
        one
        for pair in zip(fresh, known, strict=True)
        for one in (pair[0], row(f"i{pair[1]}", batch))
    ]


def row(number: str, batch: int) -> ArticleRow:
    return ArticleRow(
        article_id=f"s:{number}",
        source="s",
        source_article_id=number,
        url=f"https://example.org/{number}",
        canonical_url=f"https://example.org/{number}",
        title=f"title {number}",
        body_html="x",
        text="x",
        content_hash="c1:" + sha256(number.encode()).hexdigest(),
        parser="p",
        parser_version="1",
        channel="emnews",
        fetched_at=SINCE + timedelta(minutes=batch),
    )


def observed(one: ArticleRow) -> Observation:
    """Observe a row; a made article gets its made keys, after the real ones are computed."""
    found = observe(one)
    made = MADE.get(one.source_article_id)
    return found if made is None else Observation(found.row, found.at, *made)


MADE: dict[str, tuple[bytes, bytes, bytes]] = {}


def made_keys(number: str) -> tuple[bytes, bytes, bytes]:
    article, content, record = (md5(letter + number) for letter in "acr")
    return article, content, record


def md5(text: str) -> bytes:
    return hashlib.md5(text.encode()).digest()  # noqa: S324 - DuckDB has no SHA-256 prefix as fast
