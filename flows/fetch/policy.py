"""Fetch policy: ``[fetch]`` of the configuration, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from flows.text import DEFAULT_USER_AGENT

_CONTACT = re.compile(r"https?://\S+|[\w.+-]+@[\w-]+\.\w+")
_EXAMPLE = re.compile(r"\bexample\.(?:org|com|net)\b|\.example\b|\.invalid\b")
_POSITIVE = frozenset(
    {"timeout_seconds", "deadline_seconds", "max_body_bytes", "concurrency"}
    | {"per_host_concurrency", "max_attempts", "breaker_failures"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPolicy:
    """Limits and manners of a fetch; the first ten are keys of ``[fetch]``.

    Attributes:
        user_agent: Name/version and a contact. Its first word is the product token that
            robots.txt files address.
        timeout_seconds: Longest silence: to connect, and between two reads.
        deadline_seconds: Longest time for one URL, all attempts and waits included.
        max_body_bytes: On the wire and after decompression.
        concurrency: Requests in flight at once.
        per_host_concurrency: The same for one host.
        per_host_delay_seconds: Least time between two requests to a host.
        allow_private_hosts: ``host:port`` entries that may have a private address.
        respect_robots: Whether robots.txt is obeyed.
        proxy: URL of an HTTP proxy; the proxies of the environment when it is empty.
        source_hosts: ``host`` or ``host:port`` of the configured sources. Redirects from
            other sites may lead to them, and their unusual ports are open. The entry ``*``
            lets redirects lead to any public host.
        attempt_seconds: Longest time for one attempt, from the connection to the last
            byte; 0 means three times ``timeout_seconds``.
        max_attempts: Attempts per hop.
        max_redirects: Hops per URL.
        backoff_seconds: Upper limit of the first wait; it doubles with each attempt.
        backoff_floor_seconds: Least wait.
        backoff_cap_seconds: Longest wait.
        max_wait_seconds: A longer wait for a host postpones its URLs to the next run.
        retry_ratio: Retries per URL that a host may cost the run, after the first 10.
        slow_down_seconds: Least delay after a 429 without Retry-After.
        breaker_failures: Unanswered requests in a row after which a host gets a rest.
        mirrors: By a placeholder origin, their addresses in order of preference.
        ca_file: Certificate authorities to trust instead of the bundled ones.
    """

    user_agent: str = DEFAULT_USER_AGENT
    timeout_seconds: float = 20.0
    deadline_seconds: float = 120.0
    max_body_bytes: int = 20_000_000
    concurrency: int = 16
    per_host_concurrency: int = 2
    per_host_delay_seconds: float = 0.0
    allow_private_hosts: tuple[str, ...] = ()
    respect_robots: bool = True
    proxy: str = field(default="", repr=False)
    source_hosts: tuple[str, ...] = ()
    attempt_seconds: float = 0.0
    max_attempts: int = 6
    max_redirects: int = 5
    backoff_seconds: float = 0.5
    backoff_floor_seconds: float = 0.1
    backoff_cap_seconds: float = 30.0
    max_wait_seconds: float = 60.0
    retry_ratio: float = 2.0
    slow_down_seconds: float = 1.0
    breaker_failures: int = 5
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ca_file: str | None = None

    def __post_init__(self) -> None:
        """Refuse an invalid value, naming its key."""
        if not re.fullmatch(r"[\x20-\x7e]+", self.user_agent) or not self.product_token:
            raise ValueError(
                "fetch.user_agent: expected a name, a version and a contact on one line of ASCII, "
                f"for example {DEFAULT_USER_AGENT!r}; found {self.user_agent!r}"
            )
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                least = "more than 0" if item.name in _POSITIVE else "0 or more"
                if value < 0 or (value == 0 and item.name in _POSITIVE) or value != value:
                    raise ValueError(f"fetch.{item.name}: expected {least}, found {value!r}")

    @property
    def product_token(self) -> str:
        """Our name in robots.txt files (RFC 9309 2.2.1)."""
        found = re.match(r"[A-Za-z_-]+", self.user_agent)
        return found.group() if found else ""

    @property
    def attempt_limit_seconds(self) -> float:
        """Longest time for one attempt."""
        return min(self.attempt_seconds or 3 * self.timeout_seconds, self.deadline_seconds)

    def policy_warnings(self) -> tuple[str, ...]:
        """Settings that a site owner would object to, for ``copydesk doctor``."""
        found = []
        if _EXAMPLE.search(self.user_agent):
            found.append(
                "fetch.user_agent still has the example contact; put a page or a mail "
                "address there at which a site owner can reach you"
            )
        elif not _CONTACT.search(self.user_agent):
            found.append(
                "fetch.user_agent names no contact; add (+https://your.site/contact) or a "
                "mail address"
            )
        if not self.respect_robots:
            found.append("fetch.respect_robots is off: robots.txt files are ignored")
        if self.per_host_concurrency > 8:
            found.append(
                f"fetch.per_host_concurrency is {self.per_host_concurrency}; more than 8 "
                "requests at once is a burden to most sites"
            )
        return tuple(found)
