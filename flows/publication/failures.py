"""The error of each publication that fails, in a file beside its state until it works again.

A run that sends alerts reads it, also after ``copydesk publish`` and publications with a schedule
of their own: these never write to the warehouse.
"""

from __future__ import annotations

from pathlib import Path

from flows.atomic_file import atomic_file
from flows.pipeline.stats import RunReport
from flows.publication.result import PublicationResult
from flows.publication.state import state_file
from flows.settings import Settings


def record_result(settings: Settings, result: PublicationResult) -> None:
    """Keep the error of a publication, or remove the one that an earlier run left.

    Raises:
        OSError: The file cannot be written or removed.
    """
    file = _file(settings, result.name)
    if not result.error:
        file.unlink(missing_ok=True)
        return
    with atomic_file(file) as out:
        out.write(result.error.encode("utf-8", "replace"))


def error_of(settings: Settings, name: str) -> str:
    """The error of the last run of a publication; empty if it works, or never ran."""
    try:
        return _file(settings, name).read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"files failed:\n{error}"


def publication_errors(settings: Settings, report: RunReport) -> dict[str, str]:
    """The error of each configured publication by its name; empty for those that work.

    Args:
        settings: The configuration.
        report: Of a sync. Its errors count even if their files could not be written.
    """
    ended = {one["name"]: one["error"] for one in report.publications}
    return {name: ended.get(name) or error_of(settings, name) for name in settings.publish}


def _file(settings: Settings, name: str) -> Path:
    return state_file(settings, name).with_suffix(".error")
