"""Repair the XML of feeds, and parse it strictly.

Repaired without loss:

* a byte order mark, blank lines or zero-width characters before the document;
* an XML declaration with a wrong or unknown encoding;
* HTML entities (``&nbsp;``), a lone ``&``, a character reference to no character;
* undeclared namespace prefixes;
* control characters.

Refused: documents that declare entities (entity bombs, external files and URLs). No
function expands an entity, reads a file or opens a connection; each takes linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.entities import html5

from lxml import etree

from parsers.errors import BadListing

MAX_PREFIXES = 100
UNDECLARED = "urn:undeclared:"
"""The namespace of a prefix that the document does not declare begins with this."""
_BEFORE = "\ufeff\u200b \t\r\n\x00"
_DECLARATION = re.compile(r"<\?xml\s[^<>]*>")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_VERBATIM = re.compile(r"<!\[CDATA\[|<!--")
_REFERENCE = re.compile(r"&(?:(#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{0,31});)?")
_XML_NAMES = frozenset({"amp", "lt", "gt", "quot", "apos"})
# HTML 13.2.5.80: publishers mean these characters, not control characters.
_WINDOWS_1252 = {
    number: ord(character)
    for number in range(0x80, 0xA0)
    if (character := bytes([number]).decode("cp1252", "ignore"))
}
_DOCTYPE_END = re.compile(r"\]\s*>")
_PREFIX = re.compile(r"<([A-Za-z_][\w.-]*):[A-Za-z_]|\s([A-Za-z_][\w.-]*):[A-Za-z_][\w.-]*\s*=")
_ROOT = re.compile(r"<[A-Za-z_][^\s<>/]*")


def repair(text: str) -> str:
    """Return the text as XML that begins with the root's ``<``.

    Raises:
        BadListing: The document declares entities.
    """
    text = _DECLARATION.sub("", text.lstrip(_BEFORE), count=1)
    text = _outside_verbatim(_FORBIDDEN.sub("", _from_root(text)), _with_known_references)
    return _with_declared_prefixes(text)


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


def _from_root(text: str) -> str:
    position = 0
    while True:
        position = _skip_blank(text, position)
        if text.startswith(("<!--", "<?"), position):
            mark = "-->" if text.startswith("<!--", position) else "?>"
            end = text.find(mark, position)
            position = len(text) if end < 0 else end + len(mark)
        elif text[position : position + 9].upper() == "<!DOCTYPE":
            position = _doctype_end(text, position)
        else:
            return text[position:]


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
    doctype = text[start : end + 1]
    if "<!ENTITY" in doctype.upper():
        expected = "an XML document without entity declarations"
        raise BadListing(expected=expected, found=doctype[:200])
    return len(text) if end < 0 else end + 1


def _outside_verbatim(text: str, change: Callable[[str], str]) -> str:
    parts = []
    position = 0
    while found := _VERBATIM.search(text, position):
        end = verbatim_end(text, found.start())
        end = len(text) if end < 0 else end
        parts += [change(text[position : found.start()]), text[found.start() : end]]
        position = end
    return "".join([*parts, change(text[position:])])


def _with_known_references(text: str) -> str:
    return _REFERENCE.sub(_reference, text)


def _reference(match: re.Match[str]) -> str:
    name: str | None = match[1]
    if name is None:
        return "&amp;"
    if name.startswith("#"):
        number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
        number = _WINDOWS_1252.get(number, number)
        return f"&#{number};" if _is_xml_character(number) else "\ufffd"
    if name in _XML_NAMES:
        return match[0]
    if characters := html5.get(f"{name};"):
        return "".join(f"&#{ord(character)};" for character in characters)
    return f"&amp;{name};"


def _is_xml_character(number: int) -> bool:
    return (
        number <= 0x10FFFF
        and (number >= 0x20 or number in {9, 10, 13})
        and (not _FORBIDDEN.match(chr(number)))
    )


def _with_declared_prefixes(text: str) -> str:
    root = _ROOT.match(text)
    if not root:
        return text
    used = {prefix for pair in _PREFIX.findall(text) for prefix in pair if prefix}
    if len(used) > MAX_PREFIXES:
        return text
    missing = sorted(prefix for prefix in used - {"xml", "xmlns"} if f"xmlns:{prefix}" not in text)
    declared = "".join(f' xmlns:{prefix}="{UNDECLARED}{prefix}"' for prefix in missing)
    return text[: root.end()] + declared + text[root.end() :]
