"""URLs of images and of embedded media: lazy, responsive and fallback forms.

Scripts of a site fill in the images of its pages. The URL is then in another attribute, in
``srcset``, in a ``source`` of the ``picture``, or in a ``noscript`` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from bs4 import Tag

from parsers.html.node import Node
from parsers.text.urls import absolute, is_http

IMAGES = frozenset({"img", "amp-img"})
EMBEDS = frozenset(
    {
        "iframe", "video", "audio", "object", "embed", "amp-iframe", "amp-video", "amp-audio",
        "amp-youtube", "lite-youtube",
    }
)  # fmt: skip
"""Elements that show a document, video or sound of another URL."""

IMAGE_PROXIES = ("https://cors.zfour.workers.dev/?", "http://cors.zfour.workers.dev/?")
TRACKERS = frozenset(
    {
        "hm.baidu.com", "pixel.wp.com", "stats.wordpress.com", "www.google-analytics.com",
        "ad.doubleclick.net", "b.scorecardresearch.com", "sb.scorecardresearch.com",
        "pixel.quantserve.com",
    }
)  # fmt: skip

_LAZY = (
    "data-original", "data-src", "data-lazy-src", "data-actualsrc", "data-original-src",
    "data-lazy", "data-lazyload", "data-echo", "data-cfsrc", "data-hi-res-src", "data-full-src",
)  # fmt: skip
_PICTURES = IMAGES | {"picture"}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_NAMED = frozenset({"src", "srcset", "alt", "title", "class", "id", "name", *_LAZY})
_SOURCE = ("source",)
_ADDRESSED = ("source", "embed", "param")
_LAZY_SETS = ("data-srcset", "data-lazy-srcset")
_CANDIDATE = re.compile(r"(\S+)(?:\s+(\d+(?:\.\d+)?)[wxh]\s*(?:,|$))?")
_PLACEHOLDER = re.compile(
    r"/(?:blank|none|spacer|placeholder|loading|lazy(?:load)?|pixel|transparent|trans|empty|clear|dot"
    r"|gr[ae]y|1x1)[\d_-]*\.(?:gif|png|svg|jpe?g|webp)$",
    re.IGNORECASE,
)
_IMAGE_FILE = re.compile(r"^\S+\.(?:jpe?g|png|webp|gif|avif)(?:[?!@]\S*)?$", re.IGNORECASE)
_TINY = re.compile(r"(?:^|[;\s])(?:width|height)\s*:\s*[01]px", re.IGNORECASE)
_NO_MEDIA = re.compile(
    r"doubleclick|googlesyndication|googletagmanager|adservice|adsystem|amazon-ads|taboola|outbrain"
    r"|criteo|recaptcha|disqus|addthis|sharethis|/plugins/(?:like|share|page|comments|follow)"
    r"|/widgets?/(?:follow|tweet_button|like|share)|share\.baidu\.com|hm\.baidu\.com|pos\.baidu\.com",
    re.IGNORECASE,
)


def attribute(tag: Tag | Node, name: str) -> str:
    """Return an attribute as text; empty when there is none."""
    value = tag.get(name)
    return " ".join(value) if isinstance(value, list) else str(value or "")


def is_tiny(tag: Tag | Node) -> bool:
    """Return whether an element is too small to be seen: a tracker."""
    sizes = {attribute(tag, name).removesuffix("px").strip() for name in ("width", "height")}
    return not sizes.isdisjoint({"0", "1"}) or _TINY.search(attribute(tag, "style")) is not None


def image_url(tag: Tag | Node, base_url: str) -> str:
    """Return the URL of the image that readers see; empty when the element names none."""
    for given in _image_urls(tag):
        source = given.strip()
        while source.startswith(IMAGE_PROXIES):
            source = source.partition("?")[2]
        address = absolute(base_url, source) if source else ""
        if address and is_http(address) and not _is_placeholder(address):
            return address
    return ""


def embed_url(tag: Tag | Node, base_url: str) -> str:
    """Return the URL of an embedded document, video or sound; empty for advertisements."""
    for given in _embed_urls(tag):
        address = absolute(base_url, given.strip()) if given.strip() else ""
        if is_http(address) and not _NO_MEDIA.search(address):
            return address
    return ""


def embed_type(tag: Tag | Node) -> str:
    """Return the MIME type that an embedded video or sound declares; empty when it has none."""
    declared = (attribute(one, "type") for one in (tag, *tag.find_all(_SOURCE)))
    return next((one for one in declared if one), "")


def relative_url(tag: Tag | Node) -> str:
    """Return the relative address of an image or an embedded file, as written; else empty.

    One that lacks its scheme alone gets https.
    """
    found = _image_urls(tag) if tag.name in _PICTURES else _embed_urls(tag)
    for given in map(str.strip, found):
        if given and given[0] not in "#?" and not _SCHEME.match(given):
            return f"https:{given}" if given.startswith("//") else given
    return ""


def _image_urls(tag: Tag | Node) -> Iterator[str]:
    yield from (attribute(tag, name) for name in _LAZY)
    yield from (_largest(attribute(tag, name)) for name in _LAZY_SETS)
    yield attribute(tag, "src")
    yield _largest(attribute(tag, "srcset"))
    yield from _picture_urls(tag)
    for name in tag.attrs:
        if name not in _NAMED and _IMAGE_FILE.match(value := attribute(tag, name)):
            yield value


def _picture_urls(tag: Tag | Node) -> Iterator[str]:
    picture = tag if tag.name == "picture" else tag.find_parent("picture")
    for source in picture.find_all(_SOURCE) if picture is not None else ():
        for name in ("srcset", *_LAZY_SETS):
            yield _largest(attribute(source, name))


def _largest(srcset: str) -> str:
    found = _CANDIDATE.findall(srcset)
    return max(found, key=lambda each: float(each[1] or 1))[0].strip(",") if found else ""


def _embed_urls(tag: Tag | Node) -> Iterator[str]:
    for name in ("data-videoid", "videoid"):
        if "youtube" in tag.name and (video := attribute(tag, name)):
            yield f"https://www.youtube.com/watch?v={video}"
    for name in ("src", "data-src", "data-lazy-src", "data-original", "data"):
        yield attribute(tag, name)
    for inner in tag.find_all(_ADDRESSED):
        if inner.name != "param" or attribute(inner, "name").lower() in {"movie", "src"}:
            yield attribute(inner, "value" if inner.name == "param" else "src")


def _is_placeholder(address: str) -> bool:
    parts = urlsplit(address)
    host = parts.hostname or ""
    return (
        host in TRACKERS
        or (host.endswith("picsum.photos") and "random=" in parts.query)
        or _PLACEHOLDER.search(parts.path) is not None
    )
