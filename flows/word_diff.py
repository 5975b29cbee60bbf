"""Compare two texts word by word, Chinese by character.

The texts are split three times: into paragraphs, the paragraphs that differ into sentences, the
sentences that differ into words. Every split compares only what the one before left unequal, and a
part with too many equal pairs is replaced whole. So a long text costs little more than its changes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from parsers.text.characters import single_line

Kind = Literal["equal", "delete", "insert"]
Mark = Callable[[Kind, str], str]

MAX_PAIRS = 200_000
"""Equal pairs of parts that one comparison may have: ``difflib`` visits each of them repeatedly."""

_HAN = "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PUNCTUATION = (
    r"!-/:-@\[-`{-~\u00a1-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u2000-\u200b\u200e-\u206f"
    r"\u3000-\u3004\u3008-\u3020\u3030-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_LETTER = rf"[^\s{_PUNCTUATION}{_HAN}]"
# A number with its separators, a word with its apostrophes, one Han character, space, one sign.
_WORD = re.compile(
    rf"\d++(?:[.,:]\d++)*+(?!{_LETTER})|{_LETTER}+(?:['’]{_LETTER}+)*|[{_HAN}]|\s+|."
)
_SPACE_OR_SIGN = re.compile(rf"[\s{_PUNCTUATION}]+")
_CLOSING = "”’」』）\"')"
# A full stop inside a number or a name ends no sentence.
_SENTENCE = re.compile(
    rf"(?:[^。！？!?.\n]|[!?.](?![\s{_CLOSING}]|\Z))+(?:[。！？!?.]+[{_CLOSING}]*\s*)?"
    rf"|[。！？!?.]+[{_CLOSING}]*\s*|\s+"
)
_PARAGRAPH = re.compile(r"[^\n]*\n+|[^\n]+")
_LINE_ENDS = re.compile(r"\n+")

_CONTEXT = 40
_SPLITS = (_PARAGRAPH, _SENTENCE, _WORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One step from the old text to the new one.

    The old text is that of all ``equal`` and ``delete`` operations in order, the new text that of
    all ``equal`` and ``insert`` operations.
    """

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class _Change:
    """A part of the old text and its replacement; both are the same where nothing changed."""

    old: str
    new: str

    @property
    def is_equal(self) -> bool:
        return self.old == self.new

    def __add__(self, other: _Change) -> _Change:
        return _Change(self.old + other.old, self.new + other.new)

    @property
    def weight(self) -> int:
        return max(_word_count(self.old), _word_count(self.new))


def diff(old: str, new: str) -> tuple[Operation, ...]:
    """Return the operations that make the new text of the old one.

    No two operations in a row have the same kind, and a deletion precedes its insertion.
    """
    found = []
    for change in _merged(_compare(old, new, 0)):
        if change.is_equal:
            found.append(Operation(kind="equal", text=change.old))
            continue
        if change.old:
            found.append(Operation(kind="delete", text=change.old))
        if change.new:
            found.append(Operation(kind="insert", text=change.new))
    return tuple(found)


def words(text: str) -> list[str]:
    """Split a text into words, Han characters, spaces and signs; joined they are the text."""
    return _WORD.findall(text)


def mark(kind: Kind, text: str) -> str:
    """Mark a part as ``git diff --word-diff`` does: ``[-removed-]{+added+}``."""
    return f"[-{text}-]" if kind == "delete" else f"{{+{text}+}}" if kind == "insert" else text


def render(operations: Iterable[Operation], mark: Mark = mark) -> list[str]:
    """Return the changed paragraphs, one a line, with a little context.

    Equal text is cut to the parts beside a change. A paragraph that is split or joined has the
    sign ``¶`` at that place. Control characters are escaped.
    """
    paragraphs = _paragraphs(operations)
    changed = [any(one.kind != "equal" for one in parts) for parts in paragraphs]
    lines, skipped = [], 0
    for at, parts in enumerate(paragraphs):
        if changed[at]:
            lines.append("".join(_shown(parts, mark)))
        elif any(changed[max(0, at - 1) : at + 2]):
            lines.append(_cut("".join(one.text for one in parts), keeps_end=False))
        else:
            skipped += 1
            if at + 1 < len(paragraphs) and not any(changed[at + 1 : at + 3]):
                continue
            lines.append(f"({skipped} unchanged)")
            skipped = 0
    return lines


