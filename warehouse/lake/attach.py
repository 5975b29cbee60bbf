"""Attach a lake to a DuckDB instance."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from duckdb import DuckDBPyConnection

from warehouse.lake import extensions
from warehouse.location import Lake
from warehouse.quote import literal

_SETTINGS = ("s3_access_key_id", "s3_secret_access_key", "s3_session_token")


def attach(db: DuckDBPyConnection, lake: Lake, name: str, *, is_read_only: bool = False) -> None:
    """Attach a lake as the database ``name``; a new lake is created, unless it is only read.

    Raises:
        ExtensionMissing: This environment cannot open lakes.
        duckdb.Error: Such as that of a server that does not answer.
    """
    extensions.load(db, lake)
    if lake.is_in_bucket:
        _create_secret(db, lake, os.environ)
    options = [f"DATA_PATH {literal(lake.data)}"]
    if is_read_only:
        options.append("READ_ONLY")
    if lake.version is not None:
        options.append(f"SNAPSHOT_VERSION {lake.version}")
    db.execute(f"ATTACH {literal(str(lake))} AS {name} ({', '.join(options)})")


def seal(db: DuckDBPyConnection, lake: Lake) -> None:
    """Let statements reach no file but the data of the lake.

    The caller disables external access after it.
    """
    folder = lake.data.rstrip("/") + "/"
    db.execute(f"SET allowed_directories = [{literal(folder)}]")


def _create_secret(db: DuckDBPyConnection, lake: Lake, environ: Mapping[str, str]) -> None:
    """Make the keys of the environment a secret of DuckDB, which no statement can read.

    The extension has them as settings, which every statement could.
    """
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
    parts = urlsplit(endpoint)
    options = {
        "KEY_ID": environ.get("AWS_ACCESS_KEY_ID"),
        "SECRET": environ.get("AWS_SECRET_ACCESS_KEY"),
        "SESSION_TOKEN": environ.get("AWS_SESSION_TOKEN"),
        "REGION": environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
        "ENDPOINT": parts.netloc or None,
        "URL_STYLE": "path" if endpoint else None,
        "USE_SSL": "false" if parts.scheme == "http" else None,
    }
    given = "".join(f", {key} {literal(value)}" for key, value in options.items() if value)
    db.execute(f"CREATE OR REPLACE SECRET copydesk (TYPE s3, SCOPE {literal(lake.data)}{given})")
    for name in _SETTINGS:
        db.execute(f"RESET GLOBAL {name}")
        db.execute(f"RESET SESSION {name}")
