"""The difference between what the warehouse stores and what today's parsers return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.pipeline.stats import EXIT_CODES, MAX_MESSAGES, RunReport
from flows.text import pluralize
from warehouse.rows import ArticleRow

REGRESSION_EXIT_CODE = 4
COMPARED_FIELDS = (
    "title", "text", "body_html", "completeness", "publisher", "published_at", "published_on",
    "published_precision", "updated_at",
    "authors", "categories", "tags", "language", "lead_image", "original_url", "url",
    "canonical_url",
)  # fmt: skip
_PRECISIONS = ("unknown", "day", "minute", "second")
_MIN_TEXT_RATIO = 0.5
"""A text that loses more than half of its characters is a regression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParserDiff(RunReport):
    """The report of ``reparse --diff``.

    Attributes:
        regressions: One message for each field of an article that lost something.
        changed: The number of articles of each source that differ, by field.
    """

    regressions: tuple[str, ...]
    changed: dict[str, dict[str, int]]

    @classmethod
    def of(cls, report: RunReport, changes: Mapping[str, FieldChanges]) -> ParserDiff:
        """Add the changes of each source to the report of a run."""
        return cls(
            run_id=report.run_id,
            flow=report.flow,
            state=report.state,
            stats=report.stats,
            regressions=tuple(one for found in changes.values() for one in found.regressions),
            changed={slug: dict(found.changed) for slug, found in changes.items()},
        )

    @property
    def exit_code(self) -> int:
        """4 when there are regressions, else that of the run."""
        return REGRESSION_EXIT_CODE if self.regressions else EXIT_CODES[self.state]

    @property
    def errors(self) -> tuple[str, ...]:
        """The regressions, then the run's own errors."""
        # Without the class the zero-argument super() fails: slots make a second class.
        own = super(ParserDiff, self).errors
        more = len(self.regressions) - MAX_MESSAGES
        kept = [f"worse: {message}" for message in self.regressions[:MAX_MESSAGES]]
        return (*kept, *([f"and {more} more that got worse"] if more > 0 else []), *own)

    def as_json(self) -> dict[str, Any]:
        """The run's JSON document."""
        return {
            **super(ParserDiff, self).as_json(),
            "regressions": list(self.regressions),
            "changed": self.changed,
        }


@dataclass(slots=True)
class FieldChanges:
    """The changes of one source, counted page by page.

    Attributes:
        changed: The number of articles that differ, by field.
        same: The number of pages without a difference.
    """

    changed: Counter[str] = field(default_factory=Counter)
    same: int = 0
    _regressions: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def regressions(self) -> list[str]:
        """One message for each field of an article that lost something."""
        return list(self._regressions.values())

    def add(self, row: ArticleRow, stored: dict[str, Any]) -> None:
        """Compare a row with the article that the warehouse stored at its time."""
        changed = [name for name in COMPARED_FIELDS if getattr(row, name) != stored[name]]
        self.changed.update(changed)
        self.same += not changed
        for name in changed:
            if message := regression_of(name, stored[name], getattr(row, name)):
                self.add_regression(row.article_id, name, f"{name}: {message}")

    def add_regression(self, article_id: str, name: str, message: str) -> None:
        """Keep one message for each article and field, however many pages it has."""
        self._regressions.setdefault((article_id, name), f"{article_id}: {message}")

    def messages(self) -> list[str]:
        """One line for the equal pages, and one for each field that differs."""
        return [
            f"{pluralize(self.same, 'page gives', 'pages give')} what is stored",
            *(
                f"{pluralize(count, 'article differs', 'articles differ')} in {name}"
                for name, count in sorted(self.changed.items())
            ),
        ]


def regression_of(name: str, before: Any, now: Any) -> str:
    """Describe what a field lost; empty when it lost nothing."""
    if before and not now:
        return f"was {_short(before)}, is missing now"
    if name == "published_precision" and _PRECISIONS.index(now) < _PRECISIONS.index(before):
        return f"was known to the {before}, is known to the {now} now"
    if name in ("text", "body_html") and len(now) < len(before) * _MIN_TEXT_RATIO:
        return f"had {len(before)} characters, has {len(now)} now"
    if isinstance(before, tuple) and len(now) < len(before):
        return f"was {_short(before)}, is {_short(now)} now"
    return ""


def _short(value: Any) -> str:
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return repr(text if len(text) <= 60 else text[:59] + "…")
