"""The error of a run that several sources share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flows.errors import RunFailed
from warehouse.errors import WarehouseError


@contextmanager
def raising_first(errors: Sequence[BaseException]) -> Iterator[None]:
    """Raise the first error of the sources after the block, or in place of the block's own.

    The end of the run and the snapshot are stored where possible. On a full disk they fail, too,
    and their error would hide that a source is not stored.
    """
    try:
        yield
    except (RunFailed, WarehouseError):
        if not errors:
            raise
    if errors:
        raise errors[0]
