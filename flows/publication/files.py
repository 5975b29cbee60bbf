"""Write, move and remove the files of a publication; leave what others wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from flows.import_export.post_head import NO_MEANING, keep_added_keys, meaning_of
from flows.output_folder import OutputFolder
from flows.publication.plan import PlannedPost
from flows.publication.state import Entry, PublicationState, sha256

FOREIGN = "copydesk did not write it, or it was edited since: import it, or move it away"


@dataclass(slots=True, kw_only=True)
class FileChanges:
    """What a publication did to the files of its folder, by relative path.

    Attributes:
        written: New files.
        updated: Files with another content.
        moved: The new path of each moved file.
        removed: The reason for each removed file.
        left_alone: Files that others wrote or edited, with the reason.
        failed: Files that could not be read or written, with the reason.
        unchanged: The number of files that stay as they are.
        written_count, removed_count: More files, without their names: the pages of a site.
    """

    written: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    left_alone: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    unchanged: int = 0
    written_count: int = 0
    removed_count: int = 0

    def __bool__(self) -> bool:
        """Whether any file changed."""
        named = self.written or self.updated or self.moved or self.removed
        return bool(named or self.written_count or self.removed_count)

    def counts(self) -> dict[str, int]:
        """The number of files of each kind."""
        kinds = ("written", "updated", "moved", "removed", "left_alone", "failed")
        found = {kind: len(getattr(self, kind)) for kind in kinds}
        found["written"] += self.written_count
        found["removed"] += self.removed_count
        return found | {"unchanged": self.unchanged}

    def as_json(self) -> dict[str, Any]:
        """Every path that changed or needs attention."""
        return {
            "written_files": self.written,
            "updated_files": self.updated,
            "moved_files": self.moved,
            "removed_files": self.removed,
            "left_alone_files": self.left_alone,
            "failed_files": self.failed,
        }


class PublicationFiles:
    """The work on the files of one publication.

    Args:
        folder: The folder of the site.
        state: What the publication wrote so far.
        is_known: Whether other work of copydesk wrote these bytes under this path: an export.
        on_change: Called before the first file is changed.
    """

    def __init__(
        self,
        folder: OutputFolder,
        state: PublicationState,
        *,
        is_known: Callable[[str, bytes], bool],
        on_change: Callable[[], None],
    ) -> None:
        self.folder = folder
        self.state = state
        self.changes = FileChanges()
        self._is_known = is_known
        self._on_change = on_change

    def mark_changed(self) -> None:
        """Note that a file is about to change, so that the command has to run."""
        self._on_change()

    def keep(self, post: PlannedPost) -> bool:
        """Keep the bytes of a post that stays the same, under its path; return whether it does."""
        entry = self.state.entries.get(post.key)
        if entry is None or entry.version != post.version:
            return False
        if not self.folder.has(entry.path):
            return False
        if entry.path == post.path:
            self.changes.unchanged += 1
        elif self.folder.has(post.path):
            return False
        else:
            self._try(post.path, lambda: self._move(entry, post.path))
        return True

    def write(self, post: PlannedPost, data: bytes, *, is_post: bool = True) -> None:
        """Write one file, unless it is there as it should be."""
        self._try(post.path, lambda: self._write(post, data, is_post=is_post))

    def remove(self, key: str, reason: str) -> None:
        """Remove a file of the publication, unless it was edited."""
        entry = self.state.entries[key]
        self._try(entry.path, lambda: self._remove(entry, reason))

    def _try(self, path: str, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self.changes.failed[path] = str(error)

    def _move(self, entry: Entry, to: str) -> None:
        self._on_change()
        self.folder.move(entry.path, to)
        self.state.put(replace(entry, path=to))
        self.changes.moved[entry.path] = to

    def _write(self, post: PlannedPost, data: bytes, *, is_post: bool) -> None:
        entry = self.state.entries.get(post.key)
        made = Entry(
            key=post.key,
            path=post.path,
            version=post.version,
            sha256=sha256(data),
            meaning=meaning_of(data) if is_post else NO_MEANING,
        )
        existing = self.folder.read(post.path)
        old = entry if entry and entry.path != post.path and self.folder.has(entry.path) else None
        source = existing if old is None else self.folder.read(old.path)
        if old is None and existing is not None and self._is_current(entry, existing, made):
            self.changes.unchanged += 1
            self.state.put(made)
            return
        for path, found in {post.path: existing, old.path if old else post.path: source}.items():
            if found is not None and not self._is_ours(entry, found, made):
                self.changes.left_alone[path] = FOREIGN
                return
        kept = keep_added_keys(source, data, own=self.state.keys) if source and is_post else data
        self._on_change()
        if existing != kept:
            self.state.intend(post.key, kept)
            self.folder.write(post.path, kept)
        if old is not None:
            self.folder.remove(old.path)
            self.changes.moved[old.path] = post.path
        if existing is None and old is None:
            self.changes.written.append(post.path)
        elif old is None or kept != source:
            self.changes.updated.append(post.path)
        self.state.put(made)

    def _is_current(self, entry: Entry | None, existing: bytes, made: Entry) -> bool:
        """Whether a file needs no change, also after a plugin of the generator wrote it again."""
        if sha256(existing) == made.sha256:
            return True
        if entry is not None:
            return entry.sha256 == made.sha256
        return made.meaning.is_same(meaning_of(existing))  # the state was lost

    def _remove(self, entry: Entry, reason: str) -> None:
        existing = self.folder.read(entry.path)
        if existing is not None:
            if not self._is_ours(entry, existing, entry):
                self.changes.left_alone[entry.path] = f"{reason}, but it was edited: remove it"
                return
            self._on_change()
            self.folder.remove(entry.path)
            self.changes.removed[entry.path] = reason
        self.state.remove(entry.key)

    def _is_ours(self, entry: Entry | None, existing: bytes, made: Entry) -> bool:
        """Whether copydesk wrote a file, and nothing but a plugin of the generator changed it."""
        if sha256(existing) == made.sha256 or self.state.wrote(made.key, existing):
            return True
        found = meaning_of(existing)
        known = [made.meaning, *([entry.meaning] if entry else ())]
        return any(one.is_same(found) for one in known) or self._is_known(made.path, existing)
