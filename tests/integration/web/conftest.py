"""A newsroom behind the pages of ``copydesk browse``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from duckdb import DuckDBPyConnection
from httpx import ASGITransport, AsyncClient, Response
from starlette.types import ASGIApp

from flows import settings
from flows.admin.sql_worker import SqlWorker
from flows.web.browse.app import Browse, make_app
from tests import newsroom
from tests.unit.warehouse.factories import HOUR, NOON, article, fetched_later, upsert, with_text
from warehouse import connect, publish, transaction
from warehouse.records import quarantine
from warehouse.rows import NewQuarantineEntry

PORT = 8766
ORIGIN = f"http://127.0.0.1:{PORT}"
CORRECTED, HOSTILE = "finews:corrected", "generic:https://press.example/a?b=c&d=é#<f>"
OLD = "央行宣布降准0.25个百分点。\n市场人士认为有助于降低成本。"
NEW = OLD.replace("0.25", "0.5")
EVIL = "=1+1 <script>alert('x')</script> & \u202e\x00 ]]>"
BODY = (
    "<p onclick='x()' style='color:red'>words <a href='javascript:x()'>one</a>"
    "<a href='https://press.example/2'>two</a></p><img src='https://press.example/i.png'>"
    "<script>x()</script><style>@import 'https://press.example/s.css'</style>"
    "<iframe src='https://press.example'></iframe><form action='https://press.example'><input></form>"
    "<svg><a href='https://press.example'><image href='https://press.example/i.png'/></a></svg>"
    "<base href='https://press.example'><meta http-equiv='refresh' content='0;url=https://press.example'>"
    "<video src='https://press.example/v.mp4'></video><link rel=stylesheet href=https://press.example>"
)


@dataclass
class Desk:
    """The pages and their warehouse."""

    folder: Path
    browse: Browse
    app: ASGIApp

    @property
    def warehouse(self) -> Path:
        return self.folder / "copydesk.duckdb"

    def ask(
        self, url: str, headers: dict[str, str] | None = None, method: str = "get", **query: Any
    ) -> Response:
        """The answer to one request."""

        async def ask() -> Response:
            transport = ASGITransport(self.app)
            async with AsyncClient(transport=transport, base_url=ORIGIN) as client:
                return await client.request(method, url, headers=headers, params=query or None)

        return asyncio.run(ask())

    def get(self, path: str, status: int = 200, **query: Any) -> Response:
        found = self.ask(path, **query)
        assert found.status_code == status, found.text
        return found

    def json(self, path: str, status: int = 200, **query: Any) -> Any:
        return self.get(f"{path}.json", status, **query).json()

    def change(self, edit: Callable[[DuckDBPyConnection], object]) -> None:
        """Change the warehouse and publish its snapshot."""
        with connect(self.warehouse) as db:
            edit(db)
            publish(db, self.browse.settings.warehouse.snapshot)


def failure(url: str) -> NewQuarantineEntry:
    return NewQuarantineEntry(
        source="generic", channel="feed", url=url, reason="layout_changed", message=EVIL,
        expected="one element h1.title", found=EVIL, page=f"<html>{EVIL}</html>\xff".encode(),
        fetched_at=NOON, parser="generic", parser_version="1",
    )  # fmt: skip


def fill(db: DuckDBPyConnection) -> None:
    newsroom.fill(db, 200)
    with transaction(db):
        quarantine.put(
            db, [failure("javascript:x()"), failure("https://press.example/4")], run_id="run"
        )
        quarantine.resolve(db, run_id="run", listings=[("generic", "https://press.example/4")])
    first = article("corrected", OLD, url="https://press.example/1")
    upsert(db, first, article("copy", OLD, source="gazette", fetched_at=NOON + HOUR))
    upsert(db, with_text(fetched_later(first, 3), NEW))
    name = HOSTILE.removeprefix("generic:")
    upsert(db, article(name, EVIL, source="generic", body_html=BODY, url="https://press.example/3"))


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "copydesk.toml").write_text(
        '[warehouse]\npath = "copydesk.duckdb"\n'
        '[sources.gazette]\nparser = "feed"\nurl = "https://gazette.example/feed.xml"\n',
        "utf-8",
    )
    browse = Browse(settings.load(folder / "copydesk.toml", {}))
    browse.sql = SqlWorker(max_seconds=1.5)
    desk = Desk(folder, browse, make_app(browse, port=PORT))
    desk.change(fill)
    yield desk
    browse.close()
