"""Write an Article as a post of Jekyll, Hexo or Hugo, with valid YAML.

Jekyll posts have the five lines and the footer of finews, Hexo posts the lines and the
``<div>`` of the aggregator. ``article_id``, ``source_url`` and authors follow when the other
lines do not identify the article.

* Dates are ``2022-03-14 20:43:16 +08:00``, which all three read alike, Hexo with the setting
  ``timezone: UTC``; it does not read ``+0800``. A day is written as a day. An article without
  a date becomes a draft, because Jekyll requires a date and Hexo takes that of the file.
* ``{`` and ``}`` in a body become ``&#123;`` and ``&#125;``, so that no template engine
  (Liquid, Nunjucks, Hugo's shortcodes) reads them.
* A body has no blank line, after which Markdown would begin, and is in a ``<div>`` when it
  has text outside blocks. Hugo posts are ``.html``, because its Markdown omits HTML.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString

from parsers.frontmatter import file_names, finews_post
from parsers.frontmatter.raw_post import Dialect
from parsers.frontmatter.yaml_quote import quoted, word, writable
from parsers.media import markup_of, player
from parsers.model import Article, Media
from parsers.text.urls import is_http

FINEWS_SITE = "//finews.withounder.com"
CHINA = timezone(timedelta(hours=8))
_LINE_STARTS = re.compile(r"\n\s+")
_PRE = re.compile(r"(<pre\b.*?</pre>)", re.DOTALL | re.IGNORECASE)
_LINK_UNSAFE = re.compile(r"[\s<>{}()\[\]]")
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "center", "details", "div", "dl", "fieldset",
        "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main",
        "nav", "ol", "p", "pre", "section", "table", "ul",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PostFile:
    """A post to write.

    Attributes:
        path: The path relative to the site's folder and inside it, ``/`` between names.
        data: The bytes.
    """

    path: str
    data: bytes


def write_post(article: Article, dialect: Dialect, *, site: str = FINEWS_SITE) -> PostFile:
    """Return the post of an article in a dialect; the footer of a finews post links ``site``."""
    if dialect == "jekyll":
        text = _jekyll(article, site)
    else:
        text = _hexo(article) if dialect == "hexo" else _hugo(article)
    return PostFile(path=post_path(article, dialect), data=text.encode("utf-8"))


class PathFields(Protocol):
    """The fields of an article that its file name depends on."""

    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def source_article_id(self) -> str: ...  # noqa: D102
    @property
    def published_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def published_precision(self) -> str: ...  # noqa: D102


def post_path(article: PathFields, dialect: Dialect) -> str:
    """Return the path of a new post of the article."""
    day = _day(article)
    extension = ".html" if dialect == "hugo" else ".md"
    name = file_names.file_name(article.source, article.source_article_id, day, extension)
    if dialect == "hugo":
        return f"content/posts/{name}"
    folder = "_posts" if day else "_drafts"
    return f"source/{folder}/{name}" if dialect == "hexo" else f"{folder}/{name}"


def _jekyll(article: Article, site: str) -> str:
    lines = [
        "layout: post",
        f"title: {quoted(article.title or '')}",
        *_date_lines(article),
        f"categories: {_inline(article.categories)}",
        f"tags: {_inline(article.tags)}",
    ]
    link = writable(article.canonical_url or article.url)
    is_finews = _is_finews(article)
    parts = [_body(_shown(article))]
    if is_finews:
        parts[0] += _credit(article)
    else:
        lines += [f"publisher: {quoted(article.publisher)}"] if article.publisher else []
        lines += _identity_lines(article)
    if is_http(link):  # other text between < and > could be a tag
        parts.append(f"<{_LINK_UNSAFE.sub(_percent, link)}>")
    if is_finews:
        parts.append(_footer(article, site))
    head = "\n".join(lines)
    return f"---\n{head}\n---\n" + "\n\n".join(parts)


def _hexo(article: Article) -> str:
    image = quoted(article.lead_image, "'") if article.lead_image else ""
    lines = [
        f"title: {quoted(article.title or '', chr(39))}",
        *_list_lines("categories", article.categories),
        *(_list_lines("tags", article.tags) if article.tags else ()),
        *((f"headimg: {image}",) if image else ()),
        *((f"author: {word(article.publisher)}",) if article.publisher else ()),
        "comments: false",
        *_date_lines(article),
        *((f"thumbnail: {image}",) if image else ()),
        *_identity_lines(article),
    ]
    head = "\n".join(lines)
    body = _body(_shown(article), is_wrapped=True)
    return f"---\n{head}\n---\n\n<div>   \n{body}  \n</div>\n            "


def _hugo(article: Article) -> str:
    lines = [f"title: {quoted(article.title or '')}", *_date_lines(article)]
    lines += _list_lines("categories", article.categories)
    lines += _list_lines("tags", article.tags)
    lines += [f"publisher: {quoted(article.publisher)}"] if article.publisher else []
    lines += _identity_lines(article)
    head = "\n".join(lines)
    return f"---\n{head}\n---\n{_body(_shown(article))}\n"


def _is_finews(article: Article) -> bool:
    """Return whether the five lines, credit and link of finews identify the article."""
    medium = "".join(article.tags).removesuffix(finews_post.NEWS)
    return (
        article.source == finews_post.SOURCE
        and finews_post.is_id(article.source_article_id)
        and article.tags == (f"{medium}{finews_post.NEWS}",)
        and medium in (article.publisher or "", finews_post.ROLLING)
        and len(article.categories) <= 1
        and article.published_precision == "second"
    )


def _credit(article: Article) -> str:
    """Return the credit line, which cleaning removes, at its place in finews bodies."""
    if not article.publisher:
        return ""
    name = _without_braces(html.escape(writable(article.publisher), quote=False))
    return f'<p class="em_media">（文章来源：{name}）</p>'


def _identity_lines(article: Article) -> list[str]:
    lines = [f"article_id: {quoted(article.article_id)}"]
    if article.url or article.canonical_url:
        lines.append(f"source_url: {quoted(article.url or article.canonical_url)}")
    if article.authors:
        lines += _list_lines("authors", article.authors)
    if article.published_precision == "minute":
        lines.append("date_precision: minute")
    return lines + _media_lines(article)


def _media_lines(article: Article) -> list[str]:
    """Return the media, if reading the body would not give all that is known of them."""
    if not article.media:
        return []
    shown = html.unescape(_shown(article))
    pictures = (Media(kind="picture", url=one.url) for one in article.media)
    if all(
        one.url in shown and one in (picture, player(one.url))
        for one, picture in zip(article.media, pictures, strict=True)
    ):
        return []
    lines = ["media: "]
    for one in article.media:
        lines += [f" - kind: {one.kind}", f"   url: {quoted(one.url)}"]
        lines += [f"   type: {quoted(one.type)}"] if one.type else []
        lines += [f"   length: {one.length}"] if one.length else []
        lines += [f"   duration: {one.duration:.12g}"] if one.duration else []
    return lines


def _shown(article: Article) -> str:
    """Return the body; media alone whose addresses are relative to a site are in none."""
    if article.body_html or article.text:
        return article.body_html
    return markup_of(article.media)


def _list_lines(key: str, values: tuple[str, ...]) -> list[str]:
    return [f"{key}: ", *(f" - {word(value)}" for value in values)] if values else [f"{key}: []"]


def _inline(values: tuple[str, ...]) -> str:
    """Return one word unquoted, else a list, because Jekyll splits strings at spaces."""
    if len(values) == 1 and not re.search(r"\s", values[0]):
        return word(values[0])
    return f"[{', '.join(quoted(value) for value in values)}]"


def _date_lines(article: Article) -> list[str]:
    moment = article.published_at
    if moment is None or article.published_precision == "unknown":
        return []
    if article.published_precision == "day":
        return [f"date: {_day(article)}"]
    local = _in_china(moment)
    offset = local.strftime("%z")
    clock = local.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
    fraction = f".{local.microsecond:06d}".rstrip("0") if local.microsecond else ""
    return [f"date: {clock}{fraction} {offset[:3]}:{offset[3:]}"]


def _in_china(moment: datetime) -> datetime:
    try:
        return moment.astimezone(CHINA)
    except OverflowError:  # the last hours of the year 9999
        return moment


def _day(article: PathFields) -> str:
    moment = article.published_at
    if moment is None or article.published_precision == "unknown":
        return ""
    local = _in_china(moment)
    if article.published_precision == "day" and local.time() != datetime.min.time():
        # 12 hours after midnight of a zone from -11:59 to +12:00 it is that day in UTC.
        local = moment + timedelta(hours=12)
    return local.date().isoformat()


def _footer(article: Article, site: str) -> str:
    tag = re.sub(r"([\[\]\\`*_])", r"\\\1", " ".join(writable(article.tags[0]).split()))
    tag = _without_braces(html.escape(tag, quote=False))
    slug = _LINK_UNSAFE.sub(_percent, writable("".join(article.categories)))
    return f"[返回{tag}]({site}/category/{slug}.html)｜[返回首页]({site}/)"


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8"))


def _body(body_html: str, *, is_wrapped: bool = False) -> str:
    parts = _PRE.split(writable(body_html.replace("\r\n", "\n")))
    # Four spaces mean code in Markdown; outside <pre> white space is not significant.
    parts[::2] = [_LINE_STARTS.sub("\n", part) for part in parts[::2]]
    parts[1::2] = [_kept_lines(block) for block in parts[1::2]]
    body = _without_braces("".join(parts).strip())
    return body if is_wrapped or _is_blocks(body_html) else f"<div>\n{body}\n</div>"


def _without_braces(text: str) -> str:
    return text.replace("{", "&#123;").replace("}", "&#125;")


def _kept_lines(block: str) -> str:
    # A blank line in <pre> is written as a character, because it would end a Markdown block.
    return re.sub(r"\n([ \t\r]*)\n", r"\n\1&#10;", block)


def _is_blocks(body_html: str) -> bool:
    for node in BeautifulSoup(body_html, "html.parser").children:
        if isinstance(node, Tag) and node.name in _BLOCKS:
            continue
        if not isinstance(node, NavigableString) or node.strip():
            return False
    return True
