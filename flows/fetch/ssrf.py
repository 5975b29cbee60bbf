"""Which addresses may be fetched, decided before and inside the connection.

One parser (WHATWG, ada-url) reads an address; the name is resolved once, every answer
is checked, and the connection goes to the address that was checked. The lists follow the
IANA special-purpose registries (RFC 6890 and updates), because ``ipaddress.is_global``
lets 6to4, NAT64, site-local and multicast addresses through.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ada_url

from flows.fetch.errors import BadAddress, ConnectionFailed, PolicyRefusal
from flows.fetch.redact import redact_url, safe_text

_TICK = 0.05
MAX_URL = 2048
"""Characters; sitemaps.org sets the same limit."""

AddrInfo = tuple[int, int, int, str, tuple[str | int, ...]]
Resolve = Callable[[str, int], Iterable[AddrInfo]]
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_REFUSED: tuple[tuple[_Network, str], ...] = tuple(
    (ipaddress.ip_network(network), f"{name} ({network})")
    for network, name in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "AMT"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved or broadcast"),
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible or unspecified"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("2001::/23", "Teredo or protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A parsed address.

    Attributes:
        url: In WHATWG form, without user name, password and fragment.
        scheme: ``http`` or ``https``.
        host: Lower case ASCII; an IPv6 address without brackets.
        port: With the scheme's default filled in.
        credentials: ``(user, password)``, percent-encoded as found, or ``None``.
    """

    url: str
    scheme: str
    host: str
    port: int
    credentials: tuple[str, str] | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port: what robots.txt and credentials belong to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def host_key(self) -> str:
        """What politeness counts as one host; http and https on their ports are one."""
        return self.host if self.port in (80, 443) else f"{self.host}:{self.port}"


