"""The WARC archive: write, read, verify and redact raw pages."""

from __future__ import annotations

from flows.archive.reader import ArchivedResponse, ArchiveError, Verified, read_record, verify
from flows.archive.writer import ArchiveWriter

__all__ = ["ArchiveError", "ArchiveWriter", "ArchivedResponse", "Verified", "read_record", "verify"]
