"""Compare the fields of a page with the known values of its article.

A score is between 0 and 1. Titles, names and addresses are equal or not. Times are equal as an
instant, or as a day when one of them is only a day. Texts have the overlap of their words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from parsers.extract.selected import Selected
from parsers.model import Article, Page

MIN_RIGHT = 0.9
"""The score from which a value counts as right."""

LIMITS: Mapping[str, float] = {
    "title": 0.95, "published": 0.95, "authors": 0.95, "publisher": 0.95, "body": 0.9,
    "updated": 0.95, "categories": 0.95, "tags": 0.95, "language": 0.95, "lead_image": 0.95,
}  # fmt: skip
"""The share of held-back pages on which a selector must give the right value, by field."""

REQUIRED = ("title", "published", "authors", "publisher", "body")
"""Fields without which there is no proposal; the others are optional."""

_DAY_ONLY = 0.95
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A page of today and what is known of its article.

    Attributes:
        page: With the entry that led to it.
        known: The article as it was parsed before the source broke.
    """

    page: Page
    known: Article


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many pages give the right value, of the pages whose value is known."""

    right: int
    total: int

    @property
    def ratio(self) -> float:
        """Between 0 and 1; 1 when no value is known."""
        return self.right / self.total if self.total else 1.0

    def __str__(self) -> str:
        """For people."""
        return f"{self.right} of {self.total}" if self.total else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """An instant (aware, UTC) and its day; ``is_day`` when only the day is given."""

    at: datetime | None
    on: date | None
    is_day: bool
    is_minute: bool = False


Value = str | tuple[str, ...] | Time | None


def share_of(scores: list[float]) -> Share:
    """Return how many scores count as right."""
    return Share(right=sum(score >= MIN_RIGHT for score in scores), total=len(scores))


def article_value(field: str, article: Article) -> Value:
    """Return a field of an article; ``None`` or empty when it is unknown."""
    if field == "published":
        precision = article.published_precision
        return _time(article.published_at, article.published_on, precision)
    if field == "updated":
        return _time(article.updated_at, None, "second")
    value: Value = article.text if field == "body" else getattr(article, field)
    return value


def selected_value(field: str, selected: Selected) -> Value:
    """Return the value of the selector of a field; ``None`` or empty without a match."""
    match field:
        case "body":
            return selected.body_text
        case "published" | "updated":
            moment = selected.published if field == "published" else selected.updated
            return _time(moment.at, moment.on, moment.precision) if moment else None
        case _:
            found = getattr(selected, field)
            value: Value = found.value if found else None
            return value


def score(known: Value, found: Value) -> float:
    """Return how well a value agrees with the known one."""
    if not known or not found:
        return 0.0
    if isinstance(known, Time):
        return _time_score(known, found) if isinstance(found, Time) else 0.0
    if isinstance(known, tuple):
        return float(isinstance(found, tuple) and _folded(known) == _folded(found))
    return float(isinstance(found, str) and _line(known) == _line(found))


def text_score(known: str, found: str) -> float:
    """Return the overlap of the words of two texts, as F1."""
    wanted, words = words_of(known), words_of(found)
    total = wanted.total() + words.total()
    return 2 * (wanted & words).total() / total if total else 0.0


def recall(known: str, found: str) -> float:
    """Return the share of the known words that a text has."""
    wanted = words_of(known)
    return (wanted & words_of(found)).total() / wanted.total() if wanted else 0.0


def field_score(field: str, known: Value, found: Value) -> float:
    """Return the score of a field."""
    if field == "body":
        return text_score(str(known or ""), str(found or ""))
    return score(known, found)


@lru_cache(maxsize=500)
def words_of(text: str) -> Counter[str]:
    """Return the words of a text with their numbers; each Chinese character is a word."""
    return Counter(_WORD.findall(text.casefold()))


def _time(at: datetime | None, on: date | None, precision: str) -> Time | None:
    if at is None and on is None:
        return None
    return Time(at=at, on=on, is_day=precision == "day", is_minute=precision == "minute")


def _time_score(known: Time, found: Time) -> float:
    if known.at == found.at and not (known.is_day or found.is_day):
        return 1.0
    if known.is_day or found.is_day:
        is_equal = known.on is not None and known.on == found.on
        return (1.0 if known.is_day else _DAY_ONLY) if is_equal else 0.0
    if known.at and found.at and (known.is_minute or found.is_minute):
        return float(known.at.replace(second=0) == found.at.replace(second=0))
    return 0.0


def _line(text: str) -> str:
    return " ".join(text.split())


def _folded(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_line(name).casefold() for name in names)
