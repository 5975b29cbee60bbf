"""The request of a backfill: a source and a range of days, a list of URLs, or an archive.

The command line, the form in Prefect's UI and the flow all validate here, before
anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from flows.archive import FolderStore, open_store
from flows.archive.inputs import SCHEME, matching_files
from flows.errors import ConfigurationError
from flows.secrets.urls import SECRETS
from flows.settings import Settings
from parsers.model import Entry, Source
from parsers.text.dates import parse_time

EARLIEST = date(1970, 1, 1)
MAX_RANGE = timedelta(days=366 * 30)


class InvalidBackfillRequest(ConfigurationError):
    """A backfill that cannot run; the message names what to ask for instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DateRange:
    """Whole days, both ends included, in the source's time zone."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        """The first instant (UTC)."""
        return datetime.combine(self.first, time(), self.zone).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """The first instant after the range (UTC)."""
        after = datetime.combine(self.last + timedelta(days=1), time(), self.zone)
        return after.astimezone(UTC)

    def contains(self, moment: datetime | None) -> bool:
        """Whether a time is in the range; an unknown time may be."""
        return moment is None or self.start <= moment < self.end

    def may_contain(self, entry: Entry) -> bool:
        """Whether the article of an entry may be of the range.

        The listing gives its time, or its address has its day. An article is never newer than
        its last change.
        """
        if at := self.published_at(entry):
            return self.contains(at)
        if day := entry.facts.get("day", ""):
            return self.first.isoformat() <= day <= self.last.isoformat()
        changed = self.changed_at(entry)
        return changed is None or changed >= self.start

    def changed_at(self, entry: Entry) -> datetime | None:
        """The latest time of the last change that the listing gives for an entry (UTC)."""
        moment = parse_time(entry.facts.get("updated", ""), self.zone, "listing")
        if moment.at is None or moment.precision != "day":
            return moment.at
        return moment.at + timedelta(days=1)

    def published_at(self, entry: Entry) -> datetime | None:
        """The time that the listing gives for an entry (UTC)."""
        return parse_time(entry.facts.get("published", ""), self.zone, "listing").at


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRequest:
    """A valid request; exactly one of the four ways is given.

    Attributes:
        urls: URLs of articles, each once, in the order given.
        archive: An archive with the listings and the pages of the source.
        warc_files: Paths, patterns and ``s3://`` addresses of WARC files.
    """

    source: str
    date_range: DateRange | None = None
    urls: tuple[str, ...] = ()
    archive: FolderStore | None = None
    warc_files: tuple[str, ...] = ()

    @property
    def is_archive(self) -> bool:
        """Whether pages are read from files, which may become more."""
        return bool(self.archive or self.warc_files)

    @property
    def plan(self) -> str:
        """The name of the plan; the same request has the same plan."""
        return f"{self.source} {self.range_text}"

    @property
    def range_text(self) -> str:
        """The plan's name without the source."""
        if self.date_range:
            return f"{self.date_range.first} to {self.date_range.last}"
        if self.archive:
            return f"archive {self.archive}"
        if len(self.warc_files) == 1:
            return f"WARC files {self.warc_files[0]}"
        texts = self.urls or self.warc_files
        digest = sha256("\n".join(sorted(texts)).encode()).hexdigest()[:12]
        return f"{len(texts)} {'addresses' if self.urls else 'WARC files'} {digest}"


def parse_request(
    settings: Settings,
    source: str,
    *,
    first: date | None = None,
    last: date | None = None,
    urls: Iterable[str] = (),
    archive: str | Path | None = None,
) -> BackfillRequest:
    """Validate the parameters of a backfill.

    ``archive`` is a folder of WARC files, the address of the archive's own bucket, or one or more
    WARC files, one a line.

    Raises:
        ConfigurationError: The source is unknown.
        InvalidBackfillRequest: None or several of the three ways are given, or the range has
            one end only, is reversed, too long or in the future.
    """
    found = settings.source(source)
    masked = map(SECRETS.mask_page, filter(None, map(_url_of, urls)))
    addresses = tuple(dict.fromkeys(masked))
    ways = {
        "a range of days": first is not None or last is not None,
        "URLs": bool(addresses),
        "an archive": archive is not None,
    }
    given = [name for name, is_given in ways.items() if is_given]
    if len(given) != 1:
        raise InvalidBackfillRequest(
            "expected one of: a first and a last day (--from and --to), URLs (--urls), "
            f"an archive (--archive); found {' and '.join(given) or 'none of them'}"
        )
    if archive is not None:
        return _archive_request(settings, source, str(archive))
    if addresses:
        return BackfillRequest(source=source, urls=addresses)
    days = _date_range(first, last, time_zone_of(settings, found))
    return BackfillRequest(source=source, date_range=days)


