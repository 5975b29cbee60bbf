"""The Prefect server and pages in the operator's browser: another origin, and DNS rebinding."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from tests.e2e.serving import server_at
from tests.prefect_database import made_database

pytestmark = pytest.mark.e2e

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
PAGE = Path(__file__).with_name("attack.html")
READS = ("api", "events", "health", "logs", "settings", "ui")
STARTS = ("json", "simple", "text", "form")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prefect")
    shutil.copy(made_database(), folder / "prefect.db")
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A Prefect server with one deployment and no worker."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        # A server that was just started may be too busy for a moment.
        retry = Retry(status_forcelist=[503], allowed_methods=None, backoff_factor=0.2)
        self.session.mount("http://", HTTPAdapter(max_retries=retry))
        self.session.trust_env = False

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    def post(self, path: str, document: Any) -> Any:
        found = self.session.post(f"{self.url}/api{path}", json=document, timeout=30)
        assert found.ok, found.text
        return found.json()

    def deployment(self) -> dict[str, Any]:
        (found,) = self.post("/deployments/filter", {})
        return dict(found)

    def runs(self) -> list[dict[str, Any]]:
        """The flow runs, each with a parameter that names how it was started."""
        return list(self.post("/flow_runs/filter", {}))


@contextmanager
def desk_at(home: Path, **environ: str) -> Iterator[Desk]:
    environ |= {"PREFECT_SERVER_UI_API_URL": "/api"}
    environ |= {"PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui")}
    with server_at(home, **environ) as (server, _):
        desk = Desk(url=server.api_url.removesuffix("/api"))
        with desk.session:
            flow = desk.post("/flows/", {"name": "sync"})
            desk.post("/deployments/", {"name": "finews", "flow_id": flow["id"]})
            yield desk


@pytest.fixture(scope="module")
def desk(home: Path) -> Iterator[Desk]:
    with desk_at(home, PREFECT_SERVER_CORS_ALLOWED_ORIGINS="http://desk.test") as desk:
        yield desk


@dataclass
class Attacker:
    """A site with a page that tries every attack; records its successes."""

    port: int
    results: Queue[dict[str, Any]] = field(default_factory=Queue)


@pytest.fixture(scope="module")
def attacker() -> Iterator[Attacker]:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(PAGE.read_bytes())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            attacker.results.put(json.loads(body))
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        attacker = Attacker(server.server_port)
        thread = threading.Thread(target=server.serve_forever, name="attacker")
        thread.start()
        yield attacker
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> None:
    """The threads of the attacker's site outlive a test."""


@pytest.fixture
def browse(tmp_path: Path, attacker: Attacker) -> Callable[[Desk, str, str], dict[str, Any]]:
    """Open the attacker's page at an origin in Chromium; return its successes at the server."""
    if BROWSER is None:
        pytest.skip("needs the Debian package chromium: make debian")

    def visit(desk: Desk, origin: str, server: str) -> dict[str, Any]:
        # The page comes from the attacker, everything else from where its name leads to: so a
        # name that was bound to another address between two requests looks to the browser.
        pac = (
            "function FindProxyForURL(url, host) { return url.indexOf('/attack') < 0 ? 'DIRECT' "
            f": 'PROXY 127.0.0.1:{attacker.port}'; }}"
        )
        command = [
            *(str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-features=LocalNetworkAccessChecks"),
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--proxy-pac-url=data:application/x-ns-proxy-autoconfig,{pac.replace(' ', '%20')}",
            "--host-resolver-rules=MAP *.test 127.0.0.1",
            f"{origin}/attack?server={server}&deployment={desk.deployment()['id']}",
        ]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as browser:
            try:
                return attacker.results.get(timeout=90)
            finally:
                browser.terminate()

    return visit


@pytest.mark.parametrize("site", ["http://other.test:{own}", "http://127.0.0.1:{own}"])
def test_page_of_another_origin_reads_nothing_and_starts_nothing(desk, attacker, browse, site):
    before = desk.runs()

    found = browse(desk, site.format(own=attacker.port), desk.url)

    assert found == dict.fromkeys(READS)
    assert desk.runs() == before
    assert not desk.deployment()["paused"]


def test_page_whose_name_was_bound_to_this_machine_reads_nothing_and_starts_nothing(desk, browse):
    before = desk.runs()
    origin = f"http://rebound.test:{desk.port}"

    found = browse(desk, origin, origin)

    assert found == dict.fromkeys(READS)
    assert desk.runs() == before
    assert not desk.deployment()["paused"]


def test_page_of_a_name_that_the_operator_allows_may_do_everything(desk, browse):
    origin = f"http://desk.test:{desk.port}"

    found = browse(desk, origin, origin)

    assert all(found[name] for name in READS)
    assert {run["parameters"]["by"] for run in desk.runs()} >= {"json"}
    assert desk.deployment()["paused"]


@pytest.mark.nightly
def test_same_page_does_everything_where_every_origin_is_allowed(home, attacker, browse):
    with desk_at(home, PREFECT_SERVER_CORS_ALLOWED_ORIGINS="*") as desk:
        found = browse(desk, f"http://other.test:{attacker.port}", desk.url)

        assert all(found[name] for name in READS)
        assert {run["parameters"]["by"] for run in desk.runs()} >= {"json", "simple"}
        assert desk.deployment()["paused"]
