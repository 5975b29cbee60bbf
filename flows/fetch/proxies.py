"""Proxies: which one handles a request, from ``[fetch] proxy`` or the environment.

The rules of the address policy behind a proxy:

* The proxy resolves names, so their addresses cannot be checked here. A name that can only be
  private (``intranet``, ``printer.local``) is refused unless ``fetch.allow_private_hosts`` has it.
* A literal private address is refused as it is without a proxy.
* The address of the proxy itself may be private, because the operator configured it.
* Loopback is never asked for through a proxy, whose loopback is another machine.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.request import getproxies_environment

from requests.utils import should_bypass_proxies

from flows.addresses import parse_proxy
from flows.fetch.errors import PolicyRefusal

_PRIVATE_DOMAINS = (
    "internal",
    "local",
    "localdomain",
    "lan",
    "home.arpa",
    "intranet",
    "corp",
    "home",
)


class Proxies:
    """The proxies of a run.

    Args:
        configured: ``[fetch] proxy``; the environment is read when it is empty. NO_PROXY of the
            environment excludes hosts from either.
    """

    def __init__(self, configured: str = "") -> None:
        found = getproxies_environment()
        self._by_scheme = {
            scheme: configured or found.get(scheme) or found.get("all", "")
            for scheme in ("http", "https")
        }
        self.is_used = any(self._by_scheme.values())
        self._choose = lru_cache(maxsize=4096)(self._find)

    def choose(self, origin: str, scheme: str, host: str) -> str:
        """The URL of the proxy for an origin; empty when the connection is direct.

        Raises:
            PolicyRefusal: The environment names a proxy that cannot be used.
        """
        return self._choose(origin, scheme, host) if self._by_scheme[scheme] else ""

    def _find(self, origin: str, scheme: str, host: str) -> str:
        if _is_loopback(host) or should_bypass_proxies(origin, None):
            return ""
        try:
            return parse_proxy(self._by_scheme[scheme])
        except ValueError as error:
            raise PolicyRefusal(
                f"the proxy of the environment for {scheme} cannot be used: {error}; set "
                "fetch.proxy, or list the host in NO_PROXY",
                url=origin,
                rule="proxy",
            ) from None


def is_private_name(host: str) -> bool:
    """Whether a name is one of private networks by itself, without a look-up."""
    name = host.rstrip(".")
    return "." not in name or name.endswith(tuple(f".{one}" for one in _PRIVATE_DOMAINS))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
