"""Text constructs of feeds as HTML, with absolute links where the feed declares a base.

An Atom text is plain unless its ``type`` (or ``mode``, in Atom 0.3) declares HTML. Any
other text is HTML, as publishers use RSS.
"""

from __future__ import annotations

import base64
import html
import re

from lxml import etree

from parsers.feeds.names import XML, Names
from parsers.feeds.title import strip_elements
from parsers.text.urls import absolute

_PLAIN = frozenset({"", "text", "text/plain", "plain"})
_NAMESPACES = re.compile(r"^(<[^\s<>]+)(?:\s+xmlns(?::[\w.-]+)?=\"[^\"]*\")+")
_TAGS = re.compile(r"<[^<>]*>")
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
_LINKS = ("href", "src", "poster")
_PLAIN_BY_DEFAULT = frozenset({"media:title", "media:description"})


def all_text(element: etree._Element) -> str:
    """Return the text of an element and its descendants, without space around it."""
    return "".join(map(str, element.itertext())).strip()


def title_of(element: etree._Element, names: Names) -> str:
    """Return a title as HTML text without elements, on one line."""
    words = _decoded(element)
    if words is not None:
        return strip_elements(words)
    if len(element):
        return strip_elements(_inner_html(element, ""))
    words = all_text(element)
    if not _is_plain(element, names):
        return strip_elements(_unwrapped(words))
    # Publishers of Atom often escape entities twice when they declare no type.
    is_literal = bool(element.get("type"))
    words = html.escape(words, quote=False) if is_literal else words.replace("<", "&lt;")
    return " ".join(words.split())


def html_of(element: etree._Element, names: Names, document: str) -> str:
    """Return the content of an element as HTML; empty when it is no text.

    Args:
        element: The element.
        names: The names of the document.
        document: The URL of the feed.
    """
    words = _decoded(element)
    if words is not None:
        return words
    if len(element):
        return _inner_html(element, document)
    words = (element.text or "").strip()
    if not _is_plain(element, names):
        return _unwrapped(words)
    lines = paragraphs(words)
    return lines.replace("\n", "<br>") if names.of(element) in _PLAIN_BY_DEFAULT else lines


def has_words(markup: str) -> bool:
    """Return whether HTML has visible text."""
    return bool(_TAGS.sub("", markup).replace("&nbsp;", "").strip())


def language_tag(declared: str) -> str:
    """Return a BCP 47 tag in its usual form; empty when the text is none."""
    tag = declared.strip().replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) and tag.lower() != "und" else ""


def declared_base(element: etree._Element, document: str) -> str:
    """Return the base that ``xml:base`` declares for an element; empty when none does.

    Args:
        element: The element.
        document: The URL of the feed, the base of a relative ``xml:base``.
    """
    steps = [
        step for each in (element, *element.iterancestors()) if (step := each.get(f"{XML}base"))
    ]
    base = ""
    for step in reversed(steps):
        base = absolute(base or document, step.strip()) or base
    return base


def _decoded(element: etree._Element) -> str | None:
    """Return the HTML in Base64; empty when it is no text, ``None`` when it is not encoded."""
    kind = element.get("type", "").partition(";")[0].strip().lower()
    is_text = "/" not in kind or kind.startswith("text/") or kind.endswith(("xml", "html"))
    if is_text and element.get("mode", "").lower() != "base64":
        return None
    if not is_text and kind != "application/octet-stream":
        return ""
    try:
        return base64.b64decode(all_text(element)).decode("utf-8").strip()
    except ValueError:
        return ""


def _unwrapped(words: str) -> str:
    # Publishers also escape the marks of a CDATA section.
    if words.startswith("<![CDATA[") and words.endswith("]]>"):
        return words[9:-3].strip()
    return words


def _is_plain(element: etree._Element, names: Names) -> bool:
    kind = element.get("type", "").partition(";")[0].strip().lower()
    name = names.of(element)
    if element.get("mode", "").lower() == "escaped" and not kind:
        return False
    is_construct = name in _PLAIN_BY_DEFAULT or name.startswith("atom:")
    return kind in _PLAIN and (is_construct or (names.is_atom and ":" not in name))


def paragraphs(words: str) -> str:
    """Return plain text as HTML; a blank line separates paragraphs."""
    parts = _BLANK_LINES.split(html.escape(words, quote=False))
    return parts[0] if len(parts) == 1 else "".join(f"<p>{part}</p>" for part in parts)


def _inner_html(element: etree._Element, document: str) -> str:
    """Return the children as HTML without namespaces."""
    based = [node for node in element.iterdescendants(etree.Element) if node.get(f"{XML}base")]
    for node in reversed(based):  # the nearest base first: an absolute link stays as it is
        _resolve_links(node, declared_base(node, document))
    for node in element.iterdescendants(etree.Element):
        node.tag = etree.QName(node).localname
    markup = (etree.tostring(child, encoding="unicode", method="html") for child in element)
    inner = (_NAMESPACES.sub(r"\1", child) for child in markup)
    return (html.escape(element.text or "", quote=False) + "".join(inner)).strip()


def _resolve_links(element: etree._Element, base: str) -> None:
    for node in element.iter(etree.Element):
        for name in _LINKS:
            if link := node.get(name):
                node.set(name, absolute(base, link.strip()) or link)
