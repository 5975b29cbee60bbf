"""The result of a publication, for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flows.publication.command import CommandResult
from flows.publication.files import FileChanges
from flows.publish_settings import PublishSettings
from flows.text import pluralize
from parsers.text.characters import single_line

_MAX_LINES = 10


@dataclass(slots=True, kw_only=True)
class PublicationResult:
    """The result of one publication, for people and as JSON.

    Attributes:
        vanished: Posts whose article the warehouse does not have; they are left alone.
        commands: The commands that ran.
        error: Why it failed; empty otherwise. Its first line is the same while the cause is.
    """

    name: str
    settings: PublishSettings
    is_dry: bool = False
    changes: FileChanges = field(default_factory=FileChanges)
    vanished: list[str] = field(default_factory=list)
    commands: list[CommandResult] = field(default_factory=list)
    is_command_pending: bool = False
    error: str = ""

    @property
    def has_work(self) -> bool:
        """Whether anything was done, or is to be done after a dry run, or went wrong."""
        return bool(
            self.changes
            or self.is_command_pending
            or self.commands
            or self.changes.failed
            or self.error
        )

    @property
    def state(self) -> str:
        """``failed``, ``dry_run``, ``published`` or ``unchanged``."""
        if self.error:
            return "failed"
        if self.is_dry:
            return "dry_run"
        return "published" if self.changes or self.commands else "unchanged"

    @property
    def exit_code(self) -> int:
        """1 after a failure, 3 for a file left alone or a post without article, else 0."""
        if self.error:
            return 1
        return 3 if self.changes.left_alone or self.vanished else 0

    def as_json(self) -> dict[str, Any]:
        """Counts, paths and commands."""
        return {
            "name": self.name,
            "format": self.settings.format,
            "folder": str(self.settings.folder),
            "state": self.state,
            **self.changes.counts(),
            **self.changes.as_json(),
            "vanished_files": self.vanished,
            "commands": [one.as_json() for one in self.commands],
            "command_pending": self.is_command_pending,
            "error": self.error,
        }

    def message(self) -> str:
        """A line of counts, then a line for each file that needs attention."""
        found = self.changes
        counts = ", ".join(
            f"{count} {kind.replace('_', ' ')}" for kind, count in found.counts().items() if count
        )
        state = self.state.replace("_", " ")
        lines = [f"{self.name}: {state} in {self.settings.folder}: {counts or 'no file'}"]
        if self.is_dry:
            lines += [f"+ {path}" for path in found.written]
            lines += [f"~ {path}" for path in found.updated]
            lines += [f"> {path} to {to}" for path, to in found.moved.items()]
            lines += [f"- {path}: {why}" for path, why in found.removed.items()]
            if self.is_command_pending:
                lines += [f"$ {' '.join(one)}" for one in self.settings.command]
        lines += _cut([f"! {path} is left alone: {why}" for path, why in found.left_alone.items()])
        if self.vanished:
            lines.append(
                f"! {pluralize(len(self.vanished), 'post')} of articles that the warehouse does "
                f"not have any more, left alone, such as {self.vanished[0]}: remove them, or "
                "restore the warehouse"
            )
        lines += [f"ran `{' '.join(one.arguments)}`" for one in self.commands if not one.error]
        lines = list(map(single_line, lines))
        return "\n".join([*lines, *(f"! {line}" for line in self.error.splitlines())])


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - _MAX_LINES
    return lines[:_MAX_LINES] + ([f"! and {more} more (--json names all)"] if more > 0 else [])
