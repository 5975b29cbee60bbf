"""The messages of errors: they name what to do, and show no traceback."""

from __future__ import annotations

import errno

import pytest

from flows.cli.console import Console


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EROFS, "mounted read-only: mount it writable"),
        (errno.ENOSPC, "the disk is full: free some space and try again"),
        (errno.EACCES, "change its owner or its permissions"),
    ],
)
def test_error_of_the_disk_says_what_to_do(capsys, number, words):
    error = OSError(number, "the system's own words", "/data/prefect")

    code = Console().fail_with(error)

    said = capsys.readouterr().err
    assert code == 1
    assert "/data/prefect" in said
    assert words in said


def test_error_that_nobody_can_advise_on_is_reported_as_it_is(capsys):
    Console().fail_with(OSError(errno.EPIPE, "Broken pipe"))

    assert capsys.readouterr().err == "copydesk: [Errno 32] Broken pipe\n"
