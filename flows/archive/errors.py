"""Errors of the archive.

ArchiveError               the archive cannot be written or read
└── BucketUnreachable      the bucket gave no answer, or refused the request
"""

from __future__ import annotations


class ArchiveError(Exception):
    """The archive cannot be written or read; the message names the file and the remedy."""


class BucketUnreachable(ArchiveError):
    """The bucket gave no answer after several attempts, or refused the request."""
