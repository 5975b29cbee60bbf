"""The fetcher: policy, throttle, robots.txt, redirects and retries applied to every page."""

from __future__ import annotations

import logging
import random as _random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from flows.fetch.client import HttpClient, HttpResponse
from flows.fetch.content_checks import check_content
from flows.fetch.deadlines import Watchdog
from flows.fetch.errors import (
    Attempt,
    BadRedirect,
    Cancelled,
    FailedContentCheck,
    FetchError,
    RateLimited,
    TimedOut,
    UnexpectedStatus,
)
from flows.fetch.headers import is_reusable, is_sendable
from flows.fetch.messages import FetchFailure, FetchRequest, FetchResponse, FetchResult
from flows.fetch.mirrors import Mirrors
from flows.fetch.policy import FetchPolicy
from flows.fetch.proxies import Proxies
from flows.fetch.retry import RetrySession
from flows.fetch.robots import RobotsCache, RobotsState
from flows.fetch.scheduler import FetchScheduler
from flows.fetch.ssrf import (
    AddressPolicy,
    Resolve,
    Target,
    join,
    parse_target,
    without_credentials,
)
from flows.fetch.throttle import HostState, HostThrottle, Outcome, outcome_of
from flows.secrets.redact import redact_url
from flows.secrets.urls import MARK, SECRETS

log = logging.getLogger("flows.fetch")

_FULL_WAIT_SECONDS = 0.02


class ResponseStore(Protocol):
    """Storage of every response before it is parsed; ``flows.archive`` has one."""

    def write(
        self, response: HttpResponse, *, known: tuple[str, int] | None = None
    ) -> tuple[str, int]:
        """Store a response; return ``(file, offset)``. ``known`` is an earlier copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteStates:
    """What a fetcher knows of the hosts that it has asked.

    Attributes:
        hosts: Pauses, delays and failures, by host key.
        robots: robots.txt, by origin.
    """

    hosts: Mapping[str, HostState]
    robots: Mapping[str, RobotsState]

    def only(self, hosts: Set[str]) -> SiteStates:
        """What is known of some hosts, by host key."""
        return SiteStates(
            hosts={key: state for key, state in self.hosts.items() if key in hosts},
            robots={
                origin: state
                for origin, state in self.robots.items()
                if parse_target(origin).host_key in hosts
            },
        )


@dataclass(slots=True, eq=False)
class FetchAttemptState:
    """One request on its way through redirects, attempts and waits.

    Attributes:
        request: The request object itself.
        origin: Its parsed URL.
        target: URL of the current hop.
        visited: URLs of all hops.
        session: Attempts at ``target``; ``None`` before the first.
        attempts: Every HTTP request so far.
        outcome: Outcome of the last one for its host.
        started: Time of the first one, on the clock.
        redirects: Responses that the caller archives later.
    """

    request: FetchRequest
    origin: Target
    target: Target
    visited: set[str]
    session: RetrySession[HttpResponse] | None = None
    attempts: list[Attempt] = field(default_factory=list)
    outcome: Outcome = "cancelled"
    started: float | None = None
    redirects: list[HttpResponse] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Host key of the current hop."""
        return self.target.host_key


