"""What the three readers hand over before it becomes an Article."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from parsers.frontmatter.yaml_head import Value
from parsers.model import Extracted, Moment

Dialect = Literal["jekyll", "hexo", "hugo"]

SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A post's values as its generator meant them.

    Attributes:
        dialect: The form the post is written in.
        head_rule: How the head was read (``YAML``, or the generator's rule and why).
        source: The slug of the publication.
        source_article_id: Its id there.
        url: Where the article stands; empty when the post does not say.
        url_how: Where that was found, or why there is none.
        canonical_url: The one form of ``url``; empty with it.
        body: The article's HTML, without link line and footer.
        body_how: What was cut off or converted.
        fields: The head, key by key.
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
    fields: Mapping[str, Value] = field(default_factory=dict)
