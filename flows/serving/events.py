"""What a run found, as Prefect events that automations can react to.

copydesk.gap      a stretch may have been missed      resource copydesk.source.<slug>
copydesk.drift    pages no longer read as they did
copydesk.stall    a source yielded nothing at all, or could not be read
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.fetch import mask_url
from flows.report import Report, Tally

WORDS_KEPT = 5


def events_of(report: Report) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, source and payload of each event that a run gives rise to."""
    for tally in report.tallies:
        counts = tally.counts
        payload = {
            "run_id": report.run_id,
            "counts": {name: count for name, count in counts.items() if count},
            "problems": [mask_url(words) for words in tally.problems[:WORDS_KEPT]],
        }
        if counts["gaps"]:
            yield "copydesk.gap", tally.source, payload
        if counts["quarantined"]:
            yield "copydesk.drift", tally.source, payload
        if _is_stalled(tally):
            yield "copydesk.stall", tally.source, payload


def _is_stalled(tally: Tally) -> bool:
    return tally.is_broken or not (tally.counts["discovered"] or tally.counts["not_modified"])


def tell(report: Report) -> None:
    """Emit the run's events; a server that is away hears nothing, and nothing waits for it."""
    from prefect.events import emit_event

    if report.state == "interrupted":
        return
    for event, source, payload in events_of(report):
        resource = {
            "prefect.resource.id": f"copydesk.source.{source}",
            "prefect.resource.name": source,
        }
        emit_event(event=event, resource=resource, payload=payload)
