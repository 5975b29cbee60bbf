"""What an examination finds: one thing each, how bad it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["ok", "attention", "broken"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at.

    Attributes:
        what: The thing.
        level: ``ok``, ``attention`` (it works, but look) or ``broken``.
        says: What was found and, if it is not well, what to do.
    """

    what: str
    level: Level
    says: str

    @property
    def exit_code(self) -> int:
        """Broken things weigh more than those that need attention."""
        return {"ok": 0, "attention": 3, "broken": 1}[self.level]

    def as_json(self) -> dict[str, Any]:
        """The finding's part of the JSON document."""
        return {"what": self.what, "level": self.level, "says": self.says}

    def words(self) -> str:
        """One line."""
        mark = {"ok": "ok  ", "attention": "look", "broken": "BAD "}[self.level]
        return f"{mark}  {self.what}: {self.says}"
