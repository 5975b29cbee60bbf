"""Upload what a run archived, where the archive is a bucket."""

from __future__ import annotations

from collections.abc import Callable

from flows.archive import ArchiveError, BucketStore, FolderStore


def upload_closed(archive: FolderStore, *, is_stopping: Callable[[], bool]) -> str:
    """Upload the closed files of a run, and those that earlier runs left.

    Returns:
        Why files wait in the spool folder; empty when all were uploaded, or the archive is a folder.
    """
    if not isinstance(archive, BucketStore):
        return ""
    try:
        archive.upload_closed(is_stopping=is_stopping)
    except (ArchiveError, OSError) as error:
        return f"{archive.waiting().message(archive.folder)}: {error}"
    return ""
