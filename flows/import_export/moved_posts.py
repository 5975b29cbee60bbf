"""Recognize posts that a publication moved to the other side of its window.

A post without an id has its path as id. If its publication moves it from ``_posts`` to
``old_post``, it stays the article of its first path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace

from duckdb import DuckDBPyConnection

from flows.import_export.find_posts import PostPath
from flows.import_export.read_posts import Files
from warehouse.records.not_modified import stored_ids
from warehouse.records.suppression import SuppressionList, list_suppressions

_FOLDER = re.compile(r"(?:\A|(?<=/))(?:_?posts|old_post)(?=/)")


def with_known_ids(db: DuckDBPyConnection, found: Files, source: str) -> Files:
    """Give moved posts the id that an earlier import stored, or that was erased.

    It is the path in the other folder of the same parent, if there is no file any more. A post
    with an article of its own path keeps that one.

    Args:
        db: The warehouse.
        found: The files.
        source: The source of posts that name none.
    """
    paths = {one.relative: list(_other_paths(one.relative)) for one in found}
    wanted = {path for path, others in paths.items() if others}
    wanted.update(other for others in paths.values() for other in others)
    stored = stored_ids(db, [f"{source}:{path}" for path in wanted])
    erased = SuppressionList(list_suppressions(db))
    taken: set[str] = set()

    def is_known(path: str) -> bool:
        article_id = f"{source}:{path}"
        return article_id in stored or article_id in erased

    def known(one: PostPath) -> PostPath:
        others = paths[one.relative]
        if not others or is_known(one.relative):
            return one
        free = (other for other in others if other not in taken and not _is_file(one, other))
        path = next(filter(is_known, free), "")
        taken.add(path)
        return replace(one, defaults=replace(one.defaults, source_article_id=path))

    return [known(one) if isinstance(one, PostPath) else one for one in found]


def _other_paths(path: str) -> Iterator[str]:
    """The paths of a post in the other folders of a publication."""
    for folder in _FOLDER.finditer(path):
        for name in ("_posts", "posts") if folder[0] == "old_post" else ("old_post",):
            yield f"{path[: folder.start()]}{name}{path[folder.end() :]}"


def _is_file(one: PostPath, path: str) -> bool:
    root = str(one.file).removesuffix(one.relative)
    return os.path.lexists(root + path)
