"""Title, sections, keywords, lead image and language of an article page."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from lxml import etree

from parsers.extract.blocks import Box, Layout
from parsers.extract.structured import Structured, texts
from parsers.extract.tree import fold, text_of
from parsers.model import Extracted
from parsers.text.urls import absolute, host_of, is_http

_SEPARATOR = re.compile(r"\s+[|\-–—·•»«:/~>]+\s+|\s*[|_]+\s*|\s+::\s+|--+|\s*[｜»«]\s*")
_MIN_TITLE, _MAX_HEADING, _MAX_TITLE = 8, 400, 500
_MIN_NAME = 4
# Titles with the names of section and site; a line of the page may leave out a subtitle.
_SHARE_OF_TITLE, _SHARE_OF_LINE = 0.4, 0.25
# Chinese pages of 2012: the title is a line in the box of the text, and no link.
_MAX_LINES_INSIDE, _LINKED_TITLE = 6, 0.3
_MAX_TAGS = 50
# News in Chinese, Japanese and Korean with Latin names and numbers.
_SAMPLE, _SCRIPT_SHARE, _KANA_SHARE = 5000, 1 / 3, 0.1
_LONG_WORD = re.compile(r"[^\W\d_]{4,}|\d{2,}|[\u3400-\u9fff]{2}")
_NAMED = re.compile(r"title|headline|\bhead\b|biaoti|subject|activity-name", re.I)
_COMMA = re.compile(r"\s*[,;，；、|]\s*")
_LOGO = re.compile(
    r"(?:^|[/_-])(?:logo|favicon|default[-_]?(?:image|share)|placeholder|blank|spacer)", re.I
)
_TAG = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*$", re.I)
_HAN = re.compile(r"[\u3400-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")


def headline(
    root: etree._Element, declared: Structured, page: Layout, box: Box | None
) -> Extracted[str]:
    """Return the article's title; an empty value means that the page has none.

    If JSON-LD and ``og:title`` agree, that is the title. Otherwise it is the longest
    heading that the title element, ``og:title`` or the JSON-LD headline repeats: shorter
    ones are names of sections and sites. ``og:title`` alone comes after the headings,
    because an unescaped quote may have cut it.
    """
    og, og_how = declared.meta("og:title", "twitter:title", "headline", "dc.title")
    og = html.unescape(og)
    ld, ld_how = declared.text("headline", "name")
    declared_titles = [fold(words) for words in (og, ld, declared.page_title) if words]
    names = site_names(declared)
    parts = _parts(og, ld, declared.page_title)
    headings = [
        words for node in root.iter("h1") if 1 < len(words := _heading(node, parts)) < _MAX_HEADING
    ]
    if ld and fold(ld) == fold(og) and fold(ld) not in names:
        return Extracted(_without_names(ld, names, headings), f"{ld_how}, as og:title says")
    confirmed = [
        h for h in headings if _is_confirmed(fold(h), declared_titles) and fold(h) not in names
    ]
    if confirmed:
        return Extracted(max(confirmed, key=len), "css:h1, as the page's title says")
    if ld and fold(ld) not in names and (not og or fold(ld) != fold(declared.page_title)):
        return Extracted(ld, ld_how)
    unique = list(dict.fromkeys(h for h in headings if fold(h) not in names))
    later = {fold(part) for part in parts_of_title(declared.page_title)[1:]}
    if (
        len(unique) == 1
        and fold(unique[0]) not in later
        and _is_alike(unique[0], og or declared.page_title)
    ):
        return Extracted(unique[0], "css:h1, the only one, much as the page's title")
    if line := _confirmed_line(page, box, declared_titles, names):
        return Extracted(line, "a line that the page's title repeats")
    if og:
        cut = _without_site(og, names)
        return Extracted(cut, og_how)
    if len(unique) == 1 and fold(unique[0]) not in later:
        return Extracted(unique[0], "css:h1, the only one")
    if declared.page_title:
        return Extracted(
            _without_site(declared.page_title, names), "css:title without the site's name"
        )
    if unique:
        return Extracted(unique[0], "css:h1, the first")
    return Extracted("", "absent: no title, heading or declaration")


def site_names(declared: Structured) -> frozenset[str]:
    """Return the declared names of the publication, folded."""
    found = {fold(value) for value in declared.metas.get("og:site_name", ())}
    found |= {fold(value) for value in declared.metas.get("application-name", ())}
    publisher = declared.resolved(declared.article.get("publisher"))
    if isinstance(publisher, dict) and isinstance(publisher.get("name"), str):
        found.add(fold(publisher["name"]))
    for url in (declared.links.get("canonical", ""), declared.meta("og:url")[0]):
        labels = host_of(url).removeprefix("www.").split(".")
        found.add(fold(labels[0] if len(labels) < 3 else labels[-3 if len(labels[-2]) < 4 else -2]))
    return frozenset(found - {""})


def _is_confirmed(words: str, titles: list[str]) -> bool:
    # A short heading at the end of the title is the publication's name.
    return len(words) >= 2 and any(
        words == other
        or (
            len(words) >= _MIN_NAME
            and (
                other.startswith(words)
                or (words in other and len(words) >= _SHARE_OF_TITLE * len(other))
            )
        )
        for other in titles
    )


def _is_alike(heading: str, title: str) -> bool:
    mine, other = (set(_LONG_WORD.findall(words.casefold())) for words in (heading, title))
    return len(mine) >= 2 and len(mine & other) >= _SHARE_OF_TITLE * min(len(mine), len(other) or 1)


def _confirmed_line(page: Layout, box: Box | None, titles: list[str], names: frozenset[str]) -> str:
    end = box.first + _MAX_LINES_INSIDE if box is not None else len(page.blocks)
    best, best_score = "", 0.0
    for block in page.blocks[:end]:
        words = fold(block.text)
        if len(words) < _MIN_NAME or block.size > _MAX_HEADING or words in names:
            continue
        at = [other.find(words) for other in titles]
        if all(place < 0 for place in at):
            continue
        if 0 not in at and not block.box.tag.startswith("h"):
            continue
        name = block.box.classes + " " + (block.box.node.get("id") or "")
        score = len(words) * (2.0 if block.box.tag[0] == "h" or _NAMED.search(name) else 1.0)
        score *= _LINKED_TITLE if block.link * 2 > block.size else 1.0
        if score > best_score:
            best, best_score = block.text, score
    longest = max((len(words) for words in titles), default=0)
    best = best.lstrip("》>»·•|:： ")
    return best if len(fold(best)) >= _SHARE_OF_LINE * longest else ""


def parts_of_title(title: str) -> list[str]:
    """Return the parts of a title, of which one may be the name of the site."""
    return [part for part in _SEPARATOR.split(title[:_MAX_TITLE]) if part]


def _parts(*titles: str) -> frozenset[str]:
    """Return declared titles and their parts between separators, folded."""
    split = (part for title in titles for part in parts_of_title(title))
    return frozenset(fold(words) for words in (*titles, *split))


def _heading(node: etree._Element, parts: frozenset[str]) -> str:
    """Return the text of a heading, or its line that is the title beside a kicker."""
    words = text_of(node)
    if fold(words) not in parts:
        lines = [
            node.text or "",
            *(line for child in node for line in (text_of(child), child.tail or "")),
        ]
        for line in (" ".join(line.split()) for line in lines):
            if len(fold(line)) >= _MIN_TITLE and fold(line) in parts:
                return line
    return words


def _without_names(title: str, names: frozenset[str], headings: list[str]) -> str:
    """Remove a name of the site, or what follows a separator behind the page's heading."""
    for found in _SEPARATOR.finditer(title[:_MAX_TITLE]):
        start, end = found.span()
        if _is_site(fold(title[end:]), names) or title[:start].strip() in headings:
            return title[:start].strip()
        if fold(title[:start]) in names:
            return title[end:].strip()
    return title


