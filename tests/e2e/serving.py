"""`copydesk serve` in a process of its own, and a Prefect server that tests can take away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from flows import settings
from flows.cli.demo_run import free_port
from flows.serve.prefect_server import PrefectServer
from tests import site
from tests.site import Fault, NewsSite
from warehouse import connect, connect_read_only
from warehouse.errors import WarehouseError
from warehouse.process import process_exists

COPYDESK = [sys.executable, "-c", "from flows.cli import main; main()"]
WOSHIPM_SECONDS = 20
WOSHIPM = f"""
[sources.woshipm]
parser = "woshipm"
base_url = "{{url}}"
schedule = "every {WOSHIPM_SECONDS} seconds"
"""
"""On a schedule whose runs, of two seconds of processor time each, leave most of a core free."""

OFWEEK = """
[sources.ofweek]
parser = "ofweek"
base_url = "{url}"
"""


@dataclass
class Serving:
    """`copydesk serve` in processes of its own, one after another, over one warehouse.

    Attributes:
        api: Of the Prefect server, its own or another.
        auth: The password of that server, where it has one.
    """

    config: Path
    news_site: NewsSite
    faults: dict[str, Fault]
    environ: dict[str, str]
    api: str
    auth: str = ""
    process: subprocess.Popen[bytes] | None = None
    processes: set[psutil.Process] = field(default_factory=set)

    @property
    def log(self) -> Path:
        return self.config.with_name("serve.log")

    @property
    def home(self) -> Path:
        return self.config.parent / "prefect"

    @property
    def settings(self) -> settings.Settings:
        return settings.load(self.config, {})

    # --- the process ---

    def start(self, *, wait: bool = True) -> None:
        seen = self.output().count("Prefect UI:")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command("serve"),
                stdout=log, stderr=log, env=self.environ, start_new_session=True,
            )  # fmt: skip
        if wait:
            process = self.process
            self.wait(
                "serve is ready or has ended",
                lambda: self.output().count("Prefect UI:") > seen or process.poll() is not None,
                180,
            )
            assert process.poll() is None, self.output()[-3000:]

    def command(self, *arguments: str) -> list[str]:
        return [*COPYDESK, "--config", str(self.config), *arguments]

    def run(self, *arguments: str, seconds: float = 300, **environ: str) -> Any:
        """Another command beside it, to its end."""
        return subprocess.run(
            self.command(*arguments), env=self.environ | environ,
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def wait(self, what: str, until: Callable[[], Any], seconds: float = 120) -> Any:
        """Poll until there is a result; fail with the log of serve."""
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while not (found := until()):
            if time.monotonic() > deadline:
                pytest.fail(f"not within {seconds} s: {what}\n{self.output()[-3000:]}")
            self.note_processes()
            pause.wait(0.1)
        return found

    def wait_for_log(self, arguments: str, seconds: float = 240) -> None:
        self.wait(arguments, lambda: arguments in self.output(), seconds)

    def note_processes(self) -> None:
        """Remember every process that this serve has started."""
        if self.process is not None:
            for pid in {self.process.pid, *descendants(self.process.pid)}:
                with suppress(psutil.NoSuchProcess):
                    self.processes.add(psutil.Process(pid))

    def end(self, number: int = signal.SIGTERM, seconds: float = 90) -> int:
        assert self.process is not None
        self.note_processes()
        self.process.send_signal(number)
        code = self.process.wait(seconds)
        self.process = None
        return code

    def kill_everything(self) -> None:
        self.note_processes()
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()  # never another process with the same number
        if self.process is not None:
            self.process.wait(10)
            self.process = None

    def alive(self) -> set[int]:
        return {one.pid for one in self.processes if one.is_running() and process_exists(one.pid)}

    # --- its server ---

    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        if self.auth:
            session.auth = tuple(self.auth.split(":", 1))  # type: ignore[assignment]
        return session

    def post(self, path: str, document: Any) -> Any:
        """The answer; a server that is too busy for a moment is asked again."""
        deadline = time.monotonic() + 60
        with self.session() as session:
            while True:
                answer = session.post(self.api + path, json=document, timeout=30)
                if answer.status_code != 503 or time.monotonic() > deadline:
                    break
                threading.Event().wait(0.2)
            assert answer.ok, answer.text
            return answer.json()

    def get(self, path: str) -> Any:
        with self.session() as session:
            answer = session.get(self.api + path, timeout=10)
            answer.raise_for_status()
            return answer.json()

    def runs(self, *states: str, name: str | None = None) -> list[dict[str, Any]]:
        """Flow runs; none while the server does not answer."""
        wanted: dict[str, Any] = {"state": {"type": {"any_": list(states)}}}
        if name:
            wanted["name"] = {"any_": [name]}
        try:
            found: list[dict[str, Any]] = self.post("/flow_runs/filter", {"flow_runs": wanted})
        except requests.RequestException:
            return []
        return found

    def runs_due(
        self, name: str, after: datetime, before: datetime, *states: str
    ) -> list[dict[str, Any]]:
        """The scheduled runs of a sync that came due in an interval."""
        wanted = {
            "state": {"type": {"any_": list(states)}},
            "deployment_id": {"any_": [self.deployment_id(name)]},
            "expected_start_time": {"after_": f"{after:%FT%TZ}", "before_": f"{before:%FT%TZ}"},
        }
        found: list[dict[str, Any]] = self.post("/flow_runs/filter", {"flow_runs": wanted})
        return found

    def completed(self, name: str) -> int:
        return len(self.runs("COMPLETED", name=name))

    def wait_for_another(self, name: str, seconds: float = 240) -> None:
        """Until a run of this name that has not been there completes."""
        before = {run["id"] for run in self.runs("COMPLETED", name=name)}
        self.wait(
            f"another {name}",
            lambda: {run["id"] for run in self.runs("COMPLETED", name=name)} - before,
            seconds,
        )

    def deployment_id(self, name: str, flow: str = "sync") -> str:
        return str(self.get(f"/deployments/name/{flow}/{name}")["id"])

    def ask(self, name: str, flow: str = "sync", **parameters: Any) -> dict[str, Any]:
        """Start a run by hand, as the button in the UI does."""
        path = f"/deployments/{self.deployment_id(name, flow)}/create_flow_run"
        run: dict[str, Any] = self.post(path, {"parameters": parameters})
        return run

    def child_pid(self, module: str) -> int:
        """The process ``python -m module``: SERVER_MODULE, or ``prefect`` for the worker."""
        assert self.process is not None
        for pid in descendants(self.process.pid):
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if arguments[1:3] == [b"-m", module.encode()]:
                return pid
        raise AssertionError(f"there is no {module}")

    def run_pid(self, run: dict[str, Any]) -> int:
        """The process of a flow run, once it has one."""
        path = f"/flow_runs/{run['id']}"
        return int(self.wait("a process", lambda: self.get(path)["infrastructure_pid"]))

    def state(self, run: dict[str, Any]) -> dict[str, Any]:
        """The state of a flow run; an empty one while the server does not answer."""
        try:
            found: dict[str, Any] = self.get(f"/flow_runs/{run['id']}")["state"]
        except requests.RequestException:
            return {"type": "", "message": ""}
        return found

    def wait_for_state(self, run: dict[str, Any], *states: str) -> dict[str, Any]:
        self.wait(f"{run['name']} is {states}", lambda: self.state(run)["type"] in states)
        return self.state(run)

    def wait_for_requests(self, count: int, start: str) -> None:
        """Wait until the site received so many more requests with this start of their path."""

        def received() -> int:
            return sum(one.target.startswith(start) for one in self.news_site.requests)

        before = received()
        self.wait(f"{count} requests", lambda: received() >= before + count)

    def fetch_again(self, start: str, fault: Fault) -> None:
        """Answer these paths with a fault, and let all listings and entries count as changed."""
        self.faults[start] = fault
        with connect(self.settings.warehouse.path) as db:
            db.execute("UPDATE _store.fetches SET etag = NULL, last_modified = NULL")
            db.execute("UPDATE _store.entries SET digest = gen_random_uuid()")

    def cancel(self, run: dict[str, Any]) -> None:
        """Cancel a run, as the button in the UI does."""
        self.post(f"/flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}})

    # --- stored rows ---

    def articles(self, source: str) -> set[str]:
        try:
            with connect_read_only(self.settings.warehouse.snapshot) as db:
                rows = db.execute(
                    "SELECT source_article_id FROM articles WHERE source = ?", [source]
                ).fetchall()
        except WarehouseError:
            return set()
        return {one for (one,) in rows}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the live warehouse; no process may be writing."""
        with connect_read_only(self.settings.warehouse.path) as db:
            return db.execute(sql).fetchall()


