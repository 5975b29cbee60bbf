"""One page in its formats: HTML, JSON, CSV, and Atom for lists of articles."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from flows.csv_cells import safe_cell
from flows.import_export.feeds import atom
from flows.import_export.feeds.model import Feed, FeedEntry, urn_of
from flows.json_text import dump
from flows.web.environment import content_security_policy, render

MEDIA_TYPES = {
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".atom": atom.MEDIA_TYPE,
}
POLICY = content_security_policy("frame-src 'self'", "frame-ancestors 'self'", forms="'self'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page shows, before it has a format.

    Attributes:
        title: Its heading.
        template: In ``templates/browse``; it gets ``values``.
        rows: The rows of its CSV, with the same columns each.
        columns: Their names; those of the first row where it is empty.
        document: Its JSON; ``{"rows": rows}`` where it is ``None``.
        entries: Its Atom feed; ``None`` where it has none. Related addresses are without origin.
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
        return urn_of(self.to())

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
        feed = atom.render_atom(_feed(page, page.entries, address))
        return Response(feed, page.status, media_type=MEDIA_TYPES[suffix])
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


def _feed(page: Page, entries: Sequence[FeedEntry], address: Address) -> Feed:
    """The feed of a page; each entry is related to its own page."""
    return Feed(
        id=address.urn,
        title=page.title,
        home_url=address.origin + address.to(),
        feed_url=address.origin + address.to(".atom"),
        entries=tuple(
            replace(one, related_url=address.origin + one.related_url) for one in entries
        ),
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
