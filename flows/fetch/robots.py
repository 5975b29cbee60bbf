"""robots.txt (RFC 9309): what a site allows us, and how it is cached.

protego matches paths and reads delays. What it gets wrong is put right before it sees the
text: the byte order mark, the choice of the group (whole product tokens, groups of one
token joined, ``*`` only if no other applies) and percent-encoding, which is brought to one
form in rules and addresses alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from protego import Protego

MAX_BYTES = 500 * 1024
"""What RFC 9309 2.5 asks to be read at least; the rest is not looked at."""

MAX_AGE_SECONDS = 86400.0
"""RFC 9309 2.4: a copy is not used for longer than a day."""

_LINE_END = re.compile(r"\r\n|\n|\r")
_FIELD = re.compile(
    r"(?i)\s*(user[ -]?agent|allow|di?s+a?l+[ao]*w|diasllow|crawl[ -]delay|request[ -]rate"
    r"|visit[ -]time)\s*(?::|\s)\s*(.*)"
)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_TOKEN = re.compile(r"[A-Za-z_-]+")
_NON_ASCII = re.compile(r"[^\x21-\x7e]")
_SITEMAP = re.compile(r"(?i)\s*site-?maps?\s*:\s*(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one robots.txt means for us.

    Attributes:
        crawl_delay: Seconds between requests; 0 if it names none.
        sitemaps: Addresses it lists.
        why: For the people who read a refusal, where the rules come from.
    """

    crawl_delay: float = 0.0
    sitemaps: tuple[str, ...] = ()
    why: str = "robots.txt"
    _matcher: Protego | None = None

    def allows(self, url: str) -> bool:
        """True when the address may be fetched; robots.txt itself always may."""
        if self._matcher is None:
            return True
        parts = urlsplit(url)
        path = parts.path or "/"
        if path == "/robots.txt":
            return True
        full = f"{path}?{parts.query}" if parts.query else path
        return self._matcher.can_fetch("http://host" + _one_form(full), "*")


ALLOW_ALL = Rules(why="no robots.txt")


def parse_robots(data: bytes, token: str) -> Rules:
    """What a robots.txt says to a product token; lines that make no sense are skipped.

    Args:
        data: Its bytes; only the first 500 KiB count.
        token: Our product token, without version.
    """
    text = data[:MAX_BYTES].decode("utf-8-sig", "replace")
    sitemaps = tuple(
        found.group(1) for line in _LINE_END.split(text) if (found := _SITEMAP.match(line))
    )
    lines = list(_group(text, token.lower()))
    if not lines:
        return Rules(sitemaps=sitemaps)
    matcher = Protego.parse("User-agent: *\n" + "\n".join(lines))
    rate = matcher.request_rate("*")
    delay = max(matcher.crawl_delay("*") or 0.0, rate.seconds / rate.requests if rate else 0.0)
    return Rules(crawl_delay=delay, sitemaps=sitemaps, _matcher=matcher)


def _group(text: str, token: str) -> Iterator[str]:
    """The lines that apply to a token, in one group, paths in one form."""
    ours: list[str] = []
    general: list[str] = []
    is_named = False
    agents: set[str] = set()
    is_in_rules = True
    for line in _LINE_END.split(text):
        found = _FIELD.match(line.partition("#")[0])
        if found is None:
            continue
        name, value = found.group(1).lower(), found.group(2).strip()
        if name[0] == "u":
            if is_in_rules:
                agents = set()
                is_in_rules = False
            agents.add(_agent(value))
            is_named = is_named or _agent(value) == token
            continue
        is_in_rules = True
        if name.startswith("d") or name == "allow":
            value = _one_form(value)
            name = "Allow" if name == "allow" else "Disallow"
        if token in agents:
            ours.append(f"{name}: {value}")
        if "*" in agents:
            general.append(f"{name}: {value}")
    yield from ours if is_named else general


def _agent(value: str) -> str:
    """The product token of a User-agent line; ``*`` with anything after it is ``*``."""
    if value.startswith("*"):
        return "*"
    found = _TOKEN.match(value)
    return found.group().lower() if found else ""


def _one_form(path: str) -> str:
    """A path with every octet written one way (RFC 9309 2.2.2)."""

    def decode(found: re.Match[str]) -> str:
        char = chr(int(found.group(1), 16))
        return char if char in _UNRESERVED else found.group().upper()

    encoded = _NON_ASCII.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode("utf-8", "replace")),
        path,
    )
    return _ESCAPE.sub(decode, encoded)
