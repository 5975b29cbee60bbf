"""The word list: documents, docstrings, comments and messages use none of these words."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Programs have no voice, no will and no feelings; an actor has a name; a term has one word.
BANNED = (
    "tell", "tells", "told", "said", "says", "whoever", "somebody", "nobody", "anybody",
    "goes on", "stands", "at work", "as ever", "unwell", "shelf", "shelves", "wish", "wishes",
    "thrift", "begun anew", "of its own accord", "is let", "are let", "lies beside", "it is meant",
)  # fmt: skip
_BANNED = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, BANNED))})(?![\w-])", re.IGNORECASE)
# Rows store these strings as provenance, and so they never change.
STORED = (
    "the post does not say where its article stands",
    "midnight in UTC stands for the day",
    "as the page's title says",
)
# A string of three words and more is read by people; shorter ones are keys, names and patterns.
_SENTENCE = re.compile(r"[a-z]{2,}[,:;]? [a-z]+[,:;]? [a-z]{2,}", re.IGNORECASE)
_CODE = re.compile(r"^(?: {4}|\t)[^\n]*$|^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)

DOCUMENTS = [
    *ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.md"), *(ROOT / "deploy").rglob("*.md"),
    *(ROOT / "tests").rglob("*.md"),
]  # fmt: skip
MODULES = [file for name in ("flows", "parsers", "warehouse") for file in (ROOT / name).rglob("*.py")]  # fmt: skip


def banned(text: str, first_line: int = 1) -> Iterator[tuple[int, str]]:
    """The banned words of a text, each with its line."""
    for match in _BANNED.finditer(text):
        yield first_line + text.count("\n", 0, match.start()), match[0]


def in_document(text: str) -> list[tuple[int, str]]:
    """The banned words of Markdown, outside code."""
    return list(banned(_CODE.sub(lambda match: "\n" * match[0].count("\n"), text)))


def in_module(source: str) -> list[tuple[int, str]]:
    """The banned words of a module's docstrings, comments and messages."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)) if _SENTENCE.search(text):
                for stored in STORED:
                    text = text.replace(stored, "")
                found += banned(text, node.lineno)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            found += banned(token.string, token.start[0])
    return sorted(found)


def checked(files: list[Path]) -> list[object]:
    """The files as parameters."""
    return [pytest.param(file, id=str(file.relative_to(ROOT))) for file in sorted(files)]


@pytest.mark.parametrize("file", checked(DOCUMENTS))
def test_document_has_no_banned_word(file):
    assert in_document(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", checked(MODULES))
def test_module_has_no_banned_word(file):
    assert in_module(file.read_text(encoding="utf-8")) == []


def test_banned_words_are_found_where_people_read_them():
    module = '''
def stands(told):
    """Tell the desk."""
    # nobody reads this
    raise ValueError(f"the run {told} says it goes on")
'''

    assert in_module(module) == [(3, "Tell"), (4, "nobody"), (5, "goes on"), (5, "says")]
    assert in_document("a\n`told`\n\n    said\n\nUnwell") == [(6, "Unwell")]
