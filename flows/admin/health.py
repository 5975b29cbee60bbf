"""The health of the sources, read from the snapshot; and the acceptance of new values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from flows import schedules
from flows.archive import BucketStore, open_store
from flows.archive.stores import Waiting
from flows.callbacks import Notify
from flows.pipeline.health.messages import finding_json, finding_message
from flows.pipeline.restore import require_warehouse
from flows.pipeline.snapshot import current_snapshot
from flows.settings import Settings, source_schedules
from flows.text import humanize_duration
from warehouse import connect_read_only, db
from warehouse.care import snapshot
from warehouse.errors import NotFound
from warehouse.records import health
from warehouse.records.health import SourceHealth, StoredFinding

UNHEALTHY = frozenset({"warning", "silent", "failing", "overdue"})
COVERAGE_DAYS = 30
MAX_WAITING_SECONDS = 3600.0
"""A file of the archive that waits longer for its upload needs attention."""

OVERDUE_SLACK = timedelta(days=1)
"""Some operators keep the schedule of the configuration and start syncs less often themselves."""

_RUNS = """
    SELECT source,
           max(ended_at) FILTER (state IN ('completed', 'completed_with_warnings')),
           max_by(state, started_at) FILTER (state <> 'running')
    FROM _store.runs WHERE flow = 'sync' GROUP BY source
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """One source against its normal.

    Attributes:
        state: ``ok``, ``learning``, ``warning`` (a deviation), ``silent`` (no new article for
            longer than normal), ``failing`` (its last sync failed), ``overdue`` (its schedule
            did not run) or ``no_run``.
        health: After its last sync; ``None`` before the first.
        provenance: Per field, how the articles of the last days got it, and how often.
        findings: The open ones.
    """

    source: str
    state: str
    last_success_at: datetime | None
    health: SourceHealth | None
    provenance: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    findings: tuple[StoredFinding, ...] = ()

    @property
    def is_unhealthy(self) -> bool:
        """Whether an operator has to look at the source."""
        return self.state in UNHEALTHY

    @property
    def coverage(self) -> dict[str, float]:
        """Per field, the share of the last articles that have it."""
        return dict(json.loads(self.health.coverage)) if self.health else {}

    def as_row(self, now: datetime) -> dict[str, Any]:
        """A row of the table."""
        one = self.health
        return {
            "source": self.source,
            "state": self.state,
            "last_success": _minute(self.last_success_at),
            "last_new": _minute(one.last_new_at) if one else "",
            "no_new_for": _freshness(one, now) if one else "",
            "new_in_7_days": _volume(one) if one else "",
            "fields": ", ".join(
                f"{name} {100 * share:.0f} %"
                for name, share in self.coverage.items()
                if 0 < share < 1
            ),
        }

    def lines(self) -> list[str]:
        """What the table has no room for: deviations, and what is still needed."""
        lines = [f"! {self.source}: {finding_message(one.row)}" for one in self.findings]
        if self.state == "failing":
            lines.append(f"! {self.source}: its last sync failed: `copydesk sync {self.source}`")
        if self.state == "overdue":
            lines.append(
                f"! {self.source}: its schedule did not run: check `copydesk serve` or the timer"
            )
        if self.health and self.health.learning:
            lines.append(f"{self.source} is learning its normal: {'; '.join(self.health.learning)}")
        return lines

    def as_json(self, now: datetime) -> dict[str, Any]:
        """The JSON of a source."""
        one = self.health
        return {
            "source": self.source,
            "state": self.state,
            "last_success_at": _iso(self.last_success_at),
            "last_new_article_at": _iso(one.last_new_at) if one else None,
            "silence_seconds": _silence(one, now) if one else None,
            "normal_silence_seconds": one.silence_limit_seconds if one else None,
            "new_articles_7_days": one.new_in_7_days if one else None,
            "normal_articles_7_days": one.normal_in_7_days if one else None,
            "coverage": self.coverage,
            "provenance": {name: dict(found) for name, found in self.provenance.items()},
            "learning": list(one.learning) if one else [],
            "findings": [finding_json(finding) for finding in self.findings],
        }


def report(
    settings: Settings, *, source: str | None = None, now: datetime | None = None
) -> list[SourceReport]:
    """Each configured source, or one, against its normal.

    Raises:
        ConfigurationError: There is no such source.
        WarehouseMissing: No snapshot was published yet.
    """
    names = [one.slug for one in settings.selected_sources((source,) if source else ())]
    path = current_snapshot(settings).path
    with connect_read_only(path) as store:
        return report_of(store, settings, names, now=now)


