"""What `serve` prints where nobody can take it: words are lost and told, runs are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import click
import pytest

from flows.serving.output import Unfailing, unfailing_output
from flows.stopping import stopping_on_signals


@pytest.fixture
def pipe():
    """A pipe that holds a page, its writer as a text file, and what is read from it."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8", closefd=False) as file:
        file.reader = reader
        yield file
    for fd in (reader, writer):
        with suppress(OSError):  # a test closed it
            os.close(fd)


def test_words_come_through_whole_and_in_order(pipe):
    pipe.write("first\n")
    out = Unfailing(pipe)

    print("第二", "\udcff", file=out)
    click.echo("third", file=out)

    assert os.read(pipe.reader, 1000).decode() == "first\n第二 \\udcff\nthird\n"


def test_nobody_left_to_read_fails_no_write(pipe):
    out = Unfailing(pipe)
    os.close(pipe.reader)

    assert out.write("lost\n") == 5


def test_lost_lines_are_counted_and_told_when_there_is_room_again(pipe):
    os.set_blocking(pipe.fileno(), False)
    out = Unfailing(pipe)
    filled = 0
    while filled < 1_000_000 and not out._lost:
        filled += out.write("x" * 1023 + "\n")
    for number in range(4):
        out.write(f"{number}\n")
    os.set_blocking(pipe.reader, False)
    with suppress(BlockingIOError):
        while os.read(pipe.reader, 65_536):
            pass

    out.write("room again\n")

    said = os.read(pipe.reader, 65_536).decode().splitlines()
    assert said[-1] == "room again"
    assert said[-2] == "(5 lines could not be written here: Resource temporarily unavailable)"


def test_program_that_catches_output_is_left_alone(capsys):
    with unfailing_output():
        print("caught")

    assert "caught" in capsys.readouterr().out


def test_process_whose_output_is_full_goes_on_to_its_end(tmp_path):
    done = tmp_path / "done"
    code = f"""
import sys
from pathlib import Path
from flows.serving.output import unfailing_output
with unfailing_output():
    print("words")
    print("more", file=sys.stderr, flush=True)
Path({str(done)!r}).touch()
"""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=full, check=False)

    assert ended.returncode == 0
    assert done.exists()


# --- a terminal that is closed ---------------------------------------------------------


def hung_up(stop, **options):
    with stopping_on_signals(stop, lambda _words: None, **options):
        os.kill(os.getpid(), signal.SIGHUP)
        return stop.wait(1)


def test_closed_terminal_ends_serve_in_order():
    assert hung_up(threading.Event(), hangup=True)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_closed_terminal_ends_nothing_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert not hung_up(threading.Event(), hangup=True)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
