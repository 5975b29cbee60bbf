"""The journal of an export folder: which files copydesk wrote there, with which bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import IO, Any

from flows.atomic_file import link_error

JOURNAL = ".copydesk-export.jsonl"


class Journal:
    """Path and hash of every file that copydesk wrote into a folder, one JSON line each.

    A line is written before its file, so that a killed export leaves no file without one.

    Attributes:
        taken_over: By article id the path of a file of others that copydesk updates now.
        rewritten: By path the imported file whose head was rewritten, and the file with the new
            head: SHA-256 of both, in hex.
    """

    def __init__(self, directory: Path, *, is_read_only: bool = False) -> None:
        """Read the journal of a folder.

        Raises:
            OSError: It cannot be read, or is a link.
        """
        self.taken_over: dict[str, str] = {}
        self.rewritten: dict[str, tuple[str, str]] = {}
        self._file = directory / JOURNAL
        self._is_read_only = is_read_only
        self._known: dict[str, set[str]] = {}
        self._torn_end = ""
        self._out: IO[str] | None = None
        if self._file.is_symlink():
            raise link_error(self._file)
        if self._file.exists():
            self._read()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._out:
            self._out.close()

    def wrote(self, path: str, data: bytes) -> bool:
        """Whether copydesk wrote these bytes under the path, at any time."""
        return sha256_hex(data) in self._known.get(path, set())

    def add(self, path: str, data: bytes, *, rewritten: str = "") -> None:
        """Record a file that is written next.

        Args:
            path: Its path relative to the folder.
            data: Its bytes.
            rewritten: SHA-256 of the imported file whose head was rewritten.
        """
        of = {"rewritten": rewritten} if rewritten else {}
        self._append({"path": path, "sha256": sha256_hex(data), **of})

    def take_over(self, article_id: str, path: str) -> None:
        """Record that the article is written to this path from now on."""
        if self.taken_over.get(article_id) != path:
            self._append({"path": path, "article_id": article_id})

    def _read(self) -> None:
        text = self._file.read_text("utf-8", "replace")
        self._torn_end = "" if text.endswith("\n") or not text else "\n"
        for line in text.split("\n"):
            try:
                self._note(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # the torn last line of a killed export

    def _note(self, entry: dict[str, Any]) -> None:
        path = entry["path"]
        if "article_id" in entry:
            self.taken_over[entry["article_id"]] = path
            return
        self._known.setdefault(path, set()).add(entry["sha256"])
        if rewritten := entry.get("rewritten"):
            self.rewritten[path] = (rewritten, entry["sha256"])

    def _append(self, entry: dict[str, str]) -> None:
        if self._is_read_only:
            raise AssertionError("a check writes no journal")
        if self._out is None:
            self._out = self._file.open("a", encoding="utf-8")
            self._out.write(self._torn_end)
        self._out.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._out.flush()
        self._note(entry)


def sha256_hex(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()
