"""The main job, offline: the demo site, every source once, a fresh warehouse."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from flows import demo_site, settings
from flows.admin.query import query
from flows.callbacks import Notify, OnProgress
from flows.cli.console import table
from flows.errors import RunFailed
from flows.pipeline.stats import RunReport
from flows.serving.launch import run_sync

DEMO_SITE_PORT = 8765
CONFIG = """\
# Written by `copydesk demo`. Every source points at the demo site on loopback. To sync again,
# run `copydesk demo-site --port {port}`, then `copydesk --config {file} sync`.
[warehouse]
path = "copydesk.duckdb"
snapshot = "copydesk.read.duckdb"

[archive]
path = "archive"

[fetch]
user_agent = "copydesk-demo/0.1 (+{url}/)"
allow_private_hosts = ["127.0.0.1:{port}"]
per_host_concurrency = 8

[sources.finews]
parser = "finews"
base_url = "{url}"
article_base_url = "{url}"
channels = ["emnews", "media", "market-37", "market-38", "market-39"]
article_urls = ["{share_link}"]

[sources.woshipm]
parser = "rsshub"
url = "{url}/woshipm/latest"
categories = ["新媒体", "人人都是产品经理", "最新文章"]

[sources.woshipm_direct]
parser = "woshipm"
base_url = "{url}"

[sources.ofweek]
parser = "ofweek"
base_url = "{url}"

[sources.ofweek_feed]
parser = "rsshub"
url = "{url}/ofweek/news"
categories = ["新媒体", "高科技行业门户", "新闻"]
"""


SAMPLE = """
SELECT source, count(*) AS articles, count(DISTINCT content_hash) AS contents,
       min(published_at) AS oldest, max(published_at) AS newest
FROM articles GROUP BY source ORDER BY source"""
ELSEWHERE = ("COPYDESK_WAREHOUSE__", "COPYDESK_ARCHIVE__", "COPYDESK_SOURCES__")
QUESTION = "select title from articles limit 5"
SAMPLE_ARTICLES = """
SELECT article_id, title, publisher, published_at, published_precision AS precision, revisions
FROM articles ORDER BY published_at DESC NULLS LAST, article_id LIMIT 8"""
SAMPLE_QUARANTINE = """
SELECT source, channel, reason, expected, found FROM quarantine ORDER BY ALL"""
# An article that no list holds, found by a link that a reader shared.
SHARE_LINK = "http://finews.zning.xyz/html_News/NewsShare.html?infoCode=NW202203082300310099"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The result of the demo.

    Attributes:
        words: The text that shows it.
        exit_code: 0 when the quarantine holds exactly the entries that the site breaks on
            purpose; otherwise the exit code of the run.
    """

    report: RunReport
    words: str
    exit_code: int


def run_demo(
    keep: Path | None, *, notify: Notify, progress: OnProgress, verbosity: int = 0
) -> Demo:
    """Sync every source once from the demo site into a fresh warehouse.

    Args:
        keep: The folder that keeps the result; ``None`` discards it.
        notify: Receives messages.
        progress: Receives the progress of each source.
        verbosity: The verbosity of Prefect's log.

    Raises:
        RunFailed: The folder already holds a warehouse, or the environment names another one.
    """
    _refuse_other_places(os.environ)
    port = free_port()
    with _folder(keep) as folder, demo_site.serve(port) as url:
        notify(f"demo site: {url} serves the pages of every source")
        config = write_config(folder, port=port, share_link=SHARE_LINK)
        chosen = settings.load(config)
        report = run_sync(
            chosen, (), config=config, notify=notify, progress=progress, verbosity=verbosity
        )
        shown = [_asked(chosen, sql, notify) for sql in (SAMPLE, SAMPLE_ARTICLES)]
        where = _where(chosen, config, port) if keep else "(not kept: use --keep DIR)"
        broken = demo_site.BROKEN_ENTRIES
        quarantined, failed = (report.totals()[name] for name in ("quarantined", "failed"))
        is_as_meant = report.state == "completed_with_warnings" and (quarantined, failed) == (
            broken,
            0,
        )
        if is_as_meant:
            shown.append(
                f"The demo site breaks {broken} entries on purpose. They are in quarantine:"
            )
            shown.append(_asked(chosen, SAMPLE_QUARANTINE, notify))
        return Demo(
            report=report,
            words="\n\n".join([*shown, where]) + "\n",
            exit_code=0 if is_as_meant else report.exit_code,
        )


def serve_demo_site(port: int | None, port_file: Path | None, *, notify: Notify) -> None:
    """Serve the demo site until Ctrl-C.

    Args:
        port: The port; 0 or ``None`` takes a free one.
        port_file: Receives the port as text once the site answers.
        notify: Receives messages.

    Raises:
        RunFailed: The port is taken, or the port file cannot be written.
    """
    port = free_port() if port is None else port
    try:
        with demo_site.serve(port) as url:
            if port_file is not None:
                _write_atomically(port_file, f"{url.rpartition(':')[2]}\n")
            notify(f"demo site: {url}; Ctrl-C stops it")
            threading.Event().wait()
    except KeyboardInterrupt:
        notify("demo site: stopped")
    except OSError as error:
        if error.filename:
            raise RunFailed(f"{error.filename} cannot be written: {error.strerror}") from error
        raise RunFailed(
            f"port {port} on 127.0.0.1 cannot be used: {error}; --port 0 picks a free one"
        ) from error


def _write_atomically(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    draft.write_text(text, encoding="ascii")
    draft.replace(path)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="copydesk-demo-") as scratch:
            yield Path(scratch)
        return
    if any((keep / name).exists() for name in ("copydesk.duckdb", "copydesk.toml")):
        raise RunFailed(
            f"{keep} already holds a demo, and the demo needs a fresh warehouse: "
            "name another folder, or remove that one"
        )
    keep.mkdir(parents=True, exist_ok=True)
    yield keep


def _asked(chosen: settings.Settings, sql: str, notify: Notify) -> str:
    answer = query(chosen, sql, live=False, notify=notify)
    return f"{sql.strip()}\n\n{table(answer.as_json(), answer.columns)}"


def _where(chosen: settings.Settings, config: Path, port: int) -> str:
    return "\n".join(
        [
            f"warehouse   {chosen.warehouse.path}",
            f"snapshot    {chosen.warehouse.snapshot}",
            f"raw pages   {chosen.archive.path}",
            f"to ask      copydesk --config {quote(str(config))} query '{QUESTION}'",
            f"sync again  copydesk demo-site --port {port} &",
            f"            copydesk --config {quote(str(config))} sync",
        ]
    )


def _refuse_other_places(environ: Mapping[str, str]) -> None:
    """Refuse environment variables that lead the demo out of its own folder."""
    found = sorted(name for name in environ if name.startswith(ELSEWHERE))
    if found:
        without = " ".join(f"-u {name}" for name in found)
        raise RunFailed(
            f"{', '.join(found)} set in this shell would point the demo at another corpus: "
            f"try `env {without} copydesk demo`, or a new shell"
        )


def write_config(folder: Path, *, port: int, share_link: str) -> Path:
    """Write ``copydesk.toml`` into a folder, every source pointed at the demo site."""
    file = folder / "copydesk.toml"
    url = f"http://127.0.0.1:{port}"
    file.write_text(
        CONFIG.format(port=port, url=url, file=file, share_link=share_link), encoding="utf-8"
    )
    return file


def free_port(wanted: int = DEMO_SITE_PORT) -> int:
    """The wanted port on loopback if nobody listens there, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise OSError("no free port on 127.0.0.1")
