"""Settle the ids of articles whose publisher does not give each an id of its own.

A publisher gives several articles one guid, link or canonical URL, and one article several of
them. So the parser lists the ids that an article may have, and the stored articles decide: an
id of an earlier run holds after its listing has scrolled.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from parsers.identity import Signs, guid_of, is_same_article
from parsers.text.urls import canonicalize, is_http
from warehouse.read import archived_fetches
from warehouse.rows import ArticleRow
from warehouse.upsert.observations import Observation, observe

_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def settle_ids(db: DuckDBPyConnection, observations: Sequence[Observation]) -> list[Observation]:
    """Return the observations with the ids of their articles.

    An observation takes that of its ids under which the same content is stored, else a similar
    one (``is_same_article``), else the first that no different article has.
    """
    rows = [seen.row for seen in observations if seen.row.other_ids]
    if not rows:
        return list(observations)
    names = sorted({name for row in rows for name in _names(row)})
    found = archived_fetches.articles_as_of(db, [(name, _LATEST) for name in names])
    stored = {name: _signs(columns) for (name, _), columns in found.items()}
    settled = iter(_Settlement(rows, stored).settle())
    return [_with_id(seen, next(settled)) if seen.row.other_ids else seen for seen in observations]


class _Settlement:
    """The ids of the rows of one batch.

    Attributes:
        chosen: The article id of each row that has one, by its place.
        holders: The rows that have an article id, by their place.
    """

    def __init__(self, rows: Sequence[ArticleRow], stored: Mapping[str, Signs]) -> None:
        self.rows = rows
        self.stored = stored
        self.signs = [_signs({name: getattr(row, name) for name in _COLUMNS}) for row in rows]
        self.chosen: dict[int, str] = {}
        self.holders: dict[str, list[int]] = defaultdict(list)

    def settle(self) -> list[str]:
        for needs_equal in (True, False):
            for place in self._open():
                self._take_stored(place, needs_equal=needs_equal)
        contested = self._contested()
        for place in self._open():
            first, *others = _names(self.rows[place])
            names = [*others, first] if place in contested else [first, *others]
            free = (one for one in names if one not in self.stored and self._may_hold(one, place))
            self._take(place, next(free, names[-1]))
        return [self.chosen[place] for place in range(len(self.rows))]

    def _open(self) -> list[int]:
        return [place for place in range(len(self.rows)) if place not in self.chosen]

    def _take_stored(self, place: int, *, needs_equal: bool) -> None:
        mine = self.signs[place]
        for name in _names(self.rows[place]):
            known = self.stored.get(name)
            if known is None or (needs_equal and known.content_hash != mine.content_hash):
                continue
            if is_same_article(known, mine) and self._may_hold(name, place):
                self._take(place, name)
                return

    def _contested(self) -> set[int]:
        """Return the open rows that want the id of a different row."""
        wanted: dict[str, list[int]] = defaultdict(list)
        for place in self._open():
            wanted[self.rows[place].article_id].append(place)
        return {
            place
            for places in wanted.values()
            if not all(self._are_one(places[0], other) for other in places)
            for place in places
        }

    def _may_hold(self, name: str, place: int) -> bool:
        return all(self._are_one(holder, place) for holder in self.holders[name])

    def _are_one(self, one: int, other: int) -> bool:
        """Whether two rows are of one article; entries of one listing never are."""
        mine, others = self.signs[one], self.signs[other]
        is_one_listing = (
            mine.guid is not None and self.rows[one].fetched_at == self.rows[other].fetched_at
        )
        is_equal = mine.content_hash == others.content_hash
        return is_equal or (not is_one_listing and is_same_article(mine, others))

    def _take(self, place: int, name: str) -> None:
        self.chosen[place] = name
        self.holders[name].append(place)


_COLUMNS = ("url", "title", "text", "content_hash", "provenance")


def _signs(columns: Mapping[str, str]) -> Signs:
    url = columns["url"]
    rule = json.loads(columns["provenance"]).get("source_article_id", "")
    return Signs(
        url=canonicalize(url) if is_http(url) else url,
        guid=guid_of(rule),
        title=columns["title"] or "",
        text=columns["text"] or columns["content_hash"],  # no text is like no other text
        content_hash=columns["content_hash"],
    )


def _names(row: ArticleRow) -> list[str]:
    return [f"{row.source}:{name}" for name in (row.source_article_id, *row.other_ids)]


def _with_id(seen: Observation, article_id: str) -> Observation:
    row = seen.row
    if article_id == row.article_id:
        return seen
    own_id = article_id.removeprefix(f"{row.source}:")
    # A canonical URL that serves several articles is the address of none of them.
    is_own_url = is_http(own_id) and row.source_article_id == row.canonical_url
    is_own_url &= is_http(row.url) and canonicalize(row.url) == own_id
    return observe(
        replace(
            row,
            article_id=article_id,
            source_article_id=own_id,
            canonical_url=own_id if is_own_url else row.canonical_url,
        )
    )
