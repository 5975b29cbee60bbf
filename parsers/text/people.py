"""Names of people in an author line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MAX_LENGTH = 500
"""A longer line is no line of names; it is kept as it is."""

_MAIL = r"(?:mailto:)?[^\s@<>()\[\],;:\"']+@[^\s@<>()\[\],;:\"']+\.[^\s@<>()\[\],;:\"'.]+"
_MAIL_OF = re.compile(rf"[<\[]?{_MAIL}[>\]]?\s*\(([^()]*)\)")
_ADDRESS = re.compile(rf"[<(\[]?\s*{_MAIL}\s*[>)\]]?")
_LABEL = re.compile(
    r"(?:(?:(?:written|posted|words|story)\s+)?by(?:\s*:\s*|\s+)|author\s*:\s*"
    r"|(?:作者|撰文|文|记者|記者)\s*[:：/／]\s*)(?=\S)",
    re.IGNORECASE,
)
_OF = re.compile(r"(?:von|par|por)\s+(?=\S)", re.IGNORECASE)
_REPORTER = re.compile(r"(?:本报|本网|本刊)?(?:记者|記者|通讯员)\s+(?=[\u4e00-\u9fff])")
_NO_NAME = frozenset({"unknown", "none", "null", "undefined", "n/a", "by"})
_AND = re.compile(r"\s*;[\s,]*|(?:\s*,)?\s+(?:and|&|und|et|y)\s+", re.IGNORECASE)
_COMMA = re.compile(r"\s*,\s+")
_PARTICLES = frozenset(
    {"al", "bin", "da", "de", "del", "della", "den", "der", "di", "dos", "du", "el", "la", "le",
     "ten", "ter", "van", "von", "zu"}
)  # fmt: skip
_NOT_PEOPLE = re.compile(
    r"\b(?:agenc\w+|associates?|association|board|bureau|cent(?:er|re)|club|compan\w+|co|college"
    r"|committee|correspondents?|council|daily|department|desk|editors?|foundation|gazette|group|inc"
    r"|institute|jr|journal|llc|ltd|magazine|media|ministry|network|news|newsroom|office|organi[sz]ation"
    r"|partners?|ph\.?d|post|press|radio|reporters?|reuters|review|school|services?|society|solutions?"
    r"|special|sr|staff|street|studios?|system|team|times|tribune|university|wire|writers?)\b",
    re.IGNORECASE,
)
_HAN_NAME = re.compile(r"[\u4e00-\u9fff·]{2,5}")


def author_names(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the names in author lines: no e-mail addresses, labels or repeats.

    A line is split only when each part looks like the full name of a person, so that
    ``Simon and Co`` stays one name.
    """
    names: dict[str, str] = {}
    for line in lines:
        for name in _names(" ".join(line.split())):
            names.setdefault(name.casefold(), name)
    return tuple(names.values())


def _names(line: str) -> Iterator[str]:
    if len(line) > MAX_LENGTH:
        yield line
        return
    if "@" in line:
        line = _ADDRESS.sub(" ", _MAIL_OF.sub(r" \1; ", line))
    line = _bare(line)
    if label := _LABEL.match(line):
        line = _bare(line[label.end() :])
    if (label := _OF.match(line)) and _is_full_name(_AND.split(line[label.end() :])[0]):
        line = line[label.end() :]
    line = _REPORTER.sub("", line, count=1) if _REPORTER.match(line) else line
    is_address = line.startswith(("http://", "https://"))
    if is_address or line.casefold() in _NO_NAME or not any(map(str.isalnum, line)):
        return
    pieces = [part for part in _AND.split(line) if part]
    parts = [name for part in pieces for name in _COMMA.split(part)]
    # Of two parts with a comma alone, the second may be a place (New York).
    is_list = len(pieces) > 1 or len(parts) > 2
    if is_list and all(map(_is_full_name, parts)):
        yield from parts
        return
    han = [part.strip() for part in line.split("、")]
    yield from han if len(han) > 1 and all(map(_HAN_NAME.fullmatch, han)) else [line]


def _bare(words: str) -> str:
    words = " ".join(words.split()).strip(" ,;|\"'–—-")
    if words.startswith("(") and words.endswith(")"):
        words = words[1:-1].strip()
    return words.replace("()", "").replace("<>", "").strip()


def _is_full_name(words: str) -> bool:
    parts = words.split()
    return (
        2 <= len(parts) <= 5
        and parts[0][0].isupper()
        and all(part[0].isupper() or part.casefold() in _PARTICLES for part in parts)
        and not any(letter.isdigit() for letter in words)
        and not _NOT_PEOPLE.search(words)
    )
