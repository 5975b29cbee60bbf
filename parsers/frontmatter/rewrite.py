"""Rewrite a post whose head is no YAML, so that Jekyll and Hexo read it."""

from __future__ import annotations

from dataclasses import replace

from parsers.errors import ParseError
from parsers.frontmatter.block import Block, split
from parsers.frontmatter.broken_head import is_yaml, rewritten_head
from parsers.frontmatter.read import read_post


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
        post = read_post(data, path)
        lines = rewritten_head(block.head, post.fields)
        if lines is None:
            return None
        rewritten = _with_head(data, block, lines)
        again = read_post(rewritten, path)
        is_same = replace(again.article, provenance=post.article.provenance) == post.article
        return rewritten if is_same and is_yaml(split(rewritten, path).head) else None
    except ParseError:
        return None


def _with_head(data: bytes, block: Block, head: list[str]) -> bytes:
    lines = data.split(b"\n")
    start = block.first_line - 1
    end = b"\r" if lines[start].endswith(b"\r") else b""
    written = [line.encode() + end for line in head]
    return b"\n".join([*lines[:start], *written, *lines[start + block.head.count("\n") + 1 :]])
