"""The RUNBOOK is true: its commands exist and take these options, its files are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from flows import cli
from flows.maintenance import maintenance

ROOT = Path(__file__).parents[3]
RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text(encoding="utf-8")
GIVEN = {
    "SOURCE": "finews", "DAY": "2022-03-01", "ID": "1a2b3c4d", "ARTICLE_ID": "finews:NW1", "DIR": ".",
}  # fmt: skip


def commands() -> list[str]:
    """Every command line of the RUNBOOK that begins with copydesk and has more than that."""
    found = re.findall(r"`(copydesk [a-z][^`]*)`", RUNBOOK)
    return list(dict.fromkeys(" ".join(line.split()) for line in found if line != "copydesk serve"))


@pytest.mark.parametrize("line", commands())
def test_command_of_the_runbook_is_one_that_copydesk_takes(line, elsewhere):
    arguments = [GIVEN.get(word, word) for word in shlex.split(line)[1:]]
    with cli.copydesk.make_context("copydesk", arguments, obj=cli.Console()) as context:
        name, command, rest = cli.copydesk.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        command.make_context(name, rest, parent=context, resilient_parsing=False).close()


def test_parameters_that_the_runbook_gives_to_maintenance_are_its_own():
    given = set(re.findall(r"--param (\w+)=", RUNBOOK))

    assert len(given) == 3
    assert given <= maintenance.parameters.properties.keys()


def test_files_that_the_runbook_names_are_there():
    named = set(re.findall(r"deploy/[\w./-]*\w", RUNBOOK))

    assert len(named) > 5
    assert [one for one in named if not (ROOT / one).exists()] == []


def test_every_event_and_state_that_a_run_can_end_in_is_explained():
    text = RUNBOOK.split("## What each alert means")[1]

    for name in ("copydesk.gap.detected", "copydesk.parse.failed", "copydesk.source.stale",
                 "CompletedWithWarnings", "Failed", "Crashed", "Cancelled"):  # fmt: skip
        assert f"**{name}**" in text, name