class Fetcher:
    """Fetches pages, whole and checked; one for each run, safe for threads.

    Args:
        policy: The limits.
        archive: Stores every page before it is parsed.
        stop: Set it to cancel everything at once.
        clock: Seconds that never jump, for deadlines and waits.
        sleep: Waits in ``fetch``; by default until the time is up or ``stop`` is set.
        random: A number in [0, 1), for jitter.
        now: Time of day, aware UTC.
        resolve: Resolves a name; ``socket.getaddrinfo`` by default.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        archive: ResponseStore | None = None,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        random: Callable[[], float] = _random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolve: Resolve | None = None,
    ) -> None:
        # The debug and warning lines of urllib3 hold whole URLs, secrets included.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self.policy = policy
        self._archive = archive
        self._halt = threading.Event()
        self._clock = clock
        self._sleep = sleep or self._halt.wait
        self._random = random
        self._now = now
        self._addresses = AddressPolicy(
            allow_private_hosts=policy.allow_private_hosts,
            source_hosts=policy.source_hosts,
            proxies=Proxies(policy.proxy),
            resolve=resolve,
        )
        self._watchdog = Watchdog(stop or threading.Event(), self._halt)
        self._client = HttpClient(
            policy, addresses=self._addresses, watchdog=self._watchdog, clock=clock, now=now
        )
        self._mirrors = Mirrors(policy.mirrors)
        self.throttle = HostThrottle(policy, clock=clock, now=now)
        self._robots = RobotsCache(
            policy, client=self._client, addresses=self._addresses, clock=clock, random=random
        )

    def __enter__(self) -> Fetcher:
        self._watchdog.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End every request in flight and close every connection."""
        self._watchdog.close()
        self._client.close()

    def fetch(self, request: FetchRequest) -> FetchResponse:
        """Fetch one page.

        Raises:
            FetchError: Its ``attempts`` list every HTTP request that was made.
        """
        result: FetchAttemptState | FetchResult = self.begin(request)
        while isinstance(result, FetchAttemptState):
            outcome = self._try(result)
            if isinstance(outcome, float):
                self._sleep(outcome)
            else:
                result = outcome
        if isinstance(result, FetchFailure):
            raise result.error
        return result

    def fetch_all(self, requests: Iterable[FetchRequest]) -> Iterator[FetchResult]:
        """Fetch many pages at once; yield each result when it is done.

        ``requests`` is read as needed, so that memory stays flat. When ``stop`` is set the
        iterator ends; what it has not yielded was not fetched.
        """
        return self._mirrors.fetch_all(requests, self._fetch_all)

    def _fetch_all(self, requests: Iterable[FetchRequest]) -> Iterator[FetchResult]:
        self._watchdog.start()
        scheduler = FetchScheduler(
            requests,
            handler=self,
            throttle=self.throttle,
            clock=self._clock,
            halt=self._halt,
            cancel=self._watchdog.cancel,
            workers=self.policy.concurrency,
        )
        return scheduler.run()

    def pause(self, url: str, seconds: float, reason: str) -> None:
        """Send the host of a URL no request for some seconds, as it asked an earlier run.

        Raises:
            BadAddress: Not a URL.
        """
        self.throttle.pause(parse_target(url).host_key, seconds, reason)

    def sites(self) -> SiteStates:
        """What is known of each host, for ``restore`` in another process."""
        return SiteStates(hosts=self.throttle.states(), robots=self._robots.states())

    def restore(self, sites: SiteStates) -> None:
        """Treat hosts as another fetcher would that continues: its pauses, delays and rules."""
        self.throttle.restore(sites.hosts)
        self._robots.restore(sites.robots)

    def begin(self, request: FetchRequest) -> FetchAttemptState | FetchFailure:
        """The state of a new request, or a failure if the policy refuses its URL."""
        try:
            target = parse_target(request.url)
            self._addresses.check(target)
        except FetchError as error:
            return self._failure(request, error, [], 0.0)
        return FetchAttemptState(request, target, target, {target.url})

    def _try(self, state: FetchAttemptState) -> FetchResult | float:
        if self._watchdog.is_cancelled:
            return self.fail(state, Cancelled("the run was interrupted"))
        try:
            wait = self.throttle.acquire(state.key)
        except RateLimited as error:
            return self.fail(state, error)
        if wait is None:
            return _FULL_WAIT_SECONDS
        return self.step(state) if wait == 0.0 else wait

    def step(self, state: FetchAttemptState) -> FetchResult | float:
        """Make one HTTP request in an acquired slot and release it.

        Returns:
            The result, or seconds to wait before the next step.
        """
        began = self._clock()
        key = state.key
        state.outcome = "cancelled"
        if state.started is None:
            state.started = began
            self.throttle.count_page(key)
        try:
            return self._advance(state)
        except FetchError as error:
            return self.fail(state, error)
        finally:
            self.throttle.release(key, state.outcome, seconds=self._clock() - began)

    def _advance(self, state: FetchAttemptState) -> FetchResponse | float:
        if self.policy.respect_robots and not self._robots.is_known(state.target):
            self._load_robots(state)
            return 0.0
        if state.session is None:
            state.session = self._session(state)
        if self._seconds_left(state) <= 0:
            raise TimedOut(
                f"expected the page within {self.policy.deadline_seconds:g} s, all attempts and "
                "waits included; the time is up"
            )
        wait, response = state.session.step()
        if response is None:
            return wait or 0.0
        if response.kind != "redirect":
            return self._response(state, response)
        self._follow(state, response)
        return 0.0

    def _session(self, state: FetchAttemptState) -> RetrySession[HttpResponse]:
        if self.policy.respect_robots:
            self._robots.check(state.target)
        return RetrySession(
            attempt=lambda: self._attempt(state),
            policy=_policy_for(self.policy, state.request),
            seconds_left=lambda: self._seconds_left(state),
            may_retry=lambda: self.throttle.take_retry(state.key),
            random=self._random,
        )

    def _load_robots(self, state: FetchAttemptState) -> None:
        wait, state.outcome = self._robots.load(state.target)
        if wait is not None:
            self.throttle.pause(state.key, wait, "its robots.txt is retried")
        elif self._robots.is_known(state.target):
            delay = self._robots.crawl_delay(state.target)
            self.throttle.set_crawl_delay(state.key, delay)

    def _seconds_left(self, state: FetchAttemptState) -> float:
        started = self._clock() if state.started is None else state.started
        return started + self.policy.deadline_seconds - self._clock()

    def _attempt(self, state: FetchAttemptState) -> HttpResponse:
        """Make one HTTP request and record it, whatever its outcome."""
        began = self._clock()
        response: HttpResponse | None = None

        def record(reason: str, status: int | None, message: str = "") -> None:
            state.attempts.append(
                Attempt(
                    url=redact_url(state.target.url),
                    seconds=self._clock() - began,
                    status=status,
                    reason=reason,
                    error=message,
                )
            )

        try:
            response = self._request(state)
            self._check_content(state, response)
        except FetchError as error:
            status = response.status if response and error.status is None else error.status
            record(error.reason, status, str(error.args[0]))
            state.outcome = outcome_of(error)
            self._throttle_host(state, error)
            raise
        record("ok" if response.kind == "page" else response.kind, response.status)
        state.outcome = "answered" if response.kind == "redirect" else "ok"
        return response

    def _request(self, state: FetchAttemptState) -> HttpResponse:
        is_same_origin = state.target.origin == state.origin.origin
        return self._client.get(
            state.target,
            deadline=self._clock() + self._seconds_left(state),
            validators=_validators(state),
            credentials=state.origin.credentials if is_same_origin else None,
        )

    def _check_content(self, state: FetchAttemptState, response: HttpResponse) -> None:
        if response.kind != "page":
            return
        try:
            check_content(state.request, response.body, response.headers.get("Content-Type", ""))
        except FailedContentCheck:
            if self._archive is not None:
                self._archive.write(response, known=state.request.archived)
            raise

    def _throttle_host(self, state: FetchAttemptState, error: FetchError) -> None:
        """Pause or slow down the whole host as a response asks.

        Raises:
            RateLimited: It asks for a longer pause than the run waits.
        """
        if not isinstance(error, UnexpectedStatus):
            return
        if error.retry_after is None:
            if error.status == 429:
                self.throttle.slow_down(state.key)
            return
        self.throttle.pause(state.key, error.retry_after, f"Retry-After with a {error.status}")
        if error.retry_after > min(self.policy.max_wait_seconds, self._seconds_left(state)):
            raise self.throttle.rate_limited_error(state.key, status=error.status) from error

    def _follow(self, state: FetchAttemptState, response: HttpResponse) -> None:
        """Move a state to the target of a redirect.

        Raises:
            BadRedirect: No Location, a loop, or too many hops.
            PolicyRefusal: The policy refuses the target.
        """
        status = response.status
        if not response.location:
            raise BadRedirect(f"the server answered {status} without a Location", status=status)
        try:
            found = SECRETS.mask_redirect(
                join(state.target, response.location), from_secret=MARK in state.request.url
            )
        except ValueError:
            raise BadRedirect(
                f"it redirects to {redact_url(SECRETS.clean_text(response.location))!r}, which is no address",
                status=status,
            ) from None
        try:
            target = parse_target(found)
            self._addresses.check_redirect(state.target, target)
        except FetchError as error:
            error.args = (f"it redirects to {redact_url(found)}; {error.args[0]}",)
            raise
        if target.url in state.visited:
            raise BadRedirect(
                f"it redirects in a circle, back to {redact_url(target.url)}; a site that requires "
                "cookies does that, and copydesk keeps none",
                status=status,
            )
        if len(state.visited) > self.policy.max_redirects:
            raise BadRedirect(
                f"expected at most {self.policy.max_redirects} redirects", status=status
            )
        if state.request.archive_later:
            state.redirects.append(response)
        elif self._archive is not None:
            self._archive.write(response)
        state.visited.add(target.url)
        state.target = target
        state.session = None

    def _response(self, state: FetchAttemptState, response: HttpResponse) -> FetchResponse:
        file, offset = None, None
        unarchived = (*state.redirects, response) if state.request.archive_later else ()
        if self._archive is not None and not unarchived:
            file, offset = self._archive.write(response, known=state.request.archived)
        headers = response.headers
        vary = headers.get("Vary", "")
        is_unmodified = response.kind == "not_modified"

        def validator(name: str, sent: str | None) -> str | None:
            found = headers.get(name) or (sent if is_unmodified else None)
            return found if found and is_reusable(vary) and is_sendable(found) else None

        return FetchResponse(
            request=state.request,
            url=state.origin.url,
            final_url=response.target.url,
            status=response.status,
            headers=headers,
            body=b"" if is_unmodified else response.body.content,
            content_type=headers.get("Content-Type", ""),
            etag=validator("ETag", state.request.etag),
            last_modified=validator("Last-Modified", state.request.last_modified),
            vary=vary,
            not_modified=is_unmodified,
            attempts=tuple(state.attempts),
            fetched_at=response.received_at,
            seconds=self._clock() - (state.started or 0.0),
            archive_file=file,
            archive_offset=offset,
            unarchived=unarchived,
        )

    def fail(self, state: FetchAttemptState, error: FetchError) -> FetchFailure:
        """The failure of a started request."""
        seconds = 0.0 if state.started is None else self._clock() - state.started
        return self._failure(state.request, error, state.attempts, seconds)

    def _failure(
        self, request: FetchRequest, error: FetchError, attempts: list[Attempt], seconds: float
    ) -> FetchFailure:
        error.url = redact_url(request.url)
        error.attempts = tuple(attempts)
        log.debug("%s", error)
        return FetchFailure(
            request=request,
            url=without_credentials(request.url),
            error=error,
            attempts=error.attempts,
            fetched_at=self._now(),
            seconds=seconds,
        )


def _policy_for(policy: FetchPolicy, request: FetchRequest) -> FetchPolicy:
    return replace(policy, max_attempts=request.max_attempts) if request.max_attempts else policy


def _validators(state: FetchAttemptState) -> dict[str, str]:
    """The conditional request fields for the current hop."""
    request = state.request
    owner = request.validators_for
    if state.target.url != (parse_target(owner).url if owner else state.origin.url):
        return {}
    fields = {"If-None-Match": request.etag, "If-Modified-Since": request.last_modified}
    return {name: value for name, value in fields.items() if value and is_sendable(value)}
