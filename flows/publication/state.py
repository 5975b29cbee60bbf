"""What a publication wrote: one file of JSON lines beside the warehouse.

    {"folder": "...", "keys": [...], "file_name": ""}   the folder of the lines below, and options
    {"warehouse": "..."}                        the id of the warehouse that the files are made of
    {"key": "finews:NW1", "path": "...", "version": "...", "sha256": "...", ...}   a file
    {"key": "finews:NW1", "intent": "..."}      the hash of a file that is about to be written
    {"key": "finews:NW1"}                       a file was removed
    {"pending": 0}                              the command that runs next; null: none

Lines are appended during the work, and the last line of a key is valid. So the next run
continues after a crash. The file is beside the warehouse and not in the site. A site is often a
repository, and a file of all posts would make every commit larger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from flows.atomic_file import atomic_file
from flows.errors import ConfigurationError
from flows.import_export.post_head import NO_MEANING, PostMeaning
from flows.settings import Settings
from flows.text import pluralize

IMPORTED = "post:"
"""Begins the version of a file with the bytes of an import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file that the publication has written, or took over.

    Attributes:
        key: The article's id for its main file; a copy has its imported path after a line feed.
        path: Relative to the folder.
        version: Of what it was made.
        sha256: Of the bytes, in hex, as copydesk wrote them.
        meaning: The values of the post; for a file that is no post empty.
    """

    key: str
    path: str
    version: str
    sha256: str
    meaning: PostMeaning = NO_MEANING

    @property
    def article_id(self) -> str:
        """The article of the file; empty for a page of a category."""
        return self.key.partition("\n")[0]


def sha256(data: bytes) -> str:
    """The SHA-256 of some bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def state_file(settings: Settings, name: str) -> Path:
    """The file of a publication's state."""
    return settings.warehouse.folder / "publish" / f"{name}.jsonl"


class PublicationState:
    """The files of a publication; a context manager.

    Attributes:
        entries: By key.
        pending: Number of the command that has to run next; ``None`` if there is none.
        keys: Keys of front matter that the configuration has or had.
        file_name: The pattern of file names that the paths were made with.
        warehouse_id: The warehouse that the files are made of; empty if it is unknown.
    """

    def __init__(self, file: Path, folder: Path, *, is_read_only: bool = False) -> None:
        self._file = file
        self._folder = str(folder)
        self._is_read_only = is_read_only
        self._out: IO[str] | None = None
        self._line_count = 0
        self._is_other_folder = False
        self._intents: dict[str, set[str]] = {}
        self.entries: dict[str, Entry] = {}
        self.pending: int | None = None
        self.keys: set[str] = set()
        self.file_name = ""
        self.warehouse_id = ""

    def __enter__(self) -> Self:
        if not self._file.exists():
            return self
        for line in self._file.read_text("utf-8", "replace").split("\n"):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # the torn last line of a killed run
            self._line_count += 1
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        is_changed = self._out is not None
        if self._out:
            self._out.close()
            self._out = None
        if is_changed and error is None and self._line_count > 1.5 * len(self.entries) + 100:
            self._rewrite()

    def wrote(self, key: str, data: bytes) -> bool:
        """Whether these bytes are a file that the publication wrote for this key."""
        digest, entry = sha256(data), self.entries.get(key)
        is_known = digest in self._intents.get(key, ())
        return is_known or (entry is not None and entry.sha256 == digest)

    def intend(self, key: str, data: bytes) -> None:
        """Note the hash of a file before it is written."""
        self._append({"key": key, "intent": sha256(data)})

    def put(self, entry: Entry) -> None:
        """Note a file that was written."""
        if self.entries.get(entry.key) != entry:
            self._append(_as_line(entry))

    def remove(self, key: str) -> None:
        """Note that a file was removed."""
        self._append({"key": key})

    def set_pending(self, command: int | None) -> None:
        """Note which command has to run next."""
        if command != self.pending:
            self._append({"pending": command})

    def set_warehouse(self, warehouse_id: str) -> None:
        """Note the warehouse that the files are made of.

        Raises:
            ConfigurationError: They are made of another one.
        """
        if not self.entries or warehouse_id == self.warehouse_id:
            return
        if self.warehouse_id:
            files = pluralize(len(self.entries), "file")
            raise ConfigurationError(
                f"{self._folder} has {files} of another warehouse ({self.warehouse_id}, not "
                f"{warehouse_id}): correct [warehouse] path, or restore that warehouse. To publish "
                f"this warehouse in its place, delete {self._file}"
            )
        self._append({"warehouse": warehouse_id})

    def set_options(self, keys: Iterable[str], file_name: str) -> None:
        """Note the keys and the pattern of the configuration."""
        if not self.keys >= set(keys) or file_name != self.file_name:
            self._append({"keys": sorted(self.keys | set(keys)), "file_name": file_name})

    def _take(self, line: dict[str, Any]) -> None:
        if "folder" in line:
            self._is_other_folder = line["folder"] != self._folder
        if self._is_other_folder:  # the configuration named another one then
            self.entries.clear()
            self._intents.clear()
            self.pending = None
            self.warehouse_id = ""
            return
        if "warehouse" in line:
            self.warehouse_id = line["warehouse"]
        if "keys" in line:
            self.keys, self.file_name = set(line["keys"]), line["file_name"]
        if "pending" in line:
            self.pending = line["pending"]
        if "key" not in line:
            return
        key = line["key"]
        if "intent" in line:
            self._intents.setdefault(key, set()).add(line["intent"])
        elif "path" in line:
            self.entries[key] = Entry(
                key=key,
                path=line["path"],
                version=line["version"],
                sha256=line["sha256"],
                meaning=PostMeaning(digest=line.get("head", ""), date=line.get("date", "")),
            )
        else:
            self.entries.pop(key, None)

    def _append(self, line: dict[str, Any]) -> None:
        self._is_other_folder = False
        self._take(line)
        if self._is_read_only:
            return
        if self._out is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._out = self._file.open("a", encoding="utf-8")
            self._out.write("\n")  # ends the torn line of a killed run
            self._out.write(_text({"folder": self._folder}))
            self._line_count += 1
        self._out.write(_text(line))
        self._out.flush()
        self._line_count += 1

    def _rewrite(self) -> None:
        head: list[dict[str, Any]] = [
            {
                "folder": self._folder,
                "keys": sorted(self.keys),
                "file_name": self.file_name,
                "warehouse": self.warehouse_id,
            },
            {"pending": self.pending},
        ]
        with atomic_file(self._file) as out:
            for line in [*head, *map(_as_line, self.entries.values())]:
                out.write(_text(line).encode("utf-8"))


def _as_line(entry: Entry) -> dict[str, Any]:
    line = {
        "key": entry.key,
        "path": entry.path,
        "version": entry.version,
        "sha256": entry.sha256,
    }
    if entry.meaning.digest:
        line |= {"head": entry.meaning.digest, "date": entry.meaning.date}
    return line


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"
