"""What of Prefect's own events a run tells its server, which keeps each with eight indexes.

An event costs the server's database 4 to 9 KB. Left untold are those that nobody reads:

    prefect.flow-run.heartbeat                  runs of dead processes are found by their notes
                                                (claims.py); told where somebody set how often
    prefect.artifact.created, .updated          a progress bar's would come every two seconds;
                                                artifacts themselves are shown from elsewhere
    prefect.task-run.Pending                    the moment before prefect.task-run.Running

The other events of a task run, and the lineage, name the flow run that they belong to, and
not its flow, deployment and tags beside it once more: those are the flow run's.
"""

from __future__ import annotations

from prefect.events import Event
from prefect.events.clients import EventsClient, PrefectEventsClient
from prefect.settings import get_current_settings

HEARTBEAT = "prefect.flow-run.heartbeat"
UNTOLD = frozenset(
    {"prefect.artifact.created", "prefect.artifact.updated", "prefect.task-run.Pending"}
)
_THINNED = ("prefect.task-run.", "prefect.asset.")
# A task run's inputs and the flow run it is recorded under; an asset's origin and its tool.
_KEPT_ROLES = frozenset({"flow-run", "task-run", "asset", "asset-materialized-by"})


def spared(event: Event) -> Event | None:
    """What is told of an event; ``None`` when nothing is."""
    if event.event in UNTOLD or (event.event == HEARTBEAT and not _are_heartbeats_wanted()):
        return None
    if not event.event.startswith(_THINNED):
        return event
    related = [one for one in event.related if one.role in _KEPT_ROLES]
    return event.model_copy(update={"related": related})


def _are_heartbeats_wanted() -> bool:
    """Whether somebody said how often they shall come: PREFECT_FLOWS_HEARTBEAT_FREQUENCY."""
    return "heartbeat_frequency" in get_current_settings().flows.model_fields_set


def tell_less() -> None:
    """Have this process tell servers of its events only what ``spared`` leaves of them.

    Prefect emits nothing through a client that is not one of its own classes, so its own is
    changed. Should a later Prefect call another method, everything is told again, no more.
    """
    tell = PrefectEventsClient.emit
    if tell.__module__ == __name__:
        return

    async def emit(self: EventsClient, event: Event) -> None:
        if (told := spared(event)) is not None:
            await tell(self, event=told)

    PrefectEventsClient.emit = emit  # type: ignore[method-assign]
