"""Completeness of a text: all of the article, a part of it, or a teaser.

A page declares a paywall by ``isAccessibleForFree`` (schema.org) or ``article:content_tier``.
It may deliver the text behind the paywall nevertheless. A text that ends with an offer
("Subscribe to continue reading", 订阅后阅读全文) or with "[…]" is cut, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from lxml import etree

from parsers.compose import BODY_MEDIA
from parsers.extract.structured import Structured
from parsers.extract.tree import remove, select, text_of
from parsers.model import Article, Completeness, Extracted

TEASER_SIZE = 1500
"""Characters of a text that is no more than a teaser; a Han character counts three times."""

METERED_SIZE = 2500
"""Characters that no teaser has: sites that count articles deliver the whole text."""

SUMMARY_SIZE = 600
"""Characters of a description that is no more than a summary."""

_MAX_OFFER = 800
_MAX_CUT = 40
# Publishers count captions and headings, too.
_FULL, _PARTIAL = 0.8, 0.3
_MAX_OFFER_LINE = 200
_LAST_LINES = 3
_TIERS = frozenset(
    {"locked", "metered", "premium", "paid", "subscriber", "subscribers", "registered"}
)
_NAME = re.compile(r"[.#]([\w-]+)")
_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_LATIN = re.compile(r"[^\W\d_]+")
_CUT = re.compile(
    r"(?:\[\s*(?:…|\.\.\.|&hellip;)\s*\]|…|\.\.\.|(?:continue|keep) reading\W*|read (?:more|on)\W*|"
    r"weiterlesen\W*|lire la suite\W*|seguir leyendo\W*|阅读(?:全文|更多|原文)\W*|查看(?:全文|更多)\W*|閱讀全文\W*)$",
    re.IGNORECASE,
)
_OFFER = re.compile(
    r"(?:(?-i:\bS)|\b(?:please|or|must|need to) s)ubscri(?:be|ption)\b.{0,60}\b(?:read|continue|unlock|access|article)|"
    r"\b(?:to continue reading|to read the (?:full|rest)|(?:for|only to) subscribers|(?:story|article) is for members|last free article)\b|"
    r"already a subscriber|free articles? (?:left|remaining)|"
    r"pour lire la suite|réservée?s? aux abonnés|abonnez-vous|jetzt (?:abonnieren|weiterlesen)|nur für abonnenten|"
    r"para seguir leyendo|exclusiv\w+ para suscriptores|suscríbete|per continuare a leggere|"
    r"(?:订阅|付费|购买|开通会员|登录|登陆|訂閱|付費|登入)(?:后|後|即可|才能|方可|可).{0,4}(?:阅读|查看|浏览|閱讀|观看)[^，,。；;\s]{0,6}(?=[。！!>》\s]|$)|"
    r"(?:剩余|余下|以下)(?:\d+%)?.{0,6}(?:付费|订阅|会员)|本文为(?:付费|会员|订阅)",
    re.IGNORECASE,
)  # fmt: skip


def remove_offers(root: etree._Element, declared: Structured) -> None:
    """Remove the parts that a page declares to be its paywall and that only sell."""
    for node in list(_walls(root, declared)):
        words = text_of(node)
        if len(words) <= _MAX_OFFER and (_OFFER.search(words) or select(node, ".//button|.//form")):
            remove(node)


def size_behind_wall(root: etree._Element, declared: Structured) -> int:
    """Return the size of the largest part that the page declares to be behind its paywall."""
    return max((len(text_of(node)) for node in _walls(root, declared)), default=0)


def with_completeness(
    article: Article, declared: Structured, delivered: int, behind: Sequence[str] = ()
) -> Article:
    """Return an article of a page with its completeness and the reason.

    Args:
        article: The article.
        declared: What the page declares.
        delivered: ``size_behind_wall`` of the page.
        behind: The lines of the page after its last sentences.
    """
    text = article.text
    if text is None:
        return article
    if wall := declared_wall(declared):
        return _marked(article, _behind(text, wall, declared, delivered))
    kind = _kind_by_size(text)
    offer = _offer_in(behind) if kind == "teaser" else ""
    if offer := _offer_at_end(text) or offer:
        return _marked(article, Extracted(kind, f"the text ends with an offer: {offer!r}"))
    return article


def with_feed_completeness(article: Article, *, is_summary: bool) -> Article:
    """Return an article that a feed carries with its completeness and the reason.

    Args:
        article: The article.
        is_summary: The text is the description of the item, not its content.
    """
    text = article.text
    if text is None:
        is_beside = not article.provenance["media"].endswith(BODY_MEDIA)
        if is_beside and all(one.kind == "picture" for one in article.media):
            return _marked(
                article, Extracted("teaser", "feed: a picture beside the item, no content")
            )
        return article
    if offer := _offer_at_end(text):
        return _marked(article, Extracted("teaser", f"the text ends with an offer: {offer!r}"))
    if cut := _CUT.search(text.rstrip()[-_MAX_CUT:]):
        kind: Completeness = "teaser" if is_summary else "partial"
        return _marked(article, Extracted(kind, f"feed: the text ends with {cut[0]!r}"))
    if is_summary and _size(text) < SUMMARY_SIZE:
        return _marked(article, Extracted("teaser", "feed: a short description, without content"))
    return article


def mark_partial(article: Article, reason: str) -> Article:
    """Return an article whose text is a part, unless it is a teaser already."""
    if article.completeness != "full":
        return article
    return _marked(article, Extracted("partial", reason))


def _marked(article: Article, found: Extracted[Completeness]) -> Article:
    provenance = {**article.provenance, "completeness": found.provenance}
    return replace(article, completeness=found.value or "full", provenance=provenance)


def declared_wall(declared: Structured) -> str:
    """Return the declaration that the article is not free; empty when there is none."""
    if any(_is_false(node.get("isAccessibleForFree")) for node in _parts(declared)):
        return "json-ld:isAccessibleForFree is false"
    if _is_false(declared.meta("isaccessibleforfree")[0]):
        return "meta:isAccessibleForFree is false"
    tier, how = declared.meta("article:content_tier", "og:article:content_tier", "content_tier")
    return f"{how} is {tier}" if tier.lower() in _TIERS else ""


def _parts(declared: Structured) -> Iterator[Mapping[str, object]]:
    """Yield the declarations of the article and of its page, and their parts."""
    for node in (declared.article, declared.web_page):
        yield node
        parts = node.get("hasPart")
        for part in map(declared.resolved, parts if isinstance(parts, list) else [parts]):
            if isinstance(part, Mapping):
                yield part


def _is_false(value: object) -> bool:
    text = value.rpartition("/")[2].lower() if isinstance(value, str) else value
    return text is False or text in ("false", "no")


def _walls(root: etree._Element, declared: Structured) -> Iterator[etree._Element]:
    """Yield the elements that the page declares to be behind its paywall."""
    names = {
        name
        for part in _parts(declared)
        if isinstance(selector := part.get("cssSelector"), str)
        for name in _NAME.findall(selector)
    }
    if names:
        for node in root.iter(etree.Element):
            if node.get("id") in names or names & set((node.get("class") or "").split()):
                yield node


def _behind(text: str, wall: str, declared: Structured, delivered: int) -> Extracted[Completeness]:
    count = declared.article.get("wordCount")
    words = len(_HAN.findall(text)) + len(_LATIN.findall(_HAN.sub(" ", text)))
    if isinstance(count, int | str) and str(count).isdigit() and int(count) > 0:
        share = words / int(count)
        kind: Completeness = (
            "full" if share >= _FULL else "partial" if share >= _PARTIAL else "teaser"
        )
        return Extracted(kind, f"{wall}; {words} of {count} words (json-ld:wordCount)")
    if delivered * 2 >= len(text) and _size(text) >= TEASER_SIZE:
        return Extracted("full", f"{wall}; the page has the part behind the paywall")
    if _size(text) >= METERED_SIZE and not _offer_at_end(text):
        return Extracted("full", f"{wall}; the page has more text than a teaser")
    return Extracted(_kind_by_size(text), f"{wall}; the page has a teaser of the text")


def _kind_by_size(text: str) -> Completeness:
    return "teaser" if _size(text) < TEASER_SIZE else "partial"


def _offer_at_end(text: str) -> str:
    """Return the offer in the last paragraphs; empty when there is none."""
    return _offer_in([line for line in text.split("\n") if line.strip()][-_LAST_LINES:])


def _offer_in(lines: Iterable[str]) -> str:
    found = (_OFFER.search(line) for line in lines if len(line) <= _MAX_OFFER_LINE)
    return next((offer[0] for offer in found if offer), "")


def _size(text: str) -> int:
    return len(text) + 2 * len(_HAN.findall(text))
