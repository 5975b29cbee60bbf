"""robots.txt (RFC 9309): parse it, fetch it once per site, keep it for a day.

protego matches paths and reads delays. Before it sees the text, this module corrects what it
gets wrong: the byte order mark, the choice of the group (whole product tokens, groups of one
token merged, ``*`` only if no other applies) and percent-encoding, which rules and URLs get
in one form.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from protego import Protego

from flows.fetch.client import HttpClient, HttpResponse
from flows.fetch.errors import (
    BadAddress,
    BadRedirect,
    DisallowedByRobots,
    FetchError,
    PolicyRefusal,
    RateLimited,
    RefusedByServer,
    TooLarge,
    TransientFetchError,
    UnexpectedStatus,
)
from flows.fetch.policy import FetchPolicy
from flows.fetch.retry import RetrySession
from flows.fetch.ssrf import AddressPolicy, Target, join, parse_target
from flows.fetch.throttle import Outcome, outcome_of

_MAX_BYTES = 500 * 1024  # RFC 9309 2.5 asks for this much; the rest is ignored
_MAX_AGE_SECONDS = 86400.0  # RFC 9309 2.4
_RETRY_SECONDS = 300.0
_MAX_SITES = 10_000

_LINE_END = re.compile(r"\r\n|\n|\r")
_FIELD = re.compile(
    r"(?i)\s*(user[ -]?agent|allow|di?s+a?l+[ao]*w|diasllow|crawl[ -]delay|request[ -]rate"
    r"|visit[ -]time)\s*(?::|\s)\s*(.*)"
)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_TOKEN = re.compile(r"[A-Za-z_-]+")
_NON_ASCII = re.compile(r"[^\x21-\x7e]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsRules:
    """The rules of one robots.txt for our product token.

    Attributes:
        crawl_delay: Seconds between requests; 0 if it names none.
        matcher: ``None`` allows everything.
    """

    crawl_delay: float = 0.0
    matcher: Protego | None = None

    def allows(self, url: str) -> bool:
        """True when the URL may be fetched; robots.txt itself always may."""
        path = parse_target(url).path
        if self.matcher is None or path.partition("?")[0] == "/robots.txt":
            return True
        return self.matcher.can_fetch("http://host" + _normalize(path), "*")


ALLOW_ALL = RobotsRules()


def parse_robots(data: bytes, token: str) -> RobotsRules:
    """Parse a robots.txt; invalid lines are skipped.

    Args:
        data: Its bytes; only the first 500 KiB count.
        token: Our product token, without version.
    """
    text = data[:_MAX_BYTES].decode("utf-8-sig", "replace")
    lines = list(_group(text, token.lower()))
    if not lines:
        return ALLOW_ALL
    matcher = Protego.parse("User-agent: *\n" + "\n".join(lines))
    rate = matcher.request_rate("*")
    delay = max(matcher.crawl_delay("*") or 0.0, rate.seconds / rate.requests if rate else 0.0)
    return RobotsRules(crawl_delay=delay, matcher=matcher)


def _group(text: str, token: str) -> Iterator[str]:
    """Yield the lines that apply to a token, as one group."""
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
            agents.add(_product_token(value))
            is_named = is_named or _product_token(value) == token
            continue
        is_in_rules = True
        if name.startswith("d") or name == "allow":
            value = _normalize(value)
            name = "Allow" if name == "allow" else "Disallow"
        if token in agents:
            ours.append(f"{name}: {value}")
        if "*" in agents:
            general.append(f"{name}: {value}")
    yield from ours if is_named else general


def _product_token(value: str) -> str:
    """The product token of a User-agent line; ``*`` followed by anything is ``*``."""
    if value.startswith("*"):
        return "*"
    found = _TOKEN.match(value)
    return found.group().lower() if found else ""


def _normalize(path: str) -> str:
    """A path with every octet percent-encoded in one form (RFC 9309 2.2.2)."""

    def decode(found: re.Match[str]) -> str:
        char = chr(int(found.group(1), 16))
        return char if char in _UNRESERVED else found.group().upper()

    encoded = _NON_ASCII.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode("utf-8", "replace")),
        path,
    )
    return _ESCAPE.sub(decode, encoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsState:
    """The robots.txt of one site, for ``RobotsCache.restore`` in another process.

    Attributes:
        rules: ``None`` when it could not be read.
        error: Why not.
        seconds_left: How long it is valid from now.
    """

    rules: RobotsRules | None
    error: str
    seconds_left: float


@dataclass(slots=True)
class _Entry:
    session: RetrySession[RobotsRules]
    rules: RobotsRules | None = None
    error: str = ""
    expires_at: float = 0.0
    outcome: Outcome = "answered"
    lock: threading.Lock = field(default_factory=threading.Lock)


class RobotsCache:
    """The robots.txt of every site of a run; safe for threads.

    RFC 9309 2.3.1: after 4xx or more than five redirects everything is allowed; after 5xx,
    429 or no response nothing is, until the file can be read.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        client: HttpClient,
        addresses: AddressPolicy,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._client = client
        self._addresses = addresses
        self._clock = clock
        self._random = random
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def states(self) -> dict[str, RobotsState]:
        """What is known of each site, by origin."""
        now = self._clock()
        with self._lock:
            return {
                origin: RobotsState(
                    rules=entry.rules, error=entry.error, seconds_left=entry.expires_at - now
                )
                for origin, entry in self._entries.items()
                if entry.expires_at > now
            }

    def restore(self, states: Mapping[str, RobotsState]) -> None:
        """Continue with what ``states`` returned."""
        with self._lock:
            for origin, state in states.items():
                entry = self._new_entry(parse_target(f"{origin}/robots.txt"))
                entry.rules, entry.error = state.rules, state.error
                entry.expires_at = self._clock() + state.seconds_left
                self._entries[origin] = entry

    def is_known(self, target: Target) -> bool:
        """True when ``check`` needs no request."""
        entry = self._entries.get(target.origin)
        return entry is not None and entry.expires_at > self._clock()

    def check(self, target: Target) -> None:
        """Raise unless the URL may be fetched.

        Raises:
            DisallowedByRobots: The site's robots.txt disallows it.
            RateLimited: The site's robots.txt cannot be read now.
        """
        entry = self._entries[target.origin]
        if entry.rules is None:
            raise RateLimited(
                f"cannot read robots.txt of {target.host} ({entry.error}): the run fetches nothing "
                "from it; the next run retries",
                url=target.url,
            )
        if not entry.rules.allows(target.url):
            raise DisallowedByRobots(
                f"{target.origin}/robots.txt does not allow it for {self._policy.product_token}",
                url=target.url,
            )

    def crawl_delay(self, target: Target) -> float:
        """Seconds between requests that the site asks for; 0 if none."""
        entry = self._entries[target.origin]
        return entry.rules.crawl_delay if entry.rules else 0.0

    def load(self, target: Target) -> tuple[float | None, Outcome]:
        """Make one request for the robots.txt of a site.

        Returns:
            Seconds to wait before the next request, or ``None`` if none is needed; and the
            outcome for the throttle.

        Raises:
            FetchError: The site cannot be fetched at all: a refused address, a bad
                certificate, an interrupted run.
        """
        entry = self._entry(target)
        with entry.lock:
            if self.is_known(target):
                return None, "cancelled"
            try:
                wait, rules = entry.session.step()
            except (TransientFetchError, TooLarge) as error:
                entry.rules, entry.error = None, str(error.args[0])
                entry.expires_at = self._clock() + _RETRY_SECONDS
                return None, entry.outcome
            except FetchError:
                with self._lock:
                    self._entries.pop(target.origin, None)
                raise
            if wait is not None:
                return wait, entry.outcome
            entry.rules = rules
            entry.expires_at = self._clock() + _MAX_AGE_SECONDS
            return None, "answered"

    def _entry(self, target: Target) -> _Entry:
        with self._lock:
            entry = self._entries.get(target.origin)
            if entry is None or 0 < entry.expires_at <= self._clock():
                entry = self._new_entry(target)
                if len(self._entries) >= _MAX_SITES:
                    self._entries.clear()
                self._entries[target.origin] = entry
            return entry

    def _new_entry(self, target: Target) -> _Entry:
        deadline = self._clock() + self._policy.deadline_seconds

        def attempt() -> RobotsRules:
            try:
                return self._fetch(target, deadline)
            except FetchError as error:
                entry.outcome = outcome_of(error)
                raise

        session = RetrySession(
            attempt=attempt,
            policy=self._policy,
            seconds_left=lambda: deadline - self._clock(),
            may_retry=lambda: True,
            random=self._random,
        )
        entry = _Entry(session)
        return entry

    def _fetch(self, target: Target, deadline: float) -> RobotsRules:
        try:
            response = self._follow(parse_target(f"{target.origin}/robots.txt"), deadline)
        except (RefusedByServer, BadRedirect, BadAddress):
            return ALLOW_ALL
        except UnexpectedStatus as error:
            if error.status is not None and 200 <= error.status < 300:
                return ALLOW_ALL
            raise
        return parse_robots(response.body.content, self._policy.product_token)

    def _follow(self, target: Target, deadline: float) -> HttpResponse:
        for hop in range(self._policy.max_redirects + 1):
            response = self._client.get(target, deadline=deadline, limit=_MAX_BYTES)
            if response.kind != "redirect":
                return response
            if not response.location or hop == self._policy.max_redirects:
                break
            try:
                target = parse_target(join(target, response.location))
                self._addresses.check(target)
            except (ValueError, PolicyRefusal) as error:
                raise BadRedirect("it redirects to a URL that cannot be fetched") from error
        raise BadRedirect(f"expected at most {self._policy.max_redirects} redirects")
