"""The rules of RFC 4287 and of JSON Feed 1.1, as a RELAX NG and a JSON schema of our own.

No package of PyPI has a schema of Atom. What a grammar cannot check, ``check_atom`` does.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import feedparser
import jsonschema
from lxml import etree

ATOM = "{http://www.w3.org/2005/Atom}"
_MANY_LANGUAGES = (
    '<optional><attribute name="xml:lang"><data type="language"/></attribute></optional>'
)
_DATE = '<data type="dateTime"><param name="pattern">.*(Z|[+\\-]\\d\\d:\\d\\d)</param></data>'
_URI = '<data type="anyURI"><param name="pattern">[A-Za-z][A-Za-z0-9+.\\-]*:\\S+</param></data>'
_NAME = '<data type="token"><param name="minLength">1</param></data>'


def _element(name: str, content: str) -> str:
    return f'<element name="{name}">{content}</element>'


def _many(content: str) -> str:
    return f"<zeroOrMore>{content}</zeroOrMore>"


def _maybe(content: str) -> str:
    return f"<optional>{content}</optional>"


_TEXT = (
    '<optional><attribute name="type"><choice><value>text</value><value>html</value></choice>'
    "</attribute></optional><text/>"
)
_PERSON = (
    _element("name", _NAME) + _maybe(_element("uri", _URI)) + _maybe(_element("email", "<text/>"))
)
_LINK = _element(
    "link",
    f'<attribute name="href">{_URI}</attribute>'
    + '<optional><attribute name="rel"/></optional>'
    + '<optional><attribute name="type"><data type="string"><param name="pattern">.+/.+</param></data></attribute></optional>'
    + '<optional><attribute name="length"><data type="nonNegativeInteger"/></attribute></optional><empty/>',
)
_COMMON = (
    _element("id", _URI)
    + _element("title", _TEXT)
    + _element("updated", _DATE)
    + _many(_element("author", _PERSON))
    + _many(_element("category", '<attribute name="term"/><empty/>'))
    + _many(_LINK)
)
_ENTRY = _element(
    "entry",
    f"{_MANY_LANGUAGES}<interleave>{_COMMON}"
    + _maybe(_element("published", _DATE))
    + _maybe(_element("summary", _TEXT))
    + _maybe(_element("content", _TEXT))
    + "</interleave>",
)
_SCHEMA = etree.RelaxNG(
    etree.fromstring(
        '<grammar xmlns="http://relaxng.org/ns/structure/1.0" ns="http://www.w3.org/2005/Atom" '
        'datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes"><start>'
        + _element(
            "feed",
            f"{_MANY_LANGUAGES}<interleave>{_COMMON}"
            + _maybe(_element("generator", "<text/>"))
            + _maybe(_element("subtitle", _TEXT))
            + _many(_ENTRY)
            + "</interleave>",
        )
        + "</start></grammar>"
    )
)


def check_atom(data: bytes) -> etree._Element:
    """Assert that a document is valid Atom; return its root."""
    root = etree.fromstring(data)
    _SCHEMA.assertValid(root)
    entries = root.findall(f"{ATOM}entry")
    ids = [one.findtext(f"{ATOM}id") for one in entries]
    assert [id_ for id_, count in Counter(ids).items() if count > 1] == []
    assert root.find(f"{ATOM}author") is not None or all(
        one.find(f"{ATOM}author") is not None for one in entries
    )
    for element in (root, *entries):
        links = [(one.get("rel"), one.get("type")) for one in element.findall(f"{ATOM}link")]
        alternates = [one for one in links if one[0] in (None, "alternate")]
        assert len(set(alternates)) == len(alternates)
        if element is not root and not alternates:
            assert element.find(f"{ATOM}content") is not None
    found = feedparser.parse(data, response_headers={"content-type": "application/atom+xml"})
    assert (found.bozo, found.version, len(found.entries)) == (False, "atom10", len(entries))
    return root


_STRING = {"type": "string", "minLength": 1}
_ADDRESS = {"type": "string", "pattern": "^https?://\\S+$"}
_TIME = {
    "type": "string",
    "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$",
}
_LANGUAGE = {"type": "string", "pattern": "^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$"}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


_AUTHORS = {**_list(_object(["name"], name=_STRING)), "minItems": 1}
_ITEM = _object(
    ["id"],
    id=_STRING, url=_ADDRESS, external_url=_ADDRESS, title=_STRING, content_html={"type": "string"},
    content_text={"type": "string"}, summary=_STRING, image=_ADDRESS, date_published=_TIME,
    date_modified=_TIME, authors=_AUTHORS, tags=_list(_STRING), language=_LANGUAGE,
    attachments=_list(_object(
        ["url", "mime_type"],
        url=_ADDRESS, mime_type={"type": "string", "pattern": "^.+/.+$"}, title=_STRING,
        size_in_bytes={"type": "number", "minimum": 0},
        duration_in_seconds={"type": "number", "minimum": 0},
    )),
) | {"anyOf": [{"required": ["content_html"]}, {"required": ["content_text"]}]}  # fmt: skip
_JSON_FEED = _object(
    ["version", "title", "items"],
    version={"const": "https://jsonfeed.org/version/1.1"}, title=_STRING, home_page_url=_ADDRESS,
    feed_url=_ADDRESS, description=_STRING, authors=_AUTHORS, language=_LANGUAGE, items=_list(_ITEM),
)  # fmt: skip


def check_json_feed(data: bytes) -> dict[str, Any]:
    """Assert that a document is a valid JSON Feed; return it."""
    document: dict[str, Any] = json.loads(data)
    jsonschema.validate(document, _JSON_FEED)
    ids = [one["id"] for one in document["items"]]
    assert len(set(ids)) == len(ids)
    return document
