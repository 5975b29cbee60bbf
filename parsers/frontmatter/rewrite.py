"""Rewrite a post whose head is no YAML, so that Jekyll and Hexo read it."""

from __future__ import annotations

from dataclasses import fields

from parsers.errors import ParseError
from parsers.frontmatter import generic
from parsers.frontmatter.block import Block, split
from parsers.frontmatter.broken_head import is_yaml, rewritten_head
from parsers.frontmatter.raw_post import RawPost
from parsers.frontmatter.read import generated_post
from parsers.model import Extracted

_HOW = frozenset({"head_rule", "url_how", "body_how", "fields"})


def rewrite_post(data: bytes, path: str) -> bytes | None:
    """Return the post with a head that is YAML, the same article and the same body.

    Only keys that are no YAML by themselves are written again.

    Args:
        data: The bytes of the post.
        path: Its path, which may contain the id.

    Returns:
        ``None`` if the head is YAML, or no head gives the same article.
    """
    try:
        block = split(data, path)
        if is_yaml(block.head):
            return None
        raw = _raw_post(block, path)
        lines = rewritten_head(block.head, raw.fields)
        if lines is None:
            return None
        rewritten = _with_head(data, block, lines)
        again = split(rewritten, path)
        is_same = _values(_raw_post(again, path)) == _values(raw)
        return rewritten if is_same and is_yaml(again.head) else None
    except ParseError:
        return None


def _raw_post(block: Block, path: str) -> RawPost:
    return generated_post(block, path) or generic.read(block, path, "")


def _values(raw: RawPost) -> dict[str, object]:
    """The values of the article, without how they were found."""
    found = {one.name: getattr(raw, one.name) for one in fields(raw)}
    return {
        name: value.value if isinstance(value, Extracted) else value
        for name, value in found.items()
        if name not in _HOW
    }


def _with_head(data: bytes, block: Block, head: list[str]) -> bytes:
    lines = data.split(b"\n")
    start = block.first_line - 1
    end = b"\r" if lines[start].endswith(b"\r") else b""
    written = [line.encode() + end for line in head]
    return b"\n".join([*lines[:start], *written, *lines[start + block.head.count("\n") + 1 :]])
