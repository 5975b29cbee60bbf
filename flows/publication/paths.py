"""Where the posts of a publication are: the folders of each format, and names by pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from parsers.frontmatter import Dialect, post_path
from parsers.frontmatter.file_names import component, is_portable
from warehouse.read.publication import PublishedArticle

_DAY = re.compile(r"(\d{4})-(\d\d)-\d\d(?=-)")
_TITLE_BYTES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class PostFolders:
    """The folders of a site, relative to it: new posts, older ones, and posts without a date."""

    posts: str
    rest: str
    drafts: str

    def split(self, path: str) -> tuple[str, str]:
        """Return the folder of a post and its name below; the folder is empty if unknown."""
        for folder in (self.posts, self.rest, self.drafts):
            _, found, name = f"/{path}".partition(f"/{folder}/")
            if folder and found:
                return folder, name
        return "", path


FOLDERS: Mapping[str, PostFolders] = {
    "jekyll": PostFolders(posts="_posts", rest="old_post", drafts="_drafts"),
    "hexo": PostFolders(posts="source/_posts", rest="source/old_post", drafts="source/_drafts"),
    "hugo": PostFolders(posts="content/posts", rest="content/old_post", drafts=""),
}


def new_path(article: PublishedArticle, dialect: str, pattern: str) -> str:
    """Return the path of a new post: by the pattern, or the default one."""
    path = post_path(article, cast("Dialect", dialect))
    if not pattern:
        return path
    folder, name = FOLDERS[dialect].split(path)
    named = _named(article, pattern, name)
    extension = name[name.rindex(".") :]
    found = f"{folder}/{named}{extension}"
    return found if named and is_portable(found) else path


def _named(article: PublishedArticle, pattern: str, default: str) -> str:
    """Return a name; parts between slashes that are empty are left out."""
    day = _DAY.match(default)
    categories = "/".join(component(one) for one in article.categories)
    filled = pattern.format_map(
        {
            "day": day[0] if day else "",
            "year": day[1] if day else "",
            "month": day[2] if day else "",
            "source": component(article.source),
            "id": component(article.source_article_id),
            "title": component(article.title or article.source_article_id, max_bytes=_TITLE_BYTES),
            "categories": categories,
        }
    )
    return "/".join(one for part in filled.split("/") if (one := part.strip("-. ")))
