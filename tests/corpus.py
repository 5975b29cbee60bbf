"""Recorded cases outside of the project: ``TEST_DATA=DIR`` with ``corpus/`` and ``seeds/``.

Tests that need a file of it are skipped without it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_DATA = Path(os.environ.get("TEST_DATA") or os.devnull)
CORPUS = _DATA / "corpus"
SEEDS = _DATA / "seeds"

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="TEST_DATA names no corpus")
needs_seeds = pytest.mark.skipif(not SEEDS.is_dir(), reason="TEST_DATA names no seeds")


def corpus(path: str) -> Path:
    """A file or folder of the corpus; skips the test if it is missing."""
    found = CORPUS / path
    if not found.exists():
        pytest.skip(f"TEST_DATA has no corpus/{path}")
    return found


def vectors(path: str) -> list[Any]:
    """The cases of a JSON file of the corpus."""
    cases = json.loads(corpus(path).read_text(encoding="utf-8"))["cases"]
    assert isinstance(cases, list)
    return cases
