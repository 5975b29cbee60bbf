"""Is a complete body what was asked for? Cheap checks, made before it is accepted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from flows.fetch.body import Body
from flows.fetch.errors import FailedContentCheck, IncompleteBody
from flows.fetch.messages import FetchRequest
from flows.fetch.redact import safe_text

_TAIL = 4096
_UNPROVED = (
    "the server announced neither a length nor chunks, so a cut would go unnoticed, and the "
    "content does not prove its end"
)
_XML_ROOT = re.compile(rb"<([A-Za-z_][\w.:-]*)[\s/>]")
_XML_EMPTY = re.compile(rb"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*/>")
_XML_SKIPPED = re.compile(rb"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
_HTML_END = re.compile(rb"(?i)</html\s*>")
_XML_AFTER = re.compile(rb"(?:\s|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)


def check_content(request: FetchRequest, body: Body, content_type: str) -> None:
    """Nothing, if the body is what the request expects and its end is proved.

    Raises:
        FailedContentCheck: It is something else.
        BrokenBody: Nothing shows that it is complete.
    """
    content = body.content
    if len(content) < request.min_bytes:
        raise FailedContentCheck(
            f"expected at least {request.min_bytes} bytes, found {len(content)}"
        )
    if request.expect != "any":
        wrong = _CHECKS[request.expect](content)
        if wrong is not None and not body.framing.is_provable:
            raise IncompleteBody(f"{_UNPROVED}: {wrong}")
        if wrong is not None:
            raise FailedContentCheck(wrong)
    elif not body.framing.is_provable:
        _prove_end(content, content_type)
    if request.check is not None:
        wrong = request.check(content)
        if wrong is not None:
            raise FailedContentCheck(safe_text(wrong, limit=500))


def _prove_end(content: bytes, content_type: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith("json"):
        wrong = _not_json(content)
    elif "html" not in kind and kind.endswith("xml"):
        wrong = _not_xml(content)
    else:
        wrong = _not_html(content)
    if wrong is not None:
        raise IncompleteBody(f"{_UNPROVED}: {wrong}")


def _show(content: bytes, *, tail: bool = False) -> str:
    part = content[-80:] if tail else content[:80]
    return repr(safe_text(part.decode("utf-8", "replace"), limit=100))


def _not_html(content: bytes) -> str | None:
    # NUL bytes come from UTF-16.
    if _HTML_END.search(content[-_TAIL:].replace(b"\0", b"")):
        return None
    return f"expected an HTML page that ends with </html>, its end is {_show(content, tail=True)}"


def _not_json(content: bytes) -> str | None:
    try:
        json.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except UnicodeDecodeError:
        return _not_json_text(content.decode("gb18030", "replace"))
    except (ValueError, RecursionError) as error:
        return f"expected a JSON document ({error}), found {_show(content)}"
    return None


def _not_json_text(text: str) -> str | None:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"expected a JSON document ({error}), found {safe_text(text[:80])!r}"
    return None


def _not_xml(content: bytes) -> str | None:
    plain = content.replace(b"\0", b"") if content[:2] in (b"\xff\xfe", b"\xfe\xff") else content
    start = 0
    plain = plain.removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
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
    return f"expected XML that ends with </{name}>, its end is {_show(content, tail=True)}"


def _not_closed(content: bytes) -> str | None:
    beginning = content[:_TAIL].removeprefix(b"\xef\xbb\xbf").lstrip()
    if beginning.startswith((b"{", b"[")):
        return _not_json(content)
    if beginning.startswith(b"<?xml") and b"<html" not in beginning:
        return _not_xml(content)
    return _not_html(content)


_CHECKS: dict[str, Callable[[bytes], str | None]] = {
    "closed": _not_closed,
    "html": _not_html,
    "json": _not_json,
    "xml": _not_xml,
}
