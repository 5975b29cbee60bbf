"""Pictures, videos and sounds: equal addresses."""

from __future__ import annotations

import re

from parsers.text.urls import canonicalize, is_http

_FILE = re.compile(
    r"\.(?:jpe?g|png|gif|webp|avif|svg|bmp|tiff?|heic|jfif|mp4|m4v|mov|webm|ogv|mpe?g|avi|flv|mkv|m3u8"
    r"|mp3|m4a|m4b|aac|ogg|oga|opus|wav|flac|wma)$",
    re.IGNORECASE,
)


def media_address(url: str) -> str:
    """Return what two addresses of one file have in common.

    That is the canonical form without the scheme, and without the query after the name of a
    file: signatures and sizes change, the picture does not.
    """
    if not is_http(url):
        return url.strip()
    _, _, address = canonicalize(url).partition("://")
    path, _, _ = address.partition("?")
    return path if _FILE.search(path) else address
