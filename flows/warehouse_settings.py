"""``[warehouse]``: the file or the lake with the articles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.errors import ConfigurationError
from warehouse.errors import ExtensionMissing
from warehouse.lake import extensions
from warehouse.location import SCHEME, Lake, Location

_URL = re.compile(r"ducklake:(?:postgres:\S.*|(?!\w{2,}:)\S.*)")
_DATA = re.compile(r"s3://[^/?#\s]+(?:/[^?#\s]*)?|(?!\w+://)\S.*")
_PASSWORD = re.compile(r"passw(?:or)?d\s*=", re.IGNORECASE)
# Also one with a slash that is not encoded: the server refuses it, and errors show the address.
_USER_PASSWORD = re.compile(r"//[^@]*:[^@]*@")
_OF_A_FILE = ("path", "snapshot")


class WarehouseSettings(BaseModel):
    """``[warehouse]``: the database of articles.

    Attributes:
        path: The DuckDB file. State of this machine is beside it, also that of a lake.
        url: The catalog of a lake, in place of ``path``.
        data: The folder or bucket of a lake.
        snapshot: The read-only copy of the file.
        lock_timeout_seconds: How long a run waits for another process.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path = Path("data/copydesk.duckdb")
    url: str = Field(default="", repr=False)
    data: str = ""
    snapshot: Path = Path("data/copydesk.read.duckdb")
    lock_timeout_seconds: float = Field(default=60.0, ge=0, le=86_400)

    @property
    def location(self) -> Location:
        """The file or the lake."""
        return Lake(self.url.removeprefix(SCHEME), self.data.rstrip("/")) if self.url else self.path

    @property
    def folder(self) -> Path:
        """Where this machine keeps its state of the warehouse, such as locks and logs."""
        return self.path.parent

    @model_validator(mode="before")
    @classmethod
    def _default_snapshot(cls, given: Any) -> Any:
        """Put the snapshot next to its own warehouse, because two warehouses cannot share one."""
        if isinstance(given, dict) and "path" in given and "snapshot" not in given:
            path = Path(str(given["path"]))
            return {**given, "snapshot": path.with_name(f"{path.stem}.read{path.suffix}")}
        return given

    def with_absolute_paths(self, folder: Path) -> WarehouseSettings:
        """Return the same settings; relative paths started at ``folder``."""
        update: dict[str, Any] = {
            name: folder / getattr(self, name).expanduser() for name in ("path", "snapshot")
        }
        lake = self.location
        if isinstance(lake, Lake):
            if lake.file:
                update["url"] = f"{SCHEME}{folder / lake.file.expanduser()}"
            if not lake.is_in_bucket:
                update["data"] = str(folder / Path(lake.data).expanduser())
        return self.model_copy(update=update)


def check_lake(settings: WarehouseSettings) -> None:
    """Check ``url`` and ``data``, and that this environment can open a lake.

    Raises:
        ConfigurationError: They cannot be used; no message holds the address.
    """
    if not settings.url:
        if settings.data:
            raise ConfigurationError(
                "warehouse.data: it belongs to a lake, so give warehouse.url too"
            )
        return
    for key in _OF_A_FILE:
        if key in settings.model_fields_set:
            raise ConfigurationError(
                f"warehouse.{key}: it belongs to a DuckDB file, and warehouse.url names a lake: "
                "leave one of them out"
            )
    if not _URL.fullmatch(settings.url):
        raise ConfigurationError(
            'warehouse.url: expected "ducklake:postgres:dbname=NAME host=HOST" or "ducklake:FILE", '
            "found something else"
        )
    if _PASSWORD.search(unquote(settings.url)) or _USER_PASSWORD.search(settings.url):
        raise ConfigurationError(
            "warehouse.url: expected an address without a password: set PGPASSWORD in the "
            "environment, or name a password file in PGPASSFILE"
        )
    if not _DATA.fullmatch(settings.data):
        raise ConfigurationError(
            "warehouse.data: expected the folder or the bucket of the lake's files, such as "
            f'"/srv/copydesk/lake" or "s3://bucket/lake", found {settings.data!r}'
        )
    try:
        extensions.check(Lake(settings.url.removeprefix(SCHEME), settings.data))
    except ExtensionMissing as error:
        raise ConfigurationError(f"warehouse.url: {error}") from None
