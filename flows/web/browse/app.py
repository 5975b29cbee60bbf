"""The routes: one function per page, each also as JSON and CSV, lists of articles as Atom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.admin.sql_worker import SqlWorker
from flows.settings import Settings
from flows.web.browse import pages
from flows.web.browse.article_body import FRAME_POLICY, render_body
from flows.web.browse.pages import MAX_PAGES, Filter
from flows.web.browse.pool import SnapshotPool
from flows.web.browse.response import MEDIA_TYPES, Address, Page, respond
from flows.web.same_origin import SameOriginMiddleware
from warehouse.errors import BadQuery, NotFound, WarehouseError
from warehouse.read.article import read_article
from warehouse.read.catalog import read_views
from warehouse.read.revisions import read_revisions

REFRESH_SECONDS = 2.0
MAX_THREADS = 8
"""More requests at once wait: each thread keeps memory of its own."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SECTIONS = (
    ("/articles", "Articles"),
    ("/sources", "Sources"),
    ("/quarantine", "Quarantine"),
    ("/gaps", "Gaps"),
    ("/runs", "Runs"),
    ("/sql", "SQL"),
)

Text = Annotated[str, Query(max_length=1000)]
Id = Annotated[str, Query(max_length=8000)]  # some are addresses
Day = Annotated[date | None, BeforeValidator(lambda value: value or None)]  # an empty field
Number = Annotated[int, Query(ge=1, le=MAX_PAGES)]
State = Literal["open", "closed"]


