"""The shared corpus, if it is present; tests that need it skip otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CORPUS = Path(__file__).parents[4] / "shared" / "corpus"


def corpus(path: str) -> Path:
    """A file or folder of the shared corpus, or a skip with the reason."""
    found = CORPUS / path
    if not found.exists():
        pytest.skip(f"the shared corpus is not here: ../shared/corpus/{path}")
    return found


def vectors(path: str) -> list[Any]:
    """The cases of a JSON file of the shared corpus."""
    cases = json.loads(corpus(path).read_text(encoding="utf-8"))["cases"]
    assert isinstance(cases, list)
    return cases
