"""Chromium without a window, for tests of pages; spoken to by the DevTools protocol."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
START_SECONDS = 90
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
)  # fmt: skip


@dataclass
class Tab:
    """One tab; remembers every address that was requested since the last ``open``."""

    connection: ClientConnection
    requested: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def open(self, url: str) -> None:
        """Open a page and wait until it and its frames are loaded."""
        self.requested.clear()
        self.call("Page.navigate", url=url)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def show(self, width: int, scheme: str) -> None:
        """Set the width of the window in pixels, and ``light`` or ``dark``."""
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=media)
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **screen)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, or of its promise."""
        found = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of one method of the protocol."""
        number = next(self._numbers)
        self.connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := self._next()).get("id") != number:
            pass
        assert "error" not in message, message
        return dict(message["result"])

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(timeout=60))
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(message["params"]["request"]["url"])
        return message


@contextmanager
def open_tab(profile: Path) -> Iterator[Tab]:
    """Start Chromium with a new profile in a folder; end it with the context."""
    command = [str(BROWSER), *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with connect(_address(profile, process), max_size=None) as browser:
                browser.send(json.dumps({"id": 0, "method": "Target.getTargets"}))
                targets = json.loads(browser.recv(timeout=60))["result"]["targetInfos"]
                page = next(one["targetId"] for one in targets if one["type"] == "page")
                root = str(browser.request.headers["Host"]) if browser.request else ""
            with connect(f"ws://{root}/devtools/page/{page}", max_size=None) as connection:
                tab = Tab(connection)
                for domain in ("Page", "Network"):
                    tab.call(f"{domain}.enable")
                yield tab
        finally:
            process.terminate()


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    file = profile / "DevToolsActivePort"
    end = time.monotonic() + START_SECONDS
    while not (file.is_file() and len(lines := file.read_text().split()) == 2):
        assert process.poll() is None, "Chromium ended"
        assert time.monotonic() < end, "Chromium does not answer"
        time.sleep(0.05)
    port, path = lines
    return f"ws://127.0.0.1:{port}{path}"