class Browse:
    """What the pages are made of: the snapshot, the configuration, and statements of the user."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.zone = ZoneInfo(settings.defaults.time_zone)
        self.pool = SnapshotPool(settings.warehouse.snapshot, settings.warehouse.location)
        self.sql = SqlWorker()

    def close(self) -> None:
        """Interrupt what is running."""
        self.sql.stop()
        self.pool.close()

    def articles(
        self,
        request: Request,
        q: Text = "",
        source: Text = "",
        since: Day = None,
        until: Day = None,
        page: Number = 1,
    ) -> Page:
        """The list of articles, or what a search finds."""
        chosen = Filter(query=q.strip(), source=source, since=since, until=until, number=page)
        with self.pool.reader() as reader:
            if chosen.query and _suffix(request) == ".atom":
                return pages.search_feed(reader.db, chosen, self.zone)
            return pages.articles_page(reader, chosen, self.zone)

    def article(self, id: Id) -> Page:  # the name of the parameter
        """One article."""
        with self.pool.reader() as reader:
            return pages.article_page(reader.db, id)

    def body(self, id: Id, revision: Annotated[int | None, Query(ge=1)] = None) -> Response:
        """The text of an article, for the frame of its page."""
        with self.pool.reader() as reader:
            article = read_article(reader.db, id)
            found = read_revisions(reader.db, id)
        chosen = found[-1:] if revision is None else found[revision - 1 : revision]
        if article is None or not chosen:
            raise NotFound(f"there is no article {id!r}, or it has no such revision")
        html = render_body(
            chosen[0].body_html, title=chosen[0].title or id, language=article["language"]
        )
        return Response(
            html, headers={"Content-Security-Policy": FRAME_POLICY}, media_type="text/html"
        )

    def sources(self) -> Page:
        """All sources."""
        with self.pool.reader() as reader:
            return pages.sources_page(reader, self.settings)

    def source(self, name: Text) -> Page:
        """One source."""
        with self.pool.reader() as reader:
            return pages.source_page(reader, self.settings, name)

    def quarantine(self, source: Text = "", state: State = "open", page: Number = 1) -> Page:
        """Failures, open or resolved."""
        with self.pool.reader() as reader:
            return pages.quarantine_page(
                reader.db, source=source, is_open=state == "open", number=page
            )

    def failure(self, id: Id) -> Page:
        """One failure."""
        with self.pool.reader() as reader:
            return pages.failure_page(reader.db, id)

    def gaps(self, source: Text = "", state: State = "open", page: Number = 1) -> Page:
        """Gaps, open or closed."""
        with self.pool.reader() as reader:
            return pages.gaps_page(reader.db, source=source, is_open=state == "open", number=page)

    def runs(self, source: Text = "", page: Number = 1) -> Page:
        """Runs, the newest first."""
        with self.pool.reader() as reader:
            return pages.runs_page(reader.db, source=source, number=page)

    def sql_box(self, request: Request, sql: Annotated[str, Query(max_length=20_000)] = "") -> Page:
        """The result of a statement; a link of another site only shows the statement."""
        is_foreign = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        with self.pool.reader() as reader:
            snapshot, views = reader.snapshot.path, read_views(reader.db)
        values = {"sql": sql, "views": views, "result": None, "error": "", "is_foreign": is_foreign}
        page = Page(title="SQL", template="sql.html", values=values)
        if not sql.strip() or is_foreign:
            self.sql.start()
            return page
        try:
            result = self.sql.run(snapshot, sql)
        except BadQuery as error:
            if _suffix(request):
                raise
            return Page(
                title="SQL", template="sql.html", values={**values, "error": str(error)}, status=400
            )
        return Page(
            title="SQL",
            template="sql.html",
            rows=[dict(zip(result.columns, row, strict=True)) for row in result.rows],
            columns=result.columns,
            values={**values, "result": result},
        )


def make_app(browse: Browse, *, port: int) -> ASGIApp:
    """Return the application behind the check of where a request comes from.

    Args:
        browse: What it shows.
        port: Where it listens on loopback.
    """
    app = FastAPI(openapi_url=None, lifespan=lambda _app: _upkeep(browse))
    app.add_api_route("/", lambda: RedirectResponse("/articles"))
    app.add_api_route("/article/body", browse.body, response_model=None)
    for path, page, has_feed in (
        ("/articles", browse.articles, True),
        ("/article", browse.article, False),
        ("/sources", browse.sources, False),
        ("/source", browse.source, True),
        ("/quarantine", browse.quarantine, False),
        ("/quarantine/failure", browse.failure, False),
        ("/gaps", browse.gaps, False),
        ("/runs", browse.runs, False),
        ("/sql", browse.sql_box, False),
    ):
        endpoint = _endpoint(page, browse)
        for suffix in ("", *MEDIA_TYPES) if has_feed else ("", ".json", ".csv"):
            app.add_api_route(f"{path}{suffix}", endpoint, response_model=None)
    for kind in (WarehouseError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, lambda request, error: _failed(request, error, browse))
    return SameOriginMiddleware(
        _with_headers(app),
        allowed_origins=(f"http://localhost:{port}",),
        advice=f"open http://127.0.0.1:{port}/",
    )


def _endpoint(page: Callable[..., Page], browse: Browse) -> Callable[..., Response]:
    def answer(request: Request, found: Any = Depends(page)) -> Response:  # noqa: B008  # as FastAPI declares it
        return respond(found, _suffix(request), _address(request), _shared(browse))

    return answer


def _failed(request: Request, error: Exception, browse: Browse) -> Response:
    """Answer with an error as a page, or as JSON, CSV and Atom have none, as JSON."""
    status, message = _explained(error)
    page = Page(
        title=HTTPStatus(status).phrase,
        template="error.html",
        values={"message": message},
        document={"error": message},
        status=status,
    )
    suffix = ".json" if _suffix(request) else ""
    return respond(page, suffix, _address(request), _shared(browse))


def _explained(error: Exception) -> tuple[int, str]:
    if isinstance(error, RequestValidationError):
        wrong = [f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()]
        return 400, "; ".join(wrong)
    if isinstance(error, HTTPException):
        return (
            error.status_code,
            "there is no such page" if error.status_code == 404 else error.detail,
        )
    if isinstance(error, NotFound):
        return 404, str(error)
    return (400 if isinstance(error, BadQuery) else 503), str(error)


def _shared(browse: Browse) -> dict[str, Any]:
    return {
        "sections": _SECTIONS,
        "zone": browse.zone,
        "snapshot": browse.pool.snapshot,
        "source_names": list(browse.settings.sources),
        "max_pages": MAX_PAGES,
    }


def _suffix(request: Request) -> str:
    path = request.url.path
    return next((suffix for suffix in MEDIA_TYPES if path.endswith(suffix)), "")


def _address(request: Request) -> Address:
    path = request.url.path.removesuffix(_suffix(request))
    query = {name: value for name, value in request.query_params.items() if value}
    return Address(origin=str(request.base_url).rstrip("/"), path=path, query=query)


@asynccontextmanager
async def _upkeep(browse: Browse) -> AsyncIterator[None]:
    """Close replaced snapshots and idle processes while no request comes."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            with suppress(WarehouseError):  # the next request reports it
                await asyncio.to_thread(browse.pool.refresh)
            await asyncio.to_thread(browse.sql.stop_idle)

    current_default_thread_limiter().total_tokens = MAX_THREADS
    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()


def _with_headers(app: ASGIApp) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await app(scope, receive, send_with_headers)

    return answer
