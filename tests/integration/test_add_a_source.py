"""Adding a source takes one module, one folder of cases and one line: the README's example."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import MappingProxyType, ModuleType

import pytest

from parsers import registry
from tests import record
from tests.recorded import FIXTURES, cases_of, outcome

EXAMPLE = FIXTURES / "worked_example"
ADDRESS = "https://harbourgazette.example/2026/ferry-returns"


def module_at(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def gazette(tmp_path, monkeypatch):
    """The example's module, written to a folder of its own, and its one registry line."""
    shutil.copy(EXAMPLE / "harbour_gazette.py", tmp_path)
    parser = module_at(tmp_path / "harbour_gazette.py").PARSER
    registered = MappingProxyType({**registry.PARSERS, parser.name: parser})
    monkeypatch.setattr(registry, "PARSERS", registered)
    return parser


@pytest.mark.parametrize("name", ["feed", "ferry-returns", "gallery"])
def test_recorded_page_of_the_added_source_reads_as_expected(gazette, name):
    case = next(case for case in cases_of(gazette, EXAMPLE) if case.name == name)

    assert outcome(case) == {
        key: case.expected[key] for key in ("article", "entries", "error") if key in case.expected
    }


def test_added_source_is_known_by_name_and_by_address(gazette):
    assert registry.make_source("harbour_gazette", "harbour_gazette", {}).parser is gazette
    assert registry.parser_for(ADDRESS) is gazette


def test_recording_saves_the_page_and_drafts_what_is_expected(gazette, tmp_path, capsys):
    page = EXAMPLE / "ferry-returns.html"
    line = ["harbour_gazette", str(page), "--url", ADDRESS, "--case", "ferry"]

    assert record.main([*line, "--folder", str(tmp_path)]) == 0

    folder = tmp_path / "harbour_gazette"
    drafted = json.loads((folder / "ferry.expected.json").read_text(encoding="utf-8"))
    recorded = json.loads((EXAMPLE / "ferry-returns.expected.json").read_text(encoding="utf-8"))
    assert (folder / "ferry.html").read_bytes() == page.read_bytes()
    assert drafted["article"] == recorded["article"]
    assert "ferry.expected.json: article" in capsys.readouterr().out


def test_recording_again_keeps_the_address_and_drafts_the_rest_anew(gazette, tmp_path):
    folder = tmp_path / "harbour_gazette"
    shutil.copytree(EXAMPLE, folder)
    kept = folder / "gallery.expected.json"
    before = json.loads(kept.read_text(encoding="utf-8"))
    kept.write_text(json.dumps(before | {"error": {"type": "BrokenParser"}}), encoding="utf-8")

    record.main(["harbour_gazette", "--case", "gallery", "--folder", str(tmp_path)])

    assert json.loads(kept.read_text(encoding="utf-8")) == before
