"""Prefect events about what a run found, for automations.

    copydesk.gap.detected      entries of a listing may have been missed
    copydesk.parse.failed      pages, entries or listings that could not be parsed; once for each
    copydesk.source.stale      a source yielded nothing, or could not be read
    copydesk.source.unhealthy  a source deviates from its normal; once for each deviation
    copydesk.source.recovered  a deviation ended

Their resource is ``copydesk.source.<slug>``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.events.schemas.events import Event
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from flows.pipeline.health.messages import finding_message
from flows.pipeline.stats import RunReport
from flows.secrets.redact import redact_url
from warehouse.records.health import Finding

MAX_ERRORS = 5


def events_of(report: RunReport) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield name, source and payload of each event of a run."""
    for stats in report.stats:
        payload = {
            "run_id": report.run_id,
            "counts": {name: count for name, count in stats.counts.items() if count},
            "errors": [redact_url(text) for text in stats.errors[:MAX_ERRORS]],
        }
        if stats.counts["gaps"]:
            yield "copydesk.gap.detected", stats.source, payload
        if stats.unalerted:
            yield "copydesk.parse.failed", stats.source, payload
        if stats.is_stale:
            yield "copydesk.source.stale", stats.source, payload
        health = stats.health
        for name, findings in (
            ("copydesk.source.unhealthy", health.opened),
            ("copydesk.source.recovered", tuple(one.row for one in health.closed)),
        ):
            if findings:
                found = [_finding(one) for one in findings]
                yield name, stats.source, payload | {"health": health.state, "findings": found}


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "kind": finding.kind,
        "channel": finding.channel,
        "field": finding.field,
        "expected": finding.expected,
        "found": redact_url(finding.found),
        "message": redact_url(finding_message(finding)),
    }


def send_events(report: RunReport) -> tuple[str, ...]:
    """Send the events of a run; return the sources whose events the server has.

    An interrupted run sends those of the sources that it finished. Events go in a request of
    their own: what Prefect's client emits in the background is lost with its server, and the
    next run would not send it again.
    """
    is_whole = report.state != "interrupted"
    sources = {stats.source for stats in report.stats if is_whole or stats.is_done}
    events = [
        {
            "event": name,
            "resource": {
                "prefect.resource.id": f"copydesk.source.{source}",
                "prefect.resource.name": source,
            },
            "payload": payload,
        }
        for name, source, payload in events_of(report)
        if source in sources
    ]
    return tuple(sources) if _post(events) else ()


def _post(events: Sequence[Mapping[str, Any]]) -> bool:
    """Post events; False if the server did not take them."""
    if not events:
        return True
    run = {
        "prefect.resource.id": f"prefect.flow-run.{flow_run.id}",
        "prefect.resource.role": "flow-run",
    }
    related = [run] if flow_run.id else []
    body = [
        Event.model_validate({**event, "related": related}).model_dump(mode="json")
        for event in events
    ]
    try:
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=body)
    except (httpx.HTTPError, PrefectException, ValueError):
        return False
    return True
