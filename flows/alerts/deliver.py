"""The alerts of a run: collect what each address does not know, send it, remember what arrived.

An item is marked when a server accepted the message that has it. What was not accepted, the
next run sends. A process that is killed between the two sends its message again. One lock keeps
two runs from sending the same item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from flows.alerts import digest, problems
from flows.alerts.messages import Content, compose
from flows.alerts.problems import Line
from flows.alerts.queries import QueryRow, SavedResult, run_queries
from flows.alerts.send import Address, Message, SendResult, addresses_of, send
from flows.errors import Interrupted
from flows.pipeline import locks
from flows.pipeline.run import RunContext
from flows.settings import Settings
from warehouse.errors import WarehouseError
from warehouse.keys import key_of
from warehouse.records import deliveries
from warehouse.records.deliveries import Item

LOCK = "alert delivery"
LOCK_SECONDS = 90.0
"""How long a run waits while another one sends; longer than a message may take."""

TEST = Message(
    title="copydesk: test message",
    body="This is a test. copydesk sends alerts about its sources to this address.",
    urgency="info",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outbox:
    """What one address does not know yet.

    Attributes:
        silent: Rows of queries that run for the first time: they are remembered and not sent.
    """

    address: Address
    content: Content
    silent: Sequence[Item]


def send_alerts(run: RunContext, publication_errors: Mapping[str, str]) -> None:
    """Send the alerts of a run that stored its end and published its snapshot.

    A failure is a message of the run, and never its result.

    Args:
        run: The run.
        publication_errors: Of each configured publication; empty for those that work.
    """
    addresses = addresses_of(run.settings.alerts.to)
    if not addresses or run.is_dry or run.is_stopping:
        return
    notify = run.environment.notify
    try:
        with locks.acquire(
            run.settings,
            LOCK,
            flow="alerts",
            run_id=run.id,
            wait_seconds=LOCK_SECONDS,
            stop=run.environment.stop,
        ):
            results = _deliver(run, addresses, publication_errors)
    except locks.SourceLocked:
        notify("alerts: another run is sending; the next run sends the rest")
        return
    except Interrupted:
        return
    except (WarehouseError, OSError) as error:
        notify(f"alerts: {error}. The next run sends them")
        return
    for result in results:
        if not result.is_accepted:
            notify(f"alerts: {result}. The next run sends it again")


def send_test(settings: Settings) -> list[SendResult]:
    """Send a test message to every address."""
    return send([(address, TEST) for address in addresses_of(settings.alerts.to)])


def _deliver(
    run: RunContext, addresses: Sequence[Address], publication_errors: Mapping[str, str]
) -> list[SendResult]:
    queries = run_queries(run.settings)
    for query in queries:
        if query.error:
            run.environment.notify(f"alerts: query {query.name} failed: {query.error}")
    with run.writing() as db:
        now = datetime.now(UTC)
        stats = list(run.stats.values()) if run.flow == "sync" else []
        problems.record_outages(db, stats, run_id=run.id, at=now)
        problems.record_publications(db, publication_errors, run_id=run.id, at=now)
        outboxes = [_outbox(db, address, queries, at=now) for address in addresses]
        for box in outboxes:
            deliveries.record_sent(db, box.silent, box.address.text, run_id=run.id, at=now)
        for query in queries:
            if not query.error:
                rows = [row.item for row in query.rows]
                deliveries.forget_rows(db, query.name, rows, at=now)
    full = [box for box in outboxes if box.content]
    results = send([(box.address, compose(box.content)) for box in full])
    accepted = {result.address for result in results if result.is_accepted}
    if accepted:
        with run.writing() as db:
            for box in full:
                if box.address in accepted:
                    items = box.content.items
                    deliveries.record_sent(
                        db, items, box.address.text, run_id=run.id, at=datetime.now(UTC)
                    )
    return results


def _outbox(
    db: DuckDBPyConnection, address: Address, queries: Sequence[SavedResult], *, at: datetime
) -> _Outbox:
    opened, ended = problems.pending_problems(db, address.text, at=at)
    rows: dict[str, Sequence[QueryRow]] = {}
    silent: list[Item] = []
    for query in queries:
        if query.error:
            continue
        if deliveries.unsent(db, [query.start], address.text):
            silent += [query.start, *(row.item for row in query.rows)]
            continue
        left = set(deliveries.unsent(db, [row.item for row in query.rows], address.text))
        if new := [row for row in query.rows if row.item in left]:
            rows[query.name] = new
    failed = [_failed_query(query) for query in queries if query.error]
    content = Content(
        problems=opened,
        ended=ended,
        rows=rows,
        digest=digest.digest_lines(db, address.text, failed, at=at),
    )
    return _Outbox(address=address, content=content, silent=silent)


def _failed_query(query: SavedResult) -> Line:
    item_id = f"query {key_of(query.start.item_id, query.error).hex()}"
    text = f"query {query.name} of [alerts.queries] fails: {query.error.splitlines()[0]}"
    return digest.note_line(item_id, query.name, text)
