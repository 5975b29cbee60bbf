"""The values of a post before they become an Article."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

from parsers.frontmatter.yaml_head import Value
from parsers.model import Extracted, Media, Moment

Dialect = Literal["jekyll", "hexo", "hugo"]

SHANGHAI = ZoneInfo("Asia/Shanghai")

Zones = Mapping[str, ZoneInfo]
NO_ZONES: Zones = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class PostDefaults:
    """Values of posts that do not have them.

    Attributes:
        language: A BCP 47 tag and its provenance.
        zone: The time zone of dates without one, unless one is declared for the source.
        zone_how: The provenance of ``zone``.
        categories: The categories of a post's folder in Jekyll; they precede its own.
        dialect: The dialect of the site; ``None`` to find it by folder and keys.
        source_article_id: The id of a post without one, an earlier path; its path if empty.
    """

    language: Extracted[str] | None = None
    zone: ZoneInfo | None = None
    zone_how: str = ""
    categories: tuple[str, ...] = ()
    dialect: Dialect | None = None
    source_article_id: str = ""


NO_DEFAULTS = PostDefaults()


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPost:
    """The values of a post.

    Attributes:
        head_rule: How the head was read: ``YAML``, or the generator's rule and why.
        source: The slug of the publication.
        url: The URL of the article; empty when the post has none.
        url_how: The provenance of ``url``.
        canonical_url: The canonical form of ``url``; empty when the post has none.
        body: The article's HTML, without link line and footer.
        body_how: The provenance of ``body``.
        fields: The keys and values of the head.
    """

    dialect: Dialect
    head_rule: str
    source: str
    source_article_id: str
    url: str
    url_how: str
    canonical_url: str
    title: Extracted[str]
    body: str
    body_how: str
    published: Moment
    publisher: Extracted[str] | None = None
    authors: Extracted[tuple[str, ...]] | None = None
    updated: Moment | None = None
    categories: Extracted[tuple[str, ...]]
    tags: Extracted[tuple[str, ...]]
    language: Extracted[str] | None = None
    lead_image: Extracted[str] | None = None
    media: Extracted[tuple[Media, ...]] | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)
