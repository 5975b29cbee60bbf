"""Identity: which entries and pages are one article, and which are different ones.

Publishers reuse guids, links and canonical URLs for different articles, and give one article
several of them. So an id counts only together with a second sign: the link, the guid, the
title or the text.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from parsers.content_hash import content_hash
from parsers.model import Entry

_TAGS = re.compile(r"<[^>]*>")
_SOURCES = re.compile(r"""\bsrc\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]{3,}|\d+|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2}")
_PAIRED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_HALF, _MOST = 0.5, 0.8


def digest(title: str, markup: str, media: Sequence[str] = ()) -> str:
    """Return 16 hex digits that different articles never share; markup does not count.

    Args:
        title: The title, may contain entities.
        markup: The HTML of the article.
        media: URLs of what its entry attaches. They and the addresses in the HTML count when
            it has no text.
    """
    words = html.unescape(_TAGS.sub(" ", markup))
    if words.strip():
        return content_hash(html.unescape(title), words)[3:19]
    shown = (*media, *map(html.unescape, _SOURCES.findall(markup)))
    return content_hash(html.unescape(title), None, shown)[3:19]


def distinct_entries(found: Iterable[tuple[Entry, str | None]]) -> dict[int, Entry]:
    """Return each article of a listing once, by its first place; different ones differ in id.

    An entry has the first of its ids that no different entry wants. The result does not
    depend on the order of the entries, so that it holds while a listing scrolls.

    Args:
        found: Entries with the digest of their content; ``None`` when the entry carries no
            text, and so is the article of its link.
    """
    entries = list(found)
    ids = [(entry.source_article_id, *entry.other_ids) for entry, _ in entries]
    level = [0] * len(entries)
    while True:
        wanted: dict[str, list[int]] = defaultdict(list)
        for number, names in enumerate(ids):
            wanted[names[level[number]]].append(number)
        contested = [
            number
            for numbers in wanted.values()
            if len({entries[number][1] for number in numbers} - {None}) > 1
            for number in numbers
            if level[number] + 1 < len(ids[number])
        ]
        if not contested:
            break
        for number in contested:
            level[number] += 1
    return {
        numbers[0]: _with_id(_fullest([entries[number][0] for number in numbers]), name)
        for name, numbers in wanted.items()
    }


def _fullest(entries: Sequence[Entry]) -> Entry:
    """Return the first entry with the fewest empty facts.

    Some publishers list an article twice, once without title and time.
    """
    return min(entries, key=lambda one: sum(not value.strip() for value in one.facts.values()))


def _with_id(entry: Entry, name: str) -> Entry:
    names = (entry.source_article_id, *entry.other_ids)
    place = names.index(name)
    return replace(entry, source_article_id=name, other_ids=names[place + 1 :] + names[:place])


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What identifies an article besides its id.

    Attributes:
        url: The canonical form of its address.
        guid: The id that its feed gives it, empty when it gives none; ``None`` for an article
            that is not from a feed.
    """

    url: str
    guid: str | None
    title: str
    text: str
    content_hash: str


_GUID = "feed:guid "


def guid_rule(guid: str) -> str:
    """Return the provenance of the id of a feed's item; it contains the guid."""
    return f"{_GUID}{guid}" if guid else "feed:no guid"


def guid_of(rule: str) -> str | None:
    """Return the guid in a text that ``guid_rule`` made; ``None`` for any other text."""
    if rule.startswith(_GUID):
        return rule.removeprefix(_GUID)
    return "" if rule == guid_rule("") else None


def is_same_article(one: Signs, other: Signs) -> bool:
    """Return whether two contents under one id are of one article.

    They are when they are equal, or when two of the address, the guid, the title and the text
    agree. Two different guids count against it. Where address or guid differ, the words must be
    nearly the same, because daily reports from one template share most of theirs.
    """
    if one.content_hash == other.content_hash:
        return True
    votes = int(one.url == other.url)
    share = _HALF if votes else _MOST
    if one.guid and other.guid:
        is_equal = one.guid == other.guid
        votes += 1 if is_equal else -1
        share = share if is_equal else _MOST
    if votes < 2:
        votes += are_alike(one.title, other.title, share)
    if votes < 2:
        votes += are_alike(one.text, other.text, share)
    return votes >= 2


def are_alike(one: str, other: str, share: float = _HALF) -> bool:
    """Return whether a share of the words of the shorter text is in the longer one."""
    mine, others = words_of(one), words_of(other)
    if not mine or not others:
        return one.strip() == other.strip()
    return len(mine & others) >= share * min(len(mine), len(others))


def words_of(text: str) -> set[str]:
    """Return the words of a text, case folded: Latin ones, numbers, pairs of Han letters."""
    folded = text.casefold()
    words = set(_WORDS.findall(folded))
    # Overlapping pairs, because Chinese has no spaces.
    for run in _PAIRED.findall(folded):
        words.update(run[place : place + 2] for place in range(1, len(run) - 1))
    return words
