"""Run the command of a publication: a list of arguments, without a shell.

The command runs in the folder of the publication, with the environment of the run. It has no
input and a session of its own, so that a time limit or Ctrl-C ends its children, too. Values of
variables with a secret name are replaced in what it prints.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.errors import Interrupted
from flows.secrets.redact import SECRET_NAMES, SECRET_PARTS, redact_text
from parsers.text.characters import single_line

MAX_OUTPUT_BYTES = 64_000
LAST_LINES = 10
_KILL_SECONDS = 5.0
_DRY_RUN_SECONDS = 60.0
_POLL_SECONDS = 0.05
_MIN_SECRET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """The result of one command.

    Attributes:
        exit_code: ``None`` if it did not start, or its time ended; negative after a signal. A
            ``git commit`` without anything to commit succeeds with 1.
        output: The end of what it printed, without secrets.
        error: Why it failed; empty after success.
    """

    arguments: tuple[str, ...]
    exit_code: int | None
    seconds: float
    output: str
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "command": list(self.arguments),
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "output": self.output,
            "error": self.error,
        }


def run_command(
    arguments: Sequence[str],
    folder: Path,
    *,
    timeout_seconds: float,
    secret_names: Collection[str] = (),
    is_stopping: Callable[[], bool] = lambda: False,
) -> CommandResult:
    """Run one command to its end.

    Args:
        arguments: The program and its arguments.
        folder: Where it runs.
        timeout_seconds: It is ended after this time.
        secret_names: More variables whose values are secret.
        is_stopping: Ends it when it returns true.

    Raises:
        Interrupted: ``is_stopping`` returned true.
    """
    secrets = _secret_values(os.environ, secret_names)
    shown = tuple(_without_secrets(one, secrets) for one in arguments)
    started = time.monotonic()
    with tempfile.TemporaryFile() as out:
        try:
            process = subprocess.Popen(  # noqa: S603  # the configuration names it; no shell
                list(arguments),
                cwd=folder,
                env={"GIT_TERMINAL_PROMPT": "0", **os.environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as problem:
            message = f"{_name(shown)} cannot be started: {problem}"
            return CommandResult(
                arguments=shown, exit_code=None, seconds=0.0, output="", error=message
            )
        try:
            code = _wait(process, started + timeout_seconds, is_stopping)
        finally:
            _end(process)
        output = _without_secrets(_end_of(out), secrets)
    error = ""
    if code is None:
        error = f"{_name(shown)} was ended after {timeout_seconds:g} seconds"
    elif code and not _has_nothing_to_commit(arguments, folder, code):
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        error = f"{_name(shown)} failed with {how}"
    if error and output:
        lines = [single_line(line) for line in output.splitlines() if line.strip()]
        error += ":\n" + "\n".join(lines[-LAST_LINES:])
    return CommandResult(
        arguments=shown,
        exit_code=code,
        seconds=time.monotonic() - started,
        output=output,
        error=error,
    )


def _wait(
    process: subprocess.Popen[bytes], deadline: float, is_stopping: Callable[[], bool]
) -> int | None:
    while time.monotonic() < deadline:
        if is_stopping():
            raise Interrupted("stopped while the command ran; the next run repeats the command")
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_POLL_SECONDS)
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command that still runs, and every process of its session."""
    if process.poll() is not None:
        return
    _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + _KILL_SECONDS
    while _signal(process, 0) and time.monotonic() < deadline:
        process.poll()
        time.sleep(_POLL_SECONDS)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to the session of a command; return whether a process is left in it."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def _has_nothing_to_commit(arguments: Sequence[str], folder: Path, code: int) -> bool:
    """Whether ``git commit`` failed because everything is committed, which a dry run shows.

    That happens after a run that was killed between two commands, or after a commit by hand.
    """
    program, *options = arguments
    if code != 1 or Path(program).name != "git" or "commit" not in options:
        return False
    after = options.index("commit") + 1
    try:
        dry_run = subprocess.run(  # noqa: S603  # the configuration names it; no shell
            [program, *options[:after], "--dry-run", *options[after:]],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_DRY_RUN_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return dry_run.returncode == 1


def _end_of(out: Any) -> str:
    size = out.seek(0, os.SEEK_END)
    out.seek(max(0, size - MAX_OUTPUT_BYTES))
    text: str = out.read().decode("utf-8", "replace")
    return text.partition("\n")[2] if size > MAX_OUTPUT_BYTES else text


def _name(arguments: Sequence[str]) -> str:
    return "`" + single_line(" ".join(arguments))[:200] + "`"


def _secret_values(environ: Mapping[str, str], names: Collection[str]) -> list[str]:
    """The values of secret variables, the longest first."""
    found = {
        value
        for name, value in environ.items()
        if len(value) >= _MIN_SECRET and (name in names or _is_secret(name.lower()))
    }
    return sorted(found, key=len, reverse=True)


def _without_secrets(text: str, secrets: Sequence[str]) -> str:
    for value in secrets:
        text = text.replace(value, "***")
    return redact_text(text)


def _is_secret(name: str) -> bool:
    return name in SECRET_NAMES or bool(SECRET_PARTS.search(name)) or name.endswith("auth_string")