def _compare(old: str, new: str, level: int) -> Iterator[_Change]:
    if old == new or not old or not new or level == len(_SPLITS):
        yield _Change(old, new)
        return
    before, after = _SPLITS[level].findall(old), _SPLITS[level].findall(new)
    found: list[_Change] = []
    for start, end, other_start, other_end in _blocks(before, after):
        parts = "".join(before[start:end]), "".join(after[other_start:other_end])
        found += _compare(*parts, level + 1)
    yield from _readable(_merged(found)) if _SPLITS[level] is _WORD else found


def _blocks(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the equal and the different ranges of two sequences, in order."""
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    rest = range(1, shorter - head + 1)
    tail = next((at - 1 for at in rest if old[-at] != new[-at]), shorter - head)
    end, other_end = len(old) - tail, len(new) - tail
    yield 0, head, 0, head
    middle, other = old[head:end], new[head:other_end]
    if _pair_count(middle, other) > MAX_PAIRS:
        yield head, end, head, other_end
    else:
        matcher = SequenceMatcher(None, middle, other, autojunk=False)
        for _, first, last, other_first, other_last in matcher.get_opcodes():
            yield head + first, head + last, head + other_first, head + other_last
    yield end, len(old), other_end, len(new)


def _pair_count(old: Sequence[str], new: Sequence[str]) -> int:
    counts = Counter(new)
    return sum(counts[one] for one in old)


def _merged(changes: Iterable[_Change]) -> list[_Change]:
    """Join changes in a row, and equal parts in a row."""
    found: list[_Change] = []
    for change in changes:
        if not (change.old or change.new):
            continue
        if found and found[-1].is_equal == change.is_equal:
            change = found.pop() + change
        found.append(change)
    return found


def _readable(changes: Iterable[_Change]) -> list[_Change]:
    """Join two changes with little between them: a sign, or few words beside long changes."""
    found: list[_Change] = []
    for change in changes:
        if len(found) > 1 and found[-1].is_equal:
            between, before = found[-1], found[-2]
            if between.weight * 2 <= min(before.weight, change.weight) or not between.weight:
                change = before + between + change
                del found[-2:]
        found.append(change)
    return found


def _word_count(text: str) -> int:
    return sum(1 for one in words(text) if not _SPACE_OR_SIGN.fullmatch(one))


def _paragraphs(operations: Iterable[Operation]) -> list[list[Operation]]:
    """Split operations at line ends; a line end that changed alone becomes ``¶``."""
    lines: list[list[Operation]] = [[]]
    for one in operations:
        first, *more = _LINE_ENDS.split(one.text)
        _append(lines[-1], one.kind, first)
        for text in more:
            if one.kind != "equal" and not (lines[-1] and lines[-1][-1].kind == one.kind):
                _append(lines[-1], one.kind, "¶")
            lines.append([])
            _append(lines[-1], one.kind, text)
    return [line for line in lines if line]


def _append(line: list[Operation], kind: Kind, text: str) -> None:
    if text:
        line.append(Operation(kind=kind, text=text))


def _shown(parts: Sequence[Operation], mark: Mark) -> Iterator[str]:
    for at, one in enumerate(parts):
        if one.kind != "equal":
            yield mark(one.kind, single_line(one.text))
        elif at == 0:
            yield _cut(one.text, keeps_start=False)
        else:
            yield _cut(one.text, keeps_end=at + 1 < len(parts))


def _cut(text: str, *, keeps_start: bool = True, keeps_end: bool = True) -> str:
    """Return the start, the end or both of a text, with ``…`` where some is left out."""
    start = text[:_CONTEXT] if keeps_start else ""
    end = text[-_CONTEXT:] if keeps_end else ""
    is_whole = len(text) <= len(start) + len(end) + 1
    return single_line(text if is_whole else f"{start}…{end}")
