"""Content checks: is a complete body the expected content? Cheap, and without a parser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from flows.fetch.body import Body
from flows.fetch.errors import FailedContentCheck, IncompleteBody
from flows.fetch.messages import FetchRequest
from flows.secrets.redact import safe_text

_TAIL_BYTES = 4096
_UNPROVED = (
    "the server announced neither a length nor chunks, so a cut would not be detected, and the "
    "content does not prove its end"
)
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_XML_ROOT = re.compile(rb"<([A-Za-z_][\w.:-]*)[\s/>]")
_XML_EMPTY = re.compile(rb"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*/>")
_XML_SKIPPED = re.compile(rb"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
_HTML_END = re.compile(rb"(?i)</html\s*>")
_XML_AFTER = re.compile(rb"(?:\s|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)


def check_content(request: FetchRequest, body: Body, content_type: str) -> None:
    """Raise unless the body is the content that the request expects, with a proved end.

    Raises:
        FailedContentCheck: It is something else.
        IncompleteBody: Nothing proves that it is complete.
    """
    is_provable = body.framing.is_provable
    if request.expect == "any" and is_provable:
        return
    expected = _format_of(content_type) if request.expect == "any" else request.expect
    problem = _CHECKS[expected](body.content)
    if problem is not None and not is_provable:
        raise IncompleteBody(f"{_UNPROVED}: {problem}")
    if problem is not None:
        raise FailedContentCheck(problem)


def _format_of(content_type: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith("json"):
        return "json"
    return "xml" if "html" not in kind and kind.endswith("xml") else "html"


def _show(content: bytes) -> str:
    return repr(safe_text(content[:80].decode("utf-8", "replace"), limit=100))


def _html_problem(content: bytes) -> str | None:
    # NUL bytes come from UTF-16.
    if _HTML_END.search(content[-_TAIL_BYTES:].replace(b"\0", b"")):
        return None
    return f"expected an HTML page that ends with </html>, its end is {_show(content[-80:])}"


def _json_problem(content: bytes) -> str | None:
    try:
        try:
            json.loads(content.removeprefix(b"\xef\xbb\xbf"))  # detects UTF-8, -16 and -32
        except UnicodeDecodeError:
            json.loads(content.decode("gb18030", "replace"))
    except (ValueError, RecursionError) as error:
        return f"expected a JSON document ({error}), found {_show(content)}"
    return None


def _xml_problem(content: bytes) -> str | None:
    plain = content.replace(b"\0", b"") if content[:2] in _BOMS else content
    for mark in _BOMS:
        plain = plain.removeprefix(mark)
    start = 0
    while skipped := _XML_SKIPPED.match(plain, start):
        start = skipped.end()
    root = _XML_ROOT.match(plain, start)
    if root is None:
        return f"expected an XML document, found {_show(content)}"
    if root.group(1).lower() == b"html":
        return f"expected an XML document, found an HTML page: {_show(content)}"
    end = plain.rfind(b"</" + root.group(1))
    empty = _XML_EMPTY.match(plain, start)
    close = plain.find(b">", end) + 1 if end >= 0 else (empty.end() if empty else 0)
    if close and _XML_AFTER.fullmatch(plain, close):
        return None
    name = root.group(1).decode("latin-1")
    return f"expected XML that ends with </{name}>, its end is {_show(content[-80:])}"


def _closed_problem(content: bytes) -> str | None:
    beginning = content[:_TAIL_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    if beginning.startswith((b"{", b"[")):
        return _json_problem(content)
    if beginning.startswith(b"<?xml") and b"<html" not in beginning:
        return _xml_problem(content)
    return _html_problem(content)


_CHECKS: dict[str, Callable[[bytes], str | None]] = {
    "closed": _closed_problem,
    "html": _html_problem,
    "json": _json_problem,
    "xml": _xml_problem,
}
