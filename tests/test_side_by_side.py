"""Tests side by side: every file is run by one process, and no failure is overlooked."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import __main__ as most
from tests import ports, prefect_database, side_by_side
from tests.e2e import __main__ as operations

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYTHON = (sys.executable, "-c")
WAITS = """
import pathlib, sys, time
try:
    print("begun", flush=True)
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(100)
except KeyboardInterrupt:
    print("ended")
    sys.exit(9)
"""


def files(where: list[Path]) -> list[Path]:
    """The files that pytest collects where it is told to look."""
    return [file for one in where for file in ([one] if one.is_file() else one.rglob("test_*.py"))]


def test_every_file_of_tests_is_run_by_exactly_one_process():
    groups = [*most.groups().values(), *operations.groups().values()]

    found = [file for where in groups for file in files(where)]

    assert sorted(found) == sorted((ROOT / "tests").rglob("test_*.py"))


def test_all_that_ci_runs_is_what_each_stage_is_called_by():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (stages,) = re.findall(r"^test-all:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)

    assert "make test-all" in script
    called = set(re.findall(r"\$\(MAKE\) ([^']+)", stages))
    assert called == {"test", "test-operations", "test-duckdb-next", "soak MINUTES=2"}


def test_all_that_each_says_stays_whole_and_what_failed_comes_last(capfd):
    code = side_by_side.run(
        {
            "bad": (*PYTHON, "import sys; print('the reason'); sys.exit(4)"),
            "good": (*PYTHON, "import time; print('a'); time.sleep(0.3); print('b')"),
        },
        at_once=1,
    )

    said = capfd.readouterr().out
    assert code == 4
    assert "a\nb\n" in said
    assert re.search(r"a\nb\n.*bad: exit code 4\nthe reason\n.*failed: bad\n$", said, re.DOTALL)


def test_nothing_failed_is_exit_code_0(capfd):
    assert side_by_side.run({"good": (*PYTHON, "print('a')")}, at_once=2) == 0

    assert capfd.readouterr().out.endswith("failed: nothing\n")


def test_command_that_a_signal_ended_has_failed(capfd):
    killed = (*PYTHON, "import os; os.kill(os.getpid(), 9)")

    assert side_by_side.run({"killed": killed}, at_once=2) == -signal.SIGKILL
    assert capfd.readouterr().out.endswith("failed: killed\n")


def test_interrupt_ends_what_was_started_and_tells_what_it_said(tmp_path):
    begun, script = tmp_path / "begun", tmp_path / "waits.py"
    script.write_text(WAITS, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.side_by_side", "--at-once", "1",
         f"{sys.executable} {script} {begun}", "echo never"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not begun.exists():
            assert time.monotonic() < deadline, "it did not begin"
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()

    assert "exit code 9\nbegun\nended\n" in said
    assert process.returncode != 0
    assert "never" not in said


def test_lasting_port_is_none_that_clients_are_given():
    lowest = 32_768
    if ports.RANGE.exists():
        lowest = int(ports.RANGE.read_text(encoding="ascii").split()[0])

    assert {ports.lasting_port() >= lowest for _ in range(20)} == {False}


def test_database_that_many_need_at_once_is_made_by_one_of_them(tmp_path, monkeypatch):
    made = []

    def make(file):
        made.append(file)
        threading.Event().wait(0.3)  # while the others look whether it is there
        file.write_bytes(b"all of it")

    monkeypatch.setattr(prefect_database, "_make", make)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(prefect_database.made_database, [tmp_path] * 4))

    assert [*found] == made
    assert made[0].read_bytes() == b"all of it"


def test_database_whose_making_failed_is_made_by_the_next(tmp_path, monkeypatch):
    def fail(_file):
        raise RuntimeError("no room")

    monkeypatch.setattr(prefect_database, "_make", fail)
    with pytest.raises(RuntimeError, match="no room"):
        prefect_database.made_database(tmp_path)
    monkeypatch.setattr(prefect_database, "_make", lambda file: file.touch())

    assert prefect_database.made_database(tmp_path).exists()
