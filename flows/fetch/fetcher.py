"""The fetcher: every rule of this package, applied to one page or to a stream of them."""

from __future__ import annotations

import logging
import random as _random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flows.fetch.attempt import Attempt
from flows.fetch.attempt_state import (
    FetchAttemptState,
    is_reusable,
    is_sendable,
    outcome_of,
    without_credentials,
)
from flows.fetch.client import HttpClient, HttpResponse
from flows.fetch.content_checks import check_content
from flows.fetch.deadlines import Watchdog
from flows.fetch.errors import (
    BadRedirect,
    Cancelled,
    FailedContentCheck,
    FetchError,
    RateLimited,
    TimedOut,
    UnexpectedStatus,
)
from flows.fetch.messages import FetchFailure, FetchRequest, FetchResponse
from flows.fetch.policy import FetchPolicy
from flows.fetch.redact import redact_url
from flows.fetch.retry import RetrySession
from flows.fetch.robots_cache import RobotsCache
from flows.fetch.scheduler import FetchScheduler
from flows.fetch.ssrf import AddressPolicy, Resolve, join, parse_target
from flows.fetch.throttle import HostThrottle

if TYPE_CHECKING:
    from flows.archive import ArchiveWriter

log = logging.getLogger("flows.fetch")

_FULL_WAIT = 0.02


