"""Addresses: parsed as browsers do, made absolute, brought to one canonical form.

The WHATWG parser is ada. What identifies an article is its source's business: the
default list below holds only parameters that no publisher uses as a key, so that
``infoCode`` of finews stays.
"""

from __future__ import annotations

from urllib.parse import unquote

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
"""Query parameters that say who followed a link, in lower case; ``*`` ends a prefix."""


def canonicalize(url: str, *, drop: frozenset[str] = TRACKING) -> CanonicalUrl:
    """An address in its one form: parsed, without fragment, credentials and ``drop``.

    The order and the spelling of the remaining parameters stay: servers tell them
    apart. Doing it twice changes nothing.

    Raises:
        UnknownUrl: The address is not an absolute http(s) address.
    """
    parsed = _parsed(url)
    if parsed is None or parsed.protocol not in {"http:", "https:"}:
        raise UnknownUrl(
            f"expected an absolute http or https address, found {url[:200]!r}",
            expected="http(s)://host/...",
            found=url[:200],
        )
    parsed.hash = ""
    parsed.username = ""
    parsed.password = ""
    # One "?" is the parser's own; more belong to the first name.
    parsed.search = _kept(parsed.search[1:], drop)
    return CanonicalUrl(parsed.href)


def absolute(base: str, href: str) -> str:
    """A link as found on the page ``base``, made absolute; empty when it is none."""
    try:
        return str(ada_url.join_url(base, href)) if base else str(ada_url.URL(href).href)
    except ValueError:
        parsed = _parsed(href)
        return str(parsed.href) if parsed is not None else ""


def is_http(url: str) -> bool:
    """Whether it is an absolute http or https address with a host."""
    parsed = _parsed(url)
    return parsed is not None and parsed.protocol in {"http:", "https:"}


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
