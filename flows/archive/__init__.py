"""WARC archive: write, read, scan and redact raw pages."""

from __future__ import annotations

from flows.archive.errors import ArchiveError, BucketUnreachable
from flows.archive.reader import ArchivedResponse, read_record
from flows.archive.scan import VerifyResult, verify
from flows.archive.stores import BucketStore, FolderStore, open_store
from flows.archive.writer import ArchiveWriter

__all__ = [
    "ArchiveError",
    "ArchiveWriter",
    "ArchivedResponse",
    "BucketStore",
    "BucketUnreachable",
    "FolderStore",
    "VerifyResult",
    "open_store",
    "read_record",
    "verify",
]
