"""Read posts of Jekyll and Hexo; write posts of Jekyll, Hexo and Hugo.

``read_post`` keeps a post's bytes with its Article, so that an unchanged article is written
as the file it came from. ``write_post`` makes the post of a new article, ``rewrite_post`` mends
a head that is no YAML.
"""

from parsers.frontmatter.dialect import dialect_of_most
from parsers.frontmatter.file_names import distinct_paths
from parsers.frontmatter.raw_post import NO_DEFAULTS, NO_ZONES, Dialect, PostDefaults, Zones
from parsers.frontmatter.read import Post, read_post
from parsers.frontmatter.rewrite import rewrite_post
from parsers.frontmatter.write import PostFile, post_path, write_post

__all__ = [
    "NO_DEFAULTS",
    "NO_ZONES",
    "Dialect",
    "Post",
    "PostDefaults",
    "PostFile",
    "Zones",
    "dialect_of_most",
    "distinct_paths",
    "post_path",
    "read_post",
    "rewrite_post",
    "write_post",
]
