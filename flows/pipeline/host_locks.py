"""Host locks: the sources of one host are fetched on one machine at a time.

The limits of a host (``[fetch] per_host_concurrency``, delays, Retry-After) are kept by one
process. So with a warehouse of several machines, a run holds a lock for each host of a source that
it fetches from. The sources of one run share them. On one machine there are none.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from flows.errors import UnusableParser
from flows.pipeline import locks
from flows.pipeline.lanes import hosts_of
from flows.settings import Settings
from parsers.sources.rsshub import ANY_INSTANCE

WAIT_SECONDS = 3600.0
"""A host may have many sources, and each is waited for in turn."""


class HostLocks:
    """The hosts that a run has locked; safe for threads.

    Args:
        settings: The configuration.
        options: Those of ``locks.acquire``, but for the time to wait.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._settings = settings
        self._options = options
        self._is_shared = locks.postgres_of(settings) is not None
        self._mutexes: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._counts: Counter[str] = Counter()
        self._held: dict[str, AbstractContextManager[None]] = {}

    @contextmanager
    def held(self, slug: str) -> Iterator[None]:
        """Hold the hosts of a source for the ``with`` block.

        Hosts come in one order, and after the lock of the source, so that two runs never wait
        for each other.

        Raises:
            SourceLocked: Another run still has one after an hour.
            Interrupted: The run was stopped during the wait.
        """
        with ExitStack() as stack:
            for host in sorted(source_hosts(self._settings, slug)) if self._is_shared else ():
                stack.enter_context(self._host(host))
            yield

    @contextmanager
    def _host(self, host: str) -> Iterator[None]:
        mutex = self._mutexes[host]
        with mutex:
            if not self._counts[host]:
                lock = locks.acquire(
                    self._settings, f"host {host}", wait_seconds=WAIT_SECONDS, **self._options
                )
                lock.__enter__()
                self._held[host] = lock
            self._counts[host] += 1
        try:
            yield
        finally:
            with mutex:
                self._counts[host] -= 1
                if not self._counts[host]:
                    self._held.pop(host).__exit__(None, None, None)


def source_hosts(settings: Settings, slug: str) -> frozenset[str]:
    """Return the hosts of a source's addresses; none if its parser cannot be used.

    Hosts that its pages link to are not known before a run.
    """
    try:
        source = settings.source(slug)
    except UnusableParser:
        return frozenset()
    values = source.options.values()
    urls = (url for value in values for url in _addresses(value))
    return frozenset(hosts_of(urls, {ANY_INSTANCE: settings.rsshub.instances}))


def _addresses(value: object) -> Iterator[str]:
    for one in value if isinstance(value, tuple) else (value,):
        if isinstance(one, str) and one.startswith(("http://", "https://")):
            yield one
