"""Where the files of an archive are: in a folder, or in a bucket with a spool folder before it.

    FolderStore     a folder
    BucketStore     a bucket; the folder has the files that are written or wait for their upload

A file is written in the folder and never again after it was closed. Its writer holds a shared lock
on it, and so does a process that redacts it; an upload holds an exclusive one. So no process
uploads a file that changes, and a killed process leaves no lock.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from flows.archive.errors import ArchiveError
from flows.archive.files import (
    PARTS,
    Part,
    archive_files,
    is_name,
    parse_parts,
    part_lists,
    parts_of_day,
    read_parts,
)
from flows.text import pluralize

if TYPE_CHECKING:
    from flows.archive.bucket import Bucket, Window
    from flows.settings import ArchiveSettings

_REDACTED = "redacted"
_COPY_SECONDS = 60.0
_MAX_WINDOWS = 8
"""Of up to 8 MiB each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The closed files in the spool folder.

    Attributes:
        size: Their bytes.
        oldest_seconds: How long ago the oldest of them was closed; 0 without files.
    """

    files: int = 0
    size: int = 0
    oldest_seconds: float = 0.0

    def message(self, folder: Path) -> str:
        """One clause about them."""
        return (
            f"{pluralize(self.files, 'archive file')} ({self.size / 1e6:.1f} MB), the oldest for "
            f"{self.oldest_seconds / 60:.0f} minutes, wait in {folder} for their upload"
        )

    def as_json(self) -> dict[str, float]:
        """The JSON of ``copydesk health``."""
        return {
            "waiting_files": self.files,
            "waiting_bytes": self.size,
            "oldest_seconds": round(self.oldest_seconds, 1),
        }


class FolderStore:
    """The files of a folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def __str__(self) -> str:
        return str(self.folder)

    def is_same(self, other: FolderStore) -> bool:
        """Whether both have the same files."""
        return type(self) is type(other) and self.folder.resolve() == other.folder.resolve()

    def place(self, name: str) -> str:
        """Where a file is, for messages."""
        return str(self.folder / name)

    def names(self) -> list[str]:
        """The names of all archive files, in order."""
        return archive_files(self.folder)

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.folder / name).exists()

    def state(self, name: str) -> list[int | str]:
        """Values that change when the file changes."""
        found = (self.folder / name).stat()
        return [found.st_size, found.st_mtime_ns]

    def modified_at(self, name: str) -> float:
        """When the file was last written, in seconds since 1970."""
        return (self.folder / name).stat().st_mtime

    def open(self, name: str) -> IO[bytes]:
        """A file as a stream.

        Raises:
            ArchiveError: It cannot be read.
        """
        if not is_name(name):
            raise ArchiveError(f"expected the name of a file in {self}, found {name!r}")
        try:
            return (self.folder / name).open("rb")
        except OSError as error:
            raise ArchiveError(
                f"the archive file {self.place(name)} cannot be read: {error.strerror}"
            ) from error

    def is_current(self, name: str, stream: IO[bytes]) -> bool:
        """Whether the name still leads to an open file."""
        try:
            return os.path.samestat((self.folder / name).stat(), os.fstat(stream.fileno()))
        except OSError:
            return False

    def locate(self, name: str, offset: int) -> tuple[str, int]:
        """The file and offset of a record now; a joined file takes the place of its parts."""
        if not self.exists(name):
            for part in self._parts_of_day(name):
                if part.file == name:
                    return part.joined, part.offset + offset
        return name, offset

    def _parts_of_day(self, name: str) -> list[Part]:
        return parts_of_day(self.folder, name)

    @contextmanager
    def editable(self, name: str) -> Iterator[Path]:
        """A file as a path to write to, in its place.

        Raises:
            ArchiveError: It cannot be read or written.
        """
        self.open(name).close()
        yield self.folder / name


