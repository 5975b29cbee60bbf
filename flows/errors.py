"""The errors of ``flows``. ``flows/cli/exit_codes.py`` maps them to exit codes.

    FlowError
    ├── ConfigurationError          the configuration or a request cannot be used
    │   ├── InvalidBackfillRequest  (pipeline/date_range.py)
    │   └── UnusableParser
    ├── RunFailed                   a run could not do its work
    │   ├── PublicationLocked       (publication/publish.py)
    │   ├── ServerNotStarted
    │   └── SourceLocked            (pipeline/locks.py)
    └── Interrupted                 a run was asked to stop

``fetch`` and ``archive`` have roots of their own: ``FetchError`` and ``ArchiveError``.
"""

from __future__ import annotations


class FlowError(Exception):
    """An error that a user can act on; the message names what to do."""


class ConfigurationError(FlowError):
    """The configuration cannot be used; the message names every wrong key."""


class UnusableParser(ConfigurationError):
    """The parser of a source is in a package that cannot be used."""


class RunFailed(FlowError):
    """A run could not do its work."""


class ServerNotStarted(RunFailed):
    """The Prefect server did not start; the message holds the end of its log."""


class Interrupted(FlowError):
    """A run was asked to stop; what it committed stays."""
