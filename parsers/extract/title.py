"""The headline: the heading that the page's own title confirms."""

from __future__ import annotations

import html
import re

from lxml import etree

from parsers.extract.blocks import Box, Layout
from parsers.extract.structured import Structured
from parsers.extract.tree import fold, text_of
from parsers.model import Extracted

_SEPARATOR = re.compile(r"\s+[|\-–—·•»«:/~>]+\s+|\s*[|_]+\s*|\s+::\s+|--+|\s*[｜»«]\s*")
_LONG_WORD = re.compile(r"[^\W\d_]{4,}|\d{2,}|[\u3400-\u9fff]{2}")
_NAMED = re.compile(r"title|headline|\bhead\b|biaoti|subject|activity-name", re.I)


def headline(
    root: etree._Element, declared: Structured, page: Layout, box: Box | None
) -> Extracted[str]:
    """The article's title; an empty value means that the page has none.

    Where JSON-LD and ``og:title`` agree, that is the title: two declarations, and neither
    cut. Otherwise a heading is trusted when the title element, ``og:title`` or the JSON-LD headline
    says the same words; the longest such heading wins, because the others are section
    and site names. ``og:title`` alone can be cut at an unescaped quote, so it comes
    after the headings.
    """
    og, og_how = declared.meta("og:title", "twitter:title", "headline", "dc.title")
    og = html.unescape(og)
    ld, ld_how = declared.text("headline", "name")
    told = [fold(words) for words in (og, ld, declared.page_title) if words]
    names = site_names(declared)
    headings = [words for node in root.iter("h1") if 1 < len(words := text_of(node)) < 400]
    if ld and fold(ld) == fold(og) and fold(ld) not in names:
        return Extracted(ld, f"{ld_how}, as og:title says")
    confirmed = [h for h in headings if _is_told(fold(h), told) and fold(h) not in names]
    if confirmed:
        return Extracted(max(confirmed, key=len), "css:h1, as the page's title says")
    if ld and fold(ld) not in names and (not og or fold(ld) != fold(declared.page_title)):
        return Extracted(ld, ld_how)
    unique = list(dict.fromkeys(h for h in headings if fold(h) not in names))
    if len(unique) == 1 and _is_alike(unique[0], og or declared.page_title):
        return Extracted(unique[0], "css:h1, the only one, much as the page's title")
    if line := _told_line(page, box, told, names):
        return Extracted(line, "a line that the page's title repeats")
    if og:
        cut = _without_site(og, names)
        return Extracted(cut, og_how)
    if len(unique) == 1 and not _is_site_heading(unique[0], declared.page_title):
        return Extracted(unique[0], "css:h1, the only one")
    if declared.page_title:
        return Extracted(
            _without_site(declared.page_title, names), "css:title without the site's name"
        )
    if unique:
        return Extracted(unique[0], "css:h1, the first")
    return Extracted("", "absent: no title, heading or declaration")


def site_names(declared: Structured) -> frozenset[str]:
    """What the publication calls itself, folded."""
    found = {fold(value) for value in declared.metas.get("og:site_name", ())}
    found |= {fold(value) for value in declared.metas.get("application-name", ())}
    publisher = declared.resolved(declared.article.get("publisher"))
    if isinstance(publisher, dict) and isinstance(publisher.get("name"), str):
        found.add(fold(publisher["name"]))
    return frozenset(found - {""})


def _is_told(words: str, told: list[str]) -> bool:
    # A short heading at the end of the title is the publication's name.
    return len(words) >= 2 and any(
        words == other
        or (
            len(words) >= 4
            and (other.startswith(words) or (words in other and len(words) * 5 >= len(other) * 2))
        )
        for other in told
    )


def _is_alike(heading: str, title: str) -> bool:
    mine, other = (set(_LONG_WORD.findall(words.casefold())) for words in (heading, title))
    return len(mine) >= 2 and len(mine & other) * 5 >= min(len(mine), len(other) or 1) * 2


def _is_site_heading(heading: str, title: str) -> bool:
    words = fold(heading)
    return bool(words) and fold(title).endswith(words) and fold(title) != words


def _told_line(page: Layout, box: Box | None, told: list[str], names: frozenset[str]) -> str:
    end = box.first + 6 if box is not None else len(page.blocks)
    best, best_score = "", 0.0
    for block in page.blocks[:end]:
        words = fold(block.text)
        if len(words) < 4 or block.size > 300 or words in names:
            continue
        at = [other.find(words) for other in told]
        if all(place < 0 for place in at):
            continue
        if 0 not in at and not block.box.tag.startswith("h"):
            continue
        name = (block.box.node.get("class") or "") + " " + (block.box.node.get("id") or "")
        score = len(words) * (2.0 if block.box.tag[0] == "h" or _NAMED.search(name) else 1.0)
        score *= 0.3 if block.link * 2 > block.size else 1.0
        if score > best_score:
            best, best_score = block.text, score
    longest = max((len(words) for words in told), default=0)
    best = best.lstrip("》>»·•|:： ")
    return best if len(fold(best)) * 4 >= longest else ""


def _without_site(title: str, names: frozenset[str]) -> str:
    if len(title) > 500:
        return title
    places = [(m.start(), m.end()) for m in _SEPARATOR.finditer(title)]
    if not places:
        return title
    for start, end in places:
        if fold(title[end:]) in names:
            return title[:start].strip()
        if fold(title[:start]) in names:
            return title[end:].strip()
    head, tail = title[: places[-1][0]].strip(), title[places[-1][1] :].strip()
    if any(mark in title for mark in "_|｜"):
        first = _SEPARATOR.split(title)
        longest = max(first, key=len).strip()
        return first[0].strip() if len(first[0]) * 2 >= len(longest) else longest
    return head if len(fold(head)) >= len(fold(tail)) else title
