"""One place at a time fetches from a host: this process, or one worker."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from flows.fetch import FetchError
from flows.fetch.ssrf import parse_target


class HostLanes:
    """The hosts that are fetched from now; safe for threads."""

    def __init__(self) -> None:
        self._busy: set[str] = set()
        self._free = threading.Condition()

    @contextmanager
    def hold(self, hosts: Iterable[str]) -> Iterator[None]:
        """Wait until no other place fetches from any of the hosts, and keep others away."""
        wanted = set(hosts)
        with self._free:
            self._free.wait_for(lambda: not wanted & self._busy)
            self._busy |= wanted
        try:
            yield
        finally:
            with self._free:
                self._busy -= wanted
                self._free.notify_all()


def hosts_of(urls: Iterable[str], mirrors: Mapping[str, Iterable[str]]) -> set[str]:
    """The hosts that some addresses are fetched from, as the throttle names them.

    Args:
        urls: Any addresses; those that cannot be fetched have no host.
        mirrors: By a placeholder origin, the addresses that take its place.
    """
    by_origin = {parse_target(origin).origin: addresses for origin, addresses in mirrors.items()}
    found = set()
    for url in urls:
        with suppress(FetchError):
            target = parse_target(url)
            for address in by_origin.get(target.origin, (url,)):
                found.add(parse_target(address).host_key)
    return found
