"""Move to another kind of warehouse: ``copydesk migrate-warehouse``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.callbacks import Notify, OnProgress
from flows.errors import ConfigurationError
from flows.settings import Settings
from flows.text import pluralize
from flows.warehouse_settings import WarehouseSettings, check_lake
from warehouse.care.copy_warehouse import CopyResult, copy_warehouse
from warehouse.location import SCHEME, Lake, Location


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationResult:
    """A copy that was compared with its origin."""

    origin: Location
    target: Location
    copied: CopyResult

    def as_json(self) -> dict[str, Any]:
        """The JSON document: where from, where to, and the rows of each table."""
        rows = self.copied.rows
        return {
            "from": str(self.origin),
            "to": str(self.target),
            "rows": sum(rows.values()),
            "tables": rows,
        }

    def message(self) -> str:
        """What was copied, and which keys of the configuration name it."""
        rows = self.copied.rows
        keys = f'path = "{self.target}"'
        if isinstance(self.target, Lake):
            keys = f'url = "{self.target}", data = "{self.target.data}"'
        return (
            f"{pluralize(sum(rows.values()), 'row')} of {pluralize(len(rows), 'table')} copied from "
            f"{self.origin} to {self.target}; counts and hashes of each table are equal. The origin "
            f"is unchanged. To use the copy, set [warehouse] {keys}"
        )


def migrate_warehouse(
    settings: Settings,
    origin: str,
    target: str,
    *,
    origin_data: str = "",
    target_data: str = "",
    notify: Notify,
    on_progress: OnProgress,
) -> MigrationResult:
    """Copy every row of a warehouse to a new one, and compare both.

    Args:
        settings: The configuration, which may name one of the two.
        origin: A DuckDB file, or the ``url`` of a lake.
        target: The same of a warehouse that does not exist.
        origin_data: The folder or bucket of the origin, if that is a lake.
        target_data: The same of the target.
        notify: Called when it waits for another process.
        on_progress: Called for each table.

    Raises:
        ConfigurationError: A place cannot be used.
        WarehouseExists: The target has a warehouse.
        WarehouseError: The copy failed, or differs; the origin is unchanged.
    """
    places = [
        _location(settings, name, text, data)
        for name, text, data in (("FROM", origin, origin_data), ("TO", target, target_data))
    ]
    result = copy_warehouse(
        *places,
        wait_seconds=settings.warehouse.lock_timeout_seconds,
        notify=notify,
        on_table=lambda _table, done, total: on_progress("copy", done, total),
    )
    return MigrationResult(origin=places[0], target=places[1], copied=result)


def _location(settings: Settings, name: str, text: str, data: str) -> Location:
    """Return the place that an argument names.

    Raises:
        ConfigurationError: It cannot be used.
    """
    if not text.startswith(SCHEME):
        if data:
            raise ConfigurationError(f"{name}: {text} is a file, so it takes no folder of a lake")
        return Path(text).expanduser().absolute()
    given = WarehouseSettings(url=text, data=data or _configured_data(settings, text))
    try:
        check_lake(given)
    except ConfigurationError as error:
        option = f"--{name.lower()}-data"
        message = str(error).replace("warehouse.url", name).replace("warehouse.data", option)
        raise ConfigurationError(message) from None
    return given.with_absolute_paths(Path.cwd()).location


def _configured_data(settings: Settings, url: str) -> str:
    """Return the folder of the configured lake, if that is the one."""
    warehouse = settings.warehouse
    absolute = WarehouseSettings(url=url, data=".").with_absolute_paths(Path.cwd()).url
    return warehouse.data if absolute == warehouse.url else ""
