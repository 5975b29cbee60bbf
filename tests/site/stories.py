"""Stories: what the test site's publications have written, apart from how it is served.

A story is one article as its publisher knows it. The synthetic ones are in
``content/*.toml``, the five seeds in ``seeds/``. How a listing, an API or a page shows
a story is the work of the surface modules (``finews``, ``woshipm``, ``ofweek``, ...).

To add a story, add one ``[[story]]`` table: ``id``, ``at``, ``title`` and ``text`` are
enough. Every other field of ``Story`` is optional; an unknown one is an error. Two more
keys are for tables only: ``seed = "000"`` takes the markup of a seed post, and
``same_as = "<id>"`` the text of another story (one article under two ids).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import Any

from tests.site.seed_posts import seed_posts

CHINA = timezone(timedelta(hours=8))
LAST_EDITION = 3
PUBLICATIONS = ("finews", "woshipm", "ofweek")

Table = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The change that an edition makes to a story; ``None`` leaves a part unchanged."""

    edition: int
    title: str | None = None
    text: str | None = None
    html: str | None = None
    listed: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One article as its publisher knows it, in one edition.

    Attributes:
        id: The number in its addresses; empty only for a line that no reader can use.
        at: When it was published, aware, China time.
        title: The true title.
        text: Plain paragraphs, a blank line between them; ``{n}`` counts repetitions.
        html: The publisher's markup of the body where ``text`` is not enough.
        repeat: How many times ``text`` is repeated.
        lists: The channels that list it.
        edition: The first edition that has it.
        medium: The medium its publisher names (finews: also the credit of the body).
        author: The name under it (woshipm).
        slug: The part of its address before the number (woshipm ``it``, OFweek
            ``ecep/2021-05/ART-93000-8420``).
        digest: The listing's digest; made from title, text and medium if empty.
        credit: The markup of the credit line; made from ``medium`` if empty, and left
            out if ``-``.
        around: Names of publisher's noise to put before the body (see ``pages/``).
        listed: Keys that the listing shows with other values than the true ones.
        feed_date: The feed's ``pubDate``; ``-`` for no date at all.
        undated: The publication itself names no usable date.
        original_title: Another title the page names (``原标题：``).
        shape: ``current`` or ``older``, of the Eastmoney page at ``/a/``.
        encoding: The bytes of its page, if the publication has no one encoding.
        content_type: The header of its page, likewise.
        changes: Its changes by later editions.
        shows: The anomalies of the real sites that it has, by name.
        swallowed: A sentence that readers may lose: its markup is broken there.
    """

    id: str
    at: datetime
    title: str
    text: str = ""
    html: str = ""
    repeat: int = 1
    lists: tuple[str, ...] = ()
    edition: int = 1
    medium: str = ""
    author: str = ""
    slug: str = ""
    digest: str = ""
    credit: str = ""
    around: tuple[str, ...] = ()
    listed: Mapping[str, str] = field(default_factory=dict)
    feed_date: str = ""
    undated: bool = False
    original_title: str = ""
    shape: str = "current"
    encoding: str = ""
    content_type: str = ""
    changes: tuple[Change, ...] = ()
    shows: tuple[str, ...] = ()
    swallowed: str = ""

    def paragraphs(self) -> tuple[str, ...]:
        """The plain paragraphs, repeated ``repeat`` times."""
        found: list[str] = []
        for turn in range(1, self.repeat + 1):
            found += (part.strip().replace("{n}", str(turn)) for part in self.text.split("\n\n"))
        return tuple(part for part in found if part)

    def of_edition(self, edition: int) -> Story:
        """The story as ``edition`` has it."""
        story = self
        for change in self.changes:
            if change.edition <= edition:
                story = _changed(story, change)
        return story


def _changed(story: Story, change: Change) -> Story:
    new_body = change.text is not None or change.html is not None
    return replace(
        story,
        title=story.title if change.title is None else change.title,
        text=(change.text or "") if new_body else story.text,
        html=(change.html or "") if new_body else story.html,
        listed=story.listed if change.listed is None else change.listed,
    )


@cache
def stories(publication: str) -> tuple[Story, ...]:
    """Every story of a publication, newest first, whatever its edition."""
    raw = tomllib.loads(_content(publication))
    defaults = raw.get("defaults", {})
    by_id = {table["id"]: table for table in raw["story"]}
    made = [_story(publication, {**defaults, **_twin(by_id, table)}) for table in raw["story"]]
    return tuple(sorted(made, key=lambda story: (story.at, story.id), reverse=True))


def _content(publication: str) -> str:
    return files("tests.site").joinpath("content", f"{publication}.toml").read_text("utf-8")


def _twin(by_id: Mapping[str, Table], table: Table) -> Table:
    """The table with the text of the story that it repeats."""
    if "same_as" not in table:
        return table
    other = by_id[table["same_as"]]
    copied = {key: other[key] for key in ("title", "text", "html", "medium") if key in other}
    return copied | {key: value for key, value in table.items() if key != "same_as"}


def _story(publication: str, table: Table) -> Story:
    """A ``[[story]]`` table as a Story.

    Raises:
        ValueError: A field is missing or unknown.
    """
    if seed := table.pop("seed", ""):
        post = seed_posts()[seed]
        table = {"title": post.title, **table, "html": post.html}
    table["changes"] = tuple(Change(**change) for change in table.pop("change", ()))
    table["at"] = table["at"].replace(tzinfo=CHINA)
    values: Table = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
    try:
        return Story(**values)
    except TypeError as error:
        raise ValueError(
            f"content/{publication}.toml: story {table.get('id')!r}: {error}"
        ) from error


def anomalies() -> Mapping[str, tuple[str, ...]]:
    """Every anomaly that stories show, with their ids as ``<publication>:<id>``."""
    found: dict[str, list[str]] = {}
    for publication in PUBLICATIONS:
        for story in stories(publication):
            for name in story.shows:
                found.setdefault(name, []).append(f"{publication}:{story.id}")
    return {name: tuple(ids) for name, ids in sorted(found.items())}
