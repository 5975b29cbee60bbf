"""The answer of a surface, and the helpers that surfaces share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from flows.demo_site import BASE_URL

BASE = BASE_URL
"""Stands for the address of the site until the server knows it."""

HTML = "text/html; charset=utf-8"
JSON = "application/json;charset=UTF-8"
IMAGE = re.compile(r"<(img|iframe)\b([^>]*?)(\s*/?)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The body of one answer and its content type.

    Attributes:
        body: The bytes, with ``BASE`` in place of the site's own address.
        content_type: The header as the source sends it.
        status: The HTTP status.
    """

    body: bytes
    content_type: str = HTML
    status: int = 200


NOT_FOUND = Answer(body=b"404 Not Found\n", content_type="text/plain; charset=utf-8", status=404)


def json_answer(document: Any, content_type: str = JSON) -> Answer:
    """A JSON document, Chinese unescaped, as the sources send it."""
    return Answer(body=json.dumps(document, ensure_ascii=False).encode(), content_type=content_type)


def page(name: str, fields: Mapping[str, str]) -> str:
    """The template ``pages/<name>.html``; ``fields`` are markup and go in as they are."""
    return _template(name).substitute(fields)


@cache
def _template(name: str) -> Template:
    return Template(files("tests.site").joinpath("pages", f"{name}.html").read_text("utf-8"))


def paragraphs(texts: tuple[str, ...], opening: str = "<p>", joint: str = "\n") -> str:
    """Plain paragraphs as markup."""
    return joint.join(f"{opening}{escape(text, quote=False)}</p>" for text in texts)


def number(raw: str, default: int) -> int:
    """A count from a query, as forgiving as the sources are."""
    return int(raw) if raw.isascii() and raw.isdigit() else default


def without_referrer(html: str) -> str:
    """Markup with the attribute that RSSHub puts on every image and frame."""
    return IMAGE.sub(r'<\1\2 referrerpolicy="no-referrer">', html)
