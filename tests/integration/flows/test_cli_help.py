"""The help of each command, and the messages for wrong values."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from flows import cli
from flows.cli import tables
from flows.cli.parameters import MOMENT
from flows.pipeline import parse_page
from flows.pipeline.stats import COUNTERS


def subcommands():
    found = {(): cli.copydesk}
    for name, command in cli.copydesk.commands.items():
        found[(name,)] = command
        for inner in getattr(command, "commands", {}):
            found[(name, inner)] = command.commands[inner]
    return found


@pytest.mark.parametrize("arguments", subcommands(), ids=" ".join)
def test_every_command_has_help_with_an_example(run_cli, arguments):
    code, out, _ = run_cli(*arguments, "--help")

    assert code == 0
    assert "copydesk" in out.split("Usage:")[1]
    assert "Example: copydesk" in out or "Start with: copydesk" in out
    assert "--json" in out


@pytest.mark.parametrize("arguments", [w for w in subcommands() if w], ids=" ".join)
def test_example_in_the_help_is_a_command_that_exists(arguments):
    example = subcommands()[arguments].epilog.removeprefix("Example: ").split()

    assert example[: len(arguments) + 1] == ["copydesk", *arguments]


@pytest.mark.parametrize("arguments", subcommands(), ids=" ".join)
@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_help_cuts_no_words_and_shows_no_code(run_cli, monkeypatch, arguments, width):
    monkeypatch.setenv("COLUMNS", width)

    _, out, _ = run_cli(*arguments, "--help")

    commands = getattr(subcommands()[arguments], "commands", {})
    text = " ".join(out.split())
    assert all(command.get_short_help_str(10_000) in text for command in commands.values())
    assert "..." not in re.sub(r"\[?[A-Z_]+\]?\.\.\.", "", out)
    assert not re.search("%[A-Z]|TEXT|INTEGER|RANGE", out)


@pytest.mark.parametrize("arguments", [[], ["-v"], ["quarantine"]], ids=" ".join)
def test_group_without_a_command_shows_its_help(run_cli, arguments):
    code, out, err = run_cli(*arguments)

    assert (code, err) == (0, "")
    assert out.startswith("Usage: copydesk")
    assert "Commands:" in out


def test_group_without_a_command_has_no_document(run_cli):
    code, out, err = run_cli("--json")

    assert (code, json.loads(out)["exit_code"]) == (2, 2)
    assert "name a command" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query"], "Missing argument 'SQL'.\nExample: copydesk query \"select"),
        (["sync", "--limit", "x"], "'x' is not a valid whole number"),
        (["backfill", "finews", "--from", "x"], "expected a day, such as 2022-03-14, found 'x'"),
        (["reparse", "--since", "x"], "expected a day or a time, such as 2022-03-14 or 2022"),
        (["query", "select 1", "--output", "no/x.csv"], "there is no folder no to write x.csv"),
        (["quarantine", "show", "1", "--page", "no/x"], "there is no folder no to write x into"),
        (["demo-site", "--port-file", "no/x"], "there is no folder no to write x into"),
        (["export", "o", "--format", "csv", "--since", "x"], "such as 2022-03-14 or 2022-"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_message_for_a_wrong_value_shows_an_example(run_cli, elsewhere, arguments, message):
    code, _, err = run_cli(*arguments)

    assert code == 2
    assert message in err
    assert "%" not in err


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2022-03-14", "2022-03-14T00:00:00"),
        ("2022-03-14T20:43:16", "2022-03-14T20:43:16"),
        ("2022-03-14 20:43:16+08:00", "2022-03-14T20:43:16+08:00"),
        ("2022-03-14T20:43:16Z", "2022-03-14T20:43:16+00:00"),
    ],
)
def test_moment_is_a_day_or_a_time(value, expected):
    assert MOMENT.convert(value, None, None).isoformat() == expected


def test_help_imports_neither_prefect_nor_duckdb():
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from flows.cli import run; run(['--help'])"],
        capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip

    names = {line.rsplit("|", 1)[-1].strip() for line in loaded.splitlines()}
    assert "click" in names
    assert names.isdisjoint({"prefect", "duckdb", "pyarrow", "bs4", "lxml", "requests", "pydantic"})


def test_file_that_ends_too_early_is_no_interrupt(run_cli, elsewhere, monkeypatch):
    def cut(*_arguments, **_options):
        raise EOFError("the file is cut")

    monkeypatch.setattr(parse_page, "parse_page", cut)

    code, _, err = run_cli("parse", "-")

    assert code == 1
    assert "EOFError" in err
    assert "interrupted" not in err


ROWS = [
    {"id": 1, "title": "渡口恢复通航" * 3, "text": "x" * 50},
    {"id": 2, "title": None, "text": ""},
]


@pytest.mark.parametrize(
    ("is_terminal", "width", "first", "count"),
    [
        (False, 40, "id  title", 3),
        (True, 120, "id  title", 3),
        (True, 40, "--- 1 of 2 ---", 8),
    ],
)
def test_table_wider_than_the_terminal_becomes_blocks(
    monkeypatch, is_terminal, width, first, count
):
    monkeypatch.setattr(tables, "sys", SimpleNamespace(stdout=Stdout(is_terminal)))
    monkeypatch.setenv("COLUMNS", str(width))

    lines = tables.table_or_blocks(ROWS, ("id", "title", "text")).splitlines()

    assert (lines[0].startswith(first), len(lines)) == (True, count)
    assert "x" * 50 in "\n".join(lines)


class Stdout:
    def __init__(self, is_terminal):
        self.isatty = lambda: is_terminal


def test_help_of_sync_explains_every_counter(run_cli):
    _, out, _ = run_cli("sync", "--help")

    explained = {arguments[0] for line in out.splitlines() if len(arguments := line.split()) > 1}
    assert explained >= set(COUNTERS)