def time_zone_of(settings: Settings, source: Source) -> ZoneInfo:
    """The time zone of a source's times that name none."""
    own = source.options.get("time_zone")
    return ZoneInfo(
        own if isinstance(own, str) and own else settings.sources[source.slug].time_zone
    )


def parse_url_list(text: str) -> tuple[str, ...]:
    """Parse URLs, one a line; skip empty lines and ``#`` comments."""
    return tuple(filter(None, map(_url_of, text.splitlines())))


def read_url_file(path: str | Path) -> tuple[str, ...]:
    """Read a file of URLs.

    Raises:
        InvalidBackfillRequest: The file cannot be read, has no URL, or has a line that is none.
            The message quotes no line: the file may be another than intended.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InvalidBackfillRequest(
            f"{path} does not exist: give a file with one URL a line, or -"
        ) from None
    except OSError as error:
        raise InvalidBackfillRequest(f"expected a file of URLs, one a line: {error}") from None
    except UnicodeDecodeError:
        raise InvalidBackfillRequest(
            f"expected a file of URLs, one a line: {path} is not UTF-8"
        ) from None
    for number, line in enumerate(text.splitlines(), start=1):
        if (url := _url_of(line)) and not url.lower().startswith(("http://", "https://")):
            raise InvalidBackfillRequest(
                f"expected URLs, one a line: line {number} of {path} does not start with http://"
            )
    if not (urls := parse_url_list(text)):
        raise InvalidBackfillRequest(f"expected URLs, one a line, found none in {path}")
    return urls


def _url_of(line: str) -> str:
    line = line.strip().removeprefix("\ufeff")
    return "" if line.startswith("#") else line


def _date_range(first: date | None, last: date | None, zone: ZoneInfo) -> DateRange:
    if first is None or last is None:
        found = f"only the {'last' if first is None else 'first'} ({first or last})"
        raise InvalidBackfillRequest(
            f"expected a first and a last day (--from and --to), found {found}"
        )
    problem = ""
    if last < first:
        problem = "that ends on or after its first day"
    elif first < EARLIEST:
        problem = f"from {EARLIEST} on"
    elif first > datetime.now(zone).date():
        problem = "that does not begin in the future"
    elif last - first > MAX_RANGE:
        problem = "of at most 30 years"
    if problem:
        raise InvalidBackfillRequest(f"expected a range {problem}, found {first} to {last}")
    return DateRange(first=first, last=last, zone=zone)


def _archive_request(settings: Settings, source: str, given: str) -> BackfillRequest:
    lines = tuple(dict.fromkeys(line.strip() for line in given.splitlines() if line.strip()))
    if len(lines) == 1 and (archive := _archive(settings, lines[0])):
        return BackfillRequest(source=source, archive=archive)
    names = tuple(
        one if one.startswith(SCHEME) else str(Path(one).expanduser().absolute()) for one in lines
    )
    for name in names:
        if not matching_files(name):
            raise InvalidBackfillRequest(
                "expected a folder with *.warc.gz files, a WARC file, a pattern of such files or an "
                f"address s3://bucket/key, found no file for {name}"
            )
    return BackfillRequest(source=source, warc_files=names)


def _archive(settings: Settings, given: str) -> FolderStore | None:
    """The archive that a text names: a folder, or that of the configuration in its bucket."""
    own = settings.archive
    if given.startswith(SCHEME):
        is_own = given.rstrip("/") == own.url.rstrip("/")
        return open_store(own) if is_own else None
    folder = Path(given).expanduser().absolute()
    if own.url and folder == own.path:
        return open_store(own)
    if not folder.is_dir():
        return None
    if not (archive := FolderStore(folder)).names():
        raise InvalidBackfillRequest(
            f"expected a folder with *.warc.gz files, found none in {folder}"
        )
    return archive
