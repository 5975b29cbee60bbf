"""Problems that need a message at once, and their ends.

Sources that broke or went silent, and publications that fail. A publication has one outage for
each cause: the first line of its error. So each cause is sent once until the publication works.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from duckdb import DuckDBPyConnection

from flows.pipeline.health.messages import finding_message, subject
from flows.pipeline.stats import SourceStats
from flows.secrets.redact import redact_text
from flows.text import humanize_duration
from parsers.text.characters import single_line
from warehouse.records import deliveries, health, outages
from warehouse.records.deliveries import Item
from warehouse.records.health import ACCEPTED, StoredFinding
from warehouse.records.outages import Outage

URGENT = frozenset({"no_entries", "not_moving", "unreadable_listing", "unreadable_pages"})
"""Kinds of findings that mean a source is broken or silent; the digest has the others."""

CLOSED_WITHIN = timedelta(days=30)
"""How long a delivery of the end of a problem is tried again."""

_OF_LISTINGS = frozenset({"no_entries", "not_moving", "unreadable_listing"})
_MAX_LINE = 500
_SAME_LENGTH = 80
_PUBLICATION = "publication "
"""Begins the source of an outage of a publication; no source has a name with a space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a message, and the item that it reports."""

    item: Item
    text: str


def record_outages(
    db: DuckDBPyConnection, stats: Sequence[SourceStats], *, run_id: str, at: datetime
) -> None:
    """Open and close the outages of the sources of a run that has ended.

    A source that another run has, or that was erased, is neither broken nor read.
    """
    for one in stats:
        if one.is_locked:
            continue
        if one.is_stale and one.errors:
            reason = redact_text(one.errors[0])
            outages.record_failure(db, one.source, reason, run_id=run_id, at=at)
        elif not one.is_stale:
            outages.record_success(db, one.source, run_id=run_id, at=at)


def record_publications(
    db: DuckDBPyConnection, errors: Mapping[str, str], *, run_id: str, at: datetime
) -> None:
    """Open and close the outages of publications.

    Args:
        db: The warehouse.
        errors: Of each configured publication; empty for those that work.
        run_id: The run that reports them.
        at: Now (UTC).
    """
    for name, error in errors.items():
        if error:
            cause = error.partition("\n")[0].rstrip(":")
            source = redact_text(f"{_PUBLICATION}{name}: {cause}")
            outages.record_failure(db, source, redact_text(error), run_id=run_id, at=at)
    for one in outages.list_outages(db):
        name = _subject(one).removeprefix(_PUBLICATION)
        if one.source.startswith(_PUBLICATION) and not errors.get(name):
            # A publication that is configured no more ends without a message.
            closed_by = run_id if name in errors else ACCEPTED
            outages.record_success(db, one.source, run_id=closed_by, at=at)


def pending_problems(
    db: DuckDBPyConnection, address: str, *, at: datetime
) -> tuple[list[Line], list[Line]]:
    """Return the problems, and the ends of problems, that an address does not know yet.

    The end of a problem is sent only to an address that got the problem.
    """
    since = at - CLOSED_WITHIN
    found = outages.list_outages(db, closed_since=since)
    findings = [one for one in health.list_findings(db) if one.row.kind in URGENT]
    broken = {one.source for one in found if not one.closed_at}
    opened = [
        *(_outage_line(one) for one in found if not one.closed_at),
        *(finding_line(one) for one in findings if not _is_implied(one, broken)),
    ]
    ended = [
        *(_outage_line(one) for one in found if one.closed_at and one.closed_by != ACCEPTED),
        *(
            finding_line(one)
            for one in health.list_findings(db, is_closed=True)
            if one.row.kind in URGENT and one.closed_by != ACCEPTED
            if one.closed_at and one.closed_at >= since
        ),
    ]
    known = {line.item.item_id for line in reported(db, list(map(finding_line, findings)), address)}
    same = {
        _outage_id(outage)
        for outage in found
        for one in findings
        if _finding_id(one) in known and _is_same(one, outage)
    }
    opened = [line for line in opened if line.item.item_id not in same]
    return (
        _unsent(db, opened, address),
        _unsent(db, reported(db, ended, address), address),
    )


def _is_implied(finding: StoredFinding, broken: Collection[str]) -> bool:
    """Whether the outage of its source explains a finding."""
    return finding.row.source in broken and finding.row.kind in _OF_LISTINGS


def _is_same(finding: StoredFinding, outage: Outage) -> bool:
    """Whether an outage has the error of a finding: the only listing cannot be parsed."""
    row = finding.row
    is_listing = row.kind == "unreadable_listing" and row.source == outage.source
    return is_listing and row.found[:_SAME_LENGTH] in outage.reason


def reported(db: DuckDBPyConnection, lines: Sequence[Line], address: str) -> list[Line]:
    """Return the lines about the ends of those problems that an address got."""
    items = [Item(kind="opened", item_id=line.item.item_id) for line in lines]
    unsent = {item.item_id for item in deliveries.unsent(db, items, address)}
    return [line for line in lines if line.item.item_id not in unsent]


def finding_line(finding: StoredFinding) -> Line:
    """The line about a finding, or about its end."""
    row = finding.row
    item_id = _finding_id(finding)
    if finding.closed_at:
        text = f"{row.source}: normal again: {subject(row)}"
        return _line("closed", item_id, row.source, text)
    return _line("opened", item_id, row.source, f"{row.source}: {finding_message(row)}")


def _outage_line(outage: Outage) -> Line:
    item_id, name = _outage_id(outage), _subject(outage)
    is_publication = outage.source.startswith(_PUBLICATION)
    if outage.closed_at:
        lasted = humanize_duration((outage.closed_at - outage.opened_at).total_seconds())
        text = f"{name}: its listings can be read again, after {lasted}"
        if is_publication:
            text = f"{name}: works again, after {lasted}. Before: {outage.source[len(name) + 2 :]}"
        return _line("closed", item_id, name, text)
    if is_publication:
        first, *others = outage.reason.split("\n")
        return _line("opened", item_id, name, f"{name}: {first}", *others)
    text = f"{name}: no listing can be read. {outage.reason}"
    return _line("opened", item_id, name, text)


def _subject(outage: Outage) -> str:
    """The source, or the publication without the cause."""
    return outage.source.partition(": ")[0]


def _finding_id(finding: StoredFinding) -> str:
    return f"finding {finding.finding_id}"


def _outage_id(outage: Outage) -> str:
    return f"outage {outage.outage_id}"


def _line(kind: deliveries.Kind, item_id: str, name: str, *texts: str) -> Line:
    """A line about a source or publication; more texts are indented below it."""
    texts = tuple(single_line(redact_text(text)) for text in texts)
    cut = [text if len(text) <= _MAX_LINE else f"{text[: _MAX_LINE - 1]}…" for text in texts]
    item = Item(kind=kind, item_id=item_id, subject=name)
    return Line(item=item, text="\n  ".join(cut))


def _unsent(db: DuckDBPyConnection, lines: Sequence[Line], address: str) -> list[Line]:
    left = set(deliveries.unsent(db, [line.item for line in lines], address))
    return [line for line in lines if line.item in left]
