"""Fail-over: an address that several mirrors serve is asked of one after the other.

The origin in an address is a placeholder for its mirrors, such as the instances of RSSHub. A result has the
request of the caller, so that nothing stored depends on a mirror; ``final_url`` names the one that
answered. A mirror that refuses is asked last from then on.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from flows.fetch.errors import (
    Attempt,
    Cancelled,
    ConnectionFailed,
    DisallowedByRobots,
    FetchError,
    PolicyRefusal,
    RateLimited,
    TimedOut,
    UntrustedServer,
)
from flows.fetch.messages import FetchFailure, FetchRequest, FetchResult

ATTEMPTS = 2
"""Attempts at a mirror while there is another one."""

MAX_FAILURES = 3
"""After so many failed addresses in a row a mirror counts as one that refuses."""

_REFUSALS = (
    ConnectionFailed, DisallowedByRobots, PolicyRefusal, RateLimited, TimedOut, UntrustedServer,
)  # fmt: skip
_REFUSING_STATUSES = {401, 403, 407, 429, 451}
_HTML = re.compile(rb"(?i)[\s\xef\xbb\xbf]*<(?:!doctype html|html)[\s>]")

_Fetch = Callable[[Iterable[FetchRequest]], Iterator[FetchResult]]


@dataclass(slots=True)
class _Group:
    """The mirrors of one origin, the preferred one first."""

    order: list[str]
    failures: Counter[str]


@dataclass(frozen=True, slots=True)
class _Try:
    """A request of the caller on its way through the mirrors."""

    asked: FetchRequest
    sent: FetchRequest
    group: _Group
    mirror: str
    others: tuple[str, ...]
    attempts: tuple[Attempt, ...] = ()


class Mirrors:
    """Resolve the addresses of mirrors, and remember which mirrors answer; safe for threads.

    Args:
        mirrors: By their placeholder origin, their addresses in order of preference. The
            query of an address is added to each request, and sent to that mirror only.
    """

    def __init__(self, mirrors: Mapping[str, tuple[str, ...]]) -> None:
        self._lock = threading.Lock()
        self._groups = {
            origin: _Group(list(addresses), Counter())
            for origin, addresses in mirrors.items()
            if addresses
        }

    def fetch_all(self, requests: Iterable[FetchRequest], fetch: _Fetch) -> Iterator[FetchResult]:
        """Fetch as ``fetch`` does; addresses of mirrors from the first one that answers."""
        tries: dict[int, _Try] = {}

        def sent() -> Iterator[FetchRequest]:
            for request in requests:
                found = self._first_try(request)
                if found is not None:
                    tries[id(found.sent)] = found
                yield request if found is None else found.sent

        results = fetch(sent())
        while True:
            waiting: list[_Try] = []
            for result in results:
                found = tries.pop(id(result.request), None)
                if found is None:
                    yield result
                elif (following := self._judge(found, result)) is None:
                    yield _as_asked(found, result)
                else:
                    waiting.append(following)
            if not waiting:
                return
            tries = {id(one.sent): one for one in waiting}
            results = fetch([one.sent for one in waiting])

    def _first_try(self, request: FetchRequest) -> _Try | None:
        for origin, group in self._groups.items():
            if request.url.startswith(f"{origin}/"):
                with self._lock:
                    mirror, *others = group.order
                return _try(request, origin, group, mirror, tuple(others))
        return None

    def _judge(self, one: _Try, result: FetchResult) -> _Try | None:
        """Note whether the mirror answered; return the next try after a failure."""
        if isinstance(result, FetchFailure):
            if isinstance(result.error, Cancelled):
                return None
            has_answered, is_refusal = False, _is_refusal(result.error)
        else:
            # An instance that wants no programs sends a page for people in place of the feed.
            has_answered = not _HTML.match(result.body[:200])
            is_refusal = not has_answered
        self._note(one, has_answered=has_answered, is_refusal=is_refusal)
        if has_answered or not one.others:
            return None
        origin = next(name for name, group in self._groups.items() if group is one.group)
        mirror, *others = one.others
        following = _try(one.asked, origin, one.group, mirror, tuple(others))
        return replace(following, attempts=(*one.attempts, *result.attempts))

    def _note(self, one: _Try, *, has_answered: bool, is_refusal: bool) -> None:
        with self._lock:
            group, mirror = one.group, one.mirror
            if has_answered:
                group.failures[mirror] = 0
                return
            group.failures[mirror] += 1
            if is_refusal or group.failures[mirror] >= MAX_FAILURES:
                group.order.remove(mirror)
                group.order.append(mirror)


def _try(
    asked: FetchRequest, origin: str, group: _Group, mirror: str, others: tuple[str, ...]
) -> _Try:
    sent = replace(
        asked,
        url=mirror_url(mirror, asked.url.removeprefix(origin)),
        max_attempts=ATTEMPTS if others else 0,
    )
    return _Try(asked, sent, group, mirror, others)


def mirror_url(mirror: str, path: str) -> str:
    """Return the address of a path with a query at a mirror, whose query comes last."""
    base, _, own = mirror.partition("?")
    path, _, query = path.partition("?")
    both = "&".join(filter(None, (query, own)))
    return base.rstrip("/") + path + (f"?{both}" if both else "")


def _as_asked(one: _Try, result: FetchResult) -> FetchResult:
    attempts = (*one.attempts, *result.attempts)
    if isinstance(result, FetchFailure):
        return replace(
            result, request=one.asked, url=one.asked.url, final_url=one.sent.url, attempts=attempts
        )
    return replace(result, request=one.asked, url=one.asked.url, attempts=attempts)


def _is_refusal(error: FetchError) -> bool:
    return isinstance(error, _REFUSALS) or error.status in _REFUSING_STATUSES
