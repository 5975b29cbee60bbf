"""SQL about the paths of imported posts."""

from __future__ import annotations


def has_path_id(source_article_id: str, path: str) -> str:
    """Return the condition that a post has its path as id, also after a publication moved it.

    Args:
        source_article_id: The column of the id.
        path: The column of the path.
    """
    return f"{_in_posts(source_article_id)} = {_in_posts(path)}"


def _in_posts(column: str) -> str:
    """Return a path with one name for the folders of posts inside and outside the window."""
    return (
        f"regexp_replace(replace('/' || {column}, '/', '//'), "
        "'/(old_post|_?posts)/', '/_posts/', 'g')"
    )


FILE = (
    f"CASE WHEN {has_path_id('r.source_article_id', 'p.path')} "
    "THEN r.source_article_id ELSE p.path END"
)
"""What distinguishes the files of a source: the latest of each is its file."""
