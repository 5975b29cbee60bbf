"""The README is true: its commands exist, its files exist, its examples are tested."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from flows import cli, settings
from warehouse import connect

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "tests" / "fixtures" / "worked_example" / "harbour_gazette.py"


def commands() -> list[str]:
    """Every command line of the README that begins with copydesk."""
    in_tables = re.findall(r"`(copydesk [^`]+)`", README)
    in_blocks = re.findall(r"^ {4}(copydesk .+)$", README, re.MULTILINE)
    return [line.split("#")[0].rstrip(" &").strip() for line in [*in_tables, *in_blocks]]


@pytest.mark.parametrize("line", dict.fromkeys(commands()))
def test_command_of_the_readme_is_one_that_copydesk_takes(line, elsewhere):
    for folder in ("site/_posts", "site/old_post", "my-site"):
        (elsewhere / folder).mkdir(parents=True)
    arguments = shlex.split(line)[1:]
    with cli.copydesk.make_context("copydesk", list(arguments), obj=cli.Console()) as context:
        name, command, rest = cli.copydesk.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        command.make_context(name, rest, parent=context, resilient_parsing=False).close()


def test_worked_example_is_the_code_that_is_tested():
    shown = re.search(r"^ {7}def parse\(.*?\n\n(?=\d\.)", CONTRIBUTING, re.MULTILINE | re.DOTALL)
    assert shown is not None
    code = textwrap.dedent(shown.group()).strip()
    module = re.sub(r'\n    """.*?"""', "", EXAMPLE.read_text(encoding="utf-8"), flags=re.DOTALL)

    assert code in module


def test_first_source_of_the_readme_is_a_valid_configuration(tmp_path):
    blocks = re.findall(r"(?:^ {4}.*\n|^\n)+", README, re.MULTILINE)
    (example,) = (block for block in blocks if "[sources.gazette]" in block)
    (tmp_path / "copydesk.toml").write_text(textwrap.dedent(example), encoding="utf-8")

    source = settings.load(tmp_path / "copydesk.toml").source("gazette")

    assert source.parser.name == "sitemap"
    assert source.options["url"] == "https://example.org/robots.txt"


def test_readme_has_at_most_150_lines():
    assert len(README.splitlines()) <= 150


def test_files_that_the_readme_links_to_exist():
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert len(links) > 3
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_views_that_the_readme_names_exist():
    named = set(re.findall(r"^\| `([a-z_]+)` \|", README, re.MULTILINE))
    with connect(":memory:") as db:
        rows = db.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()

    assert named == {name for (name,) in rows}


def test_queries_of_the_readme_run():
    asked = re.findall(r"query \"(select .*?)\"", README)
    asked += re.findall(r"^ {4}(select .*?);$", README, re.MULTILINE | re.DOTALL)

    assert len(asked) > 3
    with connect(":memory:") as db:
        for sql in asked:
            db.execute(sql).fetchall()
