"""A page for each category, which Jekyll does not make itself.

The layout ``category`` of the site lists ``site.categories[page.category]``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator

from flows.publication.plan import PlannedPost
from parsers.frontmatter import distinct_paths
from parsers.frontmatter.file_names import component, is_portable
from parsers.frontmatter.yaml_quote import quoted

KEY = "\n"
"""Begins the key of a category's page: a page has no article."""


def category_pages(categories: Collection[str], folder: str) -> Iterator[tuple[PlannedPost, bytes]]:
    """Yield the file and the bytes of each category's page."""
    names = {one: _name(one) for one in sorted(categories) if one.strip()}
    paths = distinct_paths((one, f"{folder}/{name}.md") for one, name in names.items())
    for category, path in paths.items():
        value = quoted(category)
        page = f"---\nlayout: category\ntitle: {value}\ncategory: {value}\n---\n".encode()
        version = hashlib.sha256(page).hexdigest()[:16]
        yield PlannedPost(key=f"{KEY}{category}", path=path, version=version), page


def _name(category: str) -> str:
    """Return the category itself, which the footer of a post links, where a disk takes it."""
    is_name = "/" not in category and is_portable(f"{category}.md")
    return category if is_name else component(category)
