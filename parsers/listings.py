"""Strict reading of listings: records of a JSON answer, one line to one entry.

A listing is read as a whole or refused (BadListing); a line of it becomes an Entry or a
BadEntry, and one bad line never costs the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import SplitResult, urlsplit

from parsers.errors import BadListing, LayoutChanged, ParseError
from parsers.html import select
from parsers.model import BadEntry, Entry
from parsers.text.urls import absolute

NO_PARTS = SplitResult("", "", "", "", "")


def records(text: str, name: str) -> list[object]:
    """The list that stands under ``name`` in a JSON object.

    Raises:
        BadListing: The text is not JSON, no object, or the list is not there.
    """
    answer = select.json_document(text)
    if not isinstance(answer, dict):
        raise _refused("a JSON object", _described(answer))
    if name not in answer:
        raise _refused(f"key {name!r}", f"keys {_keys(answer)}")
    lines = answer[name]
    if not isinstance(lines, list):
        raise _refused(f"a list under {name!r}", _described(lines))
    return lines


def record(line: object, where: str = "") -> Mapping[str, object]:
    """A line that is a JSON object; ``where`` names it, if it is not the line itself.

    Raises:
        LayoutChanged: It is something else.
    """
    if not isinstance(line, dict):
        raise LayoutChanged(
            f"{f'{where}: ' if where else ''}expected a JSON object, found {_described(line)}",
            expected="a JSON object",
            found=_described(line),
        )
    return line


def fact(line: Mapping[str, object], name: str, where: str = "") -> str:
    """The text under a key; JSON ``null`` is an empty text, a missing key is an error.

    Raises:
        LayoutChanged: The key is not there, or its value is neither text nor null.
    """
    if name in line and line[name] is None:
        return ""
    return select.json_value(line, name, str, where)


def entry_or_error(channel: str, raw: str, make: Callable[[], Entry]) -> Entry | BadEntry:
    """The entry of one line, or the line with what was wrong with it."""
    try:
        return make()
    except ParseError as error:
        return BadEntry(channel=channel, raw=raw, error=error)


def unique_entries(lines: Iterable[Entry | BadEntry]) -> tuple[Entry | BadEntry, ...]:
    """The lines in their order, each article once.

    Of several lines of one article the one with the fewest empty facts stays, the first
    of them when that is a draw: a line without title and time is common beside its
    complete twin.
    """
    bad: dict[int, BadEntry] = {}
    best: dict[str, tuple[int, Entry]] = {}
    for place, line in enumerate(lines):
        if isinstance(line, BadEntry):
            bad[place] = line
            continue
        known = best.get(line.source_article_id)
        if known is None:
            best[line.source_article_id] = (place, line)
        elif _empty_facts(line) < _empty_facts(known[1]):
            best[line.source_article_id] = (known[0], line)
    kept: dict[int, Entry | BadEntry] = {**bad, **dict(best.values())}
    return tuple(kept[place] for place in sorted(kept))


def parts_of(url: str) -> SplitResult:
    """The parts of an address; all of them empty when it is none."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return NO_PARTS
    return parts if parts.hostname else NO_PARTS


def host_of(url: str) -> str:
    """The host of an address, in lower case; empty when there is none."""
    return (parts_of(url).hostname or "").lower()


def is_below(host: str, domain: str) -> bool:
    """Whether a host is a domain or one of its subdomains."""
    return host == domain or host.endswith(f".{domain}")


def rebased(url: str, home: str, base_url: str) -> str:
    """The address at the configured base.

    Listings name their articles by the publication's own address. A source whose base
    was configured away from home (a test server, a mirror) looks for them there.
    """
    if base_url.rstrip("/") == home.rstrip("/"):
        return url
    parts = parts_of(url)
    query = f"?{parts.query}" if parts.query else ""
    return absolute(f"{base_url.rstrip('/')}/", f".{parts.path}{query}")


def _empty_facts(entry: Entry) -> int:
    return sum(not value.strip() for value in entry.facts.values())


def _refused(expected: str, found: str) -> BadListing:
    return BadListing(f"expected {expected}, found {found}", expected=expected, found=found)


def _described(value: object) -> str:
    if isinstance(value, dict):
        return f"an object with keys {_keys(value)}"
    return f"{type(value).__name__} {str(value)[:80]!r}"


def _keys(value: Mapping[object, object]) -> str:
    return ", ".join(repr(name) for name in list(value)[:20]) or "none"