class BucketStore(FolderStore):
    """The files of a bucket, and those of the spool folder.

    Attributes:
        folder: The spool folder.
        bucket: The bucket.
    """

    def __init__(self, spool: str | Path, bucket: Bucket) -> None:
        super().__init__(spool)
        self.bucket = bucket
        self._known: dict[str, tuple[int, str, float]] = {}
        self._parts: dict[str, tuple[Part, ...]] = {}
        self._windows: OrderedDict[str, Window] = OrderedDict()
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return self.bucket.address("").rstrip("/")

    def is_same(self, other: FolderStore) -> bool:
        """Whether both have the same files."""
        return isinstance(other, BucketStore) and str(self) == str(other)

    def place(self, name: str) -> str:
        """Where a file is, for messages."""
        return super().place(name) if super().exists(name) else self.bucket.address(name)

    def names(self) -> list[str]:
        """The names of all archive files, in order.

        Raises:
            BucketUnreachable: The bucket cannot be listed.
        """
        spooled = set(super().names())  # first: an upload meanwhile moves a file to the bucket
        begin = len(self.bucket.prefix)
        self._known = {
            one.key[begin:]: (one.size, one.etag, one.modified_at.timestamp())
            for one in self.bucket.objects()
        }
        names = {one for one in self._known if one.endswith(".warc.gz")}
        return sorted(names | spooled)

    def exists(self, name: str) -> bool:
        """Whether there is such a file.

        Raises:
            BucketUnreachable: The bucket gave no answer.
        """
        return super().exists(name) or self._object(name) is not None

    def state(self, name: str) -> list[int | str]:
        """Values that change when the file changes."""
        with suppress(FileNotFoundError):
            return super().state(name)
        size, etag, _ = self._object(name) or (0, "", 0.0)
        return [size, etag]

    def modified_at(self, name: str) -> float:
        """When the file was last written, in seconds since 1970."""
        with suppress(FileNotFoundError):
            return super().modified_at(name)
        found = self._object(name)
        return found[2] if found else 0.0

    def _object(self, name: str) -> tuple[int, str, float] | None:
        if name not in self._known and (found := self.bucket.head(name)):
            self._known[name] = (
                found["ContentLength"],
                found["ETag"].strip('"'),
                found["LastModified"].timestamp(),
            )
        return self._known.get(name)

    def open(self, name: str) -> IO[bytes]:
        """A file as a stream, out of the spool folder or the bucket.

        Raises:
            ArchiveError: It cannot be read.
        """
        if not is_name(name) or super().exists(name):
            try:
                return super().open(name)
            except ArchiveError:
                if not is_name(name) or super().exists(name):
                    raise
        return self.bucket.open(name, self._window(name))  # perhaps uploaded just now

    def _window(self, name: str) -> Window:
        """What was read of an object; the records of a file are read one after the other."""
        from flows.archive.bucket import Window

        with self._lock:
            window = self._windows.pop(name, None) or Window()
            self._windows[name] = window
            if len(self._windows) > _MAX_WINDOWS:
                self._windows.popitem(last=False)
            return window

    def is_current(self, name: str, stream: IO[bytes]) -> bool:
        """Whether the name still leads to an open file; an object is not written again."""
        from flows.archive.bucket import RangeStream

        return isinstance(stream, RangeStream) or super().is_current(name, stream)

    def _parts_of_day(self, name: str) -> list[Part]:
        found = super()._parts_of_day(name)
        date = name.removeprefix("copydesk-")[:8]
        if not date.isdecimal() or any(one.file == name for one in found):
            return found
        known = self._parts.get(date, ())
        if not any(one.file == name for one in known):  # perhaps joined since then
            known = self._parts[date] = self._uploaded_parts(date)
        return [*found, *known]

    def _uploaded_parts(self, date: str) -> tuple[Part, ...]:
        begin = len(self.bucket.prefix)
        lists = [
            one.key[begin:]
            for one in self.bucket.objects(f"{date[:4]}/{date[4:6]}/copydesk-{date}-")
            if one.key.endswith(PARTS)
        ]
        return tuple(
            part
            for one in lists
            for part in parse_parts(one, self.bucket.open(one).read().decode("utf-8"))
        )

    # --- upload ---

    def waiting(self) -> Waiting:
        """The closed files in the spool folder."""
        found = []
        for name in self._spooled():
            with suppress(OSError, _InUse), _locked(self.folder / name, fcntl.LOCK_EX) as stream:
                found.append(os.fstat(stream.fileno()))
        oldest = min((one.st_mtime for one in found), default=time.time())
        return Waiting(
            files=len(found),
            size=sum(one.st_size for one in found),
            oldest_seconds=max(time.time() - oldest, 0.0),
        )

    def upload_closed(self, *, is_stopping: Callable[[], bool] = lambda: False) -> tuple[int, int]:
        """Upload the closed files of the spool folder; delete each one that the bucket has.

        Returns:
            The number of files and of bytes.

        Raises:
            ArchiveError: A file could not be uploaded; it stays, and so do all after it.
        """
        self._remove_copies()
        files = size = 0
        for name in self._spooled():
            if is_stopping():
                break
            with suppress(_InUse, FileNotFoundError):
                size += self._upload(name)
                files += 1
        return files, size

    def _remove_copies(self) -> None:
        """Delete copies of objects that killed redactions left: they may have erased pages."""
        for copy in self.folder.glob(".*.part"):
            with suppress(_InUse, OSError), _locked(copy, fcntl.LOCK_EX) as stream:
                if os.fstat(stream.fileno()).st_mtime < time.time() - _COPY_SECONDS:
                    copy.unlink()

    def _spooled(self) -> list[str]:
        """The files and lists of parts in the spool folder, without those of an unfinished join.

        Maintenance ends such a join. Until then its pages exist twice.
        """
        names, held = super().names(), set[str]()
        for parts in part_lists(self.folder):
            name = parts.relative_to(self.folder).as_posix()
            members = read_parts(self.folder, parts)
            if any((self.folder / one.file).exists() for one in members):
                held |= {name, members[0].joined, *(one.file for one in members)}
            names.append(name)
        return [one for one in names if one not in held and self._has_list(one)]

    def _has_list(self, name: str) -> bool:
        """Whether a joined file has its list of parts; other files need none."""
        is_joined = "/" in name and not name.endswith(PARTS)
        return not is_joined or super().exists(name.removesuffix(".warc.gz") + PARTS)

    def _upload(self, name: str) -> int:
        """Upload a closed file, and delete it when the bucket has it; its size in bytes."""
        file = self.folder / name
        with _locked(file, fcntl.LOCK_EX) as stream:
            size = os.fstat(stream.fileno()).st_size
            if found := self.bucket.head(name):
                # An upload that was killed before it deleted the file; the page of a redacted
                # object must not come back.
                if _REDACTED not in found["Metadata"] and not self.bucket.has(file, name):
                    raise ArchiveError(
                        f"{self.bucket.address(name)} differs from {file}: neither is replaced. "
                        "Compare them, then delete or rename the wrong one"
                    )
            else:
                self.bucket.upload(file, name)
            file.unlink()
        return size

    @contextmanager
    def editable(self, name: str) -> Iterator[Path]:
        """A file as a path to write to; a changed object is uploaded at the end.

        Older versions of the object are deleted, because they have what was overwritten.

        Raises:
            ArchiveError: It cannot be read or written, or older versions of it stay.
        """
        if super().exists(name):
            try:
                self._upload(name)
            except _InUse:
                file = self.folder / name
                with suppress(FileNotFoundError), _locked(file, fcntl.LOCK_SH):
                    yield file
                    return
            except FileNotFoundError:
                pass
        self.folder.mkdir(parents=True, exist_ok=True)
        copy = self.folder / f".{uuid.uuid4().hex}.part"
        with copy.open("xb") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_SH)
                found = self._download(name, copy)
                before = copy.stat().st_mtime_ns
                yield copy
                if copy.stat().st_mtime_ns != before:
                    self.bucket.upload(copy, name, replaces=found["ETag"], **{_REDACTED: "yes"})
                    self._known.pop(name, None)
                    self._windows.pop(name, None)
            finally:
                copy.unlink(missing_ok=True)
        self._delete_old_versions(name)

    def _download(self, name: str, copy: Path) -> dict[str, Any]:
        """Write an object to a file; return its fields."""
        found = self.bucket.head(name)
        if found is None:
            raise ArchiveError(
                f"neither {self.folder} nor {self} has {name}: if another machine wrote it, repeat "
                "this after its next run or maintenance"
            )
        with self.bucket.open(name) as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        if copy.stat().st_size != found["ContentLength"]:
            raise ArchiveError(
                f"{self.bucket.address(name)} changed while it was read: repeat this"
            )
        return found

    def _delete_old_versions(self, name: str) -> None:
        address = self.bucket.address(name)
        try:
            for version in self.bucket.old_versions(name):
                self.bucket.delete_version(name, version)
        except ArchiveError as error:
            raise ArchiveError(
                f"older versions of {address} stay ({error}): delete them, or allow "
                "s3:ListBucketVersions and s3:DeleteObjectVersion"
            ) from error


