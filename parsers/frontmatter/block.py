"""Split the bytes of a post into head and body.

Jekyll requires ``---`` at the beginning of the file and ends the head at ``---`` or
``...``; Hexo does not require the opening line. Real files have a byte order mark or blank
lines before it, or CRLF. All of these are accepted and noted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from parsers.errors import BadFrontMatter

MARK = "# copydesk rewrote this head, because it was no YAML"
"""The last line of a head that copydesk rewrote; it is no part of ``Block.head``."""

_OPENING = re.compile(r"-{3,}[ \t]*\Z")
_KEY_LINE = re.compile(r"[A-Za-z_][\w-]*[ \t]*:(?:[ \t]|\Z)")
_BLANK = "\ufeff\u200b \t\u00a0\u3000"
_MAX_HEAD = 262_144
_OTHER_HEADS = {
    "+++": "a TOML head (Hugo)",
    ";;;": "a JSON head (Hexo)",
    "{": "a JSON head (Hugo)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    r"""Head and body of a post, with ``\n`` as line end.

    Attributes:
        head: The lines between the markers.
        body: The text after the closing marker.
        first_line: The number of the head's first line in the file, from 1.
        notes: What is unusual about the frame.
        is_rewritten: copydesk rewrote the head, so that YAML's rules hold for it, whatever
            the generator's were.
    """

    head: str
    body: str
    first_line: int
    notes: tuple[str, ...] = ()
    is_rewritten: bool = False


def bad(path: str, line: int, expected: str, found: str, hint: str = "") -> BadFrontMatter:
    """Return the error for one line of a post."""
    shown = found if len(found) <= 120 else found[:117] + "..."
    advice = f"; {hint}" if hint else ""
    return BadFrontMatter(
        f"{path}:{line}: expected {expected}, found {shown}{advice}", expected=expected, found=shown
    )


def split(data: bytes, path: str) -> Block:
    """Return the head and the body of a post.

    Raises:
        BadFrontMatter: It is not UTF-8 text, or its front matter is missing or unclosed.
    """
    text, notes = _decoded(data, path)
    lines = re.split(r"\r\n|\n", text)
    if "\r\n" in text:
        notes.append("lines end in CRLF")
    start = next((at for at, line in enumerate(lines) if line.strip(_BLANK)), None)
    if start is None:
        raise bad(path, 1, "front matter between two --- lines", "an empty file")
    if start:
        notes.append("blank line before the front matter")
    opening = lines[start].lstrip(_BLANK)
    if _OPENING.match(opening):
        return _framed(lines, start, opening.rstrip(), path, notes)
    if _KEY_LINE.match(opening):
        return _unopened(lines, start, path, notes)
    kind = next((what for mark, what in _OTHER_HEADS.items() if opening.startswith(mark)), "")
    found = f"{kind}: {opening!r}" if kind else repr(opening)
    raise bad(path, start + 1, "front matter opened by a --- line", found)


def _decoded(data: bytes, path: str) -> tuple[str, list[str]]:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise bad(path, 1, "UTF-8 text", "UTF-16", "save the file as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        hint = "it reads as GB18030: convert it to UTF-8 first" if _is_gb18030(data) else ""
        raise bad(path, line, "UTF-8 text", found, hint) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise bad(path, line, "a text file", "a NUL character: a binary file")
    if text.startswith("\ufeff"):
        return text[1:], ["byte order mark before the front matter"]
    return text, []


def _is_gb18030(data: bytes) -> bool:
    if b"\0" in data:
        return False
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return any("\u4e00" <= character <= "\u9fff" for character in text[:2000])


def _framed(lines: list[str], start: int, opening: str, path: str, notes: list[str]) -> Block:
    size = 0
    for at in range(start + 1, len(lines)):
        closing = lines[at].rstrip()
        if closing == opening or closing == "...":
            if closing == "...":
                notes.append("head closed by ...")
            return _block(lines, start + 1, at, notes)
        size += len(lines[at]) + 1
        if size > _MAX_HEAD:
            found = f"more than {_MAX_HEAD} characters without one"
            raise bad(path, at + 1, f"a line {opening} that closes the head", found)
    raise bad(
        path,
        len(lines),
        f"a line {opening} that closes the head opened on line {start + 1}",
        f"the end of the file after {len(lines) - start - 1} lines",
    )


def _unopened(lines: list[str], start: int, path: str, notes: list[str]) -> Block:
    for at in range(start + 1, len(lines)):
        if _OPENING.match(lines[at]):
            return _block(lines, start, at, [*notes, "no opening --- line (Hexo's rule)"])
    raise bad(path, start + 1, "front matter between two --- lines", repr(lines[start]))


def _block(lines: list[str], first: int, end: int, notes: list[str]) -> Block:
    is_rewritten = end > first and lines[end - 1].rstrip() == MARK
    return Block(
        head="\n".join(lines[first : end - is_rewritten]),
        body="\n".join(lines[end + 1 :]),
        first_line=first + 1,
        notes=(*notes, "head rewritten by copydesk") if is_rewritten else tuple(notes),
        is_rewritten=is_rewritten,
    )
