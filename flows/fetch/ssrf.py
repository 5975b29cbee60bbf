"""Address policy: which URLs and IP addresses may be fetched (SSRF protection).

One parser (WHATWG, ada-url) reads a URL. The connection resolves the name once, checks every
address and connects to a checked one. The table follows the IANA special-purpose registries
(RFC 6890 and updates), because ``ipaddress.is_global`` lets 6to4, NAT64, site-local and
multicast addresses through.
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

from flows.addresses import host_and_port, host_entry
from flows.fetch.errors import BadAddress, ConnectionFailed, FetchError, PolicyRefusal
from flows.fetch.proxies import Proxies, is_private_name
from flows.secrets.redact import redact_url, safe_text

_TICK_SECONDS = 0.05
_MAX_URL = 2048  # characters; sitemaps.org sets the same limit

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
    """A parsed URL.

    Attributes:
        url: WHATWG form, without user name, password and fragment.
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
        """Scheme, host and port: the scope of robots.txt and credentials."""
        return f"{self.scheme}://{host_entry(self.host, self.port)}"

    @property
    def path(self) -> str:
        """Path and query: the request target in origin form (RFC 9112 3.2.1)."""
        return "/" + self.url.split("/", 3)[3]

    @property
    def host_key(self) -> str:
        """The host for the throttle; http and https on their default ports are one."""
        return self.host if self.port in (80, 443) else f"{self.host}:{self.port}"


