"""What a run found about the health of its source, as messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from warehouse.records.health import Finding, StoredFinding

_SUBJECTS = {
    "no_entries": "the listing is empty",
    "unreadable_listing": "the listing cannot be read",
    "not_moving": "the listing stopped moving",
    "field_missing": "articles have no {field}",
    "short_bodies": "texts are shorter",
    "same_text": "articles have the same text",
    "same_canonical_url": "articles have the same canonical URL",
    "wrong_pages": "other pages take the place of articles",
    "unreadable_pages": "pages cannot be parsed",
    "low_volume": "there are fewer articles",
    "high_volume": "there are more articles",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHealth:
    """The findings of one source after one run.

    Attributes:
        state: ``ok``, ``learning``, ``warning`` or ``silent``; empty when it was not evaluated.
        opened: Deviations that this run found first.
        known: Deviations that are open since an earlier run.
        closed: Deviations that this run ended.
        alert_only_new: A scheduled run does not report known deviations again.
    """

    state: str = ""
    opened: tuple[Finding, ...] = ()
    known: tuple[StoredFinding, ...] = ()
    closed: tuple[StoredFinding, ...] = ()
    alert_only_new: bool = True

    @property
    def warnings(self) -> list[str]:
        """The deviations that need attention, and those that ended."""
        found = [finding_message(one) for one in self.opened]
        if not self.alert_only_new:
            found += [
                f"{finding_message(one.row)} (since {one.opened_at:%Y-%m-%d %H:%M} UTC)"
                for one in self.known
            ]
        return found + [f"normal again: {subject(one.row)}" for one in self.closed]

    @property
    def needs_attention(self) -> bool:
        """Whether there is a deviation, in a scheduled run a new one."""
        return bool(self.opened or (self.known and not self.alert_only_new))


def subject(finding: Finding) -> str:
    """What deviates, with its channel."""
    text = _SUBJECTS[finding.kind].format(field=finding.field.replace("_", " "))
    return f"{text} in channel {finding.channel}" if finding.channel else text


def finding_message(finding: Finding) -> str:
    """What deviates, what was expected, and what was found."""
    message = f"{subject(finding)}: expected {finding.expected}, found {finding.found}"
    since = finding.since
    return f"{message}; last normal {since:%Y-%m-%d %H:%M} UTC" if since else message


def finding_json(stored: StoredFinding) -> dict[str, Any]:
    """A finding for JSON documents and events."""
    row = stored.row
    return {
        "finding_id": stored.finding_id,
        "source": row.source,
        "channel": row.channel,
        "kind": row.kind,
        "field": row.field,
        "expected": row.expected,
        "found": row.found,
        "since": _iso(row.since),
        "opened_at": _iso(stored.opened_at),
        "closed_at": _iso(stored.closed_at),
        "message": finding_message(row),
    }


def _iso(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()
