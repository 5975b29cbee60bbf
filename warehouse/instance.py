"""The DuckDB instance of this process, to which a warehouse is attached while it is open.

An instance takes 15 ms of CPU to make, and a file 5 ms to attach. A run opens its warehouse for
moments, so that other processes can, too. The extensions of a lake take 300 ms to load.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import duckdb
from duckdb import DuckDBPyConnection

from warehouse.lake.attach import attach as attach_lake
from warehouse.location import Lake, Location
from warehouse.quote import literal

STORAGE_VERSION = "v1.5.0"
"""Half the size of DuckDB's default, and the write-ahead log knows its file."""

# A name in SQL is never a Python variable, and no file makes DuckDB fetch an extension (a file
# of SQLite would).
CONFIG = {"python_enable_replacements": "false", "autoinstall_known_extensions": "false"}
MEMORY = ":memory:"
NAME = "copydesk"
"""Of the attached database, whatever its file is called."""

# Batches are small: a second thread costs a third more CPU and gains no time.
_THREADS = "1"


@dataclass(slots=True)
class _Instance:
    """An instance for one file or lake, which is attached while it has connections."""

    root: DuckDBPyConnection
    connections: list[DuckDBPyConnection] = field(default_factory=list)


_instances: dict[Location, _Instance] = {}
_mutex = Lock()


def attach(path: Location) -> DuckDBPyConnection:
    """Return a new connection to a DuckDB file or a lake, which is created if it is missing.

    All connections of this process to one share an instance. ``detach`` closes one of them.

    Raises:
        duckdb.Error: Such as that of a file which another process holds.
    """
    db = None
    try:
        with _mutex:
            one = _attached(path)
            db = one.root.cursor()
            one.connections.append(db)
        db.execute(f"USE {NAME}")
        db.execute("SET TimeZone = 'UTC'")
    except BaseException:
        if db is not None:
            detach(db, path)
        raise
    return db


def detach(db: DuckDBPyConnection, path: Location) -> None:
    """Close a connection of ``attach``; nothing if it is closed already.

    The last one of a file writes its log into the file.
    """
    db.close()
    with _mutex:
        one = _instances.get(path)
        if one is None or db not in one.connections:
            return
        one.connections.remove(db)
        if one.connections:
            return
        try:
            one.root.execute(f"DETACH {NAME}")
        except duckdb.Error:
            # Such as a full disk: every commit is in the log, and the next use replays it.
            _drop(path)
        except BaseException:
            _drop(path)
            raise


def lake_of(db: DuckDBPyConnection) -> Lake | None:
    """Return the lake of a connection of ``attach``; ``None`` for that of a file."""
    with _mutex:
        for place, one in _instances.items():
            if isinstance(place, Lake) and db in one.connections:
                return place
    return None


def _attached(path: Location) -> _Instance:
    """Return the instance of a file, which is attached to it."""
    one = _instances.get(path) or _new(path)
    if one.connections:
        return one
    try:
        _attach(one, path)
    except duckdb.IOException:  # such as a file that another process holds
        raise
    except (duckdb.FatalException, duckdb.InternalException):
        _drop(path)  # a fatal error of an earlier use ends the whole instance
        one = _new(path)
        _attach(one, path)
    except BaseException:
        _drop(path)  # Ctrl-C: the file may be attached all the same
        raise
    return one


def _attach(one: _Instance, path: Location) -> None:
    if isinstance(path, Lake):
        attach_lake(one.root, path, NAME)
        return
    is_new = not path.exists() or not path.stat().st_size
    version = f", STORAGE_VERSION '{STORAGE_VERSION}'" if is_new else ""
    one.root.execute(f"ATTACH {literal(path)} AS {NAME} (READ_WRITE{version})")


def _new(path: Location) -> _Instance:
    for other in [other for other, one in _instances.items() if not one.connections]:
        _drop(other)
    root = duckdb.connect(
        MEMORY, config={**CONFIG, "threads": _THREADS, "temp_directory": temp_folder(path)}
    )
    one = _instances[path] = _Instance(root)
    return one


def temp_folder(path: Location) -> str:
    """Return where DuckDB puts what does not fit in memory."""
    if isinstance(path, Lake):
        return str(Path(tempfile.gettempdir()) / f"copydesk-{os.getpid()}.tmp")
    return f"{path}.tmp"


def _drop(path: Location) -> None:
    with suppress(duckdb.Error):
        _instances.pop(path).root.close()
