"""Machines for tests: each has a network namespace, a home and a Prefect worker of its own.

Where a namespace cannot be made (no root, no ``ip``), a machine is a folder and its processes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows import demo_site
from flows.cli.demo_run import free_port

ROOT = Path(__file__).parents[2]
COPYDESK = [sys.executable, "-c", "from flows.cli import main; main()"]
BRIDGE = "copydesk-br"


@dataclass(kw_only=True)
class Machine:
    """One machine.

    Attributes:
        address: Its IP address; that of all machines where there are no namespaces.
        prefix: Words before a command that runs on it.
    """

    name: str
    home: Path
    address: str
    environ: dict[str, str]
    prefix: list[str] = field(default_factory=list)
    worker: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.home / "worker.log"

    def start_worker(self, pool: str, *, limit: int = 4) -> None:
        command = [
            *self.prefix, sys.executable, "-m", "prefect", "worker", "start", "--pool", pool,
            "--type", "process", "--name", self.name, "--limit", str(limit),
        ]  # fmt: skip
        self.home.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self.worker = subprocess.Popen(
                command, cwd=self.home, env=self.environ, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A command of copydesk on this machine, to its end."""
        self.home.mkdir(exist_ok=True)
        return subprocess.run(
            [*self.prefix, *COPYDESK, *arguments], cwd=self.home, env=self.environ | environ,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    def kill(self) -> None:
        """Kill the worker and its runs at once, as when the machine loses its power."""
        if self.worker is None:
            return
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.worker.pid)
            doomed = [parent, *parent.children(recursive=True)]
            for one in doomed:
                with suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGSTOP)
            for one in doomed:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        self.worker.wait()
        self.worker = None


@dataclass(kw_only=True)
class Network:
    """The addresses of servers, as every machine sees them."""

    addresses: list[str]
    machines: list[Machine]


def has_namespaces() -> bool:
    """Whether this process may make network namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    probe = ["ip", "netns", "add", "copydesk-probe"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        return False
    subprocess.run(["ip", "netns", "delete", "copydesk-probe"], check=False)
    return True


@contextmanager
def network(folder: Path, count: int, *, address_count: int = 4) -> Iterator[Network]:
    """Machines, and addresses for servers that they reach; all is gone after the block."""
    with ExitStack() as ends:
        if not has_namespaces():
            addresses = [f"127.0.0.{n}" for n in range(1, address_count + 1)]
            prefixes: list[list[str]] = [[] for _ in range(count)]
            own = ["127.0.0.1"] * count
        else:
            addresses = [f"10.177.0.{n}" for n in range(1, address_count + 1)]
            own = [f"10.177.0.{100 + n}" for n in range(count)]
            ends.callback(_ip_quiet, "link", "delete", BRIDGE)
            _ip("link", "add", BRIDGE, "type", "bridge")
            for one in addresses:
                _ip("addr", "add", f"{one}/24", "dev", BRIDGE)
            _ip("link", "set", BRIDGE, "up")
            for n, address in enumerate(own):
                ends.callback(_ip_quiet, "netns", "delete", f"copydesk-{n}")
                _ip("netns", "add", f"copydesk-{n}")
                peer = ("type", "veth", "peer", "name", "eth0", "netns", f"copydesk-{n}")
                _ip("link", "add", f"copydesk-v{n}", *peer)
                _ip("link", "set", f"copydesk-v{n}", "master", BRIDGE, "up")
                for words in (("link", "set", "lo", "up"), ("link", "set", "eth0", "up")):
                    _ip("-n", f"copydesk-{n}", *words)
                _ip("-n", f"copydesk-{n}", "addr", "add", f"{address}/24", "dev", "eth0")
            prefixes = [["ip", "netns", "exec", f"copydesk-{n}"] for n in range(count)]
        machines = []
        for n, (address, prefix) in enumerate(zip(own, prefixes, strict=True)):
            home = folder / f"machine-{n}"
            machine = Machine(
                name=f"machine-{n}",
                home=home,
                address=address,
                environ=clean_environment()
                | {"HOME": str(home), "PREFECT_HOME": str(home / "prefect")},
                prefix=prefix,
            )
            ends.callback(machine.kill)
            machines.append(machine)
        yield Network(addresses=addresses, machines=machines)


def clean_environment() -> dict[str, str]:
    """The environment without what names another installation or a proxy."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COPYDESK_", "PREFECT_")) and not name.lower().endswith("_proxy")
    }
    return kept | {
        "PYTHONPATH": str(ROOT),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
    }


@contextmanager
def prefect_server(folder: Path, address: str, database: str, **settings: str) -> Iterator[str]:
    """A Prefect server with its data in PostgreSQL; yield the address of its API."""
    port = free_port(0)
    environ = clean_environment() | {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        **settings,
    }
    command = [
        sys.executable, "-m", "prefect", "server", "start", "--host", address, "--port", str(port),
    ]  # fmt: skip
    log = folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=environ, stdout=output, stderr=output, start_new_session=True
        )
    url = f"http://{address}:{port}/api"
    try:
        wait_for("the Prefect server", lambda: _answers(url), 180, log=log)
        yield url
    finally:
        with suppress(psutil.NoSuchProcess):
            for one in psutil.Process(process.pid).children(recursive=True):
                one.kill()
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    from flows.prefect_api import is_ready

    return is_ready(url)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRequest:
    """One request to a site: from which address, and when (monotonic)."""

    client: str
    target: str
    at: float


@contextmanager
def recorded_site(address: str) -> Iterator[tuple[str, list[SiteRequest]]]:
    """The demo site at an address; yield its URL and the requests so far."""
    requests: list[SiteRequest] = []

    class Handler(demo_site._Handler):  # its answers, and a record of who asked
        def do_GET(self) -> None:  # noqa: N802  # the name of the standard library
            found = SiteRequest(
                client=self.client_address[0], target=self.path, at=time.monotonic()
            )
            requests.append(found)
            super().do_GET()

    server = ThreadingHTTPServer((address, 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a machine died
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wait_for(
    what: str, until: Callable[[], Any], seconds: float, *, log: Path | None = None
) -> Any:
    """Poll until there is a result; fail with the end of a log."""
    deadline = time.monotonic() + seconds
    while not (found := until()):
        if time.monotonic() > deadline:
            text = log.read_text(encoding="utf-8")[-3000:] if log and log.exists() else ""
            pytest.fail(f"not within {seconds} s: {what}\n{text}")
        time.sleep(0.2)
    return found


def overlapping(runs: list[Any]) -> list[tuple[str, str]]:
    """The pairs of runs of one deployment that ran at the same time."""
    by_deployment = defaultdict(list)
    for one in runs:
        by_deployment[one.deployment_id].append(one)
    return [
        (first.name, second.name)
        for group in by_deployment.values()
        for first, second in pairwise(sorted(group, key=lambda one: one.start_time))
        if second.start_time < first.end_time
    ]


def turns(requests: list[SiteRequest]) -> int:
    """How often the address that a site's requests come from changes, plus one."""
    return sum(1 for _ in groupby(requests, key=lambda one: one.client))


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _ip_quiet(*words: str) -> None:
    subprocess.run(["ip", *words], check=False, capture_output=True)
