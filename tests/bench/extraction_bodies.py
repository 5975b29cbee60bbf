"""The rules and numbers of bodies, for ``extraction_rules``."""

from __future__ import annotations

from collections.abc import Callable

from parsers import registry
from parsers.errors import ParseError
from parsers.extract import article_box, blocks, body, heuristics, tables, teasers, weights
from tests.bench.extraction_rules import NOTHING, Case, Rule, ScorePage, Scores, Subject

_RULES = (
    Rule("article_box", "_HINT_BONUS", 1.0),
    Rule("article_box", "_hinted", lambda *_: None),
    Rule("article_box", "_without_teasers", lambda _page, box: box),
    Rule("article_box", "_around_stretch", lambda _page: None),
    Rule("blocks", "class_hint", lambda _names: heuristics.PLAIN),
    Rule("blocks", "_has_text", lambda _figure: False),
    Rule("blocks", "_swallows", lambda *_: False),
    Rule("body", "_judge_teasers", lambda *_: None),
    Rule("body", "_lead", lambda *_: None),
    Rule("body", "_head", lambda _blocks, _weights, _is_main, start: start),
    Rule("body", "_tail", lambda _blocks, _weights, _is_main, end: end),
    Rule("body", "_repeated", lambda *_: set()),
    Rule("body", "END_MATTER", NOTHING),
    Rule("body", "NOISE", NOTHING),
    Rule("body", "META", NOTHING),
    Rule("body", "is_rights_notice", lambda _text: False),
    Rule("heuristics", "_SUSPECT_PAIRS", NOTHING),
    Rule("heuristics", "_QUOTED_POST", NOTHING),
    Rule("heuristics", "_NEGATION", NOTHING),
    Rule("heuristics", "_HINT", NOTHING),
    Rule("tables", "is_data", lambda *_: False),
    Rule("tables", "_is_pairs", lambda *_: False),
    Rule("tables", "_is_announced", lambda *_: False),
    Rule("weights", "repeated_boxes", lambda _page: []),
    Rule("weights", "is_never_article", lambda _names: False),
    Rule("weights", "is_rights_notice", lambda _text: False),
    Rule("weights", "is_no_prose", lambda _text, has_marks: False),
    Rule("weights", "_SHARE_OF_ARTICLE", 9.0),
    Rule("weights", "_SHARE_WITH_HINT", 9.0),
    Rule("weights", "_MIN_WORDS_BESIDE", 10**9),
    Rule("weights", "_STYLE_RULE", NOTHING),
    Rule("weights", "_TIME_BEHIND", NOTHING),
    Rule("weights", "_MAX_KEYWORD", 0),
)


def _reader(cases: list[Case], score_page: ScorePage) -> Callable[[str], Scores]:
    source = registry.make_source("generic", "generic", {})

    def read(_module: str) -> Scores:
        found: list[float | None] = []
        for case in cases:
            if not case.truth.get("text"):
                found.append(None)
                continue
            try:
                text = registry.parse(source, case.page).text
            except ParseError:
                text = ""
            found.append(float(score_page(case.truth, {"text": text})["f1"]))
        return {"body F1": found}

    return read


BODIES = Subject(
    modules={
        module.__name__.rpartition(".")[2]: module
        for module in (article_box, blocks, body, heuristics, tables, teasers, weights)
    },
    rules=_RULES,
    reader=_reader,
)
