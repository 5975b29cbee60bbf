"""Every error of the project survives a pickle, so that a worker can send it."""

from __future__ import annotations

import inspect
import pickle
import pkgutil
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import flows
import parsers
import warehouse

# Import them and something starts, or a package is missing.
_SKIPPED = ("flows.cli.__main__",)
_BY_TYPE: dict[str, Any] = {"int": 503, "float": 2.5, "str": "text", "Path": "a/path"}


def _modules(package: ModuleType) -> list[ModuleType]:
    names = [one.name for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [import_module(name) for name in names if name not in _SKIPPED]


ERRORS = sorted(
    {
        value
        for package in (flows, parsers, warehouse)
        for module in _modules(package)
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Exception)
        and value.__module__ == module.__name__
    },
    key=lambda one: f"{one.__module__}.{one.__qualname__}",
)


def _made(kind: type[Exception]) -> Exception:
    """An error of a class, with a value for each argument that its ``__init__`` requires."""
    given, named = [], {}
    for one in list(inspect.signature(kind.__init__).parameters.values())[1:]:
        value = _BY_TYPE.get(str(one.annotation).split(" ")[0], "text")
        if one.kind is one.KEYWORD_ONLY and (one.default is one.empty or value != "text"):
            named[one.name] = value
        elif one.default is one.empty and one.kind is not one.KEYWORD_ONLY:
            if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
                continue
            given.append(value)
    return kind(*(given or ["the message"]), **named)


def test_the_errors_of_all_packages_are_found():
    assert len(ERRORS) > 50


@pytest.mark.parametrize("kind", ERRORS, ids=lambda one: one.__name__)
def test_an_error_is_the_same_after_a_pickle(kind):
    error = _made(kind)
    error.add_note("what to do")

    found = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert (type(found), str(found), vars(found)) == (kind, str(error), vars(error))
