"""What `serve` prints where nobody can take it: words are lost and told, runs are not."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import click
import pytest

from flows.pipeline import signals
from flows.pipeline.signals import graceful_shutdown
from flows.serving.output import Unfailing, Writer, unfailing_output


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


@pytest.fixture
def writer():
    """Holds ten pieces; is not left behind by a test."""
    one = Writer(most=10)
    yield one
    one.close(1)


def written(writer):
    """Wait until it has written, or lost, what it was given."""
    done = threading.Event()

    class Last:
        missing = 0

        def put_or_count(self, _data, _missing):
            done.set()

    writer.take(Last(), b"")
    assert done.wait(60)


def read_all(pipe):
    """What can be read now."""
    os.set_blocking(pipe.reader, False)
    said = b""
    with suppress(BlockingIOError):
        while data := os.read(pipe.reader, 65_536):
            said += data
    return said.decode().splitlines()


def test_words_come_through_whole_and_in_order(pipe, writer):
    pipe.write("first\n")
    out = Unfailing(pipe, writer)

    print("第二", "\udcff", file=out)
    click.echo("third", file=out)

    written(writer)
    assert os.read(pipe.reader, 1000).decode() == "first\n第二 \\udcff\nthird\n"


def test_nobody_left_to_read_fails_no_write(pipe, writer):
    out = Unfailing(pipe, writer)
    os.close(pipe.reader)

    assert out.write("lost\n") == 5
    written(writer)
    assert out.write("lost as well\n") == 13


def test_lost_lines_are_counted_and_told_when_there_is_room_again(pipe, writer):
    os.set_blocking(pipe.fileno(), False)
    out = Unfailing(pipe, writer)
    filled = 0
    while filled < 1_000_000 and not out._lost:
        filled += out.write("x" * 1023 + "\n")
        written(writer)
    for number in range(4):
        out.write(f"{number}\n")
    written(writer)
    read_all(pipe)

    out.write("room again\n")

    written(writer)
    said = read_all(pipe)
    assert said[-1] == "room again"
    assert said[-2] == "(5 lines could not be written here: Resource temporarily unavailable)"


def test_lines_of_what_was_written_in_part_count_where_they_are_not_whole(pipe, writer):
    os.set_blocking(pipe.fileno(), False)
    out = Unfailing(pipe, writer)
    out.write(f"{'x' * 99}\n" * 20_000)
    written(writer)
    whole = [line for line in read_all(pipe) if len(line) == 99]

    out.write("room again\n")

    written(writer)
    said = read_all(pipe)
    assert 0 < len(whole) < 20_000
    assert said[-2].startswith(f"({20_000 - len(whole)} lines could not be written here: ")


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


def test_process_that_ends_loses_no_words_and_keeps_the_order_of_its_two_streams():
    code = """
import sys
from flows.serving import output
output.LAST_WORDS_SECONDS = 60
with output.unfailing_output():
    for number in range(4_000):
        print(number, file=sys.stderr if number % 2 else sys.stdout)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
    )

    assert ended.stdout.decode().split() == [str(number) for number in range(4_000)]


# --- nobody reads ------------------------------------------------------------------------


def block(pipe, out):
    """Let the writer wait in the middle of a line that nobody reads."""
    fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, 4096)
    out.write("x" * 20_000 + "\n")
    deadline = time.monotonic() + 60
    while select.select([], [pipe], [], 0)[1] or out._writer._queue.qsize():
        assert time.monotonic() < deadline, "it does not wait"
        threading.Event().wait(0.01)


def read_to(words, pipe):
    """What is read until a line has the words."""
    said = b""
    while words.encode() not in said:
        assert select.select([pipe.reader], [], [], 60)[0], said[-1000:]
        said += os.read(pipe.reader, 65_536)
    return said.decode().splitlines()


def test_who_prints_waits_for_no_reader_and_what_found_no_room_is_told(pipe, writer):
    out = Unfailing(pipe, writer)
    block(pipe, out)

    for number in range(15):
        out.write(f"{number}\n")

    said = read_to("9\n", pipe)
    assert said[1:] == [str(number) for number in range(10)]
    written(writer)
    out.write("room again\n")
    said = read_to("room again\n", pipe)
    assert said == [
        "(5 lines could not be written here: more came than was read)",
        "room again",
    ]


def test_lines_that_found_no_room_are_told_at_the_end_at_the_latest(pipe, writer):
    out = Unfailing(pipe, writer)
    block(pipe, out)
    for number in range(15):
        out.write(f"{number}\n")

    reading = threading.Thread(target=read_to, args=("5 lines could not", pipe))
    reading.start()
    writer.close(60)
    reading.join(60)

    assert not reading.is_alive()


def test_end_waits_for_no_reader_either_and_no_later_write_does(pipe, writer):
    out = Unfailing(pipe, writer)
    block(pipe, out)
    out.write("never read\n")

    writer.close(0.1)

    assert out.write("nor this\n") == 9
    said = read_to("xxx\n", pipe)
    writer._thread.join(60)
    assert said == ["x" * 20_000]
    assert read_all(pipe) == []


def test_write_after_the_end_is_made_at_once(pipe, writer):
    out = Unfailing(pipe, writer)
    out.write("before\n")
    writer.close(60)

    out.write("after\n")

    assert read_all(pipe) == ["before", "after"]
    os.close(pipe.reader)
    assert out.write("to nobody\n") == 10


def test_signal_is_heard_and_answered_while_nobody_reads(pipe, writer):
    out, stop = Unfailing(pipe, writer), threading.Event()
    block(pipe, out)

    with graceful_shutdown(stop, lambda words: print(words, file=out)):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(60)

    assert read_to("once more", pipe)[-1].startswith("stopping after")


def test_signal_handler_may_write_into_a_write_that_is_under_way(pipe):
    writer = Writer()
    out, heard, said = Unfailing(pipe, writer), [], []
    reading = threading.Thread(target=lambda: said.extend(read_to("the end", pipe)))
    reading.start()

    def hear(*_signal):
        heard.append(0)
        out.write("heard\n")

    before = signal.signal(signal.SIGVTALRM, hear)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.001, 0.001)
    try:
        number = 0
        while len(heard) < 20 and number < 1_000_000:
            out.write(f"{number}\n")
            number += 1
            if not number % 1000:
                written(writer)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        out.write("the end\n")
        reading.join(60)
        writer.close(60)

    assert said.count("heard") == len(heard) >= 20
    assert [one for one in said if one.isdigit()] == [str(one) for one in range(number)]


# --- signals that come twice ---------------------------------------------------------------


def test_two_signals_at_once_are_one_request_and_a_later_one_ends_at_once(monkeypatch):
    monkeypatch.setattr(signals, "SAME_REQUEST_SECONDS", 3600.0)
    stop, said = threading.Event(), []
    with graceful_shutdown(stop, said.append):
        os.kill(os.getpid(), signal.SIGTERM)
        with graceful_shutdown(stop, said.append):  # a run's own, of the same request
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                pytest.fail("it ends at once")
        assert len(said) == 1

        monkeypatch.setattr(signals, "SAME_REQUEST_SECONDS", 0.0)  # it is later
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_signal_after_something_else_asked_to_end_ends_at_once():
    stop = threading.Event()
    with graceful_shutdown(stop, lambda _words: None):
        stop.set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


# --- a terminal that is closed ---------------------------------------------------------


def hung_up(stop, **options):
    with graceful_shutdown(stop, lambda _words: None, **options):
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
