"""Fetching that can be trusted: a page that is whole, or an error that says why not.

``Fetcher`` is the door; the rooms behind it: ``guard`` (where we may go), ``connection`` and
``watchdog`` (how, and until when), ``client`` (one request), ``body`` and ``checks`` (is it
whole), ``retrying`` (the one layer of retries), ``hosts`` and ``robots`` (politeness),
``pool`` (many at once), ``archive`` (everything kept).
"""

from __future__ import annotations

from flows.fetch.attempt import Attempt
from flows.fetch.errors import (
    BadAddress,
    BadRedirect,
    Cancelled,
    ConnectionFailed,
    DisallowedByRobots,
    FailedContentCheck,
    FetchError,
    IncompleteBody,
    PermanentFetchError,
    PolicyRefusal,
    RateLimited,
    RefusedByServer,
    TimedOut,
    TooLarge,
    TransientFetchError,
    UnexpectedStatus,
    UntrustedServer,
)
from flows.fetch.fetcher import Fetcher
from flows.fetch.messages import Expect, FetchFailure, FetchRequest, FetchResponse, decode_page
from flows.fetch.policy import FetchPolicy
from flows.fetch.redact import redact_url, safe_text

__all__ = [
    "Attempt",
    "BadAddress",
    "BadRedirect",
    "Cancelled",
    "ConnectionFailed",
    "DisallowedByRobots",
    "Expect",
    "FailedContentCheck",
    "FetchError",
    "FetchFailure",
    "FetchPolicy",
    "FetchRequest",
    "FetchResponse",
    "Fetcher",
    "IncompleteBody",
    "PermanentFetchError",
    "PolicyRefusal",
    "RateLimited",
    "RefusedByServer",
    "TimedOut",
    "TooLarge",
    "TransientFetchError",
    "UnexpectedStatus",
    "UntrustedServer",
    "decode_page",
    "redact_url",
    "safe_text",
]
