"""The files of deploy/: they agree with the code, and their commands work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows import settings
from flows.cli.demo_run import ARTICLE_URL, write_config
from flows.serve import run_local
from tests import site

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
RUNBOOK = (DEPLOY / "RUNBOOK.md").read_text(encoding="utf-8")


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def test_systemd_accepts_the_units(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    installed = tmp_path / "installed"
    for name in (
        ".venv/bin/copydesk",
        ".venv/bin/prefect",
        "deploy/backup.sh",
        "deploy/stop-worker.sh",
    ):
        stub = installed / name
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text("#!/bin/sh\n")
        stub.chmod(0o755)
    units = tmp_path / "units"
    units.mkdir()
    for unit in (DEPLOY / "systemd").iterdir():
        text = re.sub(
            r"(Exec\w+)=/opt/copydesk", rf"\1={installed}", unit.read_text(encoding="utf-8")
        )
        (units / unit.name).write_text(text, encoding="utf-8")

    done = subprocess.run(
        [analyze, "verify", *sorted(map(str, units.iterdir()))],
        capture_output=True,
        text=True,
        timeout=60,
    )

    messages = [
        line for line in done.stderr.splitlines() if "/units/" in line or "copydesk" in line
    ]
    assert (done.returncode, messages) == (0, [])


def test_worker_is_stopped_after_its_runs_have_ended(tmp_path):
    """The run needs a moment to store its batch; the worker would kill it."""
    events = tmp_path / "events"
    run = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); "
    run += "print(flush=True); time.sleep(60)"
    worker = f"""
import signal, subprocess, sys
events = open({str(events)!r}, "a", buffering=1)
run = subprocess.Popen([sys.executable, "-c", {run!r}], stdout=subprocess.PIPE)
run.stdout.readline()
def end(*_):
    events.write("ended " + str(run.poll() is not None))
    sys.exit()
signal.signal(signal.SIGTERM, end)
print(flush=True)
while True:
    signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        subprocess.run([DEPLOY / "stop-worker.sh", str(process.pid)], check=True, timeout=60)
        assert process.wait(30) == 0

    assert events.read_text() == "ended True"


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "kubernetes/copydesk.yaml"])
def test_untried_file_is_marked_in_its_first_line(name):
    first = (DEPLOY / name).read_text(encoding="utf-8").splitlines()[0]

    assert first.startswith("# Not run where it was written")


def test_nothing_listens_beyond_loopback_without_a_password():
    (compose,) = documents("compose.yaml")

    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert ":?" in compose["services"]["server"]["environment"]["PREFECT_SERVER_API_AUTH_STRING"]
    assert "--host" not in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_no_file_holds_a_secret():
    for file in (path for path in DEPLOY.rglob("*") if path.suffix in (".yaml", ".service")):
        for name, value in re.findall(
            r"(\w*(?:PASSWORD|AUTH_STRING)\w*)\s*[:=]\s*(\S+)", file.read_text()
        ):
            assert value.startswith(("${", "user:...", "...", "?set")), (file.name, name)


def blocks(heading: str) -> str:
    """The shell blocks below a heading of the RUNBOOK."""
    part = RUNBOOK.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", part, re.DOTALL))


@pytest.mark.e2e
def test_restore_of_the_runbook_brings_the_whole_corpus_back(tmp_path, prefect_server):
    """Runs the commands of the RUNBOOK's sections Back up and Restore, unchanged."""
    data, backups, messages = tmp_path / "data", tmp_path / "backups", []
    data.mkdir()
    with site.serve() as news_site:
        config = write_config(data, port=news_site.port, article_url=ARTICLE_URL)
        before = _sync(config, messages)
        held = _articles(config)
        environ = os.environ | {
            "DATA": str(data),
            "BACKUPS": str(backups),
            "BIN": str(Path(sys.executable).parent),
            "CODE": str(ROOT),
            "COPYDESK_CONFIG": str(config),
        }
        _shell(blocks("Back up"), environ)
        (data / "copydesk.duckdb").write_bytes(b"broken")
        shutil.rmtree(data / "archive")

        _shell(blocks("Restore"), environ)

        assert _articles(config) == held
        again = _sync(config, messages)
    assert before.totals()["new"] > 50
    assert (again.totals()["new"], again.totals()["updated"]) == (0, 0)
    assert _articles(config) == held


def _sync(config: Path, messages: list[str]) -> Any:
    return run_local.run_sync(
        settings.load(config, {}),
        (),
        config=config,
        notify=messages.append,
        progress=lambda *_: None,
    )


def _articles(config: Path) -> list[tuple[Any, ...]]:
    from warehouse import connect_read_only

    with connect_read_only(settings.load(config, {}).warehouse.snapshot) as db:
        return db.execute(
            "SELECT article_id, content_hash, revision_count, first_seen_at FROM articles ORDER BY ALL"
        ).fetchall()


def _shell(script: str, environ: dict[str, str]) -> None:
    assert script.strip(), "the RUNBOOK has no such commands"
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
