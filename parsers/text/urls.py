"""Parse URLs as browsers do (WHATWG, by ada), resolve and canonicalize them."""

from __future__ import annotations

from urllib.parse import SplitResult, unquote, urlsplit

import ada_url

from parsers.errors import UnknownUrl
from parsers.model import CanonicalUrl

TRACKING = frozenset(
    {
        "utm_*", "spm", "scm", "gclid", "gclsrc", "dclid", "wbraid", "gbraid", "fbclid", "msclkid",
        "yclid", "ysclid", "twclid", "ttclid", "igshid", "mc_cid", "mc_eid", "mkt_tok", "_hsenc",
        "_hsmi", "hsctatracking", "vero_id", "oly_enc_id", "oly_anon_id", "wickedid", "rb_clickid",
        "s_cid", "_openstat", "at_*", "pk_campaign", "pk_kwd", "mtm_*", "matomo_*", "share_token",
        "share_from", "share_source", "isappinstalled", "scene", "clicktime", "enterid", "nsukey",
        "bd_vid", "bdclid", "hmsr", "hmpl", "hmcu", "hmkw", "hmci",
    }
)  # fmt: skip
"""Query parameters that identify who followed a link, in lower case; ``*`` ends a prefix."""

_NO_PARTS = SplitResult("", "", "", "", "")


def canonicalize(url: str, *, drop: frozenset[str] = TRACKING) -> CanonicalUrl:
    """Return the canonical form of a URL: parsed, without fragment and credentials.

    The remaining query parameters keep their order and spelling. The function is
    idempotent.

    Args:
        url: An absolute http or https URL.
        drop: Query parameters to remove, in the form of ``TRACKING``. The default holds
            only parameters that no publisher uses to identify an article.

    Raises:
        UnknownUrl: The URL is not an absolute http or https URL.
    """
    parsed = _parsed(url)
    if parsed is None or parsed.protocol not in {"http:", "https:"}:
        raise UnknownUrl(expected="http(s)://host/...", found=url[:200])
    parsed.hash = ""
    parsed.username = ""
    parsed.password = ""
    # More than one "?" would lose one in each pass.
    parsed.search = _kept(parsed.search.lstrip("?"), drop)
    return CanonicalUrl(parsed.href)


def absolute(base: str, href: str) -> str:
    """Resolve a link against the URL ``base``; return an empty text when it is no URL."""
    try:
        return str(ada_url.join_url(base, href)) if base else str(ada_url.URL(href).href)
    except ValueError:
        parsed = _parsed(href)
        return str(parsed.href) if parsed is not None else ""


def is_http(url: str) -> bool:
    """Return whether it is an absolute http or https URL with a host."""
    parsed = _parsed(url)
    return parsed is not None and parsed.protocol in {"http:", "https:"}


def url_parts(url: str) -> SplitResult:
    """Split a URL; all parts are empty when it names no host.

    A backslash is a slash, as it is for the fetcher, so that both find the same host.
    """
    try:
        parts = urlsplit(url.strip().replace("\\", "/"))
    except ValueError:
        return _NO_PARTS
    return parts if parts.hostname else _NO_PARTS


def host_of(url: str) -> str:
    """Return the host of a URL in lower case; empty when there is none."""
    return (url_parts(url).hostname or "").lower()


def is_in_domain(host: str, domain: str) -> bool:
    """Return whether a host is a domain or one of its subdomains."""
    return host == domain or host.endswith(f".{domain}")


def _parsed(url: str) -> ada_url.URL | None:
    try:
        return ada_url.URL(url)
    except ValueError:
        return None


def _kept(query: str, drop: frozenset[str]) -> str:
    prefixes = tuple(name[:-1] for name in drop if name.endswith("*"))
    return "&".join(
        pair for pair in query.split("&") if pair and not _is_dropped(pair, drop, prefixes)
    )


def _is_dropped(pair: str, drop: frozenset[str], prefixes: tuple[str, ...]) -> bool:
    name = unquote(pair.partition("=")[0]).lower()
    return name in drop or name.startswith(prefixes)
