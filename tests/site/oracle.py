"""The expected warehouse after reading every edition up to a given one.

Grain: one ``ExpectedArticle`` per article id and the way it was read (``via``). The oracle is
made from the stories, not by the project's parsers, so that tests can compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from tests.site import finews, ofweek, rsshub, woshipm
from tests.site.editions import CHANNELS, check_edition, listed, written
from tests.site.stories import CHINA, LAST_EDITION, Story
from tests.site.visible_text import visible_text

Via = Literal["api", "feed", "direct"]

# The publication is the publisher; elsewhere each story names its medium.
PUBLISHERS = {"woshipm": "人人都是产品经理"}

# Attribution, editor and disclaimer lines: a parser may keep or drop them.
MAY_BE_DROPPED = re.compile(
    r"（文章来源：.*）|（责任编辑：.*）|郑重声明.*|打开微信.*|原标题：.*|"
    r"本文由.*(?:发布于人人都是产品经理|禁止转载).*|题图来自.*|原文链接：.*|"
    r"作者：.*|（?来源：.*|（?编辑：.*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One revision of an article, current from an edition on."""

    edition: int
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedArticle:
    """One article as a correct parser reads it.

    Attributes:
        publication: ``finews``, ``woshipm`` or ``ofweek``.
        via: ``api`` (finews), ``feed`` (RSSHub) or ``direct`` (the publisher's pages).
        source_article_id: The id without the source's name.
        channels: Where it was listed, in any edition so far.
        title: The newest title, one line.
        text: The newest plain text; a blank line between paragraphs.
        published_at: Aware UTC, or ``None`` where the source names no usable date.
        precision: ``second``, ``minute``, ``day`` or ``unknown``.
        publisher: The medium named in the listing, the credit or the page, or the
            publication itself; ``None`` where nothing names one.
        author: Who signed it, or ``None``; OFweek's source name may be one (its pages do
            not say whether it is a medium or a person).
        revisions: How many contents (title and text) it has had so far, one after the
            other; one that returns counts again.
        history: Those contents, oldest first.
        is_listed: Whether the newest edition still lists it.
        may_lose: A sentence that broken markup swallows; readers may differ on it.
    """

    publication: str
    via: Via
    source_article_id: str
    channels: tuple[str, ...]
    title: str
    text: str
    published_at: datetime | None
    precision: str
    publisher: str | None
    author: str | None
    revisions: int
    is_listed: bool
    history: tuple[Version, ...]
    may_lose: str = ""

    def differs_from(self, title: str, text: str, revision: int = -1) -> str:
        """The difference of a title and text from the expected ones, or an empty string.

        Args:
            title: The stored title.
            text: The stored text.
            revision: The index in the history to compare with.
        """
        version = self.history[revision]
        if title != version.title:
            return f"title: expected {version.title!r}, found {title!r}"
        lost = comparable_text(self.may_lose)
        expected, found = comparable_text(version.text), comparable_text(text)
        if lost and expected.replace(lost, "") == found.replace(lost, ""):
            return ""
        return "" if expected == found else _first_difference(expected, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """Everything that a correct run has stored after an edition.

    Attributes:
        edition: The newest edition read.
        articles: One per article and way of reading, finews first, newest first.
        unusable: Listed lines that cannot become an article yet, as
            (publication, channel, id or title): they belong in quarantine.
        waiting: Such lines of this edition or an earlier one that never became an article
            since: they are still in quarantine.
        missed: Articles that scrolled through a list unseen between two editions, as
            (publication, channel, id): each channel named here has a gap.
        gaps: When they did, as (publication, channel, edition).
    """

    edition: int
    articles: tuple[ExpectedArticle, ...]
    unusable: tuple[tuple[str, str, str], ...]
    waiting: tuple[tuple[str, str, str], ...]
    missed: tuple[tuple[str, str, str], ...]
    gaps: tuple[tuple[str, str, int], ...]

    def of(self, publication: str, via: Via) -> dict[str, ExpectedArticle]:
        """The articles of one publication read one way, by source_article_id."""
        return {
            article.source_article_id: article
            for article in self.articles
            if (article.publication, article.via) == (publication, via)
        }

    def as_json(self) -> dict[str, Any]:
        """Plain data; times are left as datetimes."""
        return asdict(self)


def comparable_text(text: str) -> str:
    """A text to compare by: no white space, no attribution or disclaimer lines."""
    lines = ("".join(line.split()) for line in text.splitlines())
    return "".join(line for line in lines if not MAY_BE_DROPPED.fullmatch(line))


@cache
def oracle(edition: int) -> Oracle:
    """The expected result of reading editions 1 to ``edition`` in turn.

    Raises:
        ValueError: There is no such edition.
    """
    check_edition(edition, max(edition, LAST_EDITION))
    ways: tuple[tuple[str, Via], ...] = (
        ("finews", "api"),
        ("woshipm", "feed"),
        ("woshipm", "direct"),
        ("ofweek", "feed"),
        ("ofweek", "direct"),
    )
    articles = tuple(
        one for publication, via in ways for one in _expected_articles(publication, via, edition)
    )
    missed = tuple(_missed(edition))
    return Oracle(
        edition=edition,
        articles=articles,
        unusable=tuple(_unusable(edition)),
        waiting=tuple(_waiting(edition)),
        missed=tuple((publication, channel, one.id) for publication, channel, one in missed),
        gaps=tuple(dict.fromkeys((pub, channel, one.edition) for pub, channel, one in missed)),
    )


def _expected_articles(publication: str, via: Via, edition: int) -> Iterator[ExpectedArticle]:
    seen: dict[str, list[tuple[int, str, Story]]] = {}
    for number in range(1, edition + 1):
        for channel in CHANNELS[publication]:
            for story in listed(publication, channel, number):
                if _is_usable(story):
                    key = _article_id(story, channel)
                    seen.setdefault(key, []).append((number, channel, story))
    for key, sightings in seen.items():
        yield _one(publication, via, key, sightings, edition)


def _one(
    publication: str, via: Via, key: str, sightings: list[tuple[int, str, Story]], edition: int
) -> ExpectedArticle:
    number, _, story = sightings[-1]
    at, precision = _published(story, publication, via)
    history = _history(sightings, via)
    return ExpectedArticle(
        publication=publication,
        via=via,
        source_article_id=key,
        channels=tuple(dict.fromkeys(channel for _, channel, _ in sightings)),
        title=_title(story, via),
        text=_text(story, via),
        published_at=at,
        precision=precision,
        publisher=PUBLISHERS.get(publication) or story.medium or None,
        author=story.author or None,
        revisions=len(history),
        is_listed=number == edition,
        history=history,
        may_lose=story.swallowed,
    )


def _history(sightings: list[tuple[int, str, Story]], via: Via) -> tuple[Version, ...]:
    """The contents in their order; one that differs in layout only is no new one."""
    found: list[Version] = []
    for number, _, story in sightings:
        version = Version(edition=number, title=_title(story, via), text=_text(story, via))
        is_same = found and (version.title, comparable_text(version.text)) == (
            found[-1].title,
            comparable_text(found[-1].text),
        )
        if not is_same:
            found.append(version)
    return tuple(found)


def _article_id(story: Story, channel: str) -> str:
    return f"NW{story.id}" if channel == "media" or channel.startswith("market") else story.id


def _is_usable(story: Story) -> bool:
    shown_title = story.listed.get("title", story.title)
    return bool(story.id and shown_title and (story.text or story.html))


def _title(story: Story, via: Via) -> str:
    shown = story.title.replace("&amp;", "&")
    return rsshub.cut_title(shown) if via == "feed" else " ".join(shown.split())


def _text(story: Story, via: Via) -> str:
    if not story.html:
        return "\n\n".join(story.paragraphs())
    if via == "api":
        return visible_text(finews.body(story))
    if story.slug.count("/"):
        parts = ofweek.bodies(story)
        return visible_text("\n".join(parts if via == "direct" else parts[:1]))
    return visible_text(woshipm.body(story))


def _published(story: Story, publication: str, via: Via) -> tuple[datetime | None, str]:
    if story.undated or (via == "feed" and story.feed_date == rsshub.NO_DATE):
        return None, "unknown"
    if publication == "woshipm":
        day = story.at.replace(hour=0, minute=0, second=0, tzinfo=CHINA)
        return day.astimezone(UTC), "day"
    if via == "direct":
        return story.at.replace(second=0).astimezone(UTC), "minute"
    return story.at.astimezone(UTC), "second"


def _unusable(edition: int) -> Iterator[tuple[str, str, str]]:
    for publication, channels in CHANNELS.items():
        for channel in channels:
            for story in listed(publication, channel, edition):
                if not _is_usable(story):
                    yield publication, channel, story.id or story.title


def _waiting(edition: int) -> Iterator[tuple[str, str, str]]:
    for publication, channels in CHANNELS.items():
        for channel in channels:
            lines: dict[str, bool] = {}
            for number in range(1, edition + 1):
                for story in listed(publication, channel, number):
                    lines[story.id or story.title] = _is_usable(story)
            for line, is_usable in lines.items():
                if not is_usable:
                    yield publication, channel, line


def _missed(edition: int) -> Iterator[tuple[str, str, Story]]:
    for publication, channels in CHANNELS.items():
        for channel in channels:
            seen = {
                story.id
                for number in range(1, edition + 1)
                for story in listed(publication, channel, number)
            }
            for story in written(publication, edition):
                if channel in story.lists and story.edition <= edition and story.id not in seen:
                    yield publication, channel, story


def _first_difference(expected: str, found: str) -> str:
    start = next(
        (
            place
            for place, (one, other) in enumerate(zip(expected, found, strict=False))
            if one != other
        ),
        min(len(expected), len(found)),
    )
    around = slice(max(start - 10, 0), start + 30)
    return f"text: at {start} expected {expected[around]!r}, found {found[around]!r}"
