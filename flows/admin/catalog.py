"""The check of a lake's catalog in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

from flows.admin.check import CheckResult
from warehouse.errors import WarehouseUnreachable
from warehouse.lake import postgres
from warehouse.location import Lake, Location

_SERVER = "SELECT current_setting('server_version'), current_setting('lc_messages')"
_ENGLISH = ("c", "posix", "en")


def check_catalog(location: Location) -> Iterator[CheckResult]:
    """Check the server of a lake; nothing for a warehouse without one."""
    if not isinstance(location, Lake) or location.postgres is None:
        return
    try:
        with postgres.connect(location.postgres) as db:
            ((version, language),) = db.execute(_SERVER).fetchall()
    except WarehouseUnreachable as error:
        yield CheckResult("catalog", "error", str(error))
        return
    if language and not language.lower().startswith(_ENGLISH):
        yield CheckResult(
            "catalog",
            "warning",
            f"PostgreSQL {version} has lc_messages = {language!r}, and DuckLake recognizes its errors "
            "in English only: let an administrator of the server run ALTER ROLE (the user of "
            "[warehouse] url) SET lc_messages = 'C'",
        )
        return
    yield CheckResult("catalog", "ok", f"PostgreSQL {version}")
