"""Decode the bytes of a page.

The encoding is, in this order:

1. That of a byte order mark.
2. UTF-8, if the bytes are valid UTF-8. Other Chinese text is valid UTF-8 by accident once
   in 200,000 six-character texts; labels are wrong far more often.
3. That of a label of an encoding with several bytes for a character, header first, by the
   WHATWG table: gb2312 and gbk are gb18030, big5 includes HKSCS. The bytes must decode
   strictly under it, except for a truncated last character, and to everyday characters.
4. The most probable one of ``charset_detect``, in which a label counts as evidence:
   servers and templates declare iso-8859-1, UTF-8 or gb2312 for pages in other encodings.

A label selects from a fixed list of codecs.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from parsers.text.charset_detect import best_encoding, is_everyday
from parsers.text.charset_labels import CODECS, LABELS

_LABEL = 8.0
"""What a label is worth, in nats of ``charset_detect``; servers add Latin labels by default."""
_SCANNED = 65_536
_PRESCAN = 1_024

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)
# Every byte decodes under these, so that success is no evidence.
_SINGLE_BYTE = frozenset(
    name
    for name in CODECS
    if name.startswith(("windows-", "iso-8859", "koi8", "macintosh", "ibm866", "x-mac"))
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded body.

    Attributes:
        text: The text without byte order mark and lone surrogates.
        encoding: The WHATWG name of the encoding, in lower case.
        replacement_count: U+FFFD characters that decoding added.
    """

    text: str
    encoding: str
    replacement_count: int


