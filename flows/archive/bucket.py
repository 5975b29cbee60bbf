"""A bucket of an S3-compatible store, through boto3 (extra ``copydesk[s3]``).

Endpoint, region and credentials come from the environment (``AWS_ENDPOINT_URL``, ``AWS_REGION``,
``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``, ...). A request has bounded time: attempts and waits are
limited, and a bucket that does not answer is an error.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any, cast

from flows.archive.errors import ArchiveError, BucketUnreachable
from flows.errors import ConfigurationError

SCHEME = "s3://"
CONNECT_SECONDS, READ_SECONDS, MAX_ATTEMPTS = 5, 30, 4
MAX_OBJECT_BYTES = 5 * 10**9
"""Of one request; archive files are far smaller."""

_FIRST_READ_BYTES = 128 << 10
_MAX_READ_BYTES = 8 << 20
_PATTERN = frozenset("*?[")
_NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object of a bucket.

    Attributes:
        key: Its whole key.
        etag: Changes with its content.
        modified_at: Aware, UTC.
    """

    key: str
    size: int
    etag: str
    modified_at: datetime


class Bucket:
    """The objects of a bucket below a prefix; safe for threads.

    Raises:
        ConfigurationError: boto3 is not installed, or the address names no bucket.
    """

    def __init__(self, address: str) -> None:
        self.name, prefix = split_address(address)
        self.prefix = prefix.rstrip("/") + "/" if prefix.strip("/") else ""
        if importlib.util.find_spec("boto3") is None:
            raise ConfigurationError(f'{address} needs boto3: pip install "copydesk[s3]"')

    @property
    def _client(self) -> Any:
        """The client; a run that moves no object never pays for its import."""
        return _client(os.getpid(), os.environ.get("AWS_ENDPOINT_URL", ""))

    def address(self, name: str) -> str:
        """The address of an object."""
        return f"{SCHEME}{self.name}/{self.prefix}{name}"

    def objects(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield the objects whose names begin with a text.

        Raises:
            BucketUnreachable: The bucket cannot be listed.
        """
        with self._translated(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=self.prefix + prefix
            )
            for page in pages:
                for one in page.get("Contents", ()):
                    yield StoredObject(
                        key=one["Key"], size=one["Size"], etag=one["ETag"].strip('"'),
                        modified_at=one["LastModified"],
                    )  # fmt: skip

    def head(self, name: str) -> dict[str, Any] | None:
        """The fields of an object; ``None`` when there is none.

        Raises:
            BucketUnreachable: The bucket gave no answer.
        """
        try:
            with self._translated(name):
                found: dict[str, Any] = self._client.head_object(
                    Bucket=self.name, Key=self.prefix + name, ChecksumMode="ENABLED"
                )
                return found
        except NoSuchObject:
            return None

    def read(self, name: str, start: int, size: int) -> bytes:
        """Bytes of an object; fewer at its end.

        Raises:
            NoSuchObject: There is no such object.
            BucketUnreachable: The bucket gave no answer.
        """
        if size <= 0:
            return b""
        try:
            with self._translated(name):
                found = self._client.get_object(
                    Bucket=self.name, Key=self.prefix + name,
                    Range=f"bytes={start}-{start + size - 1}",
                )  # fmt: skip
                data: bytes = found["Body"].read()
                return data
        except _BehindTheEnd:
            return b""

    def open(self, name: str, window: Window | None = None) -> IO[bytes]:
        """An object as a stream that reads by ranges; a missing object is an error when read."""
        return cast("IO[bytes]", RangeStream(self, name, window))

    def upload(self, file: Path, name: str, *, replaces: str | None = None, **notes: str) -> None:
        """Upload a file and check that the store has exactly its bytes.

        Args:
            file: The file; it does not change meanwhile.
            name: The name of the object.
            replaces: The ETag of the object that it replaces; another object stays.
            notes: Metadata of the object.

        Raises:
            ArchiveError: The store has other bytes, or another process changed the object.
            BucketUnreachable: The bucket gave no answer.
        """
        known = digests(file)
        size, sha256, _ = known
        if size > MAX_OBJECT_BYTES:
            raise ArchiveError(f"{file} has {size} bytes, more than one request may upload")
        condition = {"IfMatch": replaces} if replaces else {}
        with self._translated(name), file.open("rb") as body:
            self._client.put_object(
                Bucket=self.name, Key=self.prefix + name, Body=body, ContentLength=size,
                ChecksumSHA256=sha256, Metadata={"sha256": sha256, **notes}, **condition,
            )  # fmt: skip
        if not self._has(name, known):
            raise ArchiveError(
                f"{self.address(name)} differs from {file} after the upload; the file stays"
            )

    def has(self, file: Path, name: str) -> bool:
        """Whether an object has exactly the bytes of a file, by a checksum of the store's.

        A store that gives neither a SHA-256 nor an MD5 sends the object back to be compared.

        Raises:
            BucketUnreachable: The bucket gave no answer.
        """
        return self._has(name, digests(file))

    def _has(self, name: str, known: tuple[int, str, str]) -> bool:
        found = self.head(name)
        size, sha256, md5 = known
        if found is None or found["ContentLength"] != size:
            return False
        if stored := found.get("ChecksumSHA256"):
            return bool(stored == sha256)
        if (etag := found["ETag"].strip('"')) == md5:
            return True
        if len(etag) == len(md5) and not found.get("ServerSideEncryption"):
            return False
        with self.open(name) as stream:
            return _digests(stream)[1] == sha256

    def old_versions(self, name: str) -> Iterator[str]:
        """Yield the ids of the versions of an object that are not the current one.

        Raises:
            BucketUnreachable: The versions cannot be listed.
        """
        key = self.prefix + name
        with self._translated(name):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self.name, Prefix=key
            )
            for page in pages:
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    if one["Key"] == key and not one["IsLatest"]:
                        yield one["VersionId"]

    def delete_version(self, name: str, version: str) -> None:
        """Delete one version of an object for good.

        Raises:
            BucketUnreachable: The bucket refuses it, for example because of an object lock.
        """
        with self._translated(name):
            self._client.delete_object(Bucket=self.name, Key=self.prefix + name, VersionId=version)

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        """Turn the errors of boto3 into those of the archive; none has a credential."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        address = self.address(name)
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _NOT_FOUND:
                raise NoSuchObject(f"there is no {address}") from None
            if code == "InvalidRange":
                raise _BehindTheEnd(address) from None
            if code in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise ArchiveError(f"another process changed {address}: run this again") from None
            raise BucketUnreachable(
                f"{address}: the store answers {code or 'with an error'} after {_attempts(error)}: "
                f"{_ADVICE.get(code, 'the next run tries again')}"
            ) from None
        except (BotoCoreError, HTTPError, OSError) as error:
            reason = type(error).__name__
            if isinstance(error, OSError) and error.filename:
                raise  # of a local file
            raise BucketUnreachable(
                f"{address} cannot be reached ({reason}): check AWS_ENDPOINT_URL, the credentials "
                "(AWS_*) and the network"
            ) from None


class NoSuchObject(ArchiveError):
    """There is no such object."""


class _BehindTheEnd(ArchiveError):
    pass


_ADVICE = {
    "AccessDenied": "give these credentials the permission",
    "403": "give these credentials the permission",
    "NoSuchBucket": "create the bucket, or correct archive.url",
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY",
}


def _attempts(error: Any) -> str:
    retries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    return f"{retries + 1} attempts" if retries else "one attempt"


@dataclass(slots=True)
class Window:
    """The bytes of an object that were read last; several streams may share it.

    Attributes:
        begin: Where they begin in the object.
        step: How many bytes the last request asked for.
        end: The size of the object, as soon as that is known.
    """

    begin: int = 0
    data: bytes = b""
    step: int = 0
    end: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class RangeStream(io.RawIOBase):
    """An object, read by ranges; ranges grow while it is read from front to back."""

    def __init__(self, bucket: Bucket, name: str, window: Window | None = None) -> None:
        super().__init__()
        self.name = bucket.address(name)
        self._bucket, self._object, self._at = bucket, name, 0
        self._window = window or Window()

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place."""
        if whence == io.SEEK_CUR:
            offset += self._at
        elif whence == io.SEEK_END:
            offset += int((self._bucket.head(self._object) or {}).get("ContentLength", 0))
        self._at = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Bytes from the current place; all to the end if ``size`` is negative.

        Raises:
            NoSuchObject: There is no such object.
            BucketUnreachable: The bucket gave no answer.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(_MAX_READ_BYTES), b""))
        parts = []
        while size > 0 and (piece := self._piece(size)):
            parts.append(piece)
            self._at += len(piece)
            size -= len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _piece(self, size: int) -> bytes:
        window, at = self._window, self._at
        with window.lock:
            if not window.begin <= at < window.begin + len(window.data):
                if window.end is not None and at >= window.end:
                    return b""
                self._fill(window, at, size)
            begin = at - window.begin
            return window.data[begin : begin + size]

    def _fill(self, window: Window, at: int, size: int) -> None:
        behind = at - window.begin - len(window.data)
        follows = bool(window.data) and 0 <= behind <= _FIRST_READ_BYTES
        window.step = min(window.step * 2, _MAX_READ_BYTES) if follows else _FIRST_READ_BYTES
        wanted = max(size, window.step)
        data = self._bucket.read(self._object, at, wanted)
        if len(data) < wanted:
            window.end = at + len(data)
        # A reader may go back to the end of a record that it has just read.
        kept = window.data[-_FIRST_READ_BYTES:] if follows and not behind else b""
        window.begin, window.data = at - len(kept), kept + data


def split_address(address: str) -> tuple[str, str]:
    """The bucket and the key of an address ``s3://bucket/key``.

    Raises:
        ConfigurationError: It names no bucket.
    """
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    if not address.startswith(SCHEME) or not bucket:
        raise ConfigurationError(f"expected s3://bucket/prefix, found {address!r}")
    return bucket, key


def matching_objects(address: str) -> list[tuple[str, int]]:
    """The addresses and sizes of the objects of an address, in order.

    Args:
        address: An object, a pattern with ``*``, or a prefix that ends with ``/``: its WARC files.

    Raises:
        ConfigurationError: It names no bucket.
        BucketUnreachable: The bucket cannot be listed.
    """
    bucket_name, pattern = split_address(address)
    if not pattern or pattern.endswith("/"):
        pattern += "*.warc.gz"
    fixed = pattern
    for sign in _PATTERN:
        fixed = fixed.partition(sign)[0]
    bucket = Bucket(f"{SCHEME}{bucket_name}")
    return sorted(
        (f"{SCHEME}{bucket_name}/{one.key}", one.size)
        for one in bucket.objects(fixed)
        if one.key == pattern or (fixed != pattern and fnmatchcase(one.key, pattern))
    )


def open_object(address: str) -> IO[bytes]:
    """An object as a stream.

    Raises:
        ArchiveError: There is no such object, or no answer.
    """
    name, key = split_address(address)
    return Bucket(f"{SCHEME}{name}").open(key)


def digests(file: Path) -> tuple[int, str, str]:
    """The size of a file, its SHA-256 (base64) and its MD5 (hex)."""
    with file.open("rb") as stream:
        return _digests(stream)


def _digests(stream: IO[bytes]) -> tuple[int, str, str]:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    while piece := stream.read(1 << 20):
        sha256.update(piece)
        md5.update(piece)
        size += len(piece)
    return size, base64.b64encode(sha256.digest()).decode(), md5.hexdigest()


@lru_cache(maxsize=4)
def _client(_process: int, _endpoint: str) -> Any:
    """The client of this process; connections do not survive a fork."""
    boto3, config = import_module("boto3"), import_module("botocore.config")
    retries = {"mode": os.environ.get("AWS_RETRY_MODE", "standard")}
    attempts = int(os.environ.get("AWS_MAX_ATTEMPTS", MAX_ATTEMPTS))
    return boto3.client(
        "s3",
        region_name=os.environ.get("AWS_REGION") or None,
        config=config.Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={**retries, "total_max_attempts": attempts},
            # Not every store knows the checksums that boto3 adds by itself.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            user_agent_extra="copydesk",
        ),
    )
