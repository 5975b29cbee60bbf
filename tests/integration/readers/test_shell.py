"""``copydesk shell``: statements and commands, at a prompt and from a pipe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from flows.admin.shell import CONTINUED, PROMPT, Shell, split
from tests.integration.readers.conftest import CORRECTED
from tests.unit.warehouse.factories import article, upsert
from warehouse import connect, transaction
from warehouse.errors import BadQuery

LONG = "SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE a.range % 7 = b.range % 3;"


@dataclass
class Typed:
    """What a shell showed, and the prompts it asked with."""

    shown: list[tuple[list[dict[str, Any]], tuple[str, ...]]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[list[dict[str, Any]]]:
        return [rows for rows, _columns in self.shown]


@pytest.fixture
def typed() -> Typed:
    return Typed()


@pytest.fixture
def shell(desk, typed):
    """Type lines into a shell; a function among them is called when its line is read."""

    def make(limit=None):
        return Shell(
            desk.settings,
            show=lambda rows, columns: typed.shown.append((list(rows), tuple(columns))),
            notify=typed.messages.append,
            on_error=typed.errors.append,
            limit=limit,
        )

    def run(*lines, is_interactive=True, limit=None):
        waiting = list(lines)

        def read(prompt):
            typed.prompts.append(prompt)
            if not waiting:
                raise EOFError
            line = waiting.pop(0)
            return line() if callable(line) else line

        make(limit).run(read, is_interactive=is_interactive)
        return typed

    run.make = make
    return run


def test_a_statement_of_several_lines_runs_at_its_semicolon(shell):
    typed = shell("select 1 as a,", "  ';' as b -- not yet ;", "; select 2 as c;")

    assert typed.rows == [[{"a": 1, "b": ";"}], [{"c": 2}]]
    assert typed.prompts == [PROMPT, CONTINUED, CONTINUED, PROMPT]


def test_an_error_at_a_prompt_ends_the_statement_only(shell):
    typed = shell(
        "select nope;", "create table t (a int);", ".nonsense", ".schema nope", "select 1 as a;"
    )

    assert [type(error) for error in typed.errors] == [BadQuery] * 4
    assert typed.rows == [[{"a": 1}]]


def test_the_first_error_of_a_pipe_ends_it_and_names_the_line(shell, typed):
    with pytest.raises(BadQuery) as failed:
        shell("select 1 as a;", "select", "nope;", "select 2 as a;", is_interactive=False)

    assert typed.rows == [[{"a": 1}]]
    assert failed.value.__notes__ == ["in line 3 of the input"]


def test_the_last_statement_of_a_pipe_needs_no_semicolon(shell):
    assert shell("-- all", "select 1 as a -- last", is_interactive=False).rows == [[{"a": 1}]]


def test_what_was_not_ended_at_a_prompt_is_not_run(shell):
    assert shell("select 1").rows == []


def test_commands_list_views_columns_and_themselves(shell):
    typed = shell(".tables", ".schema articles", ".help", ".quit", "select 1;")
    (tables, columns, commands) = typed.rows

    assert {"articles", "revisions", "search", "articles_as_of"} <= {one["name"] for one in tables}
    assert all(one["comment"] for one in tables + columns)
    assert {"name", "type", "comment"} == set(columns[0])
    assert {".tables", ".quit"} <= {one["command"] for one in commands}


def test_a_newer_snapshot_is_read_by_the_next_statement(shell, desk):
    def publish_another():
        desk.change(lambda db: upsert(db, article("later", "Later")))
        return "select count(*) as n from articles;"

    ((before,), (after,)) = shell("select count(*) as n from articles;", publish_another).rows

    assert after["n"] == before["n"] + 1


def test_statements_read_the_snapshot_while_a_run_writes(shell, desk):
    with connect(desk.settings.warehouse.path) as db, transaction(db):
        db.execute("UPDATE _store.article_records SET title = 'not committed'")
        typed = shell(f"select title from articles where article_id = '{CORRECTED}';")

    assert typed.rows == [[{"title": "今日降准"}]]


def test_ctrl_c_ends_the_running_statement_only(shell):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))

    def run_long():
        timer.start()
        return LONG

    try:
        typed = shell(run_long, "select 1 as a;")
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)

    assert typed.rows == [[{"a": 1}]]
    assert typed.errors == []
    assert len(typed.messages) == 1


def test_ctrl_c_at_the_prompt_discards_what_was_typed(shell):
    def press_ctrl_c():
        raise KeyboardInterrupt

    assert shell("select nope,", press_ctrl_c, "select 1 as a;").rows == [[{"a": 1}]]


def test_long_results_are_cut_at_the_limit_with_a_message(shell):
    typed = shell("select unnest(range(3)) as a;", "select 1 as a, 2 as b;", limit=2)

    assert typed.rows == [[{"a": 0}, {"a": 1}], [{"a": 1, "b": 2}]]
    assert len(typed.messages) == 1


@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [
        ("select articles", "articles", ["articles", "articles_as_of"]),
        ("select articles.tit", "articles.tit", ["articles.title"]),
        ("select a.published_o", "a.published_o", ["a.published_on"]),
        ("from gaps.tit", "gaps.tit", []),
        (".sch", ".sch", [".schema"]),
        (".schema ga", "ga", ["gaps"]),
        ("SEL", "SEL", ["select"]),
    ],
)
def test_completion_knows_views_their_columns_and_commands(shell, line, word, expected):
    assert shell.make().completions(line, word) == expected


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("select 1", [], "select 1"),
        ("select '碳;中和' ; -- x\n", ["select '碳;中和' ;"], ""),
        ('select "a;', [], 'select "a;'),
        ("select $$;$$;;", ["select $$;$$;"], ""),
        ("/* ;", [], "/* ;"),
        ("-- ;\n", [], ""),
        ("/* a */\n", [], ""),
        ("a; b; c", ["a;", " b;"], " c"),
        ("select ['a]'];", ["select ['a]'];"], ""),
    ],
)
def test_text_is_split_at_semicolons_outside_quotes_and_comments(text, statements, rest):
    assert split(text) == (statements, rest)


def test_piped_statements_have_no_prompt_and_end_with_code_1_at_the_first_error(desk):
    ended = subprocess.run(
        [sys.executable, "-m", "flows.cli", "--config", desk.config, "shell", "--json"],
        input=f"select title from articles where article_id = '{CORRECTED}';\nselect nope;\nselect 1;",
        capture_output=True,
        text=True,
        check=False,
    )
    first, end = json.JSONDecoder().raw_decode(ended.stdout)

    assert first == [{"title": "今日降准"}]
    assert json.loads(ended.stdout[end:])["exit_code"] == ended.returncode == 1
    assert PROMPT not in ended.stdout
    assert not (desk.folder / "data" / "shell_history").exists()
