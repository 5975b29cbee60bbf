"""The report of hostile articles: their text stays text, and no request leaves the page."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from bs4 import BeautifulSoup

from flows.web.report import make_report
from tests.unit.warehouse.factories import HOUR, NOON, article, upsert
from warehouse import connect, transaction
from warehouse.records import fetches, gaps, health, quarantine, runs
from warehouse.records.health import ChannelDay, Finding, SourceHealth
from warehouse.rows import FetchRow, NewGap, NewQuarantineEntry

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
SCRIPT = "<script>document.title='pwned'</script>"
IMAGE = "<img src=http://evil.test/x onerror=\"document.title='pwned'\">"
HOSTILE = f"\u202e\x07</svg></style></title></table>{SCRIPT}{IMAGE}{{{{ 7*7 }}}}"
LONG = "言" * 3000
SECRET = "https://desk:w0rd@example.org/feed?access_token=T0k3n.Value&page=2"
QUOTES = "\" onmouseover=\"document.title='pwned'\" x='"
ELEMENTS = {
    "a", "bdi", "body", "br", "caption", "circle", "dd", "desc", "details", "div", "dl", "dt", "figcaption",
    "figure", "footer", "g", "h1", "h2", "h3", "head", "header", "html", "li", "line", "link", "main", "meta",
    "nav", "p", "path", "rect", "section", "span", "strong", "style", "summary", "svg", "table", "tbody", "td",
    "text", "th", "thead", "time", "title", "tr", "ul",
}  # fmt: skip


@pytest.fixture(scope="module")
def html() -> Iterator[str]:
    with connect(":memory:") as db:
        for number, text in enumerate((HOSTILE, LONG, QUOTES)):
            row = article(
                number, text, source=text, publisher=text, authors=(text,), language=text,
                published_on=NOON.date(), url=text, canonical_url=text,
            )  # fmt: skip
            copy = article(number, text, source=f"copy of {text}", publisher=text, fetched_at=NOON + HOUR)  # fmt: skip
            upsert(db, row, copy)
            with transaction(db):
                _record(db, text, text)
        with transaction(db):
            _record(db, "finews", SECRET)
        yield make_report(db, at=NOON + HOUR, zone=ZoneInfo("UTC")).html


def _record(db, source: str, text: str) -> None:
    """Store one row of each kind around an article."""
    runs.start_run(db, flow="sync", sources=[source], code_version="1", run_id="run", at=NOON)
    fetches.record(
        db,
        [FetchRow(source=source, channel=source, url=text, status=500, error=text, seconds=1.0, fetched_at=NOON)],
        run_id="run",
    )  # fmt: skip
    gap = NewGap(source=source, channel=source, from_at=NOON, to_at=None, detected_by=text)
    gaps.open_gap(db, gap, run_id="run", at=NOON)
    failed = NewQuarantineEntry(
        source=source, channel=source, url=text, reason=source, message=text, expected=text, found=text,
        page=b"", fetched_at=NOON, parser="p", parser_version="1",
    )  # fmt: skip
    quarantine.put(db, [failed], run_id="run", at=NOON)
    finding = Finding(
        source=source, channel=source, kind="field_missing", field=source, expected=text, found=text
    )
    health.open_finding(db, finding, run_id="run", at=NOON)
    state = SourceHealth(source=source, state=source, learning=(), evaluated_at=NOON, run_id="run")
    health.put_sources(db, [(state, None)])
    day = ChannelDay(source=source, channel=source, day=NOON.date(), read_count=1, new_count=1)
    health.put_days(db, [(day, None)])


def test_text_of_others_adds_no_element_and_no_attribute(html):
    page = BeautifulSoup(html, "lxml")

    assert {one.name for one in page.find_all()} <= ELEMENTS
    names = {name for one in page.find_all() for name in one.attrs}
    assert {name for name in names if name.startswith("on")} == set()
    assert names & {"style", "src", "srcset", "action", "formaction", "xlink:href"} == set()
    assert len(page.find_all("style")) == 1
    assert page.title.get_text() == "Corpus report, 14 Mar 2026"
    assert SCRIPT in page.get_text()
    assert "{{ 7*7 }}" in page.get_text()


def test_the_page_refers_to_nothing_outside_itself(html):
    page = BeautifulSoup(html, "lxml")

    links = {one["href"] for one in page.find_all(href=True)}
    assert {link for link in links if not link.startswith("#")} == {"data:,"}
    assert "url(" not in page.style.get_text()
    assert "@import" not in page.style.get_text()
    (policy,) = page.find_all("meta", attrs={"http-equiv": "Content-Security-Policy"})
    digest = base64.b64encode(sha256(page.style.string.encode()).digest()).decode()
    assert policy["content"].startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")


def test_no_control_character_is_written_and_long_text_is_cut(html):
    assert "\x07" not in html
    assert "\u202e" not in html
    assert LONG[:201] not in html


def test_addresses_of_failures_have_no_secrets(html):
    page = BeautifulSoup(html, "lxml")

    assert (
        "https://***@example.org/feed?access_token=***&page=2"
        in page.select_one(".failures").get_text()
    )
    assert "https://***@example.org" in page.select_one(".findings").get_text()
    assert "w0rd" not in html
    assert "T0k3n" not in html


def test_a_browser_runs_no_script_and_sends_no_request(html, tmp_path: Path):
    if BROWSER is None:
        pytest.skip("needs the Debian package chromium: make debian")
    page, log = tmp_path / "report.html", tmp_path / "net.json"
    page.write_text(html, encoding="utf-8")
    run = subprocess.run(
        [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--proxy-server=127.0.0.1:9",
         f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    shown = BeautifulSoup(run.stdout, "lxml")

    assert shown.title.get_text() == "Corpus report, 14 Mar 2026"
    assert shown.select_one("#quarantine table") is not None
    assert _requested_by_pages(log) == set()


def _requested_by_pages(log: Path) -> set[str]:
    """The addresses that pages asked for; the browser's own requests have no origin."""
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    sent = [event["params"] for event in events if "initiator" in event.get("params", {})]
    urls = {one["url"] for one in sent if one["initiator"] != "not an origin"}
    return {url for url in urls if not url.startswith("data:")}
