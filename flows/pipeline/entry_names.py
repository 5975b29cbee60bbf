"""Names and digests of entries: how a sync knows an entry of an earlier run again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from flows.pipeline import rows
from flows.pipeline.batch import EntryAnswer
from parsers.model import Entry, Source
from warehouse.keys import key_of
from warehouse.records.entries import EntryName, FetchedEntry


def entry_name(source: Source, entry: Entry) -> EntryName:
    """The name under which the warehouse knows an entry."""
    return EntryName(entry_id=f"{source.slug}:{entry.source_article_id}", channel=entry.channel)


def entry_digest(source: Source, entry: Entry) -> bytes:
    """A digest of the values of an entry.

    A listing that carries its articles is parsed again when the parser or its options change.
    """
    text = rows.entry_json(rows.comparable(entry))
    if entry.content is None:
        return key_of(text)
    parser, options = source.parser, sorted(source.options.items())
    return key_of(text, parser.name, parser.version, json.dumps(options, ensure_ascii=False))


def fetched_entries(
    source: Source, answers: Iterable[EntryAnswer], settled: Mapping[int, str]
) -> list[FetchedEntry]:
    """The rows of entries whose pages answered.

    Args:
        source: Of the entries.
        answers: The answers.
        settled: The id of the article that each observation became, by ``id``.
    """
    return [
        FetchedEntry(
            name=(name := entry_name(source, one.entry)),
            source=source.slug,
            url=one.entry.url,
            article_id=(
                settled[id(one.observation)]
                if one.observation
                else name.entry_id
                if one.keeps_article
                else None
            ),
            keeps_article=one.keeps_article,
            digest=entry_digest(source, one.entry),
            listing_entry="" if one.entry.content is not None else rows.entry_json(one.entry),
            at=one.at,
        )
        for one in answers
    ]
