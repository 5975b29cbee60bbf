"""Repair the XML of feeds, and parse it strictly.

Repaired without loss:

* a byte order mark, blank lines or zero-width characters before the document;
* an XML declaration with a wrong or unknown encoding;
* HTML entities (``&nbsp;``), a lone ``&``, a character reference to no character;
* undeclared namespace prefixes, and namespaces with space around them;
* a CDATA section without an end, which would hide the following items;
* control characters; the C1 ones are characters of Windows-1252;
* entities that the document declares as short plain texts.

Refused: documents that declare other entities (entity bombs, markup, external files and
URLs). No function reads a file or opens a connection; each takes linear time.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import partial
from html.entities import html5

from lxml import etree

from parsers.errors import BadListing

MAX_PREFIXES = 100
MAX_ENTITIES = 500
MAX_EXPANSION = 1_000_000
UNDECLARED = "urn:undeclared:"
"""The namespace of a prefix that the document does not declare begins with this."""
_BEFORE = "\ufeff\u200b \t\r\n\x00"
_DECLARATION = re.compile(r"<\?xml\s[^<>]*>")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_CDATA = "<![CDATA["
_ITEM_END = re.compile(r"</(?:item|entry)\s*>", re.IGNORECASE)
_LAST_TAG = re.compile(r"<(?P<name>[A-Za-z_][\w.:-]*)[^<>]*>\s*\Z")
_VERBATIM = re.compile(r"<!\[CDATA\[|<!--")
_REFERENCE = re.compile(r"&(?:(#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{0,31});)?")
_XML_NAMES = frozenset({"amp", "lt", "gt", "quot", "apos"})
# HTML 13.2.5.80: publishers mean these characters, not control characters.
_WINDOWS_1252 = {
    number: ord(character)
    for number in range(0x80, 0xA0)
    if (character := bytes([number]).decode("cp1252", "ignore"))
}
_C1 = re.compile("[\x80-\x84\x86-\x9f]")  # U+0085 also is a line end
_ENTITY = re.compile(
    r"<!ENTITY\s+(?P<name>[A-Za-z_][A-Za-z0-9]{0,30})\s+"
    r"(?:\"(?P<double>(?:[^\"<>%&]|&#\w{1,7};|&(?:amp|lt|gt|quot|apos);){0,200})\""
    r"|'(?P<single>(?:[^'<>%&]|&#\w{1,7};|&(?:amp|lt|gt|quot|apos);){0,200})')\s*>"
)
_DOCTYPE_END = re.compile(r"\]\s*>")
_PREFIX = re.compile(r"<([A-Za-z_][\w.-]*):[A-Za-z_]|\s([A-Za-z_][\w.-]*):[A-Za-z_][\w.-]*\s*=")
_NAMESPACE = re.compile(r"(\sxmlns(?::[\w.-]+)?\s*=\s*)([\"'])\s*([^\s\"'<>]*)\s*\2")
_ROOT = re.compile(r"<[A-Za-z_][^\s<>/]*")


def repair(text: str) -> str:
    """Return the text as XML that begins with the root's ``<``.

    Raises:
        BadListing: The document declares entities.
    """
    text = _DECLARATION.sub("", text.lstrip(_BEFORE), count=1)
    text, entities = _from_root(text)
    text = _C1.sub(_windows_1252, _FORBIDDEN.sub("", text))
    text = _with_closed_sections(text)
    text = _NAMESPACE.sub(r"\1\2\3\2", text, count=MAX_PREFIXES)
    text = _outside_verbatim(text, partial(_with_known_references, entities))
    return with_declared_prefixes(text)


def parse(xml: str) -> etree._Element:
    """Return the root of a well-formed document.

    Raises:
        etree.XMLSyntaxError: The document is not well-formed, has more than 256 levels or
            a text of more than 10 MB.
    """
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=False,
    )
    return etree.fromstring(xml.encode("utf-8", "replace"), parser)


def verbatim_end(text: str, start: int) -> int:
    """Return the end of the CDATA section or comment at ``start``; -1 when it has none."""
    mark = "-->" if text.startswith("<!--", start) else "]]>"
    end = text.find(mark, start + 4)
    return end if end < 0 else end + len(mark)


def with_declared_prefixes(text: str) -> str:
    """Return XML whose root declares each prefix that the document uses."""
    root = _ROOT.match(text)
    if not root:
        return text
    used = {prefix for pair in _PREFIX.findall(text) for prefix in pair if prefix}
    if len(used) > MAX_PREFIXES:
        return text
    missing = sorted(prefix for prefix in used - {"xml", "xmlns"} if f"xmlns:{prefix}" not in text)
    declared = "".join(f' xmlns:{prefix}="{UNDECLARED}{prefix}"' for prefix in missing)
    return text[: root.end()] + declared + text[root.end() :]


def _windows_1252(match: re.Match[str]) -> str:
    number = ord(match[0])
    return chr(_WINDOWS_1252.get(number, number))


def _from_root(text: str) -> tuple[str, Mapping[str, str]]:
    """Return the text from the root on, and the entities that the document declares."""
    position = 0
    entities: dict[str, str] = {}
    while True:
        position = _skip_blank(text, position)
        if text.startswith(("<!--", "<?"), position):
            mark = "-->" if text.startswith("<!--", position) else "?>"
            end = text.find(mark, position)
            position = len(text) if end < 0 else end + len(mark)
        elif text[position : position + 9].upper() == "<!DOCTYPE":
            start, position = position, _doctype_end(text, position)
            entities |= _entities(text[start:position])
        else:
            break
    expansion = (len(words) * text.count(f"&{name};") for name, words in entities.items())
    if len(entities) > MAX_ENTITIES or sum(expansion) > MAX_EXPANSION:
        raise BadListing(
            expected=f"at most {MAX_ENTITIES} entities with {MAX_EXPANSION:,} characters",
            found="more",
        )
    return text[position:], entities


def _skip_blank(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BEFORE:
        position += 1
    return position


def _doctype_end(text: str, start: int) -> int:
    end = text.find(">", start)
    subset = text.find("[", start)
    if 0 <= subset < end:
        closing = _DOCTYPE_END.search(text, subset)
        end = closing.end() - 1 if closing else len(text)
    return len(text) if end < 0 else end + 1


def _entities(doctype: str) -> dict[str, str]:
    if "<!ENTITY" in _ENTITY.sub("", doctype).upper():
        expected = "an XML document without entity declarations except short plain texts"
        raise BadListing(expected=expected, found=doctype[:200])
    return {
        found["name"]: html.escape(html.unescape(found["double"] or found["single"] or ""))
        for found in _ENTITY.finditer(doctype)
    }


def _with_closed_sections(text: str) -> str:
    """End each CDATA section that has another one, or no end, behind the end of an item."""
    parts = []
    position, end = 0, -1
    while (start := text.find(_CDATA, position)) >= 0:
        if end < start:
            end = text.find("]]>", start)
            end = len(text) if end < 0 else end
        missing = _missing_end(text, start, end)
        parts += [text[position:missing], "]]>"] if missing >= 0 else [text[position:end]]
        position = missing if missing >= 0 else end
    return "".join([*parts, text[position:]])


def _missing_end(text: str, start: int, end: int) -> int:
    """Return where a CDATA section has lost its end; -1 when it has not."""
    item = _ITEM_END.search(text, start, end)
    if not item or (end < len(text) and text.find(_CDATA, item.end(), end) < 0):
        return -1
    opened = _LAST_TAG.search(text, max(0, start - 200), start)
    return text.find(f"</{opened['name']}", start, item.start()) if opened else -1


def _outside_verbatim(text: str, change: Callable[[str], str]) -> str:
    parts = []
    position = 0
    while found := _VERBATIM.search(text, position):
        end = verbatim_end(text, found.start())
        end = len(text) if end < 0 else end
        parts += [change(text[position : found.start()]), text[found.start() : end]]
        position = end
    return "".join([*parts, change(text[position:])])


def _with_known_references(entities: Mapping[str, str], text: str) -> str:
    return _REFERENCE.sub(partial(_reference, entities), text)


def _reference(entities: Mapping[str, str], match: re.Match[str]) -> str:
    name: str | None = match[1]
    if name is None:
        return "&amp;"
    if name.startswith("#"):
        number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
        number = _WINDOWS_1252.get(number, number)
        return f"&#{number};" if _is_xml_character(number) else "\ufffd"
    if name in _XML_NAMES:
        return match[0]
    if name in entities:
        return entities[name]
    if characters := html5.get(f"{name};"):
        return "".join(f"&#{ord(character)};" for character in characters)
    return f"&amp;{name};"


def _is_xml_character(number: int) -> bool:
    return (
        number <= 0x10FFFF
        and (number >= 0x20 or number in {9, 10, 13})
        and (not _FORBIDDEN.match(chr(number)))
    )
