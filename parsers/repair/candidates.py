"""Candidate selectors of one page: for each element that holds a known value, how to select it.

A step is what a designer wrote for a meaning: ``itemprop``, ``rel``, a class, an element. Names
with digits, names that a build made and names of appearance are left out, and so are positions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString

from parsers.extract.published import moment_of
from parsers.html.select import text_of
from parsers.model import Article
from parsers.repair.score import Time, article_value, recall, text_score
from parsers.text.people import author_names

MIN_BODY = 0.8
MAX_STRINGS = 400
MAX_LINE = 200

_UTC = ZoneInfo("UTC")
_MIN_PART = 3
_NAME = re.compile(r"[A-Za-z][A-Za-z_-]{1,40}")
_BUILT = re.compile(
    r"__|--|^(?:css|sc|jsx|svelte|styled|is|has|js|wp-block)-|(?:[a-z][A-Z].*){3}", re.ASCII
)
_LOOKS = re.compile(
    r"^(?:[mp][trblxy]?|text|font|bg|flex|grid|gap|w|h|max|min|col|row|border|rounded|shadow|items"
    r"|justify|leading|tracking|mx|clearfix|container|wrapper|left|right|active|first|last|odd|even)"
    r"(?:-[a-z-]+)?$",
    re.IGNORECASE,
)
_SEMANTIC = frozenset(
    {"h1", "article", "main", "time", "address", "title", "html", "meta", "time[datetime]"}
)
_BOXES = ("article", "main", "section", "div", "td", "body")
_TIME_NAME = re.compile(r"date|time|publish", re.IGNORECASE)
_PLAIN = frozenset({"div", "span", "p", "a", "td", "li", "section", "b", "strong", "em", "i"})


def candidates(field: str, soup: BeautifulSoup, known: Article) -> set[str]:
    """Return selectors of the elements of a page that have the known value of a field.

    The value is approximate here; the caller scores each selector on many pages.
    """
    if field == "body":
        return set(_of_body(soup, known.text or ""))
    value = article_value(field, known)
    found = {css for node in _nodes(field, soup, value) for css in _paths(node)}
    return found | set(_of_attributes(field, soup, value))


def rank(css: str) -> float:
    """Return how little a selector promises to outlast the next change; less is better."""
    total = 0.0
    parts = css.partition("::attr")[0].replace(" > ", " ").split()
    for part in parts:
        name = part.partition(".")[0].partition("[")[0]
        if "[itemprop" in part:
            total += 0.5
        elif name == "meta" or "[rel" in part or part in _SEMANTIC:
            total += 1.2
        elif "." in part:
            total += 1.0
        elif "#" in part or "[" in part:
            total += 2.0
        else:
            is_paragraph = part == "p" and len(parts) > 1
            total += 0.8 if is_paragraph else 6.0 if part in _PLAIN and len(parts) == 1 else 2.0
    return total + 0.6 * (len(parts) - 1)


def steps(node: Tag) -> Iterator[str]:
    """Yield selectors of one element: by its meaning, its classes, its name, its id."""
    itemprop = str(node.get("itemprop") or "")
    if _NAME.fullmatch(itemprop):
        yield f'[itemprop="{itemprop}"]'
    rel = node.get("rel")
    for one in rel if isinstance(rel, list) and node.name == "a" else []:
        if one in {"author", "tag", "category"}:
            yield f"a[rel~={one}]"
    classes = node.get("class")
    for one in classes if isinstance(classes, list) else []:
        if is_stable(one):
            yield f"{node.name}.{one}"
    if node.name == "time" and node.get("datetime"):
        yield "time[datetime]"
    yield str(node.name)
    if is_stable(name := str(node.get("id") or "")):
        yield f"#{name}"


def is_stable(name: str) -> bool:
    """Whether a name describes a meaning, so that it outlasts a build and a change of colors."""
    return bool(_NAME.fullmatch(name)) and not _BUILT.search(name) and not _LOOKS.match(name)


def _paths(node: Tag) -> Iterator[str]:
    own = list(steps(node))
    yield from own
    for parent in list(node.parents)[:5]:
        if parent.name in {"html", "[document]"}:
            break
        around = [one for one in steps(parent) if one not in _PLAIN][:3]
        yield from (f"{one} {step}" for one in around for step in own[:4])


def _nodes(field: str, soup: BeautifulSoup, value: object) -> Iterator[Tag]:
    """Yield elements whose text may be the value: those around a string of it."""
    may_be, is_it = _tests(field, value)
    is_time, tested = isinstance(value, Time), set[int]()
    count = 0
    for string in soup.find_all(string=True):
        if type(string) is not NavigableString or len(string) > MAX_LINE * 2:
            continue
        words = " ".join(str(string).split())
        if not words or not may_be(words):
            continue
        count += 1
        if count > MAX_STRINGS:
            return
        for parent in list(string.parents)[:4]:
            if parent.name in {"body", "html", "[document]", "script", "style"}:
                break
            if id(parent) in tested:
                continue
            tested.add(id(parent))
            text = " ".join(parent.get_text(" ").split())
            if len(text) > MAX_LINE + len(words):
                break
            if is_time or is_it(text_of(parent)):
                yield parent


def _tests(field: str, value: object) -> tuple[Callable[[str], bool], Callable[[str], bool]]:
    """Return whether a string may be a part of a value, and whether a text may be the value."""
    if isinstance(value, Time):

        def has_time(words: str) -> bool:
            has_digits = len(words) < MAX_LINE and any(map(str.isdigit, words))
            return has_digits and _is_near(words, value)

        return has_time, bool
    if isinstance(value, tuple):
        names = [name.casefold() for name in value]

        def has_name(words: str) -> bool:
            folded = words.casefold()
            return any(
                name in folded or (len(folded) >= _MIN_PART and folded in name) for name in names
            )

        def has_names(text: str) -> bool:
            found = author_names([text]) if field == "authors" else (text,)
            return bool(found) and {one.casefold() for one in found} <= set(names)

        return has_name, has_names
    wanted = " ".join(str(value or "").split())
    least = len(wanted) / 4  # a title may be in several elements
    return (
        lambda words: len(words) >= least and words in wanted,
        lambda text: text == wanted,
    )


def _is_near(text: str, time: Time) -> bool:
    """Whether a text has a time that may be the known one in another time zone."""
    found = moment_of(text, _UTC, "")
    if found.at is None or time.at is None:
        return False
    return abs(found.at - time.at) <= timedelta(hours=26)


def _of_attributes(field: str, soup: BeautifulSoup, value: object) -> Iterator[str]:
    """Yield selectors of values for machines: ``meta``, ``datetime`` and other attributes."""
    wanted = " ".join(value.split()) if isinstance(value, str) else ""
    names = {one.casefold() for one in value} if isinstance(value, tuple) else set()
    for node in soup.find_all("meta", content=True):
        content = " ".join(str(node["content"]).split())
        is_time = isinstance(value, Time) and _has_year(content) and _is_near(content, value)
        is_image = field == "lead_image" and "image" in f"{node.get('property')}{node.get('name')}"
        if is_time or is_image or content == wanted or content.casefold() in names:
            for key in ("property", "name", "itemprop"):
                if re.fullmatch(r"[\w.:-]+", mark := str(node.get(key) or "")):
                    yield f'meta[{key}="{mark}"]'
    if isinstance(value, Time):
        for node in soup.find_all(True):
            for name, raw in node.attrs.items():
                if name == "content" or not _TIME_NAME.search(name) or not _has_year(str(raw)):
                    continue
                if not _is_near(str(raw), value):
                    continue
                mark = "" if (node.name, name) == ("time", "datetime") else f"::attr({name})"
                yield from (f"{css}{mark}" for css in _paths(node))
    elif field == "language":
        yield "html::attr(lang)"
    elif field == "lead_image":
        for node in soup.find_all("img", limit=200):
            yield from _paths(node)


def _has_year(text: str) -> bool:
    return re.search(r"(?:19|20)\d\d", text) is not None and len(text) < 40


def _of_body(soup: BeautifulSoup, text: str) -> Iterator[str]:
    """Yield selectors of boxes with the text, and of the paragraphs inside wider ones."""
    wide: list[tuple[int, Tag]] = []
    for box in [*soup.find_all(_BOXES), *soup.select("[itemprop=articleBody]")]:
        words = box.get_text(" ")
        if not 0.6 * len(text) <= len(words):
            continue
        if text_score(text, words) >= MIN_BODY:
            yield from _paths(box)
        if recall(text, words) >= MIN_BODY:
            wide.append((len(words), box))
    for _, box in sorted(wide, key=lambda one: one[0])[:3]:
        for css in (one for one in steps(box) if one not in _PLAIN):
            yield from (f"{css} > p", f"{css} p")
            for child in box.find_all("p", limit=3):
                yield from (f"{css} {step}" for step in steps(child) if "." in step)
