"""The recorded cases of copydesk's own parsers, in ``tests/fixtures/<parser>``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.scaffold import cases
from flows.scaffold.cases import Case, case_in, changed_results, outcome, parsed
from parsers.model import Parser

FIXTURES = Path(__file__).parent / "fixtures"

__all__ = [
    "FIXTURES",
    "Case",
    "case_in",
    "cases_of",
    "changed_results",
    "outcome",
    "parsed",
    "version_of",
    "versions_file",
]


def cases_of(parser: Parser, folder: Path | None = None) -> list[Case]:
    """The recorded cases of a parser, by name."""
    return cases.cases_in(parser, folder or FIXTURES / parser.name)


def versions_file(parser: Parser, folder: Path | None = None) -> Path:
    """The file with the parser's version and the digests of its articles."""
    return (folder or FIXTURES / parser.name) / cases.VERSIONS


def version_of(parser: Parser, folder: Path | None = None) -> dict[str, Any]:
    """What ``versions.json`` has to be."""
    return cases.version_of(parser, folder or FIXTURES / parser.name)
