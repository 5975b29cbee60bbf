"""Addresses of the configuration: proxies, hosts, and URLs that every parser reads alike."""

from __future__ import annotations

import re

import ada_url

from parsers.text.urls import is_http

_PLAIN = re.compile(r"(?i)https?://[^\s\\/?#]+([/?#][^\\\x00-\x1f\x7f]*)?(?<!\s)\Z")


def check_url(url: str) -> None:
    """Raise unless the URL is http or https, and no parser can find another host in it.

    Raises:
        ValueError: It is not. The message shows no user and no password.
    """
    if _PLAIN.match(url) and is_http(url):
        return
    shown = repr(re.sub(r"\A([^/]*//)?.*@", r"\1***@", url.partition("?")[0]))
    hint = "; a backslash is not allowed" if "\\" in url else ""
    raise ValueError(f"expected an http or https address, found {shown}{hint}")


def parse_proxy(text: str) -> str:
    """The URL of an HTTP proxy in its parsed form; ``host:port`` alone means http.

    Raises:
        ValueError: It is none. The message leaves its password out.
    """
    try:
        parsed = ada_url.URL(text if "://" in text else f"http://{text}")
    except ValueError:
        raise ValueError("expected a proxy such as http://proxy.example:3128") from None
    if parsed.protocol not in ("http:", "https:"):
        raise ValueError(
            f"expected an http or https proxy, found the scheme {parsed.protocol[:-1]!r}; copydesk "
            "supports no SOCKS proxies"
        )
    return str(parsed.href)


def host_entry(host: str, port: int | None = None) -> str:
    """The text that ``host_and_port`` parses; an IPv6 address has brackets."""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def host_and_port(entry: str) -> tuple[str, int | None]:
    """Parse ``host`` or ``host:port``; a URL without a path will do.

    Raises:
        ValueError: It is neither.
    """
    text = entry.strip()
    try:
        parsed = ada_url.URL(text if "://" in text else f"http://{text}")
    except ValueError:
        raise ValueError(f"expected host or host:port, found {entry!r}") from None
    if parsed.pathname not in ("", "/") or not parsed.hostname:
        raise ValueError(f"expected host or host:port, found {entry!r}")
    # The parser drops the scheme's default port; the text still has it.
    port = int(parsed.port) if parsed.port else (80 if text.endswith(":80") else None)
    return parsed.hostname.strip("[]"), port
