"""Deliveries: what was sent to which address, so that nothing is sent twice.

A row is added when a server accepted the message. What no row has is sent by the next run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.keys import as_uuid, key_of
from warehouse.times import utc

Kind = Literal["opened", "closed", "digest", "digest_item", "query", "query_row"]
"""What an item is: a problem, its end, a digest, a part of one, a query's start, a row of one."""

ROWS_KEPT = timedelta(days=90)
"""How long a row of a query is remembered that the query returns no more."""

_SENT = """
    SELECT k.i FROM copydesk_ids k JOIN _store.alert_deliveries d
        ON d.item_key = k.key::UUID AND d.kind = ? AND d.address_key = ?
"""
_LAST = """
    SELECT max(sent_at) FROM _store.alert_deliveries WHERE kind = ? AND address_key = ?
"""
_INSERT = """
    INSERT INTO _store.alert_deliveries
    SELECT ?, ?, k.key::UUID, k.subject, ?, ? FROM copydesk_ids k
    WHERE NOT EXISTS (SELECT 1 FROM _store.alert_deliveries d
                      WHERE d.item_key = k.key::UUID AND d.kind = ? AND d.address_key = ?)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A part of a message that is sent once to each address.

    Attributes:
        item_id: What makes it the same item in every run.
        subject: The source or the query; empty for a digest.
    """

    kind: Kind
    item_id: str
    subject: str = ""


def unsent(db: DuckDBPyConnection, items: Sequence[Item], address: str) -> list[Item]:
    """Return the items that were not sent to an address, in their order."""
    sent: set[int] = set()
    for kind in {item.kind for item in items}:
        places = [place for place, item in enumerate(items) if item.kind == kind]
        with stage.staged(db, "copydesk_ids", stage.keyed([items[i].item_id for i in places])):
            found = db.execute(_SENT, [kind, address_key(address)]).fetchall()
        sent.update(places[i] for (i,) in found)
    return [item for place, item in enumerate(items) if place not in sent]


def last_sent_at(db: DuckDBPyConnection, kind: Kind, address: str) -> datetime | None:
    """Return when an address last got an item of a kind (UTC)."""
    ((at,),) = db.execute(_LAST, [kind, address_key(address)]).fetchall()
    return utc(at)


def record_sent(
    db: DuckDBPyConnection, items: Iterable[Item], address: str, *, run_id: str, at: datetime
) -> None:
    """Store that an address has some items. The caller owns the transaction."""
    by_kind: dict[Kind, dict[str, Item]] = {}
    for item in items:
        by_kind.setdefault(item.kind, {})[item.item_id] = item
    key = address_key(address)
    for kind, named in by_kind.items():
        subjects = ([item.subject for item in named.values()], stage.TEXT)
        if kind == "digest":  # each one counts, so that the time of the last one is known
            db.execute(
                "DELETE FROM _store.alert_deliveries WHERE kind = ? AND address_key = ?",
                [kind, key],
            )
        with stage.staged(db, "copydesk_ids", stage.keyed(list(named), subject=subjects)):
            db.execute(_INSERT, [key, kind, at, run_id, kind, key])


def forget_rows(
    db: DuckDBPyConnection, query: str, current: Sequence[Item], *, at: datetime
) -> None:
    """Remove the remembered rows of a query that it has not returned for long."""
    with stage.staged(db, "copydesk_ids", stage.keyed([item.item_id for item in current])):
        db.execute(
            "DELETE FROM _store.alert_deliveries WHERE kind = 'query_row' AND subject = ? "
            "AND sent_at < ? AND item_key NOT IN (SELECT key::UUID FROM copydesk_ids)",
            [query, at - ROWS_KEPT],
        )


def address_key(address: str) -> str:
    """Return the key of an address, which holds nothing of its token."""
    return str(as_uuid(key_of(address)))
