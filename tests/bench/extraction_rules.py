"""Scores the bodies of the generic parser without each rule, and with other values of each number.

``tests/bench/extraction.py --by-publisher MODULES`` runs it on the pages of ``EXTRACTION_CORPUS``.
A rule is worth its lines when it gains pages of several publishers. For a number, the
publishers are cut into five parts: the value that is best on four of them is scored on the
fifth. A gain there means that another value fits other publishers, too. "better" and "worse"
count publishers.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from parsers import registry
from parsers.errors import ParseError
from parsers.extract import article_box, blocks, body, heuristics, tables, teasers, weights
from parsers.model import Page
from parsers.text.charset import decode

MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (article_box, blocks, body, heuristics, tables, teasers, weights)
}
NOTHING = re.compile("(?!)")
FACTORS = (0.7, 1.4)
PARTS = 5
MIN_CHANGE = 0.002
"""The least change of a page's F1 that counts."""

Rule = tuple[str, str, object]
RULES: tuple[Rule, ...] = (
    ("article_box", "_HINT_BONUS", 1.0),
    ("article_box", "_hinted", lambda *_: None),
    ("article_box", "_without_teasers", lambda _page, box: box),
    ("article_box", "_around_stretch", lambda _page: None),
    ("blocks", "class_hint", lambda _names: heuristics.PLAIN),
    ("blocks", "_has_text", lambda _figure: False),
    ("blocks", "_swallows", lambda *_: False),
    ("body", "_judge_teasers", lambda *_: None),
    ("body", "_lead", lambda *_: None),
    ("body", "_head", lambda _blocks, _weights, _is_main, start: start),
    ("body", "_tail", lambda _blocks, _weights, _is_main, end: end),
    ("body", "_repeated", lambda *_: set()),
    ("body", "END_MATTER", NOTHING),
    ("body", "NOISE", NOTHING),
    ("body", "META", NOTHING),
    ("body", "is_rights_notice", lambda _text: False),
    ("heuristics", "_SUSPECT_PAIRS", NOTHING),
    ("heuristics", "_QUOTED_POST", NOTHING),
    ("heuristics", "_NEGATION", NOTHING),
    ("heuristics", "_HINT", NOTHING),
    ("tables", "is_data", lambda *_: False),
    ("tables", "_is_pairs", lambda *_: False),
    ("tables", "_is_announced", lambda *_: False),
    ("weights", "repeated_boxes", lambda _page: []),
    ("weights", "is_never_article", lambda _names: False),
    ("weights", "is_rights_notice", lambda _text: False),
    ("weights", "is_no_prose", lambda _text, has_marks: False),
    ("weights", "_SHARE_OF_ARTICLE", 9.0),
    ("weights", "_SHARE_WITH_HINT", 9.0),
    ("weights", "_MIN_WORDS_BESIDE", 10**9),
    ("weights", "_STYLE_RULE", NOTHING),
    ("weights", "_TIME_BEHIND", NOTHING),
    ("weights", "_MAX_KEYWORD", 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A page, its reference, and its publisher."""

    page: Page
    truth: Mapping[str, Any]
    publisher: str


def compare_rules(corpus: Path, folders: list[Path], modules: set[str]) -> None:
    """Print the gain of each rule and number of some modules; an empty set means all."""
    spec = importlib.util.spec_from_file_location("score", corpus / "score.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{corpus}/score.py cannot be imported")
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    cases = [case for folder in folders for case in _cases(folder)]
    present = _scores(cases, score.score_page)
    print(f"{len(cases)} pages, body F1 {fmean(present):.4f}")
    print("rule, number                       gain  better worse  better of two other values")
    for module, name, value in RULES:
        if not modules or module in modules:
            with _replaced(module, name, value):
                without = _scores(cases, score.score_page)
            print(f"{module + '.' + name:32} {_gain(cases, without, present)}", flush=True)
    for module in sorted(modules or MODULES):
        for name, value in sorted(vars(MODULES[module]).items()):
            if type(value) in (int, float) and name.strip("_").isupper():
                others = []
                for factor in FACTORS:
                    with _replaced(module, name, type(value)(value * factor)):
                        others.append(_scores(cases, score.score_page))
                best = _cross_validated(cases, present, others)
                label = f"{module}.{name} {value:g}"
                change = max(map(fmean, others)) - fmean(present)
                print(f"{label:32} {_gain(cases, present, best)} {change:+8.4f}", flush=True)


def _cases(folder: Path) -> Iterator[Case]:
    for key, truth in json.loads((folder / "gt.json").read_text(encoding="utf-8")).items():
        if truth.get("text"):
            file = folder / "html" / f"{key}.html.gz"
            text = decode(gzip.decompress(file.read_bytes())).text
            url = truth.get("url") or file.as_uri()
            page = Page(url=url, text=text, fetched_at=datetime.now(UTC))
            yield Case(page=page, truth=truth, publisher=truth.get("publisher") or key)


def _scores(cases: list[Case], score_page: Callable[..., dict[str, Any]]) -> list[float]:
    source, found = registry.make_source("generic", "generic", {}), []
    for case in cases:
        try:
            text = registry.parse(source, case.page).text
        except ParseError:
            text = ""
        found.append(float(score_page(case.truth, {"text": text})["f1"]))
    return found


@contextmanager
def _replaced(module: str, name: str, value: object) -> Iterator[None]:
    """Give a name another value, in its module and in those that import a constant."""
    old = getattr(MODULES[module], name)
    places = [MODULES[module]]
    if not name.startswith("_") and isinstance(value, int | float):
        places = [each for each in MODULES.values() if hasattr(each, name)]
    try:
        for place in places:
            setattr(place, name, value)
        _forget()
        yield
    finally:
        for place in places:
            setattr(place, name, old)
        _forget()


def _forget() -> None:
    heuristics.class_hint.cache_clear()
    heuristics._evidence.cache_clear()  # rules of class names are cached there


def _cross_validated(
    cases: list[Case], present: list[float], others: list[list[float]]
) -> list[float]:
    """Return the scores of each part's pages with the value that is best on the other parts."""
    publishers = sorted({case.publisher for case in cases})
    part = {publisher: number % PARTS for number, publisher in enumerate(publishers)}
    parts = [part[case.publisher] for case in cases]
    chosen = {
        fold: max(
            (present, *others),
            key=lambda scores: sum(s for s, p in zip(scores, parts, strict=True) if p != fold),
        )
        for fold in range(PARTS)
    }
    return [chosen[fold][number] for number, fold in enumerate(parts)]


def _gain(cases: list[Case], before: list[float], after: list[float]) -> str:
    changes = [
        (new - old, case.publisher) for case, old, new in zip(cases, before, after, strict=True)
    ]
    better = {publisher for change, publisher in changes if change > MIN_CHANGE}
    worse = {publisher for change, publisher in changes if change < -MIN_CHANGE}
    return f"{fmean(change for change, _ in changes):+8.4f} {len(better):4} {len(worse):4}"


if __name__ == "__main__":
    sys.exit("Run tests/bench/extraction.py --by-publisher")
