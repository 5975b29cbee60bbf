"""One page in its formats: HTML, JSON, CSV, and Atom for lists of articles."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from flows.csv_cells import safe_cell
from flows.json_text import dump
from flows.web.environment import content_security_policy, render
from warehouse.keys import as_uuid, key_of

MEDIA_TYPES = {
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".atom": "application/atom+xml",
}
POLICY = content_security_policy("frame-src 'self'", "frame-ancestors 'self'", forms="'self'")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """One article in an Atom feed; its text is not part of it."""

    article_id: str
    title: str | None
    source: str
    url: str
    published_at: datetime | None
    updated_at: datetime

    @property
    def urn(self) -> str:
        """The same for every feed and every port."""
        return as_uuid(key_of(self.article_id)).urn


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page shows, before it has a format.

    Attributes:
        title: Its heading.
        template: In ``templates/browse``; it gets ``values``.
        rows: The rows of its CSV, with the same columns each.
        columns: Their names; those of the first row where it is empty.
        document: Its JSON; ``{"rows": rows}`` where it is ``None``.
        entries: Its Atom feed; ``None`` where it has none.
        status: Of the answer.
    """

    title: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] = ()
    columns: Sequence[str] = ()
    document: Mapping[str, Any] | None = None
    entries: Sequence[FeedEntry] | None = None
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The address of a request.

    Attributes:
        origin: Such as ``http://127.0.0.1:8766``.
        path: Of the page, without the ending of a format.
        query: The parameters that have a value.
    """

    origin: str
    path: str
    query: Mapping[str, str]

    @property
    def urn(self) -> str:
        """The id of a feed: the same whatever port the server listens on."""
        return as_uuid(key_of(self.to())).urn

    def to(self, suffix: str = "", **changes: object) -> str:
        """The path and query of this page in a format, with other parameters."""
        query = {**self.query, **{name: str(value) for name, value in changes.items()}}
        return f"{self.path}{suffix}" + (f"?{urlencode(query)}" if query else "")


def respond(page: Page, suffix: str, address: Address, shared: Mapping[str, Any]) -> Response:
    """Return a page in the format of an ending; ``shared`` are the values of every template."""
    if suffix == ".json":
        document = {"rows": list(page.rows)} if page.document is None else page.document
        return _answer(f"{dump(document)}\n", suffix, page.status)
    if suffix == ".csv":
        return _answer(write_csv(page.rows, page.columns), suffix, page.status)
    if suffix == ".atom" and page.entries is not None:
        return _answer(_atom(page, page.entries, address), suffix, page.status)
    values = {"title": page.title, "address": address, "page": page, **shared, **page.values}
    headers = {"Content-Security-Policy": POLICY}
    html = render(f"browse/{page.template}", **values)
    return Response(html, page.status, headers, "text/html")


def write_csv(rows: Sequence[Mapping[str, Any]], columns: Iterable[str] = ()) -> str:
    """CSV for spreadsheets, with a byte order mark: no cell is a formula."""
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    names = list(columns) or list(rows[0] if rows else ())
    writer.writerow(map(safe_cell, names))
    writer.writerows([safe_cell(_plain(row[name])) for name in names] for row in rows)
    return out.getvalue()


def _answer(text: str, suffix: str, status: int) -> Response:
    return Response(text.encode("utf-8", "replace"), status, media_type=MEDIA_TYPES[suffix])


def _atom(page: Page, entries: Sequence[FeedEntry], address: Address) -> str:
    latest = max((one.updated_at for one in entries), default=datetime(1970, 1, 1, tzinfo=UTC))
    return render(
        "browse/feed.atom", title=page.title, address=address, entries=entries, latest=latest
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
