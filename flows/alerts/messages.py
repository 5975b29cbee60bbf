"""The message of a run: problems, their ends, new rows of queries and the digest, in this order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from flows.alerts.problems import Line
from flows.alerts.queries import QueryRow
from flows.alerts.send import Message, Urgency
from flows.text import pluralize
from warehouse.records.deliveries import Item

MAX_LINES = 20
"""Of each part of a message."""

_MENTION = re.compile(r"(?<!\w)@(?=(?:everyone|here|channel|all)\b)|<(?=[!@#])", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What an address does not know yet.

    Attributes:
        ended: Ends of problems.
        rows: New rows by the name of their query.
        digest: Lines of a digest that is due; a line without text only marks it as sent.
    """

    problems: Sequence[Line] = ()
    ended: Sequence[Line] = ()
    rows: dict[str, Sequence[QueryRow]] = field(default_factory=dict)
    digest: Sequence[Line] = ()

    def __bool__(self) -> bool:
        return bool(self.problems or self.ended or self.rows or self.digest)

    @property
    def items(self) -> list[Item]:
        """Every item that the message reports."""
        lines = [line.item for line in (*self.problems, *self.ended, *self.digest)]
        return lines + [row.item for rows in self.rows.values() for row in rows]


def compose(content: Content) -> Message:
    """One message in plain English."""
    digest = [line.text for line in content.digest if line.text]
    parts = [
        _part("Problems", [line.text for line in content.problems], "copydesk health"),
        _part("Normal again", [line.text for line in content.ended], "copydesk health"),
        *(
            _part(f"New rows of {name}", [row.text for row in rows], "copydesk query")
            for name, rows in content.rows.items()
        ),
        _part("Since the last digest", digest, "copydesk gaps, copydesk quarantine list"),
    ]
    urgency: Urgency = "info"
    if content.problems:
        urgency = "warning"
    elif content.ended:
        urgency = "success"
    return Message(
        title=_without_mentions(f"copydesk: {_title(content)}"),
        body=_without_mentions("\n\n".join(filter(None, parts))),
        urgency=urgency,
    )


def _title(content: Content) -> str:
    parts = []
    if content.problems:
        parts.append(f"{_sources(content.problems, 'has a problem', 'have problems')}")
    if content.ended:
        parts.append(_sources(content.ended, "is normal again", "are normal again"))
    for name, rows in content.rows.items():
        parts.append(f"{pluralize(len(rows), 'new row')} of {name}")
    if not parts:
        parts.append("daily digest")
    return ", ".join(parts)


def _sources(lines: Sequence[Line], one: str, several: str) -> str:
    names = list(dict.fromkeys(line.item.subject for line in lines))
    if len(names) == 1:
        return f"{names[0]} {one}"
    kinds = {"publications" if " " in name else "sources" for name in names}
    return f"{len(names)} {' and '.join(sorted(kinds, reverse=True))} {several}"


def _part(heading: str, lines: Sequence[str], command: str) -> str:
    if not lines:
        return ""
    shown = [f"- {line}" for line in lines[:MAX_LINES]]
    if len(lines) > MAX_LINES:
        shown.append(f"- and {len(lines) - MAX_LINES} more: {command}")
    return "\n".join([f"{heading}:", *shown])


def _without_mentions(text: str) -> str:
    """Break what a chat service reads as a call to all members: titles are foreign text."""
    return _MENTION.sub(lambda found: f"{found[0]}\u200b", text)
