"""The digest: what needs no message at once, at most once a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from duckdb import DuckDBPyConnection

from flows.alerts.problems import URGENT, Line, finding_line
from flows.secrets.redact import redact_text
from flows.text import pluralize
from parsers.text.characters import single_line
from warehouse.records import deliveries, gaps, health
from warehouse.records.deliveries import Item
from warehouse.rows import Gap

INTERVAL = timedelta(hours=23, minutes=30)
"""Between two digests; less than a day, so that a daily run sends one each day."""

FIRST_PERIOD = timedelta(days=1)
"""How far back the first digest counts pages in quarantine."""

_QUARANTINE = """
    SELECT source, reason, count(*) FROM _store.quarantine
    WHERE resolved_at IS NULL AND first_failed_at > ?
    GROUP BY ALL ORDER BY ALL
"""


def digest_lines(
    db: DuckDBPyConnection, address: str, notes: Sequence[Line], *, at: datetime
) -> list[Line]:
    """Return the lines of a digest that is due; none when it is not, or nothing is new.

    Args:
        db: The warehouse.
        address: The address that gets it.
        notes: More lines, such as those about queries that fail.
        at: Now (UTC).
    """
    last = deliveries.last_sent_at(db, "digest", address)
    if last is not None and at - last < INTERVAL:
        return []
    findings = [one for one in health.list_findings(db) if one.row.kind not in URGENT]
    lines = [
        *(_of_digest(finding_line(finding)) for finding in findings),
        *map(_gap_line, gaps.list_gaps(db)),
        *notes,
    ]
    unsent = set(deliveries.unsent(db, [line.item for line in lines], address))
    lines = [line for line in lines if line.item in unsent]
    lines += _quarantine_lines(db, since=last or at - FIRST_PERIOD, at=at)
    if lines:
        digest = Item(kind="digest", item_id="digest")
        lines[0:0] = [Line(item=digest, text="")]
    return lines


def _of_digest(line: Line) -> Line:
    return note_line(line.item.item_id, line.item.subject, line.text)


def _gap_line(gap: Gap) -> Line:
    row = gap.row
    ends = [f"{end:%Y-%m-%d %H:%M}" if end else "unknown" for end in (row.from_at, row.to_at)]
    return note_line(
        f"gap {gap.gap_id} {gap.detected_at.isoformat()}",
        row.source,
        f"{row.source} {row.channel}: entries from {ends[0]} to {ends[1]} UTC may be missing "
        f"({row.detected_by})",
    )


def _quarantine_lines(db: DuckDBPyConnection, *, since: datetime, at: datetime) -> list[Line]:
    """Counts, not items: a page counts in the digest after its first failure."""
    return [
        note_line(
            f"quarantine {source} {reason} {at.isoformat()}",
            source,
            f"{source}: {pluralize(count, 'page or entry', 'pages or entries')} new in quarantine "
            f"({reason.replace('_', ' ')})",
        )
        for source, reason, count in db.execute(_QUARANTINE, [since]).fetchall()
    ]


def note_line(item_id: str, subject: str, text: str) -> Line:
    """A line of the digest."""
    item = Item(kind="digest_item", item_id=item_id, subject=subject)
    return Line(item=item, text=single_line(redact_text(text)))
