"""The exit codes are those of the table in the RUNBOOK: each cell of a command has a scenario."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.pipeline.run import RunEnvironment, use_environment
from flows.serve.run_local import sync_without_prefect

RUNBOOK = Path(__file__).parents[3] / "deploy" / "RUNBOOK.md"
CHECKED = (
    "sync", "sources check", "quarantine list", "gaps", "quarantine show", "quarantine dismiss",
    "query", "revisions", "export", "doctor",
)  # fmt: skip


def cells() -> set[tuple[str, int]]:
    """The command and code of each cell with a text."""
    found = set()
    section = (
        RUNBOOK.read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    )
    for line in section.splitlines():
        first, *codes = [cell.strip() for cell in line.strip("|").split("|")]
        for command in re.findall(r"`([^`]+)`", first):
            found |= {(command, code) for code, text in enumerate(codes, 1) if text}
    return found


def command(*arguments: object) -> Callable[..., int]:
    """A scenario: one command after a sync of finews."""

    def run(stored, run_cli, folder):
        return run_cli(*arguments, "--config", stored.config)[0]

    return run


def before_the_first_run(*arguments: object) -> Callable[..., int]:
    """A scenario: one command where nothing is stored."""

    def run(stored, run_cli, folder):
        fresh = folder / "fresh"
        fresh.mkdir()
        (fresh / "copydesk.toml").write_text(stored.config.read_text("utf-8"), "utf-8")
        return run_cli(*arguments, "--config", fresh / "copydesk.toml")[0]

    return run


def sync(*, is_stopped: bool = False) -> Callable[..., int]:
    """A scenario: one sync in this process."""

    def run(stored, run_cli, folder):
        stop = threading.Event()
        if is_stopped:
            stop.set()
        with use_environment(RunEnvironment(stop=stop, notify=stored.messages.append)):
            return sync_without_prefect(stored.settings, ["finews"]).exit_code

    return run


def sync_without_a_site(stored, run_cli, folder):
    text = stored.config.read_text("utf-8")
    text = re.sub(r'base_url = "[^"]+"', 'base_url = "http://127.0.0.1:1"', text, count=1)
    stored.config.write_text(text.replace("[fetch]", "[fetch]\ndeadline_seconds = 1"), "utf-8")
    return sync()(stored, run_cli, folder)


def check_without_a_site(stored, run_cli, folder):
    sync_without_a_site(stored, run_cli, folder)
    return command("sources", "check", "finews")(stored, run_cli, folder)


def export(
    *arguments: str, before: Callable[[Path], object] = lambda _out: None
) -> Callable[..., int]:
    """A scenario: an export over an earlier one that was changed."""

    def run(stored, run_cli, folder):
        out = folder / "out"
        run_cli("export", out, "--format", "jsonl", "--config", stored.config)
        before(out)
        return command("export", out, "--format", "jsonl", *arguments)(stored, run_cli, folder)

    return run


def put_foreign_file(out):
    (out / "articles.jsonl").write_text("mine")


def put_link_to_nothing(out):
    (out / "articles.jsonl").unlink()
    out.rmdir()
    out.symlink_to(out.parent / "nothing")


def open_gap(stored, run_cli, folder):
    from warehouse import connect
    from warehouse.care import snapshot

    with connect(stored.settings.warehouse.path) as db:
        db.execute(
            "INSERT INTO _store.gaps BY NAME SELECT uuid() AS gap_key, 'finews' AS source, "
            "'emnews' AS channel, now() AS to_at, 'test' AS detected_by, now() AS detected_at, "
            "'run' AS run_id"
        )
        snapshot.publish(db, stored.settings.warehouse.snapshot)
    return command("gaps")(stored, run_cli, folder)


def doctor_without_its_server(stored, run_cli, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
        return command("doctor")(stored, run_cli, folder)


def doctor_with_the_example_contact(stored, run_cli, folder):
    text = re.sub("user_agent = .*", "", stored.config.read_text("utf-8"))
    stored.config.write_text(text, "utf-8")
    return command("doctor")(stored, run_cli, folder)


SCENARIOS: dict[tuple[str, int], Callable[..., int]] = {
    ("sync", 1): sync_without_a_site,
    ("sync", 2): command("sync", "finew"),
    ("sync", 3): sync(),
    ("sources check", 2): command("sources", "check", "finew"),
    ("sources check", 3): check_without_a_site,
    ("quarantine list", 1): before_the_first_run("quarantine", "list"),
    ("quarantine list", 3): command("quarantine", "list"),
    ("gaps", 1): before_the_first_run("gaps"),
    ("gaps", 3): open_gap,
    ("quarantine show", 1): before_the_first_run("quarantine", "show", "1a2b"),
    ("quarantine show", 2): command("quarantine", "show", "BADID"),
    ("quarantine dismiss", 1): before_the_first_run("quarantine", "dismiss", "1a2b"),
    ("quarantine dismiss", 2): command("quarantine", "dismiss", "BADID"),
    ("quarantine dismiss", 3): command("quarantine", "dismiss", "--reason", "unheard_of"),
    ("query", 1): before_the_first_run("query", "select 1"),
    ("query", 2): command("query", "select nothing from articles"),
    ("revisions", 1): before_the_first_run("revisions", "finews:NW1"),
    ("revisions", 2): command("revisions", "finews:NW1"),
    ("export", 1): export(before=put_link_to_nothing),
    ("export", 2): export("--source", "finew"),
    ("export", 3): export(before=put_foreign_file),
    ("export", 4): export("--check", before=put_foreign_file),
    ("doctor", 1): doctor_without_its_server,
    ("doctor", 3): doctor_with_the_example_contact,
}


def test_every_cell_of_the_table_has_a_scenario():
    assert {cell for cell in cells() if cell[0] in CHECKED} == set(SCENARIOS)


@pytest.mark.parametrize(("name", "code"), SCENARIOS, ids=lambda value: str(value))
def test_command_exits_with_the_code_of_the_table(stored, run_cli, tmp_path, name, code):
    assert SCENARIOS[name, code](stored, run_cli, tmp_path) == code


@pytest.mark.parametrize(
    "arguments",
    [["quarantine", "list", "--resolved"], ["query", "select 1"], ["gaps"]],
    ids=" ".join,
)
def test_command_without_anything_to_report_exits_0(stored, run_cli, arguments):
    assert run_cli(*arguments, "--config", stored.config)[0] == 0


def test_interrupted_run_exits_130(stored, run_cli, tmp_path):
    assert sync(is_stopped=True)(stored, run_cli, tmp_path) == 130
