"""A configured source whose parser is in a package that cannot be used."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import pytest

from flows import cli
from parsers import registry
from parsers.plugins import GROUP, ParserRegistry

CONFIG = """
[sources.harbour]
parser = "harbour"
[sources.gazette]
parser = "feed"
url = "https://gazette.example/feed.xml"
"""


@pytest.fixture
def broken_package(elsewhere, monkeypatch):
    built_in = [registry.PARSERS[name] for name in ("feed", "generic")]
    points = [EntryPoint("harbour", "copydesk_absent:PARSER", GROUP)]
    monkeypatch.setattr(registry, "PARSERS", ParserRegistry(built_in, points))
    (elsewhere / "copydesk.toml").write_text(CONFIG, encoding="utf-8")
    return elsewhere


def test_command_that_needs_the_source_is_a_configuration_error_that_names_the_package(
    broken_package, capsys
):
    for line in ("sync harbour", "sync", "parse page.html --source harbour"):
        assert cli.run(line.split()) == 2
        assert "copydesk_absent" in capsys.readouterr().err


def test_commands_that_do_not_need_the_source_work(broken_package, capsys):
    page = broken_package / "page.html"
    text = "The ferry sails again on Monday, and the crew is glad to be back at sea. " * 8
    page.write_text(f"<html><h1>The ferry returns</h1><p>{text}</p></html>", encoding="utf-8")

    code = cli.run(["parse", str(page), "--url", "https://gazette.example/1"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["title"] == "The ferry returns"


def test_list_of_sources_names_the_package(broken_package, capsys):
    assert cli.run(["sources", "--json"]) == 0

    found = {one["source"]: one for one in json.loads(capsys.readouterr().out)["sources"]}
    assert "copydesk_absent" in found["harbour"]["error"]
    assert found["gazette"]["parser"] == "feed"


def test_doctor_names_the_package(broken_package, capsys):
    cli.run(["doctor", "--json"])

    checks = json.loads(capsys.readouterr().out)["checks"]
    (found,) = [one for one in checks if one["name"] == "parser harbour"]
    assert found["status"] == "error"
