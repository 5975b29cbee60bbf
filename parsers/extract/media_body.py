"""The body of an article page that has no sentences: its pictures, videos and sounds.

A page without a text is more often an error than a picture. So the page has to be the article
that its listing names, or to declare itself one. No sign of a missing text may be on it.
Only media of the content area count. Those of headers, menus, asides and teasers do not, and a
logo is no picture.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from copy import deepcopy

from lxml import etree

from parsers.extract.blocks import is_hidden
from parsers.extract.completeness import declared_wall
from parsers.extract.figures import MEDIA, is_usual, mark_caption
from parsers.extract.prune import prune
from parsers.extract.structured import Structured, texts
from parsers.extract.tree import attributes_of, fold, select, text_of
from parsers.extract.wrong_page import listed_title
from parsers.html.media import EMBEDS, IMAGES, embed_url, image_url
from parsers.html.node import node_of
from parsers.identity import are_alike
from parsers.media import media_of, player
from parsers.model import Extracted, Media, Moment, Page
from parsers.text.plain import BESIDE_TEXT
from parsers.text.urls import absolute, canonicalize, is_http

_AREAS = ".//*[@itemprop='articleBody']|.//article|.//main|.//*[@role='main']"
_OUTSIDE = frozenset({"nav", "aside", "footer", "form", "button", "dialog", "noscript"})
_NO_PICTURE = re.compile(
    r"(?:^|[/_.\s-])(?:logo|avatar|gravatar|icons?|favicon|sprites?|emoji|smil(?:ey|ie)s?|qr-?code|erweima|badge"
    r"|spinner|loading|default)(?:[/_.\s-]|\d|$)",
    re.IGNORECASE,
)
_MIN_SIDE = 100
_MIN_WORDS = 20
_DECLARED_TYPES = ("article", "video", "music", "image", "photo")
_PAGE_TYPES = {"video": "video", "audio": "music"}
_DECLARED_BY = {"img": "og:image", "video": "og:video", "audio": "og:audio"}
_NEEDS_SCRIPT = re.compile(r"javascript|启用\s*js|脚本", re.IGNORECASE)


def is_named_article(page: Page, declared: Structured, title: str, published: Moment) -> bool:
    """Return whether a page without a text is the article of its address.

    Its title is that of the listing. Without a listing it declares itself an article or a
    video, or has a time of publication.

    Args:
        page: The page; its entry may have the title in the listing.
        declared: What it declares.
        title: The title that it was read to have.
        published: The time that it was read to have.
    """
    if listed := listed_title(page):
        titles = (title, declared.page_title, declared.meta("og:title")[0])
        return any(one and are_alike(listed, one) for one in titles)
    kind = declared.meta("og:type")[0].lower()
    return bool(declared.article or published.at) or kind.startswith(_DECLARED_TYPES)


def media_body(
    page: Page, root: etree._Element, declared: Structured, base: str, title: str
) -> etree._Element | None:
    """Return the media of the content area; ``None`` when there are none, or a text is missing.

    Args:
        page: The page.
        root: Its tree.
        declared: What it declares.
        base: The base of its links.
        title: The title that it was read to have.
    """
    if _lacks_text(root, declared):
        return None
    for area in _areas(root, title):
        found = [node for node in area.iter(*MEDIA) if _is_shown(node, area, page, base)]
        if found:
            return _body(found, area, declared, base)
    return None


def declared_media(declared: Structured, base: str) -> Extracted[tuple[Media, ...]]:
    """Return the video or sound that a page declares to be, as one whose player is a script does.

    ``og:video`` alone does not make a page a video: texts with a video have it, too.
    """
    declared_type = declared.meta("og:type")[0].lower()
    kind = next(
        (kind for kind, start in _PAGE_TYPES.items() if declared_type.startswith(start)), ""
    )
    name = f"og:{kind}"
    url, how = declared.meta(f"{name}:secure_url", f"{name}:url", name) if kind else ("", "")
    address = absolute(base, html.unescape(url)) if url else ""
    mime = declared.meta(f"{name}:type")[0]
    if not is_http(address) or declared_wall(declared):
        return Extracted(None, "absent: the page declares no video or sound to be its content")
    found = media_of(address, kind=kind, mime=mime if mime.startswith(kind) else "")
    return Extracted((found,) if found else None, how)


def _lacks_text(root: etree._Element, declared: Structured) -> bool:
    """Return whether the page shows that it has a text: behind a paywall, or made by scripts."""
    count = str(declared.article.get("wordCount") or "")
    has_words = count.isdigit() and int(count) >= _MIN_WORDS
    if has_words or any(texts(declared.article.get("articleBody"))) or declared_wall(declared):
        return True
    return any(_NEEDS_SCRIPT.search(text_of(node)) for node in root.iter("noscript"))


def _areas(root: etree._Element, title: str) -> Iterator[etree._Element]:
    """Yield the content area by its markup, else the elements around the heading, inner first."""
    heading = next((node for node in root.iter("h1", "h2") if _is_heading(node, title)), None)
    marked = select(root, _AREAS)
    around = list(heading.iterancestors()) if heading is not None else []
    for area in reversed(marked):  # the inner ones first
        if area in around or len(marked) == 1 or area.get("itemprop"):
            yield area
    yield from (node for node in around if node.tag != "html")


def _is_heading(node: etree._Element, title: str) -> bool:
    words = fold(text_of(node))
    return bool(words) and (words in fold(title) or fold(title) in words)


def _is_shown(node: etree._Element, area: etree._Element, page: Page, base: str) -> bool:
    """Return whether a medium is part of the article: none of a menu, a teaser or an aside."""
    if node.tag in ("img", "amp-img", "picture"):
        if _is_small(node) or _NO_PICTURE.search(_names(node)):
            return False
    elif node.tag not in ("video", "audio", "amp-video", "amp-audio"):
        address = embed_url(node_of(node), base)
        if not address or player(address) is None:
            return False
    for around in (node, *node.iterancestors()):
        if around is area:
            return True
        is_header = around.tag == "header" and area.tag not in ("article", "main")
        if around.tag in _OUTSIDE or is_header or is_hidden(attributes_of(around)):
            return False
        if around.tag == "a" and not _leads_to_picture(around, page, base):
            return False
        if not is_usual(around):
            return False
    return True


def _is_small(node: etree._Element) -> bool:
    sides = (re.match(r"\d+", node.get(name) or "") for name in ("width", "height"))
    return any(side is not None and int(side[0]) < _MIN_SIDE for side in sides)


def _names(node: etree._Element) -> str:
    values = (node.get(name) or "" for name in ("src", "data-src", "class", "id", "alt"))
    return " ".join(value.partition("?")[0] for value in values if not value.startswith("data:"))


def _leads_to_picture(link: etree._Element, page: Page, base: str) -> bool:
    href = (link.get("href") or "").strip()
    target = absolute(base, href) if href else ""
    if not is_http(target) or media_of(target) is not None:
        return True
    own = (page.url, page.final_url)
    return canonicalize(target) in {canonicalize(one) for one in own if is_http(one)}


def _body(
    found: list[etree._Element], area: etree._Element, declared: Structured, base: str
) -> etree._Element:
    """Return the figures of media, or the media alone, with the captions beside the text."""
    body = etree.Element("div")
    taken: set[etree._Element] = set()
    for node in found:
        around = [one for one in node.iterancestors() if one.tag in ("figure", "picture")]
        inside = [one for one in around if area in one.iterancestors()]
        whole = inside[-1] if inside else node
        if whole in taken or any(one in taken for one in node.iterancestors()):
            continue
        taken.add(whole)
        copy = deepcopy(whole)
        copy.tail = None
        if copy.tag == "figure":
            mark_caption(copy)
        if not _has_address(copy, base):
            _declare(copy, declared)
        body.append(copy)
    prune(body)
    for figure in body.iter("figure"):
        figure.set("class", BESIDE_TEXT)
    return body


def _has_address(node: etree._Element, base: str) -> bool:
    tree = node_of(node)
    images, embeds = tree.find_all(IMAGES | {"picture"}), tree.find_all(EMBEDS)
    return any(image_url(one, base) for one in (tree, *images)) or any(
        embed_url(one, base) for one in (tree, *embeds)
    )


def _declare(node: etree._Element, declared: Structured) -> None:
    """Give a medium whose address only a script has the declared one."""
    for one in node.iter(*_DECLARED_BY):
        name = _DECLARED_BY[str(one.tag)]
        url = html.unescape(declared.meta(f"{name}:secure_url", f"{name}:url", name)[0])
        if url and not _NO_PICTURE.search(url):
            one.set("src", url)
