"""The five seed posts, read just far enough to serve the pages they were made from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# Everything before the first and after the second ``---`` line.
POST = re.compile(r"\n*---\n(?P<head>.*?)\n---\n(?P<body>.*)", re.DOTALL)
TITLE = re.compile(r"^title: (['\"])(?P<title>.*)\1$", re.MULTILINE)
JEKYLL_FOOTER = re.compile(r"\n\n<http[^>]*>\n\n\[返回.*\Z", re.DOTALL)
HEXO_FRAME = re.compile(r"\A\s*<div> {3}\n(?P<html>.*?)(?: {2})?\n</div>\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPost:
    """One seed: the title its post stores and the markup it was made from."""

    title: str
    html: str


@cache
def seed_posts() -> Mapping[str, SeedPost]:
    """The seeds by the three digits that their file names begin with."""
    folder = files("tests.site").joinpath("seeds")
    return {path.name[:3]: _read(path.read_text("utf-8")) for path in folder.iterdir()}


def _read(post: str) -> SeedPost:
    parts = POST.fullmatch(post)
    title = parts and TITLE.search(parts["head"])
    if not parts or not title:
        raise ValueError(f"expected a seed post with a quoted title, found {post[:80]!r}")
    frame = HEXO_FRAME.match(parts["body"])
    html = frame["html"] if frame else JEKYLL_FOOTER.sub("", parts["body"])
    return SeedPost(title=title["title"], html=html)