@contextmanager
def serving_at(
    folder: Path,
    *sources: str,
    serve: str = "",
    api: str = "",
    auth: str = "",
    **environ: str,
) -> Iterator[Serving]:
    """A test site and a configuration of it; whatever is started there ends with it.

    Args:
        folder: Of the configuration.
        sources: Sections, with ``{url}`` for the test site.
        serve: More lines of ``[serve]``.
        api: Another Prefect server than its own.
        auth: The password of the server.
        environ: More of the environment.
    """
    faults: dict[str, Fault] = {}

    def fault_of(target: str, _turn: int) -> Fault | None:
        return next((fault for start, fault in faults.items() if target.startswith(start)), None)

    with site.serve(faults=fault_of) as news_site:
        port = free_port(0)
        url = f"http://127.0.0.1:{news_site.port}"
        head = f"""
            [warehouse]
            path = "copydesk.duckdb"
            snapshot = "copydesk.read.duckdb"
            [archive]
            path = "archive"
            [fetch]
            user_agent = "copydesk-tests/0.1 (+{url}/)"
            allow_private_hosts = ["127.0.0.1:{news_site.port}"]
            deadline_seconds = 10
            [serve]
            port = {port}
            {serve}
            """
        config = folder / "copydesk.toml"
        config.write_text(head + "".join(sources).replace("{url}", url), encoding="utf-8")
        one = Serving(
            config,
            news_site,
            faults,
            bare_environment()
            | {"PREFECT_WORKER_QUERY_SECONDS": "1"}  # each request waits for this
            | ({"PREFECT_API_URL": api} if api else {})
            | environ,
            api=api or f"http://127.0.0.1:{port}/api",
            auth=auth,
        )
        try:
            yield one
        finally:
            one.kill_everything()


@contextmanager
def server_at(home: Path, **environ: str) -> Iterator[tuple[PrefectServer, Callable[[], None]]]:
    """A Prefect server outside of `copydesk serve`, and the function that starts it (again)."""
    port = free_port(0)
    one = PrefectServer(home, host="127.0.0.1", port=port, api_url=f"http://127.0.0.1:{port}/api")
    reported = bare_environment() | environ
    reported |= {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

    def start() -> None:
        one.start(reported, stop=threading.Event())

    start()
    try:
        yield one, start
    finally:
        one.stop()


def bare_environment() -> dict[str, str]:
    """The environment without Prefect's and our own settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "COPYDESK_"))}
    return kept | {"DO_NOT_TRACK": "1"}


def descendants(pid: int) -> set[int]:
    """The processes below this one, now."""
    found = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, file.read_text().split()):
                found |= {child, *descendants(child)}
        except OSError:
            continue
    return found
