"""``copydesk browse`` as a process, and its pages in Chromium."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests

from tests.chromium import BROWSER, open_tab
from tests.integration.web.conftest import CORRECTED, HOSTILE, fill
from warehouse import connect, publish

pytestmark = pytest.mark.e2e

AXE = Path(__file__).parents[2] / ".cache/axe/node_modules/axe-core/axe.min.js"
PAGES = (
    "/articles", "/articles?q=央行", f"/article?{urlencode({'id': CORRECTED})}",
    f"/article?{urlencode({'id': HOSTILE})}", "/sources", "/source?name=finews", "/quarantine",
    "/gaps", "/runs", "/sql?sql=from+articles+limit+3", "/sql?sql=wrong", "/nowhere",
)  # fmt: skip
# Width, scheme, and the rules whose result differs between them; all rules on the first.
SCREENS = (
    (390, "light", "{}"),
    (1280, "dark", "{runOnly: ['color-contrast', 'scrollable-region-focusable', 'target-size']}"),
)
VIOLATIONS = "violations.map(one => [one.impact, one.id, one.nodes[0].html])"


@contextmanager
def browse(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "flows.cli", "--config", str(folder / "copydesk.toml"),
               "browse", "--json", *options]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browse")
    (folder / "copydesk.toml").write_text('[warehouse]\npath = "w.duckdb"\n', "utf-8")
    with connect(folder / "w.duckdb") as db:
        fill(db)
        publish(db, folder / "w.read.duckdb")
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with browse(folder, "--port", "0") as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += process.stdout.readline()
        yield json.loads(text)["url"].rstrip("/")
        wait = threading.Thread(target=ask_slowly, args=(json.loads(text)["url"],))
        wait.start()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        wait.join()
        assert process.stderr is not None
        assert process.stderr.read() == ""


def ask_slowly(url: str) -> None:
    """A request that would take seconds; the server ends before."""
    sql = "select levenshtein(repeat('a', 2000000), repeat('b', 2000000))"
    try:
        requests.get(f"{url}sql", params={"sql": sql}, timeout=60)
    except requests.ConnectionError:
        return


@pytest.fixture(autouse=True)
def no_thread_is_left() -> None:
    """The process outlives a test."""


def test_command_serves_pages_on_loopback(url):
    assert url.startswith("http://127.0.0.1:")
    assert "央行" in requests.get(url, timeout=60).text


def test_address_in_use_is_an_error_that_names_the_option(url, folder):
    with browse(folder, "--port", url.rpartition(":")[2]) as process:
        out, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "--port" in json.loads(out)["error"]
    assert "Traceback" not in err


def test_missing_snapshot_is_an_error(tmp_path):
    (tmp_path / "copydesk.toml").write_text("", "utf-8")
    with browse(tmp_path, "--port", "0") as process:
        out, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "copydesk sync" in json.loads(out)["error"]


def test_pages_have_no_serious_accessibility_fault_and_load_nothing(url, tmp_path):
    if BROWSER is None:
        pytest.skip("needs the Debian package chromium: make debian")
    if not AXE.is_file():
        pytest.skip("needs axe-core: make axe")
    axe, faults, foreign, wide = AXE.read_text("utf-8"), [], [], []
    with open_tab(tmp_path / "profile") as tab:
        for page in PAGES:
            tab.open(url + page)
            tab.evaluate(f"{axe};0")
            for width, scheme, options in SCREENS:
                tab.show(width, scheme)
                found = tab.evaluate(f"axe.run({options}).then(found => found.{VIOLATIONS})")
                faults += [(page, scheme, *one) for one in found]
                wide += [page] * tab.evaluate(f"document.documentElement.scrollWidth > {width}")
            foreign += [one for one in tab.requested if not one.startswith((url, "data:"))]

    assert [one for one in faults if one[2] in ("serious", "critical")] == []
    assert foreign == []
    assert wide == []
