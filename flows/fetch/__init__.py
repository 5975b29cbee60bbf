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
    BrokenBody,
    Deferred,
    DisallowedByRobots,
    FailedContentCheck,
    FetchError,
    PermanentFetchError,
    PolicyRefusal,
    RefusedByServer,
    Stopped,
    TimedOut,
    TooLarge,
    TransientFetchError,
    UnexpectedAnswer,
    Unreachable,
    UntrustedServer,
)
from flows.fetch.fetcher import Fetcher
from flows.fetch.messages import Expect, Fetched, FetchFailure, FetchRequest
from flows.fetch.policy import FetchPolicy
from flows.fetch.redact import mask_url, safe_text

__all__ = [
    "Attempt",
    "BadAddress",
    "BadRedirect",
    "BrokenBody",
    "Deferred",
    "DisallowedByRobots",
    "Expect",
    "FailedContentCheck",
    "FetchError",
    "FetchFailure",
    "FetchPolicy",
    "FetchRequest",
    "Fetched",
    "Fetcher",
    "PermanentFetchError",
    "PolicyRefusal",
    "RefusedByServer",
    "Stopped",
    "TimedOut",
    "TooLarge",
    "TransientFetchError",
    "UnexpectedAnswer",
    "Unreachable",
    "UntrustedServer",
    "mask_url",
    "safe_text",
]