def _is_site(words: str, names: frozenset[str]) -> bool:
    # "Example News" of example.org; a much longer part is a title that names the site.
    return words in names or any(
        len(name) >= _MIN_NAME and name in words and len(words) <= 2 * len(name) for name in names
    )


def _without_site(title: str, names: frozenset[str]) -> str:
    if len(title) > _MAX_TITLE:
        return title
    places = [(m.start(), m.end()) for m in _SEPARATOR.finditer(title)]
    if not places:
        return title
    if (cut := _without_names(title, names, [])) != title:
        return cut
    head, tail = title[: places[-1][0]].strip(), title[places[-1][1] :].strip()
    if any(mark in title for mark in "_|｜"):
        first = _SEPARATOR.split(title)
        longest = max(first, key=len).strip()
        return first[0].strip() if len(first[0]) * 2 >= len(longest) else longest
    return head if len(fold(head)) >= len(fold(tail)) else title


def categories(declared: Structured) -> Extracted[tuple[str, ...]]:
    """Return the declared sections of the article."""
    found = tuple(dict.fromkeys(texts(declared.article.get("articleSection"))))
    if found:
        return Extracted(found, "json-ld:articleSection")
    found = _metas(declared, "article:section", split=False)
    return Extracted(
        found, "meta:article:section" if found else "absent: the page declares no section"
    )


