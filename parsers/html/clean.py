"""Sanitize the body of an article: clean HTML, plain text, credit, lead image.

Only the listed elements and attributes are written, so that nothing a browser could
execute remains. Hidden nodes and what sites insert into bodies are removed.

Videos and other embedded documents become links in a ``figure`` beside the text.

The line 原文链接 is part of the text; its URL also becomes ``original_url``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bs4 import Tag
from bs4.element import CData, Comment, NavigableString, PreformattedString

from parsers.html import boilerplate
from parsers.html.blocks import (
    BESIDE,
    Block,
    Builder,
    Element,
    cut,
    line_text,
    render,
    tidy,
)
from parsers.html.media import (
    EMBEDS,
    IMAGES,
    attribute,
    embed_type,
    embed_url,
    image_url,
    is_tiny,
    relative_url,
)
from parsers.html.node import Node
from parsers.html.select import document
from parsers.media import distinct_media, media_of, player
from parsers.model import Media
from parsers.text.characters import visible
from parsers.text.plain import BESIDE_TEXT, BLOCKS, UNSEEN, plain_text
from parsers.text.urls import absolute, is_http

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
INLINE = frozenset(
    {
        "a", "abbr", "b", "cite", "code", "del", "em", "i", "ins", "kbd", "mark", "q", "rp", "rt",
        "ruby", "s", "samp", "small", "strong", "sub", "sup", "u", "var",
    }
)  # fmt: skip
BOXES = frozenset(
    {
        "blockquote", "ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "thead", "tbody",
        "tfoot", "tr", "th", "td", "figure", "figcaption",
    }
)  # fmt: skip
# Obsolete elements and their replacements.
SAME = {"strike": "s", "acronym": "abbr", "tt": "code", "listing": "pre", "dir": "ul"}

# Advertisements, share buttons and charts between the paragraphs of Eastmoney.
_NOISE_CLASSES = frozenset(
    {"EmImageRemark", "ad_context3", "toplink", "em_handle_adv_close", "support-author"}
)
_KEYWORD_CLASSES = frozenset({"keytip", "infokey"})
_KEYWORD_SPANS = frozenset({"hrefStyle", "em_stock_key_common"})
_KEYWORD_ID = re.compile(r"(?:stock|bk)_|Info\.")
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|(?:^|[;\s])font-size\s*:\s*0(?:px|em|rem|%|pt)?\s*(?:;|!|$)",
    re.IGNORECASE,
)
_LANGUAGE = re.compile(r"(?:language|lang)-[\w+#.-]{1,30}")
_CREDIT_NAME = re.compile(r"来源\s*[:：]\s*(?P<name>.+?)\s*[)）]?$")
_ORIGINAL = re.compile(r"原文(?:链接|地址|网址|连接)\s*[:：]\s*(?P<url>https?://[\x21-\x7e]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A sanitized body and the values of its boilerplate.

    Attributes:
        html: Well-formed HTML without anything executable.
        text: The visible text of ``html``.
        lead_image: The URL of the first image.
        media: Pictures, videos and sounds, each once, in order.
        publisher: The name in the credit line.
        original_url: The URL where the text first appeared, according to the text.
    """

    html: str
    text: str
    lead_image: str | None
    media: tuple[Media, ...]
    publisher: str | None
    original_url: str | None


def clean_body(fragment: str | Tag | Node, base_url: str) -> Cleaned:
    """Sanitize a body; the function is idempotent.

    Args:
        fragment: The body as HTML, or the element that contains it, hidden or not.
        base_url: The page's URL, the base of relative links. Without one, relative addresses are
            those of media, and nothing else of the body.
    """
    root = document(f"<body>{fragment}") if isinstance(fragment, str) else fragment
    reader = _Reader(base_url)
    reader.read(root)
    blocks = tidy(reader.builder.blocks)
    changed = [block for block in blocks if reader.take_boilerplate(block)]
    if changed:
        blocks = tidy(blocks)
    html, text = render(blocks)
    return Cleaned(
        html=html,
        text=text,
        lead_image=_first_image(blocks),
        media=distinct_media(reader.media),
        publisher=reader.publisher or None,
        original_url=_original_url(blocks),
    )


