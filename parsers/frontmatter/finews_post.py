"""finews posts: Jekyll, generated since December 2021, Chinese, +08:00.

The head has five fixed lines, ``layout, title, date, categories, tags``, without escapes:
the text between the outer quotes is the title, even if YAML reads it otherwise. ``tags``
is the medium and 新闻. The body is HTML (at first plain text), for rolling news after a
``> digest`` line; then a line ``<link>`` and a footer of one or two lines in six variants.
The id is in the link or in the file name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from parsers.errors import BadFrontMatter, IncompleteArticle
from parsers.frontmatter.block import Block
from parsers.frontmatter.raw_post import SHANGHAI, RawPost
from parsers.frontmatter.yaml_head import Value, word, words, yaml_fields
from parsers.model import Extracted, Moment
from parsers.sources.finews import canonical_url
from parsers.text import dates

SOURCE = "finews"
NEWS = "新闻"
ROLLING = "东财滚动"
KEYS = ("layout", "title", "date", "categories", "tags")

# The generator writes ` +0800`, no time zone or no date; copydesk writes `+08:00` and valid
# YAML. The date therefore shows whether the other lines are unescaped.
_RAW = re.compile(
    r"layout: post\n"
    r'title: "(?P<title>.*)"\n'
    r"date: ?(?P<date>(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)?(?: \+0800)?)[ ]*\n"
    r"categories: ?(?P<categories>[^\n]*)\n"
    r"tags: ?(?P<tags>[^\n]*新闻)[ ]*",
    re.DOTALL,
)
_ID = re.compile(r"(?:NW)?\d{18}")
_INFO_CODE = re.compile(r"[?&]infoCode=(NW\d{18})(?!\d)", re.IGNORECASE)
_EIGHTEEN = re.compile(r"(?<!\d)\d{18}(?!\d)")
_NAMED_ID = re.compile(r"(?:\d{4}-\d\d-\d\d)?-((?:NW)?\d{18})\.\w+\Z")
_FOOTER = re.compile(r"\[返回.{0,1000}\]\(.{0,1000}\)\Z")
_LINK = re.compile(r"<((?:https?://[^\s<>]*)?)>[ \t]*\Z")
_CREDIT = re.compile(r'(?:\s|<p class="em_media">(?:(?!</p>).)*</p>|<p>|</p>|<br ?/?>)*', re.DOTALL)


def read(block: Block, path: str) -> RawPost | None:
    """Return the post's values, or ``None`` when finews did not write it.

    Raises:
        IncompleteArticle: A finews article without a title.
    """
    known = _fields(block, path)
    if known is None:
        return None
    fields, rule = known
    without_footer, link = cut_footer(block.body)
    source_id, id_how = _identity(link, path)
    title = word(fields["title"])
    if source_id and not title:
        error = IncompleteArticle(
            f"{path}: finews article {source_id} has an empty title. It is quarantined until "
            "another copy of the article completes it.",
            expected="a title",
            found='title: ""',
        )
        error.article_id = f"{SOURCE}:{source_id}"
        raise error
    body, body_how = _body(without_footer)
    medium = word(fields["tags"]).removesuffix(NEWS).strip()
    return RawPost(
        dialect="jekyll",
        head_rule=rule,
        source=SOURCE if source_id else "",
        source_article_id=source_id,
        url=link,
        url_how="body: link line" if link else "absent: the link line is empty or missing",
        canonical_url=canonical_url(source_id) if source_id else link,
        title=Extracted(title, f"front matter: title; id from {id_how}"),
        body=body,
        body_how=body_how,
        published=_published(word(fields["date"])),
        publisher=_publisher(medium),
        authors=Extracted(None, "absent: finews posts name no author"),
        categories=Extracted(_one(fields["categories"]), "front matter: categories, one medium"),
        tags=Extracted(_one(fields["tags"]), "front matter: tags"),
        language=Extracted("zh-CN", "source declaration: finews is Chinese"),
        fields=fields,
    )


def is_id(source_article_id: str) -> bool:
    """Return whether this is an id of finews: 18 digits, or NW and 18 digits."""
    return _ID.fullmatch(source_article_id) is not None


def cut_footer(body: str) -> tuple[str, str]:
    """Return a body without footer and link line, and the link; empty when there is none."""
    lines = body.rstrip().split("\n")
    while lines and (not lines[-1].strip() or _FOOTER.match(lines[-1].strip())):
        lines.pop()
    link = _LINK.match(lines[-1].strip()) if lines else None
    if link is None:
        return "\n".join(lines), ""
    return "\n".join(lines[:-1]).rstrip(), link.group(1)


def _fields(block: Block, path: str) -> tuple[dict[str, Value], str] | None:
    raw = _RAW.fullmatch(block.head.rstrip("\n"))
    if raw is not None and not block.is_rewritten:
        fields: dict[str, Value] = {"layout": "post", **raw.groupdict()}
        return fields, _raw_rule(fields, block, path)
    try:
        written = yaml_fields(block.head, block.first_line, path)
    except BadFrontMatter:
        return None
    if tuple(written) != KEYS or not words(written["tags"]):
        return None
    tags = words(written["tags"])
    # Other posts may have the same keys; the link or the name of an article decides.
    named = _identity(cut_footer(block.body)[1], path)[0]
    if len(tags) != 1 or not tags[0].endswith(NEWS) or not (named or block.is_rewritten):
        return None
    return {
        **written,
        "tags": tags[0],
        "categories": " ".join(words(written["categories"])),
    }, "YAML"


def _raw_rule(fields: Mapping[str, Value], block: Block, path: str) -> str:
    try:
        strict = yaml_fields(block.head, block.first_line, path)
    except BadFrontMatter as error:
        return f"head is not YAML: read by the generator's rule ({error.found})"
    changed = [key for key in KEYS if word(strict.get(key)) != word(fields[key])]
    if changed:
        return f"YAML would change {', '.join(changed)}: read by the generator's rule"
    return "YAML"


def _identity(link: str, path: str) -> tuple[str, str]:
    if code := _INFO_CODE.search(link):
        return code.group(1).upper(), "the share link"
    if digits := _EIGHTEEN.search(link):
        return digits.group(), "the article link"
    if named := _NAMED_ID.search(path):
        return named.group(1), "the file name"
    return "", "nothing: neither link nor file name holds one"


def _published(raw: str) -> Moment:
    if raw in ("", "+0800"):
        return dates.unknown_time(raw, "the post's date is empty")
    return dates.parse_time(raw, SHANGHAI, "front matter: date")


def _publisher(medium: str) -> Extracted[str] | None:
    # Rolling news has one tag for all; the medium is the credit in the body.
    if not medium or medium == ROLLING:
        return None
    return Extracted(medium, "front matter: tags without 新闻")


def _one(value: Value) -> tuple[str, ...]:
    # Jekyll would split a name with spaces into several categories.
    return (word(value),) if word(value) else ()


def _body(body: str) -> tuple[str, str]:
    body = body.strip("\n")
    digest, rest = "", body
    if body.startswith("> "):
        digest, _, rest = body.partition("\n\n")
        digest = "\n".join(line.removeprefix("> ") for line in digest.split("\n"))
    if digest and not _CREDIT.fullmatch(rest):
        return _html(rest.strip("\n")), "post body after the digest line; link and footer cut off"
    if digest:
        how = "digest line, for nothing but the credit follows it; link and footer cut off"
        return f"<p>{digest}</p>\n{rest}", how
    return _html(body), "post body; link and footer cut off"


def _html(body: str) -> str:
    if not body.strip() or body.lstrip().startswith("<"):
        return body
    # Plain text of the first versions: *ST中安 is the name of a share, not Markdown.
    paragraphs = (part.strip() for part in re.split(r"\n\s*\n", body))
    return "\n".join(
        part if part.startswith("<") else f"<p>{part}</p>" for part in paragraphs if part
    )
