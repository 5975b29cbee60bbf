"""What a run found, as Prefect events that automations can react to.

copydesk.gap      a stretch may have been missed      resource copydesk.source.<slug>
copydesk.drift    pages no longer read as they did; once for each page, line and listing
copydesk.stall    a source yielded nothing at all, or could not be read

and, of a source that brought something, its lineage in the form of Prefect's own assets:
prefect.asset.materialization.succeeded    resource copydesk://articles/<slug>, from its address
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flows.fetch import redact_url
from flows.pipeline.stats import RunReport, SourceStats
from flows.serving.health import UNANSWERED, impatient
from flows.settings import Settings
from parsers.model import Source

WORDS_KEPT = 5
MADE = ("new", "updated", "duplicate")


def events_of(report: RunReport) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, source and payload of each event that a run gives rise to."""
    for stats in report.stats:
        counts = stats.counts
        payload = {
            "run_id": report.run_id,
            "counts": {name: count for name, count in counts.items() if count},
            "problems": [redact_url(words) for words in stats.errors[:WORDS_KEPT]],
        }
        if counts["gaps"]:
            yield "copydesk.gap", stats.source, payload
        if stats.unalerted:
            yield "copydesk.drift", stats.source, payload
        if _is_stalled(stats):
            yield "copydesk.stall", stats.source, payload


def _is_stalled(stats: SourceStats) -> bool:
    if stats.is_locked:
        return False
    return stats.is_broken or not (stats.counts["discovered"] or stats.counts["not_modified"])


def materialized(report: RunReport, settings: Settings) -> Iterator[dict[str, Any]]:
    """Of each source that brought something: its articles as an asset made from its address.

    What ``@materialize`` would send, without a task run for it: one event, and none where
    nothing is new. Prefect's open-source server keeps them as events and no more.
    """
    for stats in report.stats:
        made = {name: stats.counts[name] for name in MADE if stats.counts[name]}
        if made and stats.source in settings.sources:
            origin = {"prefect.resource.id": _address(settings.source(stats.source))}
            yield {
                "event": "prefect.asset.materialization.succeeded",
                "resource": {
                    "prefect.resource.id": f"copydesk://articles/{stats.source}",
                    "prefect.resource.name": f"articles of {stats.source}",
                },
                "related": [origin | {"prefect.resource.role": "asset"}],
                "payload": {"run_id": report.run_id, **made},
            }


def _address(source: Source) -> str:
    given = source.options.get("url") or source.options.get("base_url") or ""
    return redact_url(str(given)).split("?")[0] or f"copydesk://pages/{source.slug}"


def tell(report: RunReport, settings: Settings) -> tuple[str, ...]:
    """Tell the server the run's events; the sources of which it has heard all there is.

    Of a run that was interrupted those sources are told that were done. Alerts are handed
    over by a request of their own: what Prefect's client emits may be lost with its server,
    and nobody would know.
    """
    from prefect.events import emit_event

    report = replace(report, stats=tuple(_over(report)))
    for asset in materialized(report, settings):
        emit_event(**asset)
    alerts: list[dict[str, Any]] = [
        {
            "event": event,
            "resource": {
                "prefect.resource.id": f"copydesk.source.{source}",
                "prefect.resource.name": source,
            },
            "payload": payload,
        }
        for event, source, payload in events_of(report)
    ]
    if alerts and not hand_over(alerts):
        for alert in alerts:
            emit_event(**alert)  # it may be back in time
        return ()
    return tuple(stats.source for stats in report.stats)


def _over(report: RunReport) -> Iterator[SourceStats]:
    is_whole = report.state != "interrupted"
    return (stats for stats in report.stats if is_whole or stats.is_done)


def hand_over(alerts: Sequence[Mapping[str, Any]]) -> bool:
    """Have the server take events; whether it did."""
    from prefect.client.orchestration import get_client
    from prefect.events.schemas.events import Event
    from prefect.exceptions import PrefectException
    from prefect.runtime import flow_run

    related = [
        {
            "prefect.resource.id": f"prefect.flow-run.{flow_run.id}",
            "prefect.resource.role": "flow-run",
        }
    ]
    events = [
        Event.model_validate({**alert, "related": related if flow_run.id else []})
        for alert in alerts
    ]
    try:
        with impatient(), get_client(sync_client=True) as client:
            client.request("POST", "/events", json=[one.model_dump(mode="json") for one in events])
    except (*UNANSWERED, PrefectException):
        return False
    return True