@lru_cache(maxsize=4096)
def refused_address(address: str) -> str | None:
    """The rule that forbids an IP address, in words, or ``None`` if it is public."""
    ip: _Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return refused_address(str(ip.ipv4_mapped))
        if ip in _NAT64:
            return refused_address(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    for network, rule in _REFUSED:
        if ip.version == network.version and ip in network:
            return rule
    if ip.version == 6 and ip not in _GLOBAL_V6:
        return "not a global unicast address (2000::/3)"
    return None


@lru_cache(maxsize=1024)
def parse_target(url: str) -> Target:
    """The parsed form of an address.

    Raises:
        BadAddress: It is not an absolute address, or it is too long.
        PolicyRefusal: Its scheme is neither http nor https.
    """
    if len(url) > MAX_URL:
        raise BadAddress(
            f"expected an address of at most {MAX_URL} characters, found {len(url)}", url=url[:200]
        )
    try:
        parsed = ada_url.URL(url)
    except ValueError:
        raise BadAddress(
            "expected an absolute address such as https://host/path; it cannot be read as one",
            url=url,
        ) from None
    scheme = parsed.protocol.removesuffix(":")
    if scheme not in ("http", "https"):
        raise PolicyRefusal(
            f"expected http or https, found the scheme {safe_text(scheme, limit=40)!r}",
            url=url,
            rule="scheme",
        )
    credentials = (parsed.username, parsed.password) if parsed.username or parsed.password else None
    parsed.username = ""
    parsed.password = ""
    parsed.hash = ""
    port = int(parsed.port) if parsed.port else {"http": 80, "https": 443}[scheme]
    return Target(
        url=parsed.href,
        scheme=scheme,
        host=parsed.hostname.strip("[]"),
        port=port,
        credentials=credentials,
    )


def join(base: Target, location: str) -> str:
    """A redirect's Location as an absolute address."""
    return ada_url.join_url(base.url, location)


def _resolve(host: str, port: int) -> Iterable[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class AddressPolicy:
    """The rules of one run, asked for every address and inside every connection."""

    def __init__(
        self,
        *,
        allow_private_hosts: Iterable[str] = (),
        source_hosts: Iterable[str] = (),
        resolve: Resolve | None = None,
    ) -> None:
        self._private = frozenset(_host_port(entry) for entry in allow_private_hosts)
        named = tuple(source_hosts)
        self._anywhere = "*" in named
        self._sources = frozenset(_host_port(entry) for entry in named if entry != "*")
        self._resolve = resolve or _resolve

    def is_private_allowed(self, host: str, port: int) -> bool:
        """True when ``allow_private_hosts`` names it."""
        return (host, port) in self._private or (host, None) in self._private

    def _is_source(self, target: Target) -> bool:
        named = self._sources | self._private
        return (target.host, target.port) in named or (target.host, None) in named

    def check(self, target: Target) -> None:
        """Nothing, if the address may be tried; names are checked when they resolve.

        Raises:
            PolicyRefusal: Naming the rule.
        """
        if _is_ip(target.host):
            self._check_address(target.host, target.host, target.port)
        if target.port not in (80, 443) and not self._is_source(target):
            raise PolicyRefusal(
                f"port {target.port} is neither 80 nor 443 nor the port of a configured source; "
                f"to allow it, configure a source there or add {target.host_key!r} to "
                "fetch.source_hosts",
                url=target.url,
                rule="port",
            )

    def check_redirect(self, origin: Target, target: Target) -> None:
        """Nothing, if a redirect from one address may lead to the other.

        Raises:
            PolicyRefusal: It leads to a site that is no configured source.
        """
        self.check(target)
        if same_site(origin.host, target.host) or self._anywhere or self._is_source(target):
            return
        raise PolicyRefusal(
            f"it redirects to {redact_url(target.url)}, another site that is no configured source; "
            f"if that is right, add {target.host!r} to fetch.source_hosts",
            url=origin.url,
            rule="redirect to another site",
        )

    def _check_address(self, address: str, host: str, port: int) -> None:
        if self.is_private_allowed(host, port):
            return
        rule = refused_address(address)
        if rule is not None:
            name = address if address == host else f"{host}, which is {address},"
            raise PolicyRefusal(
                f"{name} is no public address: {rule}; if it is meant, add "
                f"'{host}:{port}' to fetch.allow_private_hosts",
                url=f"//{host}:{port}",
                rule=rule,
            )

    def addresses(
        self,
        host: str,
        port: int,
        *,
        seconds: float,
        is_over: Callable[[], bool] = lambda: False,
    ) -> list[AddrInfo]:
        """The checked addresses of a host; connect to these and no others.

        Args:
            host: A name or an address.
            port: The port.
            seconds: The longest the name may take to resolve.
            is_over: Asked now and then; True ends the wait.

        Raises:
            PolicyRefusal: One of them is not public.
            Unreachable: The name does not resolve, or not in time.
        """
        name = host.strip("[]").lower().rstrip(".") or host
        answers = self._lookup(host.strip("[]"), port, seconds, is_over)
        for answer in answers:
            self._check_address(str(answer[4][0]), name, port)
        return answers

    def _lookup(
        self, host: str, port: int, seconds: float, is_over: Callable[[], bool]
    ) -> list[AddrInfo]:
        if _is_ip(host):
            return list(_resolve(host, port))
        outcome: list[list[AddrInfo] | OSError | UnicodeError] = []

        def look() -> None:
            try:
                outcome.append(list(self._resolve(host, port)))
            except (OSError, UnicodeError) as error:
                outcome.append(error)

        # getaddrinfo knows no timeout; a thread that nobody waits for does.
        thread = threading.Thread(target=look, name=f"resolve-{host[:40]}", daemon=True)
        thread.start()
        for _ in range(max(1, round(seconds / _TICK))):
            thread.join(_TICK)
            if outcome or is_over():
                break
        if not outcome:
            raise ConnectionFailed(f"the name {host!r} did not resolve within {seconds:.1f} s")
        answers = outcome[0]
        if isinstance(answers, BaseException):
            raise ConnectionFailed(f"the name {host!r} does not resolve: {answers}") from answers
        if not answers:
            raise ConnectionFailed(f"the name {host!r} has no address")
        return answers


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _host_port(entry: str) -> tuple[str, int | None]:
    text = entry.strip()
    try:
        parsed = ada_url.URL(text if "://" in text else f"http://{text}")
    except ValueError:
        raise ValueError(f"expected host or host:port, found {entry!r}") from None
    if parsed.pathname not in ("", "/") or not parsed.hostname:
        raise ValueError(f"expected host or host:port, found {entry!r}")
    # The parser drops a port that is the scheme's default; the text still has it.
    port = int(parsed.port) if parsed.port else (80 if text.endswith(":80") else None)
    return parsed.hostname.strip("[]"), port


_SECOND_LEVEL = frozenset(
    {"ac", "co", "com", "edu", "gov", "mil", "net", "nom", "or", "org", "sch"}
)


def site_of(host: str) -> str:
    """The part of a host name that one owner registers, as far as its shape tells it."""
    if _is_ip(host):
        return host
    labels = host.rstrip(".").split(".")
    keep = 3 if len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2 else 2
    return ".".join(labels[-keep:])


def same_site(one: str, other: str) -> bool:
    """True when two hosts belong to one site (``www.`` and other subdomains included)."""
    return site_of(one) == site_of(other)