class Fetcher:
    """Fetches pages that can be trusted; one for each run, safe for threads.

    Args:
        policy: The rules.
        archive: Where every page is kept before anybody reads it.
        stop: Set it, and everything ends at once.
        clock: Seconds that never jump; deadlines and waits are measured on it.
        sleep: Waits in ``fetch``; by default until the time is up or ``stop`` is set.
        random: A number in [0, 1), for jitter.
        now: The time of day, aware UTC.
        resolve: Looks a name up; ``socket.getaddrinfo`` by default.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        archive: ArchiveWriter | None = None,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        random: Callable[[], float] = _random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolve: Resolve | None = None,
    ) -> None:
        # Its debug and warning lines hold whole addresses, secrets included.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self.policy = policy
        self._archive = archive
        self._stop = stop or threading.Event()
        self._halt = threading.Event()
        self._clock = clock
        self._sleep = sleep or self._halt.wait
        self._random = random
        self._now = now
        self._guard = AddressPolicy(
            allow_private_hosts=policy.allow_private_hosts,
            source_hosts=policy.source_hosts,
            resolve=resolve,
        )
        self._watchdog = Watchdog(self._stop, self._halt)
        self._client = HttpClient(
            policy, guard=self._guard, watchdog=self._watchdog, clock=clock, now=now
        )
        self.hosts = HostThrottle(policy, clock=clock, now=now)
        self._robots = RobotsCache(
            policy, client=self._client, guard=self._guard, clock=clock, random=random
        )

    def __enter__(self) -> Fetcher:
        self._watchdog.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End what is in flight and close every connection."""
        self._watchdog.close()
        self._client.close()

    def fetch(self, request: FetchRequest) -> FetchResponse:
        """The page, whole and checked.

        Raises:
            FetchError: Why there is none; its ``attempts`` tell the story.
        """
        begun = self._begin(request)
        while isinstance(begun, FetchAttemptState):
            outcome = self._turn(begun)
            if isinstance(outcome, FetchResponse):
                return outcome
            if isinstance(outcome, FetchFailure):
                begun = outcome
            else:
                self._sleep(outcome)
        raise begun.error

    def fetch_all(self, requests: Iterable[FetchRequest]) -> Iterator[FetchResponse | FetchFailure]:
        """Every request's outcome, in the order they are done.

        ``requests`` is read as needed, so that memory stays flat. When ``stop`` is set the
        iterator ends; what it has not yielded was not fetched.
        """
        self._watchdog.start()
        pool = FetchScheduler(
            requests,
            begin=self._begin,
            acquire=self.hosts.acquire,
            room=self.hosts.room,
            step=self.step,
            refuse=self._fail,
            clock=self._clock,
            halt=self._halt,
            cancel=self._watchdog.cut_all,
            workers=self.policy.concurrency,
        )
        return pool.run()

    def pause(self, url: str, seconds: float, reason: str) -> None:
        """Ask nothing of an address's host for so long: what it told an earlier run.

        Raises:
            BadAddress: It is no address.
        """
        self.hosts.pause(parse_target(url).host_key, seconds, reason)

    def _begin(self, request: FetchRequest) -> FetchAttemptState | FetchFailure:
        try:
            target = parse_target(request.url)
            self._guard.check(target)
        except FetchError as error:
            return self._failure(request, error, [], 0.0)
        return FetchAttemptState(request, target)

    def _turn(self, job: FetchAttemptState) -> FetchResponse | FetchFailure | float:
        if self._halt.is_set() or self._stop.is_set():
            return self._fail(job, Cancelled("the run was interrupted"))
        try:
            wait = self.hosts.acquire(job.key)
        except RateLimited as error:
            return self._fail(job, error)
        if wait is None:
            return _FULL_WAIT
        return self.step(job) if wait == 0.0 else wait

    def step(self, job: FetchAttemptState) -> FetchResponse | FetchFailure | float:
        """One request for a job whose host admitted it: its outcome, or seconds to wait."""
        began = self._clock()
        key = job.key
        job.outcome = "cancelled"
        if job.started is None:
            job.started = began
            self.hosts.spend(key, is_retry=False)
        try:
            return self._advance(job)
        except FetchError as error:
            return self._fail(job, error)
        finally:
            self.hosts.release(key, job.outcome, seconds=self._clock() - began)

    def _advance(self, job: FetchAttemptState) -> FetchResponse | float:
        if self.policy.respect_robots and not self._robots.is_known(job.target):
            return self._load_robots(job)
        if job.course is None:
            job.course = self._course(job)
        if self._left(job) <= 0:
            raise TimedOut(
                f"expected the page within {self.policy.deadline_seconds:g} s, all attempts and "
                "waits included; the time is up"
            )
        wait, answer = job.course.step()
        if answer is None:
            return wait or 0.0
        if answer.kind != "redirect":
            return self._fetched(job, answer)
        self._follow(job, answer)
        return 0.0

    def _course(self, job: FetchAttemptState) -> RetrySession[HttpResponse]:
        if self.policy.respect_robots:
            self._robots.check(job.target)
        return RetrySession(
            lambda: self._attempt(job),
            policy=self.policy,
            left=lambda: self._left(job),
            may_retry=lambda: self.hosts.spend(job.key, is_retry=True),
            random=self._random,
        )

    def _load_robots(self, job: FetchAttemptState) -> float:
        wait, job.outcome = self._robots.load(job.target)
        if wait is not None:
            self.hosts.pause(job.key, wait, "its robots.txt is tried again")
        elif self._robots.is_known(job.target):
            self.hosts.set_crawl_delay(job.key, self._robots.crawl_delay(job.target))
        return 0.0

    def _left(self, job: FetchAttemptState) -> float:
        started = self._clock() if job.started is None else job.started
        return started + self.policy.deadline_seconds - self._clock()

    def _attempt(self, job: FetchAttemptState) -> HttpResponse:
        """One request, recorded whatever happens."""
        began, at = self._clock(), self._now()
        answer: HttpResponse | None = None
        try:
            answer = self._ask(job)
            self._check(job, answer)
        except FetchError as error:
            status = answer.status if answer and error.status is None else error.status
            self._record(job, began, at, error.reason, status, answer, str(error.args[0]))
            job.outcome = outcome_of(error)
            self._heed(job, error)
            raise
        job.outcome = "answered" if answer.kind == "redirect" else "ok"
        reason = "ok" if answer.kind == "page" else answer.kind
        self._record(job, began, at, reason, answer.status, answer, "")
        return answer

    def _ask(self, job: FetchAttemptState) -> HttpResponse:
        is_home = job.target.origin == job.home.origin
        return self._client.get(
            job.target,
            deadline=self._clock() + self._left(job),
            validators=self._validators(job),
            credentials=job.home.credentials if is_home else None,
        )

    def _validators(self, job: FetchAttemptState) -> dict[str, str]:
        request = job.request
        if not request.is_conditional:
            return {}
        owner = request.validators_for
        if job.target.url != (parse_target(owner).url if owner else job.home.url):
            return {}
        named = {"If-None-Match": request.etag, "If-Modified-Since": request.last_modified}
        return {name: value for name, value in named.items() if value and is_sendable(value)}

    def _check(self, job: FetchAttemptState, answer: HttpResponse) -> None:
        if answer.kind != "page":
            return
        try:
            check_content(job.request, answer.body, answer.headers.get("Content-Type", ""))
        except FailedContentCheck as error:
            if self._archive is not None:
                error.archived = self._archive.write(answer, known=job.request.archived)
            raise

    def _record(
        self,
        job: FetchAttemptState,
        began: float,
        at: datetime,
        reason: str,
        status: int | None,
        answer: HttpResponse | None,
        words: str,
    ) -> None:
        job.attempts.append(
            Attempt(
                url=redact_url(job.target.url),
                started_at=at,
                seconds=self._clock() - began,
                status=status,
                reason=reason,
                error=words,
                wire_bytes=len(answer.body.wire) if answer else 0,
            )
        )

    def _heed(self, job: FetchAttemptState, error: FetchError) -> None:
        """Do for the whole host what an answer asks for.

        Raises:
            Deferred: It asks for more time than there is.
        """
        if not isinstance(error, UnexpectedStatus):
            return
        if error.retry_after is None:
            if error.status == 429:
                self.hosts.slow_down(job.key)
            return
        self.hosts.pause(job.key, error.retry_after, f"Retry-After with a {error.status}")
        if error.retry_after > min(self.policy.max_wait_seconds, self._left(job)):
            raise self.hosts.rate_limited_error(job.key, status=error.status) from error

    def _follow(self, job: FetchAttemptState, answer: HttpResponse) -> None:
        """Turn a job to where a redirect points.

        Raises:
            BadRedirect: Nowhere, round in a circle, or too far.
            PolicyRefusal: To where we do not go.
        """
        if not answer.location:
            raise BadRedirect(
                f"the server answered {answer.status} without a Location", status=answer.status
            )
        try:
            found = join(job.target, answer.location)
        except ValueError:
            raise BadRedirect(
                f"it redirects to {redact_url(answer.location)!r}, which is no address",
                status=answer.status,
            ) from None
        try:
            target = parse_target(found)
            self._guard.check(target)
        except FetchError as error:
            error.args = (f"it redirects to {redact_url(found)}; {error.args[0]}",)
            raise
        self._guard.check_redirect(job.target, target)
        if target.url in job.seen:
            raise BadRedirect(
                f"it redirects in a circle, back to {redact_url(target.url)}; a site that wants "
                "cookies does that, and none are kept",
                status=answer.status,
            )
        if len(job.seen) > self.policy.max_redirects:
            raise BadRedirect(
                f"expected at most {self.policy.max_redirects} redirects", status=answer.status
            )
        if self._archive is not None:
            self._archive.write(answer)
        job.seen.add(target.url)
        job.target = target
        job.course = None

    def _fetched(self, job: FetchAttemptState, answer: HttpResponse) -> FetchResponse:
        place = None
        if self._archive is not None:
            place = self._archive.write(answer, known=job.request.archived)
        headers = answer.headers
        vary = headers.get("Vary", "")
        is_unmodified = answer.kind == "not_modified"
        keeps = is_reusable(vary)
        etag = headers.get("ETag") or (job.request.etag if is_unmodified else None)
        modified = headers.get("Last-Modified") or (
            job.request.last_modified if is_unmodified else None
        )
        return FetchResponse(
            request=job.request,
            url=job.home.url,
            final_url=answer.target.url,
            status=answer.status,
            headers=headers,
            body=b"" if is_unmodified else answer.body.content,
            content_type=headers.get("Content-Type", ""),
            etag=etag if keeps and etag and is_sendable(etag) else None,
            last_modified=modified if keeps and modified and is_sendable(modified) else None,
            vary=vary,
            not_modified=is_unmodified,
            attempts=tuple(job.attempts),
            fetched_at=answer.at,
            seconds=self._clock() - (job.started or 0.0),
            archive_file=place[0] if place else None,
            archive_offset=place[1] if place else None,
        )

    def _fail(self, job: FetchAttemptState, error: FetchError) -> FetchFailure:
        seconds = 0.0 if job.started is None else self._clock() - job.started
        return self._failure(job.request, error, job.attempts, seconds)

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
