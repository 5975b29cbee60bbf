"""WARC archive: write, read, scan and redact raw pages."""

from __future__ import annotations

from flows.archive.reader import ArchivedResponse, ArchiveError, read_record
from flows.archive.scan import VerifyResult, verify
from flows.archive.writer import ArchiveWriter

__all__ = [
    "ArchiveError",
    "ArchiveWriter",
    "ArchivedResponse",
    "VerifyResult",
    "read_record",
    "verify",
]
