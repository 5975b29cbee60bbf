"""Which of the project's errors means which exit code; anything else is a bug."""

from __future__ import annotations

from flows.fetch import ArchiveError, FetchError
from flows.settings import ConfigurationError
from parsers.errors import ParseError
from warehouse.errors import WarehouseError


class RunFailed(Exception):
    """A run that could not do its work; the message says what to do."""


class Interrupted(Exception):
    """A run that was asked to stop; what it had committed stays."""


_CODES: tuple[tuple[type[Exception], int], ...] = (
    (ConfigurationError, 2),
    (Interrupted, 130),
    (RunFailed, 1),
    (FetchError, 1),
    (ArchiveError, 1),
    (ParseError, 1),
    (WarehouseError, 1),
    (OSError, 1),
)


def exit_code_of(error: Exception) -> int | None:
    """The exit code of an expected error; ``None`` for a bug."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), None)
