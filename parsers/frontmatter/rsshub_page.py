"""Posts of the Hexo aggregator (RSSHUB-PAGE): RSSHub items of many sites, in UTC.

The head has fixed lines. Titles are in ``'`` or, if they contain one, in ``"``, without
escapes. Braces are written ``&#123;`` and ``&#125;``; characters not allowed in file names
are ``_`` in titles, and are lost. The author is the site, the article's URL is lost, and a
missing cover is a random picture. ``<script>`` in a body is text, because RSSHub removes
the elements.
"""

from __future__ import annotations

import hashlib
import re

from parsers.errors import BadFrontMatter
from parsers.frontmatter.block import Block
from parsers.frontmatter.raw_post import SHANGHAI, RawPost
from parsers.frontmatter.yaml_head import Value, word, words, yaml_fields
from parsers.model import Extracted, Moment
from parsers.registry import usable_parsers
from parsers.text import dates, pinyin

IMAGE_PROXY = "https://cors.zfour.workers.dev/?"
_HEAD = re.compile(
    r"title: (?P<quote>['\"])(?P<title>.*)(?P=quote)[ ]*\n"
    r"categories:[ ]*\n"
    r"(?P<categories>(?:[ \t]*- ?[^\n]*\n)+)"
    r"(?:headimg: '(?P<headimg>[^\n]*)'[ ]*\n)?"
    r"\s*author:[ ]?(?P<author>[^\n]*)\n"
    r"comments: false[ ]*\n"
    r"date:[ ]?(?P<date>[^\n]*)"
    r"(?:\nthumbnail: '(?P<thumbnail>[^\n]*)')?\s*",
    re.DOTALL,
)
_KEYS = frozenset({"title", "categories", "author", "comments", "date"})
_QUOTES = "\"' \t\n"
_PLACEHOLDER = re.compile(r"https?://picsum\.photos/")
_ROUTE_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)\Z")
_ZONELESS = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_SWALLOWING = "script|style|textarea|title|xmp|plaintext|noembed|noframes"
_OPENS = re.compile(rf"<({_SWALLOWING})\b", re.IGNORECASE)
_CLOSES = re.compile(rf"</({_SWALLOWING})\b", re.IGNORECASE)
_BARE_VOID = re.compile(r"<(link|input|base|meta)>", re.IGNORECASE)
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def read(block: Block, path: str) -> RawPost | None:
    """Return the post's values, or ``None`` when the aggregator did not write it."""
    head = _rewritten_values(block, path) if block.is_rewritten else _values(block)
    if head is None:
        return None
    title, title_how = _title(braces(head["title"]))
    categories = _categories(head["categories"])
    site = braces(head["author"]).strip()
    fields: dict[str, Value] = {name: value for name, value in head.items() if value}
    fields |= {"title": title, "categories": categories}
    return RawPost(
        dialect="hexo",
        head_rule=_rule(block, path, head["title"], categories),
        source=source_slug(site),
        source_article_id="/".join(("post", *categories, title)),
        url="",
        url_how="absent: the aggregator lost the article's address",
        canonical_url="",
        title=Extracted(title, title_how),
        body=_body(braces(block.body)),
        body_how="post body without its <div>",
        published=_published(head["date"].strip(), source_slug(site)),
        publisher=Extracted(site or None, "front matter: author, which is the site"),
        authors=Extracted(None, "absent: the post's author is the site"),
        categories=Extracted(categories, "front matter: category, site, route"),
        tags=Extracted(None, "absent: aggregator posts have no tags"),
        language=None,
        lead_image=_lead_image(braces(head["headimg"])),
        fields=fields,
    )


def _values(block: Block) -> dict[str, str] | None:
    head = _HEAD.fullmatch(block.head)
    if head is None:
        return None
    return {name: value or "" for name, value in head.groupdict().items() if name != "quote"}


def _rewritten_values(block: Block, path: str) -> dict[str, str] | None:
    """The values of a head of the aggregator that copydesk rewrote as YAML."""
    fields = yaml_fields(block.head, block.first_line, path)
    if not _KEYS <= fields.keys() <= _KEYS | {"headimg", "thumbnail"}:
        return None
    lines = "\n".join(f"- {name}" for name in words(fields["categories"]))
    found = {name: word(fields.get(name)) for name in (*_KEYS, "headimg", "thumbnail")}
    return found | {"categories": lines}


def braces(text: str) -> str:
    """Unescape the braces of the aggregator."""
    return text.replace("&#123;", "{").replace("&#125;", "}")


def source_slug(site: str) -> str:
    """Return the source of a site name: a registered parser's name, else an ASCII slug."""
    for parser in usable_parsers():
        if site in parser.publisher_names:
            return parser.name
    slug = _NOT_SLUG.sub("-", pinyin.category_slug(site).casefold()).strip("-")[:60].strip("-")
    digest = hashlib.sha256(site.encode("utf-8", "replace")).hexdigest()[:8]
    return slug or f"site-{digest}"


def _title(raw: str) -> tuple[str, str]:
    # The oldest version quoted a title again on every run: """ 'title' """.
    core = raw.strip(_QUOTES)
    before, _, after = raw.partition(core) if core else ("", "", "")
    if all(mark in before and mark in after for mark in "'\""):
        return " ".join(core.split()), "front matter: title, quotes of the loop cut off"
    return " ".join(raw.split()), "front matter: title ('_' may stand for a lost character)"


def _categories(lines: str) -> tuple[str, ...]:
    items = (braces(line.strip().removeprefix("-")).strip() for line in lines.split("\n"))
    names = (item.removeprefix("| ").strip() for item in items)
    return tuple(_ROUTE_LINK.sub(r"\1", name) for name in names if name)


def _rule(block: Block, path: str, title: str, categories: tuple[str, ...]) -> str:
    try:
        strict = yaml_fields(block.head, block.first_line, path)
    except BadFrontMatter as error:
        return f"head is not YAML: read by the generator's rule ({error.found})"
    if word(strict.get("title")) != title.strip() or words(strict.get("categories")) != categories:
        return "YAML would change title or categories: read by the generator's rule"
    return "YAML"


def _published(raw: str, source: str) -> Moment:
    if _ZONELESS.fullmatch(raw):
        why = "a date without zone is when the aggregator ran (UTC), not the article's"
        return dates.unknown_time(raw, why)
    # RSSHub gives the days of woshipm as midnight GMT.
    is_day = source == "woshipm"
    return dates.parse_time(raw, SHANGHAI, "front matter: date", midnight_is_day=is_day)


def _lead_image(headimg: str) -> Extracted[str] | None:
    image = headimg.removeprefix(IMAGE_PROXY).strip()
    if not image:
        return None
    if _PLACEHOLDER.match(image):
        return Extracted(None, "absent: headimg is a random placeholder picture")
    return Extracted(image, "front matter: headimg")


def _body(body: str) -> str:
    inner = body.strip()
    if inner.startswith("<div>") and inner.endswith("</div>"):
        inner = inner.removeprefix("<div>").removesuffix("</div>").strip()
    closed_at = {found[1].casefold(): found.start() for found in _CLOSES.finditer(inner)}

    def as_text(tag: re.Match[str]) -> str:
        # An unclosed element would hide the rest: the tag is text.
        is_element = closed_at.get(tag[1].casefold(), -1) > tag.start()
        return tag[0] if is_element and tag[1].casefold() != "script" else f"&lt;{tag[0][1:]}"

    return _BARE_VOID.sub(r"&lt;\1&gt;", _OPENS.sub(as_text, inner))