class _InUse(Exception):
    """Another process writes or uploads a file."""


@contextmanager
def _locked(file: Path, kind: int) -> Iterator[IO[bytes]]:
    """A file under a lock: a shared one waits, an exclusive one does not.

    Raises:
        _InUse: Another process holds a lock.
        FileNotFoundError: It was deleted.
    """
    with file.open("rb") as stream:
        try:
            fcntl.flock(stream, kind | (fcntl.LOCK_NB if kind == fcntl.LOCK_EX else 0))
        except BlockingIOError:
            raise _InUse from None
        if not os.path.samestat(os.fstat(stream.fileno()), file.stat()):
            raise FileNotFoundError(file)
        yield stream


def open_store(settings: ArchiveSettings) -> FolderStore:
    """The store of the configuration.

    Raises:
        ConfigurationError: ``archive.url`` cannot be used, or boto3 is not installed.
    """
    if not settings.url:
        return FolderStore(settings.path)
    from flows.archive.bucket import Bucket  # boto3 is slow to import

    return BucketStore(settings.path, Bucket(settings.url))


ArchiveLocation = str | Path | FolderStore


def store_of(where: ArchiveLocation) -> FolderStore:
    """A store, or that of a folder."""
    return where if isinstance(where, FolderStore) else FolderStore(where)
