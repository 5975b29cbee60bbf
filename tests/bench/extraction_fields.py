"""The rules and numbers of titles, dates and authors, for ``extraction_rules``.

Each pattern is switched off, and each of its alternatives; each entry of a list is left out,
but no word of a language. The pages are taken apart once, and their bodies are not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from parsers import registry
from parsers.extract import byline, credits, metadata, names, published, structured
from parsers.extract.tree import text_of
from parsers.model import Moment
from parsers.sources import generic
from parsers.text import dates, people
from tests.bench.extraction_rules import Case, Rule, ScorePage, Scores, Subject

_MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (dates, people, structured, names, credits, metadata, published, byline)
}
_FIELDS = ("title", "date", "author")
_FIELDS_OF = {
    "byline": ("author",),
    "credits": ("author",),
    "names": ("author",),
    "people": ("author",),
    "metadata": ("title", "author"),  # names of the site are no authors
    "published": ("date",),
    "dates": ("date", "author"),
}
_FUNCTIONS = (
    Rule("byline", "_chinese", lambda *_: ()),
    Rule("byline", "_bylines", lambda *_: ()),
    Rule("byline", "_marked", lambda *_: ()),
    Rule("byline", "_beside_date", lambda *_: ""),
    Rule("byline", "_of_json_ld", lambda *_: []),
    Rule("byline", "_without_mail", lambda value: value),
    Rule("byline", "bracketed_authors", lambda *_: ()),
    Rule("byline", "is_hidden", lambda *_: False),
    Rule("metadata", "site_names", lambda *_: frozenset()),
    Rule("metadata", "_is_confirmed", lambda *_: False),
    Rule("metadata", "_is_alike", lambda *_: False),
    Rule("metadata", "_confirmed_line", lambda *_: ""),
    Rule("metadata", "_without_names", lambda title, *_: title),
    Rule("metadata", "_without_site", lambda title, *_: title),
    Rule("metadata", "_is_site", lambda words, found: words in found),
    Rule("metadata", "_heading", lambda node, _parts: text_of(node)),
    Rule("published", "_on_printed_day", lambda moment, *_: moment),
    Rule("published", "_label_of", lambda *_: ""),
    Rule("published", "_is_day_first", lambda *_: None),
    Rule("published", "_is_near", lambda *_: True),
    Rule("published", "_repeats_minute", lambda *_: False),
    Rule("published", "_is_beside", lambda *_: False),
    Rule("published", "_lines", lambda *_: ()),
    Rule("published", "_is_date", lambda *_: False),
    Rule("published", "_with_label", lambda page, place: page.blocks[place].text),
    Rule("published", "_changes", lambda *_: ()),
    Rule("structured", "_article", lambda nodes, *_: nodes[0] if nodes else {}),
)


def _rules() -> Iterator[Rule]:
    yield from _FUNCTIONS
    seen: set[int] = set()  # what one module imports from another
    for module, content in _MODULES.items():
        for name, value in vars(content).items():
            if name.startswith("__") or id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, re.Pattern):
                yield Rule(module, name, re.compile(f"(?!)(?:{value.pattern})", value.flags))
                for less, part in _without_alternatives(value):
                    yield Rule(module, name, less, part)
            elif isinstance(value, tuple) and _is_list_of_rules(value):
                for number, one in enumerate(value):
                    others = tuple(each for each in value if each is not one)
                    part = one if isinstance(one, str) else str(number)
                    yield Rule(module, name, others, part)


def _is_list_of_rules(value: tuple[object, ...]) -> bool:
    firsts = (each[0] if isinstance(each, tuple) else each for each in value)
    return all(isinstance(first, str | re.Pattern) for first in firsts)


def _without_alternatives(pattern: re.Pattern[str]) -> Iterator[tuple[re.Pattern[str], str]]:
    """Yield a pattern without each of its alternatives, at every depth, and the alternative."""
    text = pattern.pattern
    for start, end in _alternatives(text):
        # The separator before it goes, too; of the first alternative the one behind it.
        less = text[: start - 1] + text[end:]
        if text[start - 1 : start] != "|":
            less = text[:start] + text[end + 1 :]
        try:
            yield re.compile(less, pattern.flags), text[start:end]
        except re.error:
            continue


def _alternatives(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of the alternatives of a pattern, where there are two or more."""
    open_groups: list[list[int]] = [[0]]
    for found in re.finditer(
        r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:P<\w+>|<?[=!]|:))?|\)|\|", text
    ):
        if found[0].startswith("("):
            open_groups.append([found.end()])
        elif found[0] == "|":
            open_groups[-1].append(found.end())
        elif found[0] == ")":
            yield from _pairs(open_groups.pop(), found.start())
    yield from _pairs(open_groups.pop(), len(text))


def _pairs(starts: list[int], end: int) -> Iterator[tuple[int, int]]:
    if len(starts) > 1:
        yield from zip(starts, [*(start - 1 for start in starts[1:]), end], strict=True)


def _reader(cases: list[Case], score_page: ScorePage) -> Callable[[str], Scores]:
    source = registry.make_source("generic", "generic", {})
    reads = [generic._take_apart(case.page) for case in cases]
    zones = [generic._zone(source, read.host) for read in reads]
    present: dict[str, list[float | None]] = {}

    def value(number: int, field: str) -> object:
        read, zone = reads[number], zones[number]
        root, page, box = read.root, read.layout, read.box
        declared = structured.read_structured(root)
        if field == "title":
            return metadata.headline(root, declared, page, box).value
        if field == "author":
            name = byline.publisher(declared, page, box)
            return byline.authors(declared, page, box, publisher=(name and name.value) or "").value
        moment: Moment | None = published.published(root, declared, page, box, read.address, zone)
        if moment is None or moment.on is None:
            moment = published.updated(root, declared, page, box, zone)
        return moment and str(moment.on)

    def read_fields(module: str) -> Scores:
        found = dict(present)
        for field in _FIELDS_OF.get(module, _FIELDS):
            found[field] = [
                score_page(case.truth, {field: value(number, field)})[field]
                if case.truth.get("authors" if field == "author" else field)
                else None
                for number, case in enumerate(cases)
            ]
        return found

    present.update(read_fields(""))
    return read_fields


FIELDS = Subject(modules=_MODULES, rules=tuple(_rules()), reader=_reader)
