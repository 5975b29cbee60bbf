"""The commands of publications: when they run, fail, are repeated and are ended."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from contextlib import suppress
from typing import IO

import pytest

from flows.errors import Interrupted
from flows.publication import command
from flows.publication.publish import publish
from tests.integration.import_export.desk import COMMAND, post


def test_failing_command_is_an_error_and_is_repeated_when_nothing_is_new(desk):
    script = "import os, sys; print('no route'); sys.exit(0 if os.path.exists('ok') else 7)"
    desk.configure(command=[COMMAND, [sys.executable, "-c", script]])
    desk.store(post(1, "一"))

    first, again = desk.publish(), desk.publish()
    (desk.site / "ok").touch()
    last, quiet = desk.publish(), desk.publish()

    assert (first.exit_code, first.commands[1].exit_code) == (1, 7)
    assert "exit code 7" in first.error
    assert "no route" in first.error
    assert (again.exit_code, again.changes.written, len(again.commands)) == (1, [], 1)
    assert (last.exit_code, last.state, last.error) == (0, "published", "")
    assert quiet.commands == []
    assert desk.command_count == 1, "the first command had succeeded"


def test_commit_that_someone_else_made_is_no_failure_and_the_push_follows(desk):
    commit = ["git", "-c", "user.name=Desk", "-c", "user.email=desk@example.org", "commit"]
    desk.configure(command=[["git", "add", "--all"], [*commit, "--quiet", "-m", "New"], COMMAND])
    desk.site.mkdir()
    subprocess.run(["git", "init", "--quiet", desk.site], check=True)
    (desk.site / ".git/info/exclude").write_text("commands\n")
    desk.store(post(1, "First text."))
    desk.publish()
    next((desk.site / "_posts").iterdir()).unlink()

    second = desk.publish()
    hook = desk.site / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    desk.store(post(2, "Second text."))
    third = desk.publish()

    assert (second.state, second.error, second.commands[1].exit_code) == ("published", "", 1)
    assert (desk.site / "commands").read_text() == "xx"
    assert (third.state, third.is_command_pending, len(third.commands)) == ("failed", True, 2)


def test_stopped_command_is_ended_and_repeated(desk):
    desk.configure(command=[sys.executable, "-c", "import time; time.sleep(60)"])
    desk.store(post(1, "一"))
    asked = iter([False, False, True])

    with pytest.raises(Interrupted):
        publish(desk.settings, "blog", is_stopping=lambda: next(asked, True))
    desk.configure(command=COMMAND)

    assert desk.publish().state == "published"
    assert desk.command_count == 1


def test_child_that_ignores_the_end_of_its_command_is_killed(desk, monkeypatch):
    monkeypatch.setattr(command, "_KILL_SECONDS", 0.2)
    child = "import fcntl, signal, time; signal.signal(15, signal.SIG_IGN); "
    child += "file = open('../held', 'w'); fcntl.flock(file, fcntl.LOCK_EX); time.sleep(60)"
    arguments = ["sh", "-c", '"$0" -c "$1" & wait', sys.executable, child]
    desk.configure(command=arguments, command_timeout_seconds=1)
    desk.store(post(1, "一"))

    assert desk.publish().commands[0].exit_code is None
    with (desk.folder / "held").open("a") as file:
        assert any(_is_free(file) for _ in range(100))


def _is_free(file: IO[str]) -> bool:
    """Whether the process that held the lock of a file ended; wait a moment if not."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    time.sleep(0.05)
    return False


def test_command_beyond_its_time_is_ended_and_secrets_are_not_printed(desk, monkeypatch):
    monkeypatch.setenv("DEPLOY_TOKEN", "s3cr3t-value")
    script = "import os, time; print(os.environ['DEPLOY_TOKEN'], flush=True); time.sleep(60)"
    desk.configure(command=[sys.executable, "-c", script], command_timeout_seconds=0.5)
    desk.store(post(1, "一"))

    done = desk.publish()

    assert done.commands[0].exit_code is None
    assert "ended after 0.5 seconds" in done.error
    assert "s3cr3t" not in json.dumps(done.as_json())
    assert "***" in done.commands[0].output
