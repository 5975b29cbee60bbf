"""Where a warehouse is: a DuckDB file, or a lake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

SCHEME = "ducklake:"
_POSTGRES = "postgres:"


@dataclass(frozen=True, slots=True)
class Lake:
    """A DuckLake: a catalog of tables, and a folder or bucket with their Parquet files.

    Attributes:
        catalog: ``postgres:`` and a connection string of libpq, or an absolute path of a
            DuckDB file.
        data: An absolute folder, or ``s3://BUCKET/PREFIX``.
        version: The snapshot of DuckLake to read; ``None`` for the newest.
    """

    catalog: str
    data: str
    version: int | None = None

    def __str__(self) -> str:
        return f"{SCHEME}{self.catalog}"

    @property
    def postgres(self) -> str | None:
        """The connection string of a catalog in PostgreSQL."""
        return self.catalog.removeprefix(_POSTGRES) if self.is_shared else None

    @property
    def file(self) -> Path | None:
        """The catalog in a DuckDB file, which one process opens at a time."""
        return None if self.is_shared else Path(self.catalog)

    @property
    def is_shared(self) -> bool:
        """Whether several processes can open it, and several machines."""
        return self.catalog.startswith(_POSTGRES)

    @property
    def is_in_bucket(self) -> bool:
        """Whether the Parquet files are in a bucket."""
        return self.data.startswith("s3://")


Location: TypeAlias = Path | Lake
