"""Scores the generic parser without each rule, and with other values of each number.

``tests/bench/extraction.py --by-publisher MODULES`` runs it on the pages of ``EXTRACTION_CORPUS``.
A rule is worth its lines when it gains pages of several publishers. For a number, the
publishers are cut into five parts: the value that is best on four of them is scored on the
fifth. A gain there means that another value fits other publishers, too. "better" and "worse"
count publishers. What changes no page has no gain.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from types import ModuleType
from typing import Any, NamedTuple

from parsers.extract import heuristics
from parsers.model import Page
from parsers.text.charset import decode

NOTHING = re.compile("(?!)")
FACTORS = (0.7, 1.4)
PARTS = 5
MIN_CHANGE = 0.002
"""The least change of a page's score that counts."""

ScorePage = Callable[..., dict[str, Any]]
Scores = Mapping[str, list[float | None]]
"""For each field the score of each page; ``None`` where the reference has no such field."""


class Rule(NamedTuple):
    """A rule, and what takes its place; ``part`` is what is left out, if not the whole rule."""

    module: str
    name: str
    value: object
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A page, its reference, and its publisher."""

    page: Page
    truth: Mapping[str, Any]
    publisher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is compared: modules, their rules, and how pages are scored with them.

    Attributes:
        modules: The modules by name; their numbers are varied.
        rules: What is switched off.
        reader: Returns a function that scores all cases again after a change of a module.
    """

    modules: Mapping[str, ModuleType]
    rules: Sequence[Rule]
    reader: Callable[[list[Case], ScorePage], Callable[[str], Scores]]


def compare_rules(
    corpus: Path, folders: list[Path], wanted: set[str], subjects: Sequence[Subject]
) -> None:
    """Print the gain of each rule and number of some modules; an empty set means all."""
    score_page = _score_page(corpus)
    cases = [case for folder in folders for case in _cases(folder)]
    for subject in subjects:
        if modules := (set(subject.modules) & wanted if wanted else set(subject.modules)):
            _compare(subject, cases, modules, subject.reader(cases, score_page))


def _compare(
    subject: Subject, cases: list[Case], modules: set[str], read: Callable[[str], Scores]
) -> None:
    publishers = [case.publisher for case in cases]
    present = read("")
    for field, scores in present.items():
        known = [score for score in scores if score is not None]
        print(f"{field}: {len(known)} pages, {fmean(known):.4f}")
    print(f"{'rule':48} {'':7}     gain better worse")
    idle: dict[str, int] = {}
    for rule in subject.rules:
        name = f"{rule.module}.{rule.name}"
        if rule.module not in modules or (rule.part and idle.get(name) == 0):
            continue
        with _replaced(subject, rule.module, rule.name, rule.value):
            without = read(rule.module)
        for field in _changed(present, without):
            gain = _gain(publishers, without, present, field)
            print(f"{f'{name} {rule.part}'[:48]:48} {field:7} {gain}", flush=True)
        if without == present:
            idle[name] = idle.get(name, 0) + bool(rule.part)
    print("No page changes without these rules, or so many parts of them:")
    print(", ".join(f"{name} ({count})" if count else name for name, count in idle.items()))
    print(f"{'number':48} {'':7}     gain better worse  better of two other values")
    idle.clear()
    for module, name, value in _numbers(subject, modules):
        others = []
        for factor in FACTORS:
            with _replaced(subject, module, name, type(value)(value * factor)):
                others.append(read(module))
        label = f"{module}.{name} {value:g}"
        for field in _changed(present, *others):
            best = {field: _cross_validated(publishers, field, (present, *others))}
            change = max(fmean(_changes(present, other, field)) for other in others)
            gain = _gain(publishers, present, best, field)
            print(f"{label:48} {field:7} {gain} {change:+8.4f}", flush=True)
        if all(other == present for other in others):
            idle[label] = 0
    print(f"No page changes with other values of these numbers:\n{', '.join(idle)}")


def _score_page(corpus: Path) -> ScorePage:
    spec = importlib.util.spec_from_file_location("score", corpus / "score.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{corpus}/score.py cannot be imported")
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    found: ScorePage = score.score_page
    return found


def _cases(folder: Path) -> Iterator[Case]:
    for key, truth in json.loads((folder / "gt.json").read_text(encoding="utf-8")).items():
        file = folder / "html" / f"{key}.html.gz"
        text = decode(gzip.decompress(file.read_bytes())).text
        url = truth.get("url") or file.as_uri()
        page = Page(url=url, text=text, fetched_at=datetime.now(UTC))
        yield Case(page=page, truth=truth, publisher=truth.get("publisher") or key)


def _numbers(subject: Subject, modules: set[str]) -> Iterator[tuple[str, str, Any]]:
    for module in sorted(modules):
        for name, value in sorted(vars(subject.modules[module]).items()):
            if type(value) in (int, float) and name.strip("_").isupper():
                yield module, name, value


@contextmanager
def _replaced(subject: Subject, module: str, name: str, value: object) -> Iterator[None]:
    """Give a name another value, in its module and in those that import it."""
    home = subject.modules[module]
    old = getattr(home, name)
    places = [home]
    if not name.startswith("_") and isinstance(value, int | float | re.Pattern):
        places = [each for each in subject.modules.values() if vars(each).get(name) is old]
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


def _changed(present: Scores, *others: Scores) -> list[str]:
    return [name for name in present if any(other[name] != present[name] for other in others)]


def _cross_validated(
    publishers: list[str], field: str, candidates: Sequence[Scores]
) -> list[float | None]:
    """Return the scores of each part's pages with the value that is best on the other parts."""
    places = {publisher: place for place, publisher in enumerate(sorted(set(publishers)))}
    parts = [places[publisher] % PARTS for publisher in publishers]
    all_scores = [scores[field] for scores in candidates]
    chosen = {
        fold: max(
            all_scores,
            key=lambda scores: sum(s or 0 for s, p in zip(scores, parts, strict=True) if p != fold),
        )
        for fold in range(PARTS)
    }
    return [chosen[fold][number] for number, fold in enumerate(parts)]


def _gain(publishers: list[str], before: Scores, after: Scores, field: str) -> str:
    changes = _changes(before, after, field)
    pages = [p for p, s in zip(publishers, before[field], strict=True) if s is not None]
    better = {p for change, p in zip(changes, pages, strict=True) if change > MIN_CHANGE}
    worse = {p for change, p in zip(changes, pages, strict=True) if change < -MIN_CHANGE}
    return f"{fmean(changes):+8.4f} {len(better):6} {len(worse):5}"


def _changes(before: Scores, after: Scores, field: str) -> list[float]:
    pairs = zip(before[field], after[field], strict=True)
    return [new - old for old, new in pairs if old is not None and new is not None]


if __name__ == "__main__":
    sys.exit("Run tests/bench/extraction.py --by-publisher")