class _Reader:
    """Walk a tree in a loop, which allows any depth."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.builder = Builder()
        self.publisher = ""
        self.media: list[Media] = []
        self._images: set[str] = set()

    def read(self, root: Tag | Node) -> None:
        is_content = root.name in BOXES or root.name in HEADINGS or root.name in {"p", "pre", "img"}
        first: list[object] = [root] if is_content else list(root.contents)
        stack: list[tuple[Iterator[object], Callable[[], None]]] = [(iter(first), _nothing)]
        until: object = None
        while stack:
            children, leave = stack[-1]
            for child in children:
                if until is not None:
                    until = None if child is until else until
                elif isinstance(child, Tag | Node):
                    after = self._enter(child, is_root=child is root)
                    if after is not None:
                        stack.append((iter(child.contents), after))
                        break
                elif isinstance(child, Comment):
                    until = _end_of_chart(child)
                elif isinstance(child, NavigableString) and (
                    not isinstance(child, PreformattedString) or isinstance(child, CData)
                ):
                    self.builder.add_text(str(child))
                elif type(child) is str:
                    self.builder.add_text(child)
            else:
                stack.pop()
                leave()

    def take_boilerplate(self, block: Block) -> bool:
        """Remove credit, editor and disclaimer lines from a tidy block; return whether any was."""
        is_changed = False
        if block.name == "pre":
            return is_changed
        for number, line in enumerate(block.lines):
            words = line_text(line)
            if boilerplate.may_hold_boilerplate(words):
                rest, publisher = boilerplate.strip_line(words)
                self.publisher = self.publisher or publisher
                if rest != words.strip():
                    indent = len(words) - len(words.lstrip())
                    block.lines[number] = cut(line, indent + len(rest))
                    is_changed = True
        return is_changed

    def _enter(self, tag: Tag | Node, *, is_root: bool) -> Callable[[], None] | None:
        """Begin an element; return the call at its end, or ``None`` to skip the element."""
        name = SAME.get(tag.name, tag.name)
        if name == "br":
            self.builder.add_break()
            return None
        if name in IMAGES or (name == "picture" and tag.find(IMAGES) is None):
            self._image(tag)
            return None
        if name == "noscript":
            self._read_noscript(tag)
            return None
        if name in EMBEDS:
            self._link_embed(tag)
            return _nothing if name == "embed" else None  # parsers nest what follows it
        if name in UNSEEN or (not is_root and _is_noise(tag)) or self._is_credit(tag):
            return None
        if name in INLINE:
            return self._enter_inline(name, tag)
        if name in BOXES:
            box = self.builder.open_box(Element(name, _box_attributes(name, tag)))
            return (lambda: self.builder.close_box(box)) if box else self.builder.split
        if name == "p" or name == "pre" or name in HEADINGS:
            is_open = self.builder.open_block(name)
            return self.builder.close_block if is_open else self.builder.split
        if name in BLOCKS or name in {"li", "tr", "td", "th", "dt", "dd", "caption"}:
            self.builder.split()
            return self.builder.split
        return _nothing

    def _enter_inline(self, name: str, tag: Tag | Node) -> Callable[[], None]:
        attributes: tuple[tuple[str, str], ...] = ()
        if name == "a":
            href = "" if _is_keyword(tag) else self._link(tag)
            if not href:
                return _nothing
            attributes = (("href", href), *_texts(tag, "title"))
            if _is_embed_link(tag) and (medium := player(href)):
                self.media.append(medium)
        elif name == "code":
            found = _LANGUAGE.search(attribute(tag, "class"))
            attributes = (("class", found.group()),) if found else ()
        elif name == "abbr":
            attributes = _texts(tag, "title")
        is_open = self.builder.open_inline(Element(name, attributes))
        return self.builder.close_inline if is_open else _nothing

    def _link(self, tag: Tag | Node) -> str:
        href = absolute(self.base_url, attribute(tag, "href").strip()) if tag.get("href") else ""
        return href if is_http(href) or href.startswith("mailto:") else ""

    def _image(self, tag: Tag | Node) -> None:
        if _is_noise(tag) or is_tiny(tag):
            return
        if source := image_url(tag, self.base_url):
            sizes = tuple(
                (name, value)
                for name in ("width", "height")
                if re.fullmatch(r"[1-9]\d{0,4}", value := attribute(tag, name))
            )
            attributes = (("src", source), *_texts(tag, "alt", "title"), *sizes)
            self.builder.add_image(Element("img", attributes))
            self._images.add(source)
            self.media.append(Media(kind="picture", url=source))
        elif not self.base_url and (source := relative_url(tag)):
            self.media.append(Media(kind="picture", url=source))

    def _read_noscript(self, tag: Tag | Node) -> None:
        """Add the images of a ``noscript`` that the page's scripts would load otherwise."""
        before = tag.find_previous_sibling()
        if (
            isinstance(before, Tag | Node)
            and before.name in IMAGES
            and image_url(before, self.base_url)
        ):
            return
        for child in tag.find_all([*IMAGES, *EMBEDS]):
            if child.name in EMBEDS:
                self._link_embed(child)
            elif image_url(child, self.base_url) not in self._images:
                self._image(child)

    def _link_embed(self, tag: Tag | Node) -> None:
        """Add a link to an embedded document, video or sound, beside the text."""
        address = embed_url(tag, self.base_url)
        is_relative = not address and not self.base_url
        shown = address or (relative_url(tag) if is_relative else "")
        if not shown or _is_noise(tag) or is_tiny(tag):
            return
        if medium := media_of(shown, kind=_played_by(tag), mime=embed_type(tag)):
            self.media.append(medium)
        if address and (box := self.builder.open_box(Element("figure", BESIDE))):
            is_open = self.builder.open_inline(Element("a", (("href", address),)))
            self.builder.add_text(" ".join(attribute(tag, "title").split()) or address)
            if is_open:
                self.builder.close_inline()
            self.builder.close_box(box)

    def _is_credit(self, tag: Tag | Node) -> bool:
        # Eastmoney marks both lines with a class.
        classes = attribute(tag, "class").split()
        if "em_media" in classes and isinstance(tag, Tag):
            found = _CREDIT_NAME.search(" ".join(plain_text(tag).split()))
            self.publisher = self.publisher or (found["name"] if found else "")
            return True
        return "res-edit" in classes


