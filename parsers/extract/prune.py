"""Remove from the element of the body what no reader sees."""

from __future__ import annotations

import re

from lxml import etree

from parsers.extract.figures import MEDIA
from parsers.extract.tree import remove
from parsers.text.plain import BESIDE_TEXT

_KEPT_ATTRIBUTES = frozenset(
    {
        "href", "src", "alt", "title", "style", "hidden", "aria-hidden", "colspan", "rowspan",
        "datetime", "start", "type", "lang",
    }
)  # fmt: skip
_WITH_ATTRIBUTES = ("pre", "code", "source", "param", *MEDIA)
_UNSEEN = (
    "script", "style", "template", "svg", "input", "select", "textarea", "link", "meta",
)  # fmt: skip
# Text that a page shows to screen readers only, as ", opens new tab" in a link.
_FOR_SCREEN_READERS = re.compile(
    r"visually-?hidden|screen-?reader|\bsr-only\b|\ba11y-hidden\b", re.IGNORECASE
)
_CLIPPED = re.compile(r"\bclip(?:-path)?\s*:(?=.*\b(?:width|height)\s*:\s*1px)", re.DOTALL)


def prune(node: etree._Element) -> None:
    """Remove what no reader sees, and what the cleaner would drop: the cleaner is much slower."""
    etree.strip_elements(node, *_UNSEEN, with_tail=False)
    for element in [
        each for each in node.iter("span", "small", "i") if _is_for_screen_readers(each)
    ]:
        remove(element)
    for element in node.iter("*"):
        attributes = element.attrib
        if element.tag == "figcaption":
            attributes.clear()
            attributes["class"] = BESIDE_TEXT
        elif element.tag not in _WITH_ATTRIBUTES:
            kept = [pair for pair in attributes.items() if pair[0] in _KEPT_ATTRIBUTES]
            if len(kept) < len(attributes):
                attributes.clear()  # a wrong name, as in `<p {x="1">`, can be removed in no other way
                attributes.update(kept)
        if element.tag in ("span", "font") and not attributes and element is not node:
            element.tag = "gone"
    etree.strip_tags(node, "gone")


def _is_for_screen_readers(node: etree._Element) -> bool:
    classes, style = node.get("class"), node.get("style")
    return (classes is not None and _FOR_SCREEN_READERS.search(classes) is not None) or (
        style is not None and _CLIPPED.search(style) is not None
    )
