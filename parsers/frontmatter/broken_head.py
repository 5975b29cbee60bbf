"""Read and rewrite heads that are no YAML, such as ``title: a: b``.

Jekyll and Hexo drop the head of such a post. Its keys are read one by one. A key that is YAML
by itself has the value of the YAML parser. Any other key has the text of its line or of its list
items, without the quotes around it. A head with anything else cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from parsers.frontmatter.block import MARK, Block
from parsers.frontmatter.fast_head import fast_fields
from parsers.frontmatter.yaml_head import NotYaml, Value, words, yaml_fields
from parsers.frontmatter.yaml_quote import quoted

_KEY = re.compile(r"([A-Za-z_][\w-]*)[ \t]*:(?!//)[ \t]*(.*)", re.DOTALL)
_ITEM = re.compile(r"[ \t]*-(?:[ \t]+(.*))?", re.DOTALL)
_INDICATOR = re.compile(r"[|>][-+]?[ \t]+")
_BRACKETS = {"[": "]", "{": "}"}
# PyYAML refuses ``=``, ``<<`` and days that no calendar has. The fast reader takes them for text.
_UNSURE = re.compile(
    r"=|<<|(?![1-9]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
    r"(?:[ T](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?: ?(?:Z|[-+][01]\d:?[0-5]\d))?)?\Z)\d{4}-\d"
)


class _UnreadableError(Exception):
    """A part of the head is neither YAML nor a line with a value."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A key of a head.

    Attributes:
        start: The number of its first line, from 0.
        lines: Its lines, with the blank ones and the comments that follow.
    """

    key: str
    start: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def line_fields(block: Block, path: str, error: NotYaml) -> dict[str, Value]:
    """Return the keys and values of a head that is no YAML.

    Args:
        block: The post.
        path: Its path, for messages.
        error: Why the head is no YAML.

    Raises:
        NotYaml: ``error``, if a line is no key, value or list item.
        BadFrontMatter: As for ``yaml_fields``.
    """
    fields: dict[str, Value] = {}
    try:
        for part in _parts(block.head):
            if part.key in fields:
                raise error
            fields[part.key] = _value(part, block.first_line, path)
    except _UnreadableError:
        raise error from None
    return fields


def rewritten_head(head: str, fields: Mapping[str, Value]) -> list[str] | None:
    """Return the lines of a head that is no YAML, as YAML, with a last line that marks it.

    Keys that are YAML by themselves, with the same value, keep their lines.

    Args:
        head: The head.
        fields: Its values, as the reader of the post understood them.

    Returns:
        ``None`` if the head is YAML, or a key that is none has no value.
    """
    if is_yaml(head):
        return None
    lines: list[str] = []
    try:
        for part in _parts(head):
            lines += part.lines if _is_same(part, fields) else _written(part, fields)
    except _UnreadableError:
        return None
    while lines and not lines[-1].strip():
        lines.pop()
    return [*lines, MARK]


def is_yaml(head: str) -> bool:
    """Return whether a YAML parser with the types of YAML loads a head as a mapping."""
    simple = fast_fields(head)
    if simple is not None and not any(map(_UNSURE.match, _texts(simple))):
        return True
    try:
        found = yaml.safe_load(head)
    except (yaml.YAMLError, ValueError, RecursionError):
        return False
    return found is None or isinstance(found, dict)


def _texts(fields: Mapping[str, str | tuple[str, ...]]) -> Iterator[str]:
    for value in fields.values():
        yield from (value,) if isinstance(value, str) else value


def _parts(head: str) -> Iterator[_Part]:
    lines = head.split("\n")
    starts = [at for at, line in enumerate(lines) if _KEY.fullmatch(line)]
    before = lines[: starts[0]] if starts else lines
    if any(line.strip() and not line.startswith("#") for line in before) or not starts:
        raise _UnreadableError
    first = 0  # comments before the first key are its own
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        found = _KEY.fullmatch(lines[start])
        assert found  # noqa: S101 - it is one of the starts
        yield _Part(found[1], first, tuple(lines[first:end]))
        first = end


def _value(part: _Part, first_line: int, path: str) -> Value:
    try:
        fields = yaml_fields(part.text, first_line + part.start, path)
    except NotYaml:
        return _raw_value(part)
    if tuple(fields) != (part.key,):
        return _raw_value(part)
    return fields[part.key]


def _raw_value(part: _Part) -> Value:
    """The text of a key's line, or those of its list items."""
    at, text = next(
        (at, found[2]) for at, line in enumerate(part.lines) if (found := _KEY.fullmatch(line))
    )
    more = [line for line in part.lines[at + 1 :] if line.strip() and not line.startswith("#")]
    if not more:
        return _unquoted(text)
    items = [_ITEM.fullmatch(line) for line in more]
    if text.strip() or not all(items):
        raise _UnreadableError
    return tuple(_item(found[1] or "") for found in items if found)


def _item(text: str) -> str:
    try:
        value = yaml_fields(f"item: {text.strip()}", 1, "")["item"]
    except NotYaml:
        return _unquoted(text)
    if not isinstance(value, str):
        raise _UnreadableError
    return value


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].strip()
    text = _INDICATOR.sub("", text, count=1) if _INDICATOR.match(text) else text
    closing = _BRACKETS.get(text[:1])
    if closing and text.count(text[0]) != text.count(closing):
        raise _UnreadableError  # a list that is not closed
    return text


def _is_same(part: _Part, fields: Mapping[str, Value]) -> bool:
    """Whether a key is YAML, and has the value that the reader of the post understood."""
    if not is_yaml(part.text):
        return False
    found = yaml_fields(part.text, 1, "").get(part.key)
    return part.key not in fields or words(found) == words(fields[part.key])


def _written(part: _Part, fields: Mapping[str, Value]) -> list[str]:
    """The lines of a key that is no YAML."""
    value = fields.get(part.key)
    comments = [line for line in part.lines if line.startswith("#")]
    if isinstance(value, str):
        return [*comments, f"{part.key}: {quoted(value)}"]
    if isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        return [*comments, f"{part.key}:", *(f"  - {quoted(str(one))}" for one in value)]
    raise _UnreadableError
