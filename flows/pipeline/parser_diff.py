"""The report of ``reparse --diff``: what today's parsers would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.pipeline.field_changes import FieldChange, FieldChanges
from flows.pipeline.stats import EXIT_CODES, MAX_MESSAGES, RunReport

REGRESSION_EXIT_CODE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ParserDiff(RunReport):
    """The report of ``reparse --diff``.

    Attributes:
        changes: One for each field of an article that differs; regressions first.
        changed: The number of pages of each source that differ, by field.
        left_out: How many more changes there are, none of them a regression.
    """

    changes: tuple[FieldChange, ...]
    changed: dict[str, dict[str, int]]
    left_out: int = 0

    @classmethod
    def of(cls, report: RunReport, changes: Mapping[str, FieldChanges]) -> ParserDiff:
        """Add the changes of each source to the report of a run."""
        found = [one for source in changes.values() for one in source.all]
        return cls(
            run_id=report.run_id,
            flow=report.flow,
            state=report.state,
            stats=report.stats,
            changes=tuple(sorted(found, key=lambda one: one.kind != "regression")),
            changed={slug: dict(source.changed) for slug, source in changes.items()},
            left_out=sum(source.left_out for source in changes.values()),
        )

    @property
    def regressions(self) -> tuple[FieldChange, ...]:
        """The changes that lose something (``field_changes``)."""
        return tuple(one for one in self.changes if one.kind == "regression")

    @property
    def exit_code(self) -> int:
        """4 when there are regressions, else that of the run."""
        return REGRESSION_EXIT_CODE if self.regressions else EXIT_CODES[self.state]

    @property
    def errors(self) -> tuple[str, ...]:
        """The regressions, then the run's own errors."""
        # Without the class the zero-argument super() fails: slots make a second class.
        own, worse = super(ParserDiff, self).errors, self.regressions
        more = len(worse) - MAX_MESSAGES
        kept = [f"worse: {one.message()}" for one in worse[:MAX_MESSAGES]]
        return (*kept, *([f"and {more} more that got worse"] if more > 0 else []), *own)

    def lines(self) -> list[str]:
        """One line for each change that ``errors`` does not name."""
        rest = self.changes[len(self.regressions[:MAX_MESSAGES]) :]
        words = {"regression": "worse", "improvement": "better", "neutral": "other"}
        lines = [f"{words[one.kind]}: {one.message()}" for one in rest]
        return [*lines, *([f"and {self.left_out} more changes"] if self.left_out else [])]

    def as_json(self) -> dict[str, Any]:
        """The run's JSON document."""
        return {
            **super(ParserDiff, self).as_json(),
            "regressions": len(self.regressions),
            "changed": self.changed,
            "changes": [one.as_json() for one in self.changes],
            "left_out": self.left_out,
        }
