"""What differs between the stored articles and those of today's parsers, field by field.

A change is a regression if something is lost:

* a value is missing that was there, or a page fails that was parsed;
* a time is known less precisely;
* a list of names has fewer of them;
* the text is more than a quarter shorter, or its HTML more than half.

It is an improvement if a change in the other direction would be a regression. Every other
change is neutral: another title, another time, a text of about the same size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import Any, Literal

from flows.text import pluralize
from warehouse.rows import ArticleRow, MediaRow

Kind = Literal["regression", "improvement", "neutral"]

COMPARED_FIELDS = (
    "title", "text", "body_html", "completeness", "publisher", "published_at", "published_on",
    "published_precision", "updated_at",
    "authors", "categories", "tags", "language", "lead_image", "media", "original_url", "url",
    "canonical_url",
)  # fmt: skip
WHOLE_ARTICLE = "article"
"""The field of a change that concerns the whole article: it fails now, or it parses now."""

MAX_CHANGES = 5000
"""Changes of one source that are kept; regressions are always kept."""

_PRECISIONS = ("unknown", "day", "minute", "second")
_MIN_SHARES = {"text": 0.75, "body_html": 0.5}
_MAX_VALUE = 160
_BEFORE_DIFFERENCE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field of one article that today's parser gives another value.

    Attributes:
        url: The page that gave the new value.
        old: The stored value; of a long text the part around the first difference.
        new: Today's value, likewise.
        reason: What was lost; empty unless the change is a regression.
        old_version: The version of the parser that gave the stored value.
        new_version: Today's version.
    """

    article_id: str
    url: str
    field: str
    old: Any
    new: Any
    kind: Kind
    reason: str = ""
    old_version: str = ""
    new_version: str = ""

    def as_json(self) -> dict[str, Any]:
        """The change as a part of the JSON document."""
        return {
            "article_id": self.article_id,
            "url": self.url,
            "field": self.field,
            "old": self.old,
            "new": self.new,
            "kind": self.kind,
            "reason": self.reason,
            "old_version": self.old_version,
            "new_version": self.new_version,
        }

    def message(self) -> str:
        """One line: article, field, old and new value."""
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.article_id}: {self.field}: {self.old!r} -> {self.new!r}{reason}"


@dataclass(slots=True)
class FieldChanges:
    """The changes of one source, counted page by page.

    Attributes:
        changed: The number of pages that differ, by field.
        same: The number of pages without a difference.
        left_out: Changes beyond ``MAX_CHANGES``.
    """

    changed: Counter[str] = field(default_factory=Counter)
    same: int = 0
    left_out: int = 0
    _kept: dict[tuple[str, str], FieldChange] = field(default_factory=dict)

    @property
    def all(self) -> list[FieldChange]:
        """The changes: regressions first, otherwise in the order of the pages."""
        return sorted(self._kept.values(), key=lambda one: one.kind != "regression")

    @property
    def regressions(self) -> list[FieldChange]:
        """The changes that lose something."""
        return [one for one in self._kept.values() if one.kind == "regression"]

    def add(self, row: ArticleRow, stored: Mapping[str, Any]) -> None:
        """Compare a row with the article that the warehouse stored at its time."""
        changed = [name for name in COMPARED_FIELDS if getattr(row, name) != stored[name]]
        self.changed.update(changed)
        self.same += not changed
        for name in changed:
            before, now = stored[name], getattr(row, name)
            kind, reason = judge(name, before, now)
            old, new = _shown(before, now)
            self._keep(
                FieldChange(
                    article_id=row.article_id,
                    url=row.url,
                    field=name,
                    old=old,
                    new=new,
                    kind=kind,
                    reason=reason,
                    old_version=stored["parser_version"],
                    new_version=row.parser_version,
                )
            )

    def add_new(self, row: ArticleRow) -> None:
        """Add an article that parses now and is not stored."""
        self._keep(
            FieldChange(
                article_id=row.article_id,
                url=row.url,
                field=WHOLE_ARTICLE,
                old=None,
                new=row.title,
                kind="improvement",
                new_version=row.parser_version,
            )
        )

    def add_failed(self, article_id: str, url: str, error: str, version: str) -> None:
        """Add a page that was parsed before and fails now."""
        self._keep(
            FieldChange(
                article_id=article_id,
                url=url,
                field=WHOLE_ARTICLE,
                old="parsed",
                new=error,
                kind="regression",
                reason="parsed before and fails now",
                new_version=version,
            )
        )

    def messages(self) -> list[str]:
        """One line for the equal pages, and one for each field that differs."""
        return [
            f"{pluralize(self.same, 'page gives', 'pages give')} what is stored",
            *(
                f"{pluralize(count, 'article differs', 'articles differ')} in {name}"
                for name, count in sorted(self.changed.items())
            ),
        ]

    def _keep(self, change: FieldChange) -> None:
        """Keep one change for each article and field; a regression takes the place of another."""
        key = change.article_id, change.field
        known = self._kept.get(key)
        if known is None and change.kind != "regression" and len(self._kept) >= MAX_CHANGES:
            self.left_out += 1
        elif known is None or (known.kind != "regression" and change.kind == "regression"):
            self._kept[key] = change


def judge(name: str, before: Any, now: Any) -> tuple[Kind, str]:
    """Return the kind of a change, and what was lost."""
    if reason := _loss(name, before, now):
        return "regression", reason
    return ("improvement" if _loss(name, now, before) else "neutral"), ""


def _loss(name: str, before: Any, now: Any) -> str:
    if name == "completeness":  # the text itself shows what is lost
        return ""
    if _is_value(before) and not _is_value(now):
        return "is missing now"
    if name == "published_precision" and _PRECISIONS.index(now) < _PRECISIONS.index(before):
        return "is less precise now"
    if not _is_value(before):
        return ""
    if name in _MIN_SHARES and len(now) < len(before) * _MIN_SHARES[name]:
        return f"had {len(before)} characters, has {len(now)} now"
    if isinstance(before, tuple) and len(now) < len(before):
        return f"had {pluralize(len(before), 'item')}, has {len(now)} now"
    return ""


def _is_value(value: Any) -> bool:
    return bool(value) and value != "unknown"


def _shown(before: Any, now: Any) -> tuple[Any, Any]:
    """Both values as JSON has them; long texts from just before their first difference."""
    old, new = _plain(before), _plain(now)
    if (
        not isinstance(old, str)
        or not isinstance(new, str)
        or max(len(old), len(new)) <= _MAX_VALUE
    ):
        return _short(old, 0), _short(new, 0)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    start = max(0, same - _BEFORE_DIFFERENCE)
    return _short(old, start), _short(new, start)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [asdict(one) if isinstance(one, MediaRow) else one for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _short(value: Any, start: int) -> Any:
    if not isinstance(value, str) or (not start and len(value) <= _MAX_VALUE):
        return value
    part = value[start : start + _MAX_VALUE]
    return f"{'…' if start else ''}{part}{'…' if start + _MAX_VALUE < len(value) else ''}"
