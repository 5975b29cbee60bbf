"""``copydesk site --serve`` as a process, and its pages in Chromium, served and as files."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from flows.web.site import search_index as index
from flows.web.site.names import article_path
from tests.chromium import BROWSER, Tab, open_tab
from tests.e2e.test_browse import AXE, SCREENS, VIOLATIONS
from tests.integration.web.conftest import CORRECTED, HOSTILE, fill
from tests.unit.web.test_site import site_article
from warehouse import connect, publish

pytestmark = pytest.mark.e2e

PAGES = (
    "", "sources/index.html", "sources/finews/index.html", "categories/index.html", "days/index.html",
    "search.html?q=央行", article_path(CORRECTED), article_path(HOSTILE), "nowhere/at/all.html",
)  # fmt: skip
HITS = "[...document.querySelectorAll('#hits a')].map(one => one.textContent)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "copydesk.toml").write_text('[warehouse]\npath = "w.duckdb"\n', "utf-8")
    with connect(folder / "w.duckdb") as db:
        fill(db)
        publish(db, folder / "w.read.duckdb")
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "flows.cli", "--config", str(folder / "copydesk.toml"), "site",
               str(folder / "site"), "--base-url", "https://news.example/desk/", "--serve",
               "--port", "0", "--lang", "en", "--json"]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        text = ""
        while not text.endswith("}\n") and process.poll() is None:
            text += process.stdout.readline()
        try:
            yield json.loads(text)["url"]
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    if BROWSER is None:
        pytest.skip("needs the Debian package chromium: make debian")
    with open_tab(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


def test_site_is_served_below_the_path_of_its_address(url):
    assert url.endswith("/desk/")
    assert "央行" in requests.get(url, timeout=60).text
    assert requests.get(f"{url}a/b.html", timeout=60).status_code == 404


def test_pages_have_no_serious_accessibility_fault_and_load_nothing_but_images(url, tab):
    if not AXE.is_file():
        pytest.skip("needs axe-core: make axe")
    axe, faults, foreign, wide = AXE.read_text("utf-8"), [], [], []
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
    assert {one for one in foreign if not one.endswith((".png", ".jpg"))} == set()
    assert wide == []


def hits(tab: Tab, address: str) -> list[str]:
    """The titles that the search of a page shows, after it has answered."""
    tab.open(address)
    answered = f"/^No/.test(document.getElementById('found').textContent) || {HITS}.length"
    tab.evaluate(f"new Promise(done => setInterval(() => ({answered}) && done(), 20))")
    return list(tab.evaluate(HITS))


@pytest.mark.parametrize("is_file", [False, True], ids=["served", "as_files"])
def test_search_finds_titles_and_loads_the_parts_that_it_needs(url, folder, tab, is_file):
    root = f"file://{folder}/site/" if is_file else url
    found = hits(tab, f"{root}search.html?q=央行宣布降准")

    assert found == [
        f"央行宣布降准{rate}个百分点。 市场人士认为有助于降低成本。" for rate in (0.25, 0.5)
    ]
    parts = [one for one in tab.requested if "/search/" in one]
    assert len(parts) == 3  # two segments of words, one block of lines
    assert len(hits(tab, f"{root}search.html?q=ferr")) > 0
    assert hits(tab, f"{root}search.html?q=<script>") == ["=1+1 <script>alert('x')</script> & ]]>"]
    assert hits(tab, f"{root}search.html?q=zyzzyva") == []


@pytest.mark.usefixtures("url")
def test_search_finds_the_shards_that_the_build_has_written(folder, tab, tmp_path):
    count, numbered = 3000, []
    for number in range(0, count, 7):
        title = f"港口{chr(0x4E00 + number)}{chr(0x20000 + number)} Ferry{number} é"
        numbered.append((number, site_article(number, title=title, path=f"{number}.html")))
    for segment in index.segments(count):
        inside = [one for one in numbered if 0 <= one[0] - segment.start < segment.length]
        texts = index.segment_texts(segment, inside)
        for path, text in zip(index.segment_files(segment), texts, strict=True):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, "utf-8")
    (tmp_path / "search/articles").mkdir()
    for block in range(-(-count // index.BLOCK_LENGTH)):
        lines = {number: [one.title or "", one.path, "", "", ""] for number, one in numbered}
        text = index.block_text(block, lines)
        (tmp_path / f"search/articles/{block}.js").write_text(text, "utf-8")
    page = (folder / "site/search.html").read_text("utf-8")
    (tmp_path / "search.html").write_text(
        re.sub(r'data-count="\d+"', f'data-count="{count}"', page)
    )
    (tmp_path / "search.js").write_bytes((folder / "site/search.js").read_bytes())

    for number in (0, 7, 2044, 2051, 2996):
        title = f"港口{chr(0x4E00 + number)}{chr(0x20000 + number)} Ferry{number} é"
        for words in (title, f"ferry{number}", title[2:4], title[3]):
            assert title in hits(tab, f"file://{tmp_path}/search.html?q={words}"), words
