"""Imported posts of an export whose head was no YAML, with the head that copydesk wrote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from flows.import_export.export_journal import Journal, sha256_hex
from flows.import_export.write_files import PlannedFile
from parsers.frontmatter import rewrite_post


class RewrittenHeads:
    """Rewrites the heads of all posts, or of those that an earlier export rewrote.

    Otherwise the next export would write the broken heads again.
    """

    def __init__(
        self, directory: Path, journal: Journal, files: Iterable[PlannedFile], *, is_for_all: bool
    ) -> None:
        """Choose the files.

        Args:
            directory: The folder of the export.
            journal: Its journal.
            files: The plan of the export.
            is_for_all: Rewrite every head that is no YAML.
        """
        self._directory = directory
        self._before = {
            one.key: journal.rewritten[one.path][1]
            for one in files
            if one.digest and journal.rewritten.get(one.path, ("",))[0] == one.digest
        }
        chosen = (one for one in files if is_for_all or one.key in self._before)
        self._paths = {one.key: one.path for one in chosen}

    def rewritten(self, key: str, data: bytes) -> bytes:
        """Return the post with a head that is YAML; an imported one with such a head as it is.

        Args:
            key: The key of its file.
            data: The imported bytes.
        """
        path = self._paths.get(key)
        if path is None:
            return data
        return self._existing(key, path) or rewrite_post(data, path) or data

    def _existing(self, key: str, path: str) -> bytes | None:
        """The file of an earlier export, which need not be made again."""
        try:
            existing = (self._directory / path).read_bytes() if key in self._before else b""
        except OSError:
            return None
        return existing if sha256_hex(existing) == self._before.get(key) else None
