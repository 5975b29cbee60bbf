"""WARC files of other crawlers: paths, patterns and ``s3://`` addresses."""

from __future__ import annotations

from glob import glob
from pathlib import Path
from typing import IO

from flows.archive.errors import ArchiveError

SCHEME = "s3://"


def matching_files(pattern: str) -> list[tuple[str, int]]:
    """The names and sizes of the WARC files of a pattern, in order.

    Args:
        pattern: A path or an ``s3://`` address; ``*`` and ``?`` stand for others.

    Raises:
        ConfigurationError: An address names no bucket, or boto3 is not installed.
        BucketUnreachable: The bucket cannot be listed.
    """
    if pattern.startswith(SCHEME):
        from flows.archive.bucket import matching_objects  # boto3 is slow to import

        return matching_objects(pattern)
    names = [pattern] if Path(pattern).is_file() else sorted(glob(pattern, recursive=True))  # noqa: PTH207 - an absolute pattern
    return [(name, Path(name).stat().st_size) for name in names if Path(name).is_file()]


def open_file(name: str) -> IO[bytes]:
    """A file that ``matching_files`` named, as a stream.

    Raises:
        ArchiveError: It cannot be read.
    """
    if name.startswith(SCHEME):
        from flows.archive.bucket import open_object

        return open_object(name)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise ArchiveError(f"the WARC file {name} cannot be read: {error.strerror}") from error
