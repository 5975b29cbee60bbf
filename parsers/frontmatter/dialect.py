"""Find the generator that posts are written for: by their folders, names and keys."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from parsers.errors import BadFrontMatter
from parsers.frontmatter.block import split
from parsers.frontmatter.broken_head import line_fields
from parsers.frontmatter.raw_post import Dialect
from parsers.frontmatter.yaml_head import NotYaml, Value, yaml_fields

FILE_DATE = re.compile(r"(\d{4}-\d\d-\d\d)-(.+)\Z")
"""The stem of the file of a post in Jekyll; the names of other generators need no day."""

_HEXO_KEYS = frozenset({"comments", "headimg", "thumbnail", "abbrlink", "updated", "toc"})
_HUGO_KEYS = frozenset({"lastmod", "draft"})


def dialect_of(fields: Mapping[str, Value], path: str) -> Dialect:
    """Return the dialect of one post, by its folder, its keys and its name."""
    *folders, name = PurePosixPath(path).parts
    is_dated = FILE_DATE.match(PurePosixPath(name).stem) is not None
    if "source" in folders:
        return "hexo"
    if "layout" in fields or "_drafts" in folders or "_posts" in folders:
        return "jekyll"
    if _HEXO_KEYS & fields.keys():
        return "hexo"
    if "content" in folders or _HUGO_KEYS & fields.keys():
        return "hugo"
    return "jekyll" if is_dated else "hexo"


def dialect_of_most(posts: Iterable[tuple[str, bytes]]) -> Dialect | None:
    """Return the dialect of most of some posts, given by path and bytes; ``None`` for a tie."""
    found: Counter[Dialect] = Counter()
    for path, data in posts:
        try:
            found[dialect_of(_fields(data, path), path)] += 1
        except BadFrontMatter:
            continue
    first, second = [*found.most_common(2), (None, 0), (None, 0)][:2]
    return first[0] if first[1] > second[1] else None


def _fields(data: bytes, path: str) -> Mapping[str, Value]:
    block = split(data, path)
    try:
        return yaml_fields(block.head, block.first_line, path)
    except NotYaml as error:
        return line_fields(block, path, error)
