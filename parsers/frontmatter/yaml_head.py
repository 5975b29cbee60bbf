"""Read a YAML head strictly as strings.

Scalars are the text in the file: ``12:30:45``, ``0800``, ``no`` and dates stay text. PyYAML
only composes the nodes; no constructor runs. Tags, repeated keys and alias bombs are
refused with their line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import yaml

from parsers.errors import BadFrontMatter
from parsers.frontmatter.block import bad
from parsers.frontmatter.fast_head import fast_fields

Value: TypeAlias = "str | tuple[Value, ...] | Mapping[str, Value]"

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_MAX_DEPTH = 12
_MAX_NODES = 10_000


class NotYaml(BadFrontMatter):
    """The head is no YAML."""


def yaml_fields(head: str, first_line: int, path: str) -> dict[str, Value]:
    """Return the keys and values of a YAML head.

    Raises:
        NotYaml: The head is not YAML or not a mapping.
        BadFrontMatter: It repeats a key, has a tag, or has too many or too deep values.
    """
    if (simple := fast_fields(head)) is not None:
        return dict(simple)
    return parsed_fields(head, first_line, path)


def parsed_fields(head: str, first_line: int, path: str) -> dict[str, Value]:
    """Return the keys and values of a YAML head by the YAML parser.

    Raises:
        BadFrontMatter: As for ``yaml_fields``.
    """
    try:
        # BaseLoader knows no types, and compose() builds no objects.
        node = yaml.compose(head, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = mark.line if mark else 0
        found = f"{error.problem or error.context} in {_line(head, at)!r}"
        raise _no_yaml(bad(path, first_line + at, "YAML", found)) from None
    except yaml.YAMLError as error:
        raise _no_yaml(bad(path, first_line, "YAML", str(error).splitlines()[0])) from None
    except RecursionError:
        raise bad(path, first_line, "YAML", "values nested too deep to read") from None
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        why = bad(path, first_line, "YAML lines 'key: value'", repr(_line(head, 0)))
        raise _no_yaml(why)
    return _Walk(first_line, path).mapping(node, 0)


def _no_yaml(error: BadFrontMatter) -> NotYaml:
    return NotYaml(str(error), expected=error.expected, found=error.found)


class _Walk:
    """Convert nodes to values, counting them to stop an alias bomb."""

    def __init__(self, first_line: int, path: str) -> None:
        self._first_line = first_line
        self._path = path
        self._left = _MAX_NODES

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = self.value(key_node, depth + 1)
            if not isinstance(key, str):
                raise bad(self._path, self._at(key_node), "a word as key", "a list or mapping")
            if key in fields:
                raise bad(self._path, self._at(key_node), "each key once", f"{key!r} again")
            fields[key] = self.value(value_node, depth + 1)
        return fields

    def value(self, node: yaml.Node, depth: int) -> Value:
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            limit = f"at most {_MAX_NODES} values, {_MAX_DEPTH} deep"
            raise bad(self._path, self._at(node), limit, "more (aliases that multiply?)")
        if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
            raise bad(self._path, self._at(node), "plain YAML", f"the tag {node.tag!r}")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.value(item, depth + 1) for item in node.value)
        is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return "" if is_plain and node.value in _NULLS else str(node.value)

    def _at(self, node: yaml.Node) -> int:
        return self._first_line + int(node.start_mark.line)


def _line(head: str, at: int) -> str:
    lines = head.split("\n")
    return lines[min(at, len(lines) - 1)].strip()


def word(value: Value | None) -> str:
    """Return a value that is a string; a list or mapping gives an empty string."""
    return value.strip() if isinstance(value, str) else ""


def words(value: Value | None) -> tuple[str, ...]:
    """Return a string, a list or a list of lists as a flat list without repeats."""
    if isinstance(value, str):
        return (value.strip(),) if value.strip() else ()
    if not isinstance(value, tuple):
        return ()
    flat = [name for item in value for name in words(item)]
    return tuple(dict.fromkeys(flat))