def decode(body: bytes, content_type: str | None = "") -> Decoded:
    """Decode a body; ``content_type`` is the header of the response, if any."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return _read(body[len(mark) :], name)
    header = header_label(content_type or "")
    if b"\0" in body[:_PRESCAN]:
        wide = header if header in {"utf-16le", "utf-16be"} else _wide_by_nulls(body)
        if wide:
            return _read(body, wide)
    if header == "iso-2022-jp" or b"\x1b$" in body[:_SCANNED]:
        labels = list(_labels(body, header))
        if "iso-2022-jp" in labels and _is_strict(body, "iso-2022-jp"):
            return _read(body, "iso-2022-jp")
    with suppress(UnicodeDecodeError):
        return Decoded(body.decode("utf-8"), "utf-8", 0)
    if _is_strict(body, "utf-8"):
        return _read(body, "utf-8")
    return _read(body, _choose(body, list(_labels(body, header))))


def header_label(content_type: str) -> str | None:
    """Return the encoding in a Content-Type header, by the WHATWG table; the first counts."""
    # A proxy may join two headers with a comma.
    for found in _PARAMETER.finditer(content_type):
        if found["name"].strip().lower() == "charset":
            label = found["quoted"] if found["quoted"] is not None else found["plain"] or ""
            if name := encoding_of(label.strip(" \t\r\n'\"")):
                return name
    return None


def encoding_of(label: str) -> str | None:
    """Return the encoding of a label, or ``None``."""
    return LABELS.get(label.strip("\t\n\f\r ").lower())


def meta_label(body: bytes) -> str | None:
    """Return the encoding that the document declares: in meta, else in an XML declaration."""
    return next(_document_labels(body), None)


_PARAMETER = re.compile(
    r'[;,]?\s*(?P<name>[^;=,"]+)(?:=\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^;,"]*)))?'
)
_XML = re.compile(rb"\s*<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"']\s*([A-Za-z0-9._:-]{1,40})\s*[\"']")
_TAG = re.compile(
    rb"<(?:(?P<comment>!--)|(?P<meta>meta(?=[\s/]))|(?P<body>body(?=[\s/>]))|(?P<tag>/?[a-z])|[!/?])",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    rb"""[\s/]*(?P<name>[^\s/>=][^\s/>=]*|=[^\s/>=]*)(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>[^\s>"'][^\s>]*)))?""",
)
_CHARSET = re.compile(
    rb"""charset\s*=\s*(?:"([^"]*)"|'([^']*)'|(?!["'])([^\s;"']*))""", re.IGNORECASE
)


def _labels(body: bytes, header: str | None) -> Iterator[str]:
    if header:
        yield header
    yield from _document_labels(body)


def _document_labels(body: bytes) -> Iterator[str]:
    start = body[:_SCANNED]
    for found in _metas(start):
        # A document that declares itself in ASCII cannot be in UTF-16.
        yield "utf-8" if found.startswith("utf-16") else found
    if declared := _XML.match(start):
        name = encoding_of(declared[1].decode("ascii"))
        if name:
            yield "utf-8" if name.startswith("utf-16") else name


def _metas(start: bytes) -> Iterator[str]:
    position = 0
    while found := _TAG.search(start, position):
        position = found.end()
        if found["comment"]:
            end = start.find(b"-->", found.start() + 2)
            if end < 0:
                return
            position = end + 3
        elif found["meta"]:
            attributes, position = _attributes(start, position)
            if position == len(start):
                return  # cut inside the tag: its value may be cut too
            if name := _meta_encoding(attributes):
                yield name
        elif found["body"] and found.start() > _PRESCAN:
            return
        elif found["tag"]:
            _, position = _attributes(start, found.end())
        else:
            end = start.find(b">", position)
            position = end + 1 if end >= 0 else len(start)


def _attributes(start: bytes, position: int) -> tuple[dict[bytes, bytes], int]:
    found: dict[bytes, bytes] = {}
    while attribute := _ATTRIBUTE.match(start, position):
        values = (attribute["double"], attribute["single"], attribute["plain"], b"")
        value = next(each for each in values if each is not None)
        found.setdefault(attribute["name"].lower(), value)
        position = attribute.end()
    return found, position


def _meta_encoding(attributes: dict[bytes, bytes]) -> str | None:
    if b"charset" in attributes:
        return encoding_of(attributes[b"charset"].decode("latin-1"))
    if attributes.get(b"http-equiv", b"").lower() != b"content-type":
        return None
    named = _CHARSET.search(attributes.get(b"content", b""))
    label = next((each for each in named.groups() if each is not None), b"") if named else b""
    return encoding_of(label.decode("latin-1"))


# Overlong forms and surrogates: UTF-8 in structure, and U+FFFD in every decoder.
_FORBIDDEN = re.compile(
    rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xed[\xa0-\xbf][\x80-\xbf]"
)


def _choose(body: bytes, labels: list[str]) -> str:
    def read(sample: bytes, name: str) -> str:
        return _read(sample, name).text

    for name in labels:
        if name not in _SINGLE_BYTE and _is_strict(body, name) and is_everyday(body, name, read):
            return name
    if "utf-8" in labels and _is_utf8_in_structure(body):
        return "utf-8"
    return best_encoding(body, read, dict.fromkeys(labels, _LABEL))


def _is_utf8_in_structure(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        is_forbidden = _FORBIDDEN.match(body, error.start)
        return bool(is_forbidden) and _is_strict(_FORBIDDEN.sub(b"", body), "utf-8")
    return True


def _wide_by_nulls(body: bytes) -> str | None:
    start = body[:_PRESCAN]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) < len(start) // 8:
        return None
    return "utf-16be" if even > odd else "utf-16le"


def _is_strict(body: bytes, name: str) -> bool:
    """Return whether the bytes decode without error, except for a truncated last character."""
    decoder = codecs.getincrementaldecoder(CODECS[name])("strict" if name != "gb18030" else _EURO)
    try:
        decoder.decode(body, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _read(body: bytes, name: str) -> Decoded:
    text = body.decode(CODECS[name], _HANDLERS.get(name, "replace"))
    if name == "gb18030":
        text = text.translate(_GB18030_2022)
    own = sum(body.count(each) for each in _OWN_REPLACEMENTS.get(name, ()))
    return Decoded(text, name, max(0, text.count("\ufffd") - own))


_REPLACEMENT = "\ufffd"
_OWN_REPLACEMENTS = {
    "utf-8": (b"\xef\xbf\xbd",),
    "gb18030": (b"\x84\x31\xa4\x37",),
    "utf-16le": (b"\xfd\xff",),
    "utf-16be": (b"\xff\xfd",),
}
_EURO = "copydesk.euro"
_DOUBLE = "copydesk.double"
_SINGLE = "copydesk.single"
_HANDLERS = dict.fromkeys(_SINGLE_BYTE, _SINGLE) | dict.fromkeys(
    ("gb18030", "big5", "shift_jis", "euc-kr", "euc-jp"), _DOUBLE
)

# GB 18030-2022 for characters that Python's table of 2000 has in the private use area.
_GB18030_2022 = {
    **dict(zip(range(0xE78D, 0xE794), map(ord, "︐︒︑︓︔︕︖"), strict=True)),
    0xE794: 0xFE17, 0xE795: 0xFE18, 0xE796: 0xFE19,
    0xE81E: 0x9FB4, 0xE826: 0x9FB5, 0xE82B: 0x9FB6, 0xE82C: 0x9FB7,
    0xE832: 0x9FB8, 0xE843: 0x9FB9, 0xE854: 0x9FBA, 0xE864: 0x9FBB,
}  # fmt: skip


def _euro(error: UnicodeError) -> tuple[str, int]:
    """Decode 0x80 as the euro sign, as browsers do; raise any other error."""
    if isinstance(error, UnicodeDecodeError) and error.object[error.start] == 0x80:
        return "€", error.start + 1
    raise error


def _double(error: UnicodeError) -> tuple[str, int]:
    """Return one U+FFFD for a bad pair; keep an ASCII byte after a bad lead byte (WHATWG)."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if "incomplete" in error.reason:
        return _REPLACEMENT, len(error.object)
    first = error.object[error.start]
    if first == 0x80 and error.encoding == "gb18030":
        return "€", error.start + 1
    second = error.object[error.start + 1 : error.start + 2]
    is_pair = 0x81 <= first <= 0xFE and second > b"\x7f"
    return _REPLACEMENT, error.start + (2 if is_pair else 1)


def _single(error: UnicodeError) -> tuple[str, int]:
    """Return U+FFFD for bytes that a single-byte encoding does not define."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _REPLACEMENT, error.start + 1


codecs.register_error(_EURO, _euro)
codecs.register_error(_DOUBLE, _double)
codecs.register_error(_SINGLE, _single)