def report_of(
    store: DuckDBPyConnection,
    settings: Settings,
    names: Sequence[str],
    *,
    now: datetime | None = None,
) -> list[SourceReport]:
    """Each of some configured sources against its normal, from an open snapshot."""
    now = now or datetime.now(UTC)
    runs = {name: (at, state) for name, at, state in store.execute(_RUNS).fetchall()}
    return [_report(store, settings, name, runs.get(name), now) for name in names]


def waiting_uploads(settings: Settings) -> Waiting | None:
    """The archive files that wait for their upload; ``None`` without a bucket.

    Raises:
        ConfigurationError: The bucket cannot be used.
    """
    archive = open_store(settings.archive)
    return archive.waiting() if isinstance(archive, BucketStore) else None


def accept(settings: Settings, source: str, *, notify: Notify) -> list[StoredFinding]:
    """Accept the present values of a source as its normal, and publish the snapshot.

    Its open findings are closed, and it learns its normal again from now on.

    Raises:
        ConfigurationError: There is no such source.
        NotFound: The source has no statistics.
        WarehouseMissing: There is no warehouse.
    """
    zone = settings.sources[settings.source(source).slug].time_zone
    require_warehouse(settings)
    at, warehouse = datetime.now(UTC), settings.warehouse
    wait = warehouse.lock_timeout_seconds
    with db.connect(warehouse.location, wait_seconds=wait, notify=notify) as store:
        with db.transaction(store, wait_seconds=wait):
            if not health.channel_states(store, source):
                raise NotFound(
                    f"{source} has no statistics yet: `copydesk sync {source}` makes them"
                )
            closed = health.list_findings(store, source=source)
            health.accept(store, source, at=at, day=at.astimezone(ZoneInfo(zone)).date())
        snapshot.publish(store, warehouse.snapshot)
    return closed


def _report(
    store: DuckDBPyConnection,
    settings: Settings,
    name: str,
    run: tuple[datetime | None, str | None] | None,
    now: datetime,
) -> SourceReport:
    last_success, last_state = run or (None, None)
    found = health.source_health(store, name)
    zone = ZoneInfo(settings.sources[name].time_zone)
    last = found.evaluated_at if found else now
    from_day = last.astimezone(zone).date() - timedelta(days=COVERAGE_DAYS)
    return SourceReport(
        source=name,
        state=_state(settings, name, found, last_state, last_success, now),
        last_success_at=last_success,
        health=found,
        provenance=_provenance(
            [one.fields for one in health.channel_days(store, name, from_day=from_day)]
        ),
        findings=tuple(health.list_findings(store, source=name)),
    )


def _state(
    settings: Settings,
    name: str,
    found: SourceHealth | None,
    last_state: str | None,
    last_success: datetime | None,
    now: datetime,
) -> str:
    if last_state is None:
        return "no_run"
    if last_state in ("failed", "crashed"):
        return "failing"
    if found is None:
        return "learning"
    if found.state in UNHEALTHY:
        return found.state
    schedule = source_schedules(settings).get(name)
    if schedule and last_success:
        due = schedules.next_time(schedule, last_success)
        if due is not None and due + OVERDUE_SLACK < now:
            return "overdue"
    return found.state


def _provenance(texts: Sequence[str]) -> dict[str, dict[str, int]]:
    total: dict[str, dict[str, int]] = {}
    for text in texts:
        for name, value in json.loads(text).items():
            origins = total.setdefault(name, {})
            for origin, count in value["from"].items():
                origins[origin] = origins.get(origin, 0) + count
    return total


def _silence(one: SourceHealth, now: datetime) -> int | None:
    return None if one.last_new_at is None else int((now - one.last_new_at).total_seconds())


def _freshness(one: SourceHealth, now: datetime) -> str:
    seconds = _silence(one, now)
    if seconds is None:
        return ""
    normal = one.silence_limit_seconds
    limit = "unknown" if normal is None else _duration(normal)
    return f"{_duration(seconds)} (normal: {limit})"


def _duration(seconds: float) -> str:
    days = seconds / 86_400
    return f"{days:.0f} days" if days >= 2 else humanize_duration(seconds)


def _volume(one: SourceHealth) -> str:
    normal = "unknown" if one.normal_in_7_days is None else f"{one.normal_in_7_days:.0f}"
    return f"{one.new_in_7_days} (normal: {normal})"


def _minute(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
