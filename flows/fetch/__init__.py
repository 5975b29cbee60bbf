"""An HTTP client for scraping: it returns a complete page, or an error that names the cause.

``Fetcher`` is the entry point. Its parts: ``ssrf`` (which addresses), ``connection`` and
``deadlines`` (how, and until when), ``client`` (one request), ``body`` and ``content_checks``
(is it complete), ``retry``, ``throttle`` and ``robots`` (manners), ``scheduler`` (many pages
at once).
"""

from __future__ import annotations

from flows.fetch.errors import (
    Attempt,
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
from flows.fetch.messages import (
    Expect,
    FetchFailure,
    FetchRequest,
    FetchResponse,
    decode_page,
    stored_response,
)
from flows.fetch.policy import FetchPolicy
from flows.secrets.redact import redact_url, safe_text

__all__ = [
    "Attempt", "BadAddress", "BadRedirect", "Cancelled", "ConnectionFailed", "DisallowedByRobots",
    "Expect", "FailedContentCheck", "FetchError", "FetchFailure", "FetchPolicy", "FetchRequest",
    "FetchResponse", "Fetcher", "IncompleteBody", "PermanentFetchError", "PolicyRefusal",
    "RateLimited", "RefusedByServer", "TimedOut", "TooLarge", "TransientFetchError",
    "UnexpectedStatus", "UntrustedServer", "decode_page", "redact_url", "safe_text", "stored_response",
]  # fmt: skip