def _played_by(tag: Tag | Node) -> str:
    return tag.name.removeprefix("amp-") if tag.name.endswith(("video", "audio")) else ""


def _is_embed_link(tag: Tag | Node) -> bool:
    """Return whether it is the link that a cleaned body has for an embedded document."""
    around = tag.parent
    return (
        around is not None and around.name == "figure" and attribute(around, "class") == BESIDE_TEXT
    )


def _nothing() -> None:
    pass


def _texts(tag: Tag | Node, *names: str) -> tuple[tuple[str, str], ...]:
    folded = ((name, " ".join(visible(attribute(tag, name)).split())) for name in names)
    return tuple((name, value) for name, value in folded if value)


def _box_attributes(name: str, tag: Tag | Node) -> tuple[tuple[str, str], ...]:
    if name in {"td", "th"}:
        spans = ((each, attribute(tag, each).strip()) for each in ("colspan", "rowspan"))
        return tuple((each, span) for each, span in spans if re.fullmatch(r"[1-9]\d{0,2}", span))
    if name in {"figure", "figcaption"} and attribute(tag, "class") == BESIDE_TEXT:
        return BESIDE
    if name == "ol" and re.fullmatch(r"\d{1,6}", start := attribute(tag, "start")):
        return (("start", start),)
    return ()


def _is_noise(tag: Tag | Node) -> bool:
    if not tag.attrs:
        return False
    if "hidden" in tag.attrs or _HIDDEN.search(attribute(tag, "style")):
        return True
    return not _NOISE_CLASSES.isdisjoint(attribute(tag, "class").split())


def _is_keyword(tag: Tag | Node) -> bool:
    parent = tag.parent
    return not _KEYWORD_CLASSES.isdisjoint(attribute(tag, "class").split()) or (
        parent is not None
        and parent.name == "span"
        and (
            _KEYWORD_ID.match(attribute(parent, "id")) is not None
            or not _KEYWORD_SPANS.isdisjoint(attribute(parent, "class").split())
        )
    )


def _end_of_chart(comment: Comment) -> object:
    if "EM_StockImg_Start" not in comment:
        return None
    for sibling in comment.next_siblings:
        if isinstance(sibling, Comment):
            return sibling if "EM_StockImg_End" in sibling else None
    return None


def _first_image(blocks: list[Block]) -> str | None:
    for block in blocks:
        for line in block.lines:
            for run in line:
                if run.image is not None:
                    return dict(run.image.attributes)["src"]
    return None


def _original_url(blocks: list[Block]) -> str | None:
    for block in blocks:
        for line in block.lines:
            found = _ORIGINAL.search(line_text(line))
            if found is None:
                continue
            links = [
                value
                for run in line
                for element in run.around
                for name, value in element.attributes
                if name == "href"
            ]
            for address in (found["url"] or "", *links):
                if is_http(address.rstrip(".,;)")):
                    return absolute("", address.rstrip(".,;)"))
    return None
