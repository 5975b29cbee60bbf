"""What a backfill is asked for: a source and a stretch of days, addresses, or an archive.

One place decides what can be asked: the command line, the form in Prefect's UI and the
flow itself all come here, before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from flows.errors import ConfigurationError
from flows.settings import Settings
from parsers.model import Entry, Moment, Source
from parsers.text.dates import parse_time

EARLIEST = date(1970, 1, 1)
MAX_RANGE = timedelta(days=366 * 30)


class InvalidBackfillRequest(ConfigurationError):
    """A backfill that cannot be what is meant; the message says what to ask instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DateRange:
    """Whole days, both ends included, in the zone that the source's times are in."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        """The first instant, aware UTC."""
        return datetime.combine(self.first, time(), self.zone).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """The first instant after it, aware UTC."""
        after = datetime.combine(self.last + timedelta(days=1), time(), self.zone)
        return after.astimezone(UTC)

    def holds(self, moment: datetime | None) -> bool:
        """Whether a moment lies in it; one that is not known may."""
        return moment is None or self.start <= moment < self.end

    def published(self, entry: Entry) -> datetime | None:
        """When an entry was published, as far as its listing tells."""
        return self._moment(entry).at

    def _moment(self, entry: Entry) -> Moment:
        return parse_time(entry.facts.get("published", ""), self.zone, "listing")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRequest:
    """A backfill that can be done; exactly one of the last three is given.

    Attributes:
        urls: Addresses of articles, each once, in the order given.
    """

    source: str
    window: DateRange | None = None
    urls: tuple[str, ...] = ()
    archive: Path | None = None

    @property
    def plan(self) -> str:
        """What is asked for, in words; the same words are the same plan."""
        return f"{self.source} {self.stretch}"

    @property
    def stretch(self) -> str:
        """The plan without the name of its source."""
        if self.window:
            return f"{self.window.first} to {self.window.last}"
        if self.archive:
            return f"archive {self.archive}"
        digest = sha256("\n".join(sorted(self.urls)).encode()).hexdigest()[:12]
        return f"{len(self.urls)} addresses {digest}"


def parse_request(
    settings: Settings,
    source: str,
    *,
    first: date | None = None,
    last: date | None = None,
    urls: Iterable[str] = (),
    archive: str | Path | None = None,
) -> BackfillRequest:
    """What a backfill of those parameters means.

    Raises:
        ConfigurationError: There is no such source.
        BadRequest: Nothing is asked for, or two things at once, or a window that has no
            bound, is reversed or lies in the future.
    """
    found = settings.source(source)
    addresses = tuple(dict.fromkeys(filter(None, map(_address, urls))))
    ways = {
        "a window of days": first is not None or last is not None,
        "addresses": bool(addresses),
        "an archive": archive is not None,
    }
    given = [name for name, is_given in ways.items() if is_given]
    if len(given) != 1:
        raise InvalidBackfillRequest(
            "expected one of: both days of a window (--from and --to), addresses (--urls), "
            f"an archive (--archive); found {' and '.join(given) or 'none of them'}"
        )
    if archive is not None:
        return BackfillRequest(source=source, archive=_folder(archive))
    if addresses:
        return BackfillRequest(source=source, urls=addresses)
    return BackfillRequest(
        source=source, window=_window(first, last, time_zone_of(settings, found))
    )


def time_zone_of(settings: Settings, source: Source) -> ZoneInfo:
    """The zone that a source's times without one are in."""
    own = source.options.get("time_zone")
    return ZoneInfo(
        own if isinstance(own, str) and own else settings.sources[source.slug].time_zone
    )


def parse_url_list(text: str) -> tuple[str, ...]:
    """The addresses in a text: one a line; empty lines and ``#`` comments do not count."""
    return tuple(filter(None, map(_address, text.splitlines())))


def _address(line: str) -> str:
    line = line.strip().removeprefix("\ufeff")
    return "" if line.startswith("#") else line


def _window(first: date | None, last: date | None, zone: ZoneInfo) -> DateRange:
    if first is None or last is None:
        found = f"only the {'last' if first is None else 'first'} ({first or last})"
        raise InvalidBackfillRequest(
            f"expected both days of the window (--from and --to), found {found}"
        )
    if last < first:
        raise InvalidBackfillRequest(
            f"expected a window that ends on or after its first day, found {first} to {last}; "
            "exchange the two"
        )
    if first < EARLIEST:
        raise InvalidBackfillRequest(
            f"expected a window from {EARLIEST} on, found {first} to {last}"
        )
    if first > datetime.now(zone).date():
        raise InvalidBackfillRequest(f"expected a window that has begun, found {first} to {last}")
    if last - first > MAX_RANGE:
        raise InvalidBackfillRequest(
            f"expected a window of at most 30 years, found {first} to {last}"
        )
    return DateRange(first=first, last=last, zone=zone)


def _folder(archive: str | Path) -> Path:
    folder = Path(archive).expanduser().absolute()
    if not any(folder.glob("*.warc.gz")):
        raise InvalidBackfillRequest(
            f"expected a folder with *.warc.gz files, found none in {folder}"
        )
    return folder
