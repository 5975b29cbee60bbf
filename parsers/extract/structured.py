"""Read the declarations of a page: JSON-LD, meta elements, links."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from parsers.extract.tree import fold, text_of

_ARTICLE = re.compile(r"(?:Article|Posting|Report|Review|Recipe|HowTo)$|^(?:schema:)?NewsItem$")
# Lists of products and comments in JSON-LD are longer than any description of an article.
_MAX_NODES, _MAX_SCRIPT = 4000, 3_000_000
# A shorter title of the page may be a word of any headline.
_MIN_TITLE = 8
_TRAILING = re.compile(r",\s*([}\]])")
_WRAPPED = re.compile(r"^\s*(?:<!--|//\s*<!\[CDATA\[|/\*.*?\*/)|(?:-->|//\s*\]\]>)\s*;?\s*$")

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Structured:
    """The declarations of one page.

    Attributes:
        article: The JSON-LD object of the article; empty when there is none.
        web_page: The JSON-LD object of the page; empty when there is none.
        by_id: JSON-LD objects by their ``@id``.
        metas: Contents of meta elements by lower-case name, in page order.
        links: URLs of link elements by relation.
        page_title: The text of the title element.
        base: The URL of the base element; empty when there is none.
    """

    article: Node
    web_page: Node
    by_id: Mapping[str, Node]
    metas: Mapping[str, tuple[str, ...]]
    links: Mapping[str, str]
    page_title: str
    base: str

    def meta(self, *names: str) -> tuple[str, str]:
        """Return the first non-empty meta of these names and its provenance, or two empty texts."""
        for name in names:
            for content in self.metas.get(name, ()):
                if content:
                    return content, f"meta:{name}"
        return "", ""

    def text(self, *names: str) -> tuple[str, str]:
        """Return the first non-empty text of the JSON-LD article and its provenance."""
        for name in names:
            for value in texts(self.article.get(name)):
                return value, f"json-ld:{name}"
        return "", ""

    def resolved(self, value: object) -> object:
        """Return the object that a JSON-LD reference names; any other value unchanged."""
        if isinstance(value, Mapping) and "name" not in value and isinstance(value.get("@id"), str):
            return self.by_id.get(value["@id"], value)
        return value


def read_structured(root: etree._Element) -> Structured:
    """Return the declarations of a page."""
    metas: dict[str, list[str]] = {}
    links: dict[str, str] = {}
    scripts: list[str] = []
    title = ""
    for node in root.iter("meta", "link", "script", "title"):
        if node.tag == "meta":
            content = " ".join((node.get("content") or "").split())
            for attribute in ("property", "name", "itemprop"):
                if name := node.get(attribute):
                    metas.setdefault(name.strip().lower(), []).append(content)
        elif node.tag == "link":
            for relation in (node.get("rel") or "").lower().split():
                links.setdefault(relation, (node.get("href") or "").strip())
        elif node.tag == "script":
            if "ld+json" in (node.get("type") or "").lower() and node.text:
                scripts.append(node.text)
        elif not title and (parent := node.getparent()) is not None and parent.tag != "svg":
            title = text_of(node)
    nodes = list(_nodes(scripts))
    return Structured(
        article=_article(nodes, title, root),
        web_page=next((node for node in nodes if "WebPage" in types(node)), {}),
        by_id={
            node["@id"]: node
            for node in nodes
            if isinstance(node.get("@id"), str) and len(node) > 1
        },
        metas={name: tuple(values) for name, values in metas.items()},
        links=links,
        page_title=title,
        base=next((href.strip() for node in root.iter("base") if (href := node.get("href"))), ""),
    )


def texts(value: object) -> Iterator[str]:
    """Yield the non-empty texts of a JSON-LD value or list."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            item = item.get("@value")
        if isinstance(item, str) and (words := " ".join(html.unescape(item).split())):
            yield words


def types(node: Node) -> tuple[str, ...]:
    """Return the schema.org types of a JSON-LD object."""
    value = node.get("@type")
    return tuple(str(item) for item in (value if isinstance(value, list) else [value]) if item)


def _nodes(scripts: list[str]) -> Iterator[Node]:
    count = 0
    for script in scripts:
        waiting = [_json(script)]
        while waiting and count < _MAX_NODES:
            value = waiting.pop()
            if isinstance(value, dict):
                count += 1
                yield value
                waiting.extend(reversed([v for v in value.values() if isinstance(v, dict | list)]))
            elif isinstance(value, list):
                waiting.extend(reversed(value[:_MAX_NODES]))


def _json(script: str) -> object:
    if len(script) > _MAX_SCRIPT:
        return None
    script = _WRAPPED.sub("", script.strip()).strip()
    for attempt in (script, _TRAILING.sub(r"\1", script).rstrip(";")):
        try:
            return json.loads(attempt, strict=False)
        except RecursionError:
            return None
        except ValueError:
            continue
    return None


def _article(nodes: list[Node], title: str, root: etree._Element) -> Node:
    found = [node for node in nodes if any(_ARTICLE.search(kind) for kind in types(node))]
    if not found:
        return {}
    wanted = [fold(title), *(fold(text_of(node)) for node in root.iter("h1"))]
    for node in found:
        for headline in (*texts(node.get("headline")), *texts(node.get("name"))):
            folded = fold(headline)
            if folded and any(
                folded in words or (len(words) > _MIN_TITLE and words in folded) for words in wanted
            ):
                return node
    # Several objects with other headlines are teasers of other articles.
    return found[0] if len(found) == 1 or "mainEntityOfPage" in found[0] else {}
