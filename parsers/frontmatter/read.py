"""Read a post of any dialect into an Article."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NoReturn

from parsers.compose import compose
from parsers.errors import NotAnArticle, ParseError
from parsers.frontmatter import finews_post, generic, rsshub_page
from parsers.frontmatter.block import Block, split
from parsers.frontmatter.raw_post import (
    NO_DEFAULTS,
    NO_ZONES,
    Dialect,
    PostDefaults,
    RawPost,
    Zones,
)
from parsers.frontmatter.yaml_head import Value
from parsers.model import Article, CanonicalUrl, Page, Parser, Source

# A post is not fetched, so that no time in it is in the future.
_NOT_FETCHED = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    r"""A post and its article.

    Attributes:
        path: The path relative to its folder, with ``/`` between names.
        data: The bytes of the file.
        fields: The keys and values of the head as text.
        body: The text after the head, with ``\n`` as line end.
        source: The slug of the article's source.
        is_movable: The same bytes under the same name in another folder are the same
            article. True of generated posts.
    """

    path: str
    data: bytes
    dialect: Dialect
    fields: Mapping[str, Value]
    body: str
    article: Article
    source: str
    is_movable: bool = False


def read_post(
    data: bytes,
    path: str,
    *,
    source: str = "",
    zones: Zones = NO_ZONES,
    defaults: PostDefaults = NO_DEFAULTS,
) -> Post:
    """Read a Jekyll or Hexo post.

    Args:
        data: The file's bytes.
        path: The path relative to the imported folder. The name may contain the id or
            the day; for posts without an id the path is the id.
        source: The source of posts that do not name theirs; ``posts`` if empty.
        zones: The declared time zone of each source, for dates without one; ``""`` is that
            of all other sources.
        defaults: Values of posts that do not have them.

    Raises:
        BadFrontMatter: The head is missing, unclosed or unreadable.
        IncompleteArticle: The post has no title, or neither a text nor media.
    """
    block = split(data, path)
    raw = generated_post(block, path)
    is_movable = raw is not None and bool(raw.source)
    if raw is None:
        raw = generic.read(block, path, source, zones, defaults)
    if not raw.source:
        path_id = defaults.source_article_id or path
        raw = replace(raw, source=source or generic.SOURCE, source_article_id=path_id)
    if raw.language is None:
        raw = replace(raw, language=defaults.language)
    try:
        article = _article(raw, block)
    except ParseError as error:
        why = str(error).removeprefix(": ")
        named = type(error)(f"{path}: {why}", expected=error.expected, found=error.found)
        if raw.source_article_id:
            named.article_id = f"{raw.source}:{raw.source_article_id}"
        raise named from error
    return Post(
        path=path,
        data=data,
        dialect=raw.dialect,
        fields=raw.fields,
        body=block.body,
        article=article,
        source=raw.source,
        is_movable=is_movable,
    )


def generated_post(block: Block, path: str) -> RawPost | None:
    """Return the values of a post that finews or the aggregator wrote, else ``None``.

    Raises:
        IncompleteArticle: A finews article without a title.
    """
    return finews_post.read(block, path) or rsshub_page.read(block, path)


def _article(raw: RawPost, block: Block) -> Article:
    article = compose(
        Source(slug=raw.source, parser=POST_PARSER, options={}),
        Page(url=raw.url, text=block.body, fetched_at=_NOT_FETCHED),
        source_article_id=raw.source_article_id,
        url=raw.url,
        canonical_url=CanonicalUrl(raw.canonical_url),
        title=raw.title,
        body=raw.body,
        published=raw.published,
        publisher=raw.publisher,
        authors=raw.authors,
        updated=raw.updated,
        categories=raw.categories,
        tags=raw.tags,
        language=raw.language,
        lead_image=raw.lead_image,
        media=raw.media,
        title_is_optional="article_id" in raw.fields,
    )
    frame = "; ".join((f"{raw.dialect}: {raw.head_rule}", *block.notes))
    known = {"front_matter": frame, "url": raw.url_how, "body_html": raw.body_how}
    known |= {"parser": "import", "source": "the post", "source_article_id": "the post"}
    if not raw.canonical_url:
        known["canonical_url"] = raw.url_how
    return replace(article, provenance={**article.provenance, **known})


def _refuse(_source: Source, page: object) -> NoReturn:
    url = page.url if isinstance(page, Page) else page
    raise NotAnArticle(f"{url}: posts are imported from files, not fetched")


POST_PARSER = Parser(
    name="posts",
    version="2",
    options={},
    listings=lambda _source: (),
    entries=lambda _source, _listing, _page: (),
    parse=_refuse,
    entry_of=_refuse,
)
"""The parser of imported articles; not registered, because it fetches nothing."""
