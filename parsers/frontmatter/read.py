"""Bytes of a post to a Post: the right reader for its head, then one Article."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from parsers.compose import compose
from parsers.errors import NotAnArticle, ParseError
from parsers.frontmatter import finews_post, generic, rsshub_page
from parsers.frontmatter.block import Block, split
from parsers.frontmatter.raw_post import SHANGHAI, Dialect, Reading
from parsers.frontmatter.yaml_head import Value
from parsers.model import Article, CanonicalUrl, Entry, Listing, Page, Parser, Source

# Nothing is fetched when a post is read, and no clock is asked.
_NOT_FETCHED = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    r"""A post as it stands on disk, and the article it is.

    Attributes:
        path: Where it stood, relative to its folder, ``/`` between names.
        data: The file, byte for byte; writing it again loses nothing.
        dialect: The form it is written in.
        fields: The head's keys and values as text.
        body: What follows the head, line ends made ``\n``.
        article: What the post says.
        source: The slug of the article's source.
        is_movable: The same bytes under the same name in another folder are the same
            article: true of what the two generators wrote.
    """

    path: str
    data: bytes
    dialect: Dialect
    fields: Mapping[str, Value]
    body: str
    article: Article
    source: str
    is_movable: bool = False


def read_post(data: bytes, path: str, *, source: str = "", zone: ZoneInfo = SHANGHAI) -> Post:
    """Read a Jekyll or Hexo post.

    Args:
        data: The file's bytes.
        path: Its path relative to the folder that is imported; the name may hold the
            id or the day, and for hand-made posts the path is the id.
        source: The source of posts that do not name theirs; ``posts`` if empty.
        zone: Where the dates of such posts are local.

    Raises:
        BadFrontMatter: The head is missing, unclosed or unreadable.
        IncompleteArticle: The post has no title or no text.
    """
    block = split(data, path)
    reading = finews_post.read(block, path) or rsshub_page.read(block, path)
    is_movable = reading is not None and bool(reading.source)
    if reading is None:
        reading = generic.read(block, path, source, zone)
    if not reading.source:
        reading = replace(reading, source=source or generic.SOURCE, source_article_id=path)
    try:
        article = _article(reading, block)
    except ParseError as error:
        why = str(error).removeprefix(": ")
        named = type(error)(f"{path}: {why}", expected=error.expected, found=error.found)
        if reading.source_article_id:
            named.article_id = f"{reading.source}:{reading.source_article_id}"
        raise named from error
    return Post(
        path=path,
        data=data,
        dialect=reading.dialect,
        fields=reading.fields,
        body=block.body,
        article=article,
        source=reading.source,
        is_movable=is_movable,
    )


def _article(reading: Reading, block: Block) -> Article:
    article = compose(
        Source(slug=reading.source, parser=POST_PARSER, options={}),
        Page(url=reading.url, text=block.body, fetched_at=_NOT_FETCHED),
        source_article_id=reading.source_article_id,
        url=reading.url,
        canonical_url=CanonicalUrl(reading.canonical_url),
        title=reading.title,
        body=reading.body,
        published=reading.published,
        publisher=reading.publisher,
        authors=reading.authors,
        updated=reading.updated,
        categories=reading.categories,
        tags=reading.tags,
        language=reading.language,
        lead_image=reading.lead_image,
    )
    frame = "; ".join((f"{reading.dialect}: {reading.head_rule}", *block.notes))
    known = {"front_matter": frame, "url": reading.url_how, "body_html": reading.body_how}
    known |= {"parser": "import", "source": "the post", "source_article_id": "the post"}
    if not reading.canonical_url:
        known["canonical_url"] = reading.url_how
    return replace(article, provenance={**article.provenance, **known})


def _no_listings(_source: Source) -> tuple[Listing, ...]:
    return ()


def _no_entries(_source: Source, _listing: Listing, _page: Page) -> tuple[Entry, ...]:
    return ()


def _no_entry(_source: Source, url: str) -> Entry:
    raise NotAnArticle(f"{url}: posts are imported from files, not fetched")


def _no_parse(_source: Source, page: Page) -> Article:
    raise NotAnArticle(f"{page.url}: posts are imported from files, not fetched")


POST_PARSER = Parser(
    name="posts",
    version="1",
    options={},
    listings=_no_listings,
    entries=_no_entries,
    parse=_no_parse,
    entry_of=_no_entry,
)
"""Who read an imported article; it is in no registry, for nothing is fetched by it."""
