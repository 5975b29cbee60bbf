"""Take over the files of a folder that an import stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from duckdb import DuckDBPyConnection

from flows.import_export.export_journal import Journal
from flows.import_export.post_head import meaning_of
from flows.output_folder import OutputFolder
from flows.publication.paths import PostFolders
from flows.publication.state import IMPORTED, Entry, PublicationState, sha256
from parsers.frontmatter.file_names import is_inside
from warehouse.read.publication import ImportedFile, file_digests
from warehouse.records import posts

_FILES_EACH = 2000


def adopt_imported(
    db: DuckDBPyConnection,
    folder: OutputFolder,
    folders: PostFolders,
    imported: Sequence[ImportedFile],
    state: PublicationState,
    journal: Callable[[], Journal],
) -> dict[str, str]:
    """Take over imported files, because the warehouse has them: moving them loses nothing.

    A file is taken over if it has the stored bytes. It is also taken over if an export repaired
    its head, or a plugin of the generator wrote it again.

    Args:
        db: A snapshot.
        folder: The folder of the site.
        folders: Its parts.
        imported: The stored files of published sources.
        state: Gets an entry for each file that is taken over.
        journal: What exports wrote into the folder.

    Returns:
        By article the path of a file that was edited since the import.
    """
    for key, entry in list(state.entries.items()):
        if "\n" in key.lstrip("\n") and not folder.has(entry.path):
            state.remove(key)  # a copy that its owner removed
    known = {one.path for one in state.entries.values()}
    here = [
        (one, path)
        for one in imported
        if (path := _path_of(one, folder, folders)) not in known and path and folder.has(path)
    ]
    here.sort(key=lambda each: (not each[0].is_current, -each[0].seq))
    edited: dict[str, str] = {}
    for start in range(0, len(here), _FILES_EACH):
        part = here[start : start + _FILES_EACH]
        edited |= _adopt_part(db, folder, part, state, journal)
    return edited


def _adopt_part(
    db: DuckDBPyConnection,
    folder: OutputFolder,
    part: Sequence[tuple[ImportedFile, str]],
    state: PublicationState,
    journal: Callable[[], Journal],
) -> dict[str, str]:
    digests = file_digests(db, [one.seq for one, _ in part])
    found: list[tuple[ImportedFile, str, bytes]] = []
    for one, path in part:
        try:
            data = folder.read(path)
        except OSError:
            continue  # a link; writing there reports it
        if data is not None:
            found.append((one, path, data))
    changed = [one.seq for one, _, data in found if sha256(data) != digests[one.seq]]
    stored = dict(list(posts.file_data(db, changed))) if changed else {}
    edited = {}
    for one, path, data in found:
        entry = _entry(state, one, path, data)
        digest, original = digests[one.seq], stored.get(one.seq)
        is_repaired = original is not None and journal().rewritten.get(path) == (
            digest,
            entry.sha256,
        )
        if original is None or is_repaired or meaning_of(original).is_same(entry.meaning):
            state.put(entry)
        else:
            edited[one.article_id] = path
    return edited


def _entry(state: PublicationState, one: ImportedFile, path: str, data: bytes) -> Entry:
    is_copy = one.article_id in state.entries
    return Entry(
        key=f"{one.article_id}\n{path}" if is_copy else one.article_id,
        path=path,
        version=f"{IMPORTED}{one.seq}",
        sha256=sha256(data),
        meaning=meaning_of(data),
    )


def _path_of(one: ImportedFile, folder: OutputFolder, folders: PostFolders) -> str:
    """The path of an imported file in the folder; the import may have been of a part of it."""
    if is_inside(one.path) and folder.has(one.path):
        return one.path
    below, name = folders.split(one.path)
    path = f"{below or folders.posts}/{name}"
    return path if is_inside(path) else ""
