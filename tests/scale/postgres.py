"""A PostgreSQL server of the tests' own: a folder in /tmp, a Unix socket, no port, no password.

Debian's package ``postgresql`` brings what it needs (``apt-get install postgresql``); the
server that the package starts is not touched.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PACKAGE = "Debian's package postgresql (apt-get install postgresql)"
_PLACES = "/usr/lib/postgresql/*/bin"


def binaries() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``, of the newest version there is."""
    folders = [one for one in Path("/").glob(_PLACES.lstrip("/")) if (one / "pg_ctl").exists()]
    if found := shutil.which("pg_ctl"):
        folders.append(Path(found).resolve().parent)
    return max(folders, key=lambda one: [int(n) for n in one.parts if n.isdigit()], default=None)


def missing(what: str) -> None:
    """Skips, or fails in CI, where everything must have been tried.

    Raises:
        pytest.fail.Exception: In CI.
        pytest.skip.Exception: Elsewhere.
    """
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"needs {what}")


@contextmanager
def serving() -> Iterator[str]:
    """The connection string of a server that ends with the block."""
    programs = binaries()
    if programs is None:
        missing(PACKAGE)
        raise AssertionError
    # Not pytest's own folder: PostgreSQL refuses to run as root, and others may not enter there.
    folder = Path(tempfile.mkdtemp(prefix="copydesk-pg-"))
    user = _unprivileged()
    try:
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = folder / "data"
        _run(
            user,
            programs / "initdb",
            "-D",
            data,
            "-U",
            "project",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "-N",
        )
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        (folder / "options").write_text(options, encoding="utf-8")
        control = (programs / "pg_ctl", "-D", data, "-w", "-t", "120", "-s")
        _run(user, *control, "-l", folder / "log", "-o", options, "start")
        try:
            yield f"host={folder} user=project dbname=postgres"
        finally:
            _run(user, *control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> pwd.struct_passwd | None:
    """The user that runs the server; ``None`` is the current one."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    missing("a user other than root to run PostgreSQL as")
    return None


def _run(user: pwd.struct_passwd | None, *arguments: object) -> None:
    whose = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
        timeout=300, **whose,
    )  # type: ignore[call-overload]  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{arguments[0]} failed: {done.stderr.strip()}")


def new_database(conninfo: str, name: str) -> str:
    """Create an empty database on a server; return its connection string."""
    try:
        import psycopg
    except ImportError:
        missing("psycopg (`make scale`)")
        raise

    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
    return psycopg.conninfo.make_conninfo(conninfo, dbname=name)


def end_connections(conninfo: str) -> None:
    """End the connections of copydesk to a database, as a restart of its server does."""
    import psycopg

    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND starts_with(application_name, 'copydesk ')"
        )


def restart(conninfo: str) -> None:
    """Restart the server of a database; it does not wait for open transactions."""
    _control(conninfo, "-m", "immediate", "restart")


@contextmanager
def stopped(conninfo: str) -> Iterator[None]:
    """Stop the server of a database for the block."""
    _control(conninfo, "-m", "immediate", "stop")
    try:
        yield
    finally:
        _control(conninfo, "start")


def _control(conninfo: str, *arguments: str) -> None:
    from psycopg.conninfo import conninfo_to_dict

    programs = binaries()
    assert programs
    folder = Path(str(conninfo_to_dict(conninfo)["host"]))
    options = (folder / "options").read_text(encoding="utf-8")
    command = (programs / "pg_ctl", "-D", folder / "data", "-w", "-t", "120", "-s")
    _run(_unprivileged(), *command, "-l", folder / "log", "-o", options, *arguments)
