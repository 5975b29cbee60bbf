"""How a process that ran a flow ends: it tells Prefect what it has to tell, but not for ever.

Events and log lines go to the server from threads of Prefect's own. At the end of the
process these are waited for; with the server gone, each event is tried eleven times, most
of them a second apart, so that the process of a run that stored everything stayed for a
minute and more.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

DRAIN_SECONDS = 5.0
INTERRUPTED = 130
ATTEMPTS = 2
"""Tries to reach the server again for an event; beyond two, Prefect sleeps between them."""


def give_up_soon() -> None:
    """Have events of this process tried thrice at once, and then left untold.

    Unconfirmed events are sent again when the server is back, however often they were
    tried: only what is left when the process ends is lost, and none of it is an article.
    """
    from prefect.events.clients import PrefectEventsClient
    from prefect.events.worker import EventsWorker, emit_events_to_cloud
    from prefect.settings import PREFECT_API_URL

    from flows.serving.thrift import tell_less

    if PREFECT_API_URL.value() and not emit_events_to_cloud():
        EventsWorker.set_client_override(PrefectEventsClient, reconnection_attempts=ATTEMPTS)
        tell_less()


def drain(seconds: float = DRAIN_SECONDS) -> bool:
    """Send what Prefect still has to tell; False when it could not be sent in time."""
    if "prefect" not in sys.modules:
        return True
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    is_done = True
    for worker in (APILogWorker, EventsWorker):
        found = worker.drain_all(timeout=seconds)
        is_done = is_done and isinstance(found, tuple) and not found[1]
    return is_done


def leave(code: int, *, seconds: float = DRAIN_SECONDS) -> NoReturn:
    """End this process, in twice these seconds at most.

    Python would wait for Prefect's threads for as long as they try. After an interruption it
    would end threads in the middle of DuckDB's work, which ends in an abort.
    """
    with suppress(KeyboardInterrupt):
        if drain(seconds) and code != INTERRUPTED:
            sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
