"""Parsers of other packages, found through the entry point group ``copydesk.parsers``.

A package declares its parsers in ``pyproject.toml``::

    [project.entry-points."copydesk.parsers"]
    harbour_gazette = "copydesk_harbour_gazette:PARSER"

The entry point's name is the parser's name. A package is imported when one of its parsers
is used, so a broken package affects only the sources that need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points

from parsers.errors import BrokenPlugin
from parsers.model import Parser

GROUP = "copydesk.parsers"


class ParserRegistry(Mapping[str, Parser]):
    """The built-in parsers, then those of other packages, by name.

    A built-in parser is found without a look at the installed packages.
    """

    def __init__(
        self, built_in: Iterable[Parser], plugins: Iterable[EntryPoint] | None = None
    ) -> None:
        """Build the registry.

        Args:
            built_in: The parsers of copydesk.
            plugins: The entry points of other packages; those that are installed by default.
        """
        self._built_in = {parser.name: parser for parser in built_in}
        self._given = plugins
        self._loaded: dict[str, Parser] = {}

    def __getitem__(self, name: str) -> Parser:
        """Return a parser.

        Raises:
            KeyError: There is no parser of that name.
            BrokenPlugin: Its package cannot be used.
        """
        if name in self._built_in:
            return self._built_in[name]
        if name not in self._loaded:
            self._loaded[name] = _load(name, self._plugins[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is a parser of that name; its package is not imported."""
        return name in self._built_in or name in self._plugins

    def __iter__(self) -> Iterator[str]:
        """Yield the names; no package is imported."""
        yield from self._built_in
        yield from (name for name in self._plugins if name not in self._built_in)

    def __len__(self) -> int:
        return len(self._built_in.keys() | self._plugins.keys())

    def problems(self) -> dict[str, str]:
        """Why parsers of other packages cannot be used, by name."""
        found: dict[str, str] = {}
        for name, points in self._plugins.items():
            if name in self._built_in:
                found[name] = (
                    f"{_packages(points)}: the entry point {name!r} of {GROUP} has the name of a "
                    "built-in parser, which is used instead; rename it"
                )
                continue
            try:
                self[name]
            except BrokenPlugin as error:
                found[name] = str(error)
        return found

    @cached_property
    def _plugins(self) -> dict[str, list[EntryPoint]]:
        points: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=GROUP) if self._given is None else self._given:
            same = points.setdefault(point.name, [])
            if not any(_place(one) == _place(point) for one in same):  # found in two folders
                same.append(point)
        return points


def _load(name: str, points: list[EntryPoint]) -> Parser:
    if len(points) > 1:
        raise BrokenPlugin(
            f"parser {name!r} is in several packages: {_packages(points)}; uninstall all but one"
        )
    (point,) = points
    package = _packages(points)
    try:
        found = point.load()
    except Exception as error:  # a package may raise anything while it is imported
        raise BrokenPlugin(
            f"{package}: parser {name!r} cannot be imported from {point.value}: {error!r}; "
            "repair or uninstall the package"
        ) from error
    if not isinstance(found, Parser):
        raise BrokenPlugin(
            f"{package}: expected a parsers.model.Parser at {point.value}, "
            f"found {type(found).__name__}"
        )
    if found.name != name:
        raise BrokenPlugin(
            f"{package}: expected the parser {name!r} at {point.value}, found {found.name!r}; "
            "the entry point and the parser need one name"
        )
    return found


def _place(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name if point.dist else "", point.value)


def _packages(points: Iterable[EntryPoint]) -> str:
    names = [f"{one.dist.name} {one.dist.version}" if one.dist else one.value for one in points]
    return ", ".join(f"package {name}" for name in names)
