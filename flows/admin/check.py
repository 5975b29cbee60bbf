"""Results of the checks of ``copydesk doctor``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from parsers.text.characters import single_line

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: The checked object, such as ``warehouse``.
        status: ``warning`` for something that works and needs a change.
        message: What was found and, unless it is ok, what to do.
    """

    name: str
    status: Status
    message: str

    def as_json(self) -> dict[str, Any]:
        """The part of the JSON document."""
        return {"name": self.name, "status": self.status, "message": self.message}

    def __str__(self) -> str:
        """One line."""
        return f"{self.status:<7}  {self.name}: {single_line(self.message)}"


def exit_code_of(checks: Iterable[CheckResult]) -> int:
    """1 for an error, else 3 for a warning, else 0."""
    statuses = {check.status for check in checks}
    return 1 if "error" in statuses else 3 if "warning" in statuses else 0