@lru_cache(maxsize=4096)
def refused_address(address: str) -> str | None:
    """The rule that refuses an IP address, or ``None`` if the address is public."""
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
    """Parse a URL.

    Raises:
        BadAddress: It is not an absolute URL, or it is too long.
        PolicyRefusal: Its scheme is neither http nor https.
    """
    if len(url) > _MAX_URL:
        raise BadAddress(
            f"expected a URL of at most {_MAX_URL} characters, found {len(url)}", url=url[:200]
        )
    try:
        parsed = ada_url.URL(url)
    except ValueError:
        raise BadAddress(
            "expected an absolute address such as https://host/path, found something else", url=url
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
    return Target(
        url=parsed.href,
        scheme=scheme,
        host=parsed.hostname.strip("[]"),
        port=int(parsed.port) if parsed.port else {"http": 80, "https": 443}[scheme],
        credentials=credentials,
    )


def without_credentials(url: str) -> str:
    """A URL in its parsed form, without user name and password."""
    try:
        return parse_target(url).url
    except FetchError:
        return redact_url(url)


def join(base: Target, location: str) -> str:
    """The absolute URL of a redirect's Location."""
    return ada_url.join_url(base.url, location)


def _resolve(host: str, port: int) -> Iterable[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class AddressPolicy:
    """The addresses that a run may connect to; checked for every URL and every connection."""

    def __init__(
        self,
        *,
        allow_private_hosts: Iterable[str] = (),
        source_hosts: Iterable[str] = (),
        proxies: Proxies | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._proxies = proxies or Proxies()
        self._private = frozenset(host_and_port(entry) for entry in allow_private_hosts)
        named = tuple(source_hosts)
        self._allows_any_redirect = "*" in named
        self._sources = frozenset(host_and_port(entry) for entry in named if entry != "*")
        self._resolve = resolve or _resolve

    def _is_source(self, target: Target) -> bool:
        named = self._sources | self._private
        return (target.host, target.port) in named or (target.host, None) in named

    def proxy_for(self, target: Target) -> str:
        """The URL of the proxy for a request; empty when the connection is direct.

        Raises:
            PolicyRefusal: The environment names a proxy that cannot be used.
        """
        if not self._proxies.is_used:
            return ""
        return self._proxies.choose(target.origin, target.scheme, target.host)

    def check(self, target: Target) -> None:
        """Raise unless the URL may be tried; a name is checked when it resolves.

        Raises:
            PolicyRefusal: Names the rule.
        """
        if _is_ip(target.host):
            self._check_address(target.host, target.host, target.port)
        elif self.proxy_for(target) and is_private_name(target.host):
            self._check_private(target)
        if target.port not in (80, 443) and not self._is_source(target):
            raise PolicyRefusal(
                f"port {target.port} is neither 80 nor 443 nor the port of a configured source; "
                f"to allow it, configure a source there or add "
                f"'{host_entry(target.host, target.port)}' to fetch.source_hosts",
                url=target.url,
                rule="port",
            )

    def check_redirect(self, origin: Target, target: Target) -> None:
        """Raise unless a redirect may lead from one URL to the other.

        Raises:
            PolicyRefusal: It leads to another site that is no configured source.
        """
        self.check(target)
        is_allowed = self._allows_any_redirect or self._is_source(target)
        if is_allowed or same_site(origin.host, target.host):
            return
        raise PolicyRefusal(
            f"{target.host} is another site and no configured source; to allow the redirect, add "
            f"'{host_entry(target.host)}' to fetch.source_hosts",
            url=origin.url,
            rule="redirect to another site",
        )

    def _check_private(self, target: Target) -> None:
        if self._is_private_allowed(target.host, target.port):
            return
        raise PolicyRefusal(
            f"{target.host} is a name of private networks, and the proxy resolves it; to allow it, "
            f"add '{host_entry(target.host, target.port)}' to fetch.allow_private_hosts",
            url=target.url,
            rule="private name behind a proxy",
        )

    def _is_private_allowed(self, host: str, port: int) -> bool:
        return (host, port) in self._private or (host, None) in self._private

    def _check_address(self, address: str, host: str, port: int) -> None:
        if self._is_private_allowed(host, port):
            return
        rule = refused_address(address)
        if rule is not None:
            name = address if address == host else f"{host}, which is {address},"
            raise PolicyRefusal(
                f"{name} is no public address: {rule}; to allow it, add "
                f"'{host_entry(host, port)}' to fetch.allow_private_hosts",
                url=f"//{host_entry(host, port)}",
                rule=rule,
            )

    def resolve(
        self,
        host: str,
        port: int,
        *,
        seconds: float,
        is_over: Callable[[], bool] = lambda: False,
        is_proxy: bool = False,
    ) -> list[AddrInfo]:
        """Resolve a host and check every address; connect to these and no others.

        Args:
            host: A name or an address.
            port: The port.
            seconds: Longest time for the resolution.
            is_over: Polled; True ends the wait.
            is_proxy: The host is the proxy, which may have a private address.

        Raises:
            PolicyRefusal: One of the addresses is not public.
            ConnectionFailed: The name does not resolve, or not in time.
        """
        name = host.strip("[]").lower().rstrip(".") or host
        answers = self._look_up(host.strip("[]"), port, seconds, is_over)
        for answer in () if is_proxy else answers:
            self._check_address(str(answer[4][0]), name, port)
        return answers

    def _look_up(
        self, host: str, port: int, seconds: float, is_over: Callable[[], bool]
    ) -> list[AddrInfo]:
        if _is_ip(host):
            return list(_resolve(host, port))
        found: list[list[AddrInfo] | OSError | UnicodeError] = []

        def look_up() -> None:
            try:
                found.append(list(self._resolve(host, port)))
            except (OSError, UnicodeError) as error:
                found.append(error)

        # getaddrinfo has no timeout, so a thread that can be abandoned calls it.
        thread = threading.Thread(target=look_up, name=f"resolve-{host[:40]}", daemon=True)
        thread.start()
        for _ in range(max(1, round(seconds / _TICK_SECONDS))):
            thread.join(_TICK_SECONDS)
            if found or is_over():
                break
        if not found:
            raise ConnectionFailed(f"the name {host!r} did not resolve within {seconds:.1f} s")
        answers = found[0]
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


_SECOND_LEVEL = frozenset(
    {"ac", "co", "com", "edu", "gov", "mil", "net", "nom", "or", "org", "sch"}
)


def site_of(host: str) -> str:
    """The registrable domain of a host, guessed from its labels (no public suffix list)."""
    if _is_ip(host):
        return host
    labels = host.rstrip(".").split(".")
    keep = 3 if len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2 else 2
    return ".".join(labels[-keep:])


def same_site(one: str, other: str) -> bool:
    """True when two hosts belong to one site, subdomains such as ``www.`` included."""
    return site_of(one) == site_of(other)
