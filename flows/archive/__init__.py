"""The WARC archive: write, read, verify and redact raw pages."""

from __future__ import annotations

from flows.archive.reader import Archived, ArchiveError, Verified, read_record, verify
from flows.archive.writer import Archive

__all__ = ["Archive", "ArchiveError", "Archived", "Verified", "read_record", "verify"]
