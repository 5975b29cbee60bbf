"""Publish several publications, one after the other: the work of ``copydesk publish``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from flows.errors import ConfigurationError, Interrupted, RunFailed
from flows.pipeline.run import RunContext
from flows.pipeline.stats import RunReport
from flows.publication.failures import error_of, record_result
from flows.publication.publish import PublicationLocked, publish
from flows.publication.result import PublicationResult
from flows.settings import Settings
from warehouse.errors import WarehouseError

_FAILED, _WARNINGS = 1, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """The results of some publications."""

    results: tuple[PublicationResult, ...]

    @property
    def exit_code(self) -> int:
        """1 if one failed, 3 if one left something alone, else 0."""
        codes = {one.exit_code for one in self.results}
        return next((code for code in (_FAILED, _WARNINGS) if code in codes), 0)

    @property
    def errors(self) -> list[str]:
        """The error of each publication that failed."""
        return [f"{one.name}: {one.error}" for one in self.results if one.error]

    def as_json(self) -> dict[str, Any]:
        """One document for all."""
        return {"publications": [one.as_json() for one in self.results], "errors": self.errors}

    def message(self) -> str:
        """The messages of all."""
        return "\n".join(one.message() for one in self.results)


def publish_all(
    settings: Settings,
    names: Iterable[str],
    *,
    dry_run: bool = False,
    is_strict: bool = False,
    is_stopping: Callable[[], bool] = lambda: False,
    notify: Callable[[str], None] = lambda _text: None,
) -> PublishReport:
    """Publish some publications; one that fails does not stop the others.

    Any other exception is a crash: it is recorded for the alerts, also of a dry run, and raised.

    Args:
        settings: The configuration.
        names: Of the publications.
        dry_run: Change nothing.
        is_strict: Raise an error of the configuration, and that another run publishes.
        is_stopping: Ends the work when it returns true.
        notify: Called with messages about waits.

    Raises:
        ConfigurationError: A publication cannot be used as it is configured.
        PublicationLocked: Another run publishes it.
        Interrupted: ``is_stopping`` returned true; the next run continues.
    """
    results = []
    for name in names:
        try:
            result = publish(
                settings, name, dry_run=dry_run, is_stopping=is_stopping, notify=notify
            )
        except PublicationLocked as error:
            if is_strict:
                raise
            notify(f"{error}. The next sync publishes")
            continue
        except (ConfigurationError, RunFailed, WarehouseError, OSError) as error:
            if isinstance(error, ConfigurationError) and is_strict:
                raise
            text = f"files failed:\n{error}" if isinstance(error, OSError) else str(error)
            result = PublicationResult(
                name=name, settings=settings.publish[name], is_dry=dry_run, error=text
            )
        except Interrupted:
            raise
        except Exception as error:  # the alerts need it, whatever it is
            text = f"the run crashed:\n{error!r}"
            crash = PublicationResult(name=name, settings=settings.publish[name], error=text)
            _record(settings, crash, notify)
            raise
        if not dry_run:
            _record(settings, result, notify)
        results.append(result)
    return PublishReport(results=tuple(results))


def _record(settings: Settings, result: PublicationResult, notify: Callable[[str], None]) -> None:
    try:
        record_result(settings, result)
    except OSError as error:
        notify(f"{result.name}: the next alerts may not have its result: {error}")


def due_after_sync(settings: Settings, report: RunReport) -> list[str]:
    """The publications that follow a sync.

    These have no schedule of their own, and the run read one of their sources.
    """
    read = {one.source for one in report.stats if not (one.is_broken or one.is_locked)}
    if report.state == "interrupted" or not read:
        return []
    return [
        name
        for name, one in settings.publish.items()
        if not one.schedule and (not one.sources or read & set(one.sources))
    ]


def publish_after_sync(run: RunContext, report: RunReport) -> RunReport:
    """Run the publications that follow a sync; return its report with theirs."""
    notify, stop = run.environment.notify, run.environment.stop
    names = due_after_sync(run.settings, report)
    try:
        done = publish_all(run.settings, names, is_stopping=stop.is_set, notify=notify)
    except Interrupted as error:
        notify(str(error))
        return replace(report, state="interrupted")
    return with_publications(report, done)


def with_work(settings: Settings, names: Iterable[str]) -> list[str]:
    """The publications that have something to do, by a dry run of each, or that failed before."""
    found = publish_all(settings, names, dry_run=True).results
    return [one.name for one in found if one.has_work or error_of(settings, one.name)]


def with_publications(report: RunReport, published: PublishReport) -> RunReport:
    """The report of a sync with what followed it; a publication that fails makes it fail.

    A publication that found nothing to do is left out.
    """
    found = PublishReport(results=tuple(one for one in published.results if one.has_work))
    state = report.state
    if found.exit_code == _FAILED:
        state = "failed"
    elif found.exit_code and state == "completed":
        state = "completed_with_warnings"
    shown = tuple(one.as_json() for one in found.results)
    return replace(report, state=state, publications=shown)