def tags(declared: Structured) -> Extracted[tuple[str, ...]]:
    """Return the declared keywords of the article, at most 50."""
    words = [
        part for value in texts(declared.article.get("keywords")) for part in _COMMA.split(value)
    ]
    found = tuple(dict.fromkeys(word for word in words if word))
    if found:
        return Extracted(found[:_MAX_TAGS], "json-ld:keywords")
    for name in ("article:tag", "news_keywords", "keywords"):
        if found := _metas(declared, name, split=True):
            return Extracted(found[:_MAX_TAGS], f"meta:{name}")
    return Extracted((), "absent: the page declares no keywords")


def lead_image(declared: Structured, base: str) -> Extracted[str] | None:
    """Return the declared image that is no logo; ``None`` means the first image of the body."""
    for value, how in (
        _json_ld_image(declared),
        declared.meta("og:image", "og:image:url", "twitter:image", "twitter:image:src"),
    ):
        url = absolute(base, html.unescape(value)) if value else ""
        if is_http(url) and not _LOGO.search(url):
            return Extracted(url, how)
    return None


def _json_ld_image(declared: Structured) -> tuple[str, str]:
    value = declared.article.get("image")
    for item in value if isinstance(value, list) else [value]:
        item = declared.resolved(item)
        if isinstance(item, Mapping):
            item = item.get("url") or item.get("contentUrl")
        for url in texts(item):
            return url, "json-ld:image"
    return "", ""


def _metas(declared: Structured, name: str, *, split: bool) -> tuple[str, ...]:
    values = [html.unescape(value) for value in declared.metas.get(name, ())]
    parts = [part for value in values for part in (_COMMA.split(value) if split else [value])]
    return tuple(dict.fromkeys(part for part in parts if part))


def language_of(
    configured: str, root: etree._Element, declared: Structured, page: Layout
) -> Extracted[str]:
    """Return a language tag (``zh``, ``zh-CN``, ``en``), or why there is none.

    The script of Han, kana or hangul text overrides a declared European language, which
    comes from a template. Latin or Cyrillic letters alone do not identify a language.
    """
    if configured:
        return Extracted(configured, "source declaration")
    script = _script(page)
    html = root if root.tag == "html" else root.find(".//html")
    declarations = (
        ((html.get("lang") or html.get("xml:lang") or "") if html is not None else "", "html:lang"),
        declared.text("inLanguage"),
        declared.meta(
            "og:locale", "content-language", "language", "dc.language", "dcterms.language"
        ),
    )
    for value, how in declarations:
        tag = value.strip().replace("_", "-")
        if _TAG.match(tag) and (not script or tag.lower().split("-")[0] in (script, "yue", "lzh")):
            return Extracted(tag, how)
    if script:
        return Extracted(script, "the script of the text")
    return Extracted(None, "absent: the page declares none and its script proves none")


def _script(page: Layout) -> str:
    sample = "".join(block.text for block in page.blocks if block.weight > 0)[:_SAMPLE]
    han, kana, hangul = (len(form.findall(sample)) for form in (_HAN, _KANA, _HANGUL))
    if hangul > _SCRIPT_SHARE * len(sample):
        return "ko"
    if kana > _KANA_SHARE * len(sample):
        return "ja"
    return "zh" if han > _SCRIPT_SHARE * len(sample) else ""
