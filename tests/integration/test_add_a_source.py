"""Adding a source: the worked example, and the steps of README and CONTRIBUTING as written."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType, ModuleType

import pytest

from flows import cli
from flows.errors import ServerNotStarted
from flows.serve import run_local
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


def test_recording_again_keeps_the_address_and_replaces_the_rest_of_the_draft(gazette, tmp_path):
    folder = tmp_path / "harbour_gazette"
    shutil.copytree(EXAMPLE, folder)
    kept = folder / "gallery.expected.json"
    before = json.loads(kept.read_text(encoding="utf-8"))
    kept.write_text(json.dumps(before | {"error": {"type": "BrokenParser"}}), encoding="utf-8")

    record.main(["harbour_gazette", "--case", "gallery", "--folder", str(tmp_path)])

    assert json.loads(kept.read_text(encoding="utf-8")) == before


def test_changed_article_is_recorded_under_a_new_version_only(gazette, tmp_path, monkeypatch):
    line = ["harbour_gazette", "--folder", str(tmp_path)]
    shutil.copytree(EXAMPLE, tmp_path / "harbour_gazette")
    record.main(line)

    def changed(source, page):
        return replace(gazette.parse(source, page), language="fr")

    for version, is_recorded in (("1", False), ("2", True)):
        parser = replace(gazette, parse=changed, version=version)
        monkeypatch.setattr(registry, "PARSERS", {parser.name: parser})
        with nullcontext() if is_recorded else pytest.raises(SystemExit, match="ferry-returns"):
            record.main(line)
    drafted = json.loads((tmp_path / "harbour_gazette/ferry-returns.expected.json").read_text())
    assert drafted["article"]["language"] == "fr"


# --- the steps as written --------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^ *```(sh|diff|toml)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, str]]:
    """The language and text of each block of "Add a parser", in order."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## Add a parser")[2].partition("\n## ")[0]
    return [(language, textwrap.dedent(block)) for language, block in BLOCK.findall(section)]


def copy_of_the_tree(folder: Path) -> Path:
    """The tracked files, with this environment as the .venv of the Makefile."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    tree = folder / "copydesk"
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    (tree / ".venv").mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name != ".installed":
            (tree / ".venv" / part.name).symlink_to(part)
    (tree / ".venv" / ".installed").touch()
    return tree


def edit(file: Path, diff: str) -> None:
    """Replace each run of removed lines by the added lines that follow it."""
    text = file.read_text(encoding="utf-8")
    for change in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", diff, re.MULTILINE):
        before, after = (re.sub("^.", "", lines, flags=re.MULTILINE) for lines in change)
        assert text.count(before) == 1
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


@pytest.mark.nightly
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the list of tracked files")
def test_steps_of_contributing_pass_in_a_copy_of_the_tree(tmp_path):
    tree = copy_of_the_tree(tmp_path)
    environ = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "COPYDESK_CONFIG": str(tree / "copydesk.toml"),
        "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache"),  # of `make check`: saves half a minute
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            arguments, cwd=tree, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for language, text in steps():
        if language == "sh":
            run("bash", "-ec", text)
        elif language == "diff":
            edit(tree / "parsers" / "registry.py", text)
        else:
            (tree / "copydesk.toml").write_text(text, encoding="utf-8")

    assert "harbour_gazette" in run(".venv/bin/python", "-m", "flows.cli", "sources")
    recorded = tree / "tests" / "fixtures" / "harbour_gazette" / "ferry-returns.expected.json"
    assert json.loads(recorded.read_text(encoding="utf-8"))["article"]["title"]


FEED = """<rss version="2.0"><channel><title>Gazette</title><item><title>The ferry returns</title>
<link>/ferry</link><description>The ferry sails again on Monday.</description>
</item></channel></rss>"""


def without_prefect(*_values, **_options):
    raise ServerNotStarted("no server in this test")


def test_first_source_of_the_readme_can_be_checked_and_synced(elsewhere, monkeypatch):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (init,) = re.findall(r"^ {4}copydesk (init .*)$", readme, re.MULTILINE)
    (add,) = re.findall(r"^ {4}copydesk (sources add .*)$", readme, re.MULTILINE)
    then = re.findall(r"`copydesk ((?:sources check|sync) gazette)`", readme)
    (elsewhere / "feed.xml").write_text(FEED, encoding="utf-8")
    monkeypatch.setattr(run_local, "run_flow", without_prefect)
    handler = partial(SimpleHTTPRequestHandler, directory=str(elsewhere))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        monkeypatch.setenv("COPYDESK_FETCH__ALLOW_PRIVATE_HOSTS", f'["{host}"]')
        assert cli.run(init.split()) == 0
        assert cli.run(re.sub(r"https://\S+", f"http://{host}/feed.xml", add).split()) == 0
        codes = [cli.run(line.split()) for line in then]
        server.shutdown()

    assert then == ["sources check gazette", "sync gazette"]
    assert codes == [0, 0]
