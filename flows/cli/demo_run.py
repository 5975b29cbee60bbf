"""The main job offline: every source of the demo site into a new warehouse."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from shlex import quote

from flows import demo_site, settings
from flows.admin.query import query
from flows.callbacks import Notify, OnProgress
from flows.cli.report import write_report
from flows.cli.site import write_site
from flows.cli.tables import table
from flows.errors import ConfigurationError, RunFailed
from flows.pipeline.stats import RunReport
from flows.serve.run_local import run_sync
from flows.web.site.options import SiteOptions

DEMO_SITE_PORT = 8765
REPORT = "report.html"
"""The name of the report in the folder of the demo."""
SITE = "site"
"""The name of the folder of the static site there."""

# An article that no listing holds, found by a share link.
ARTICLE_URL = "http://finews.zning.xyz/html_News/NewsShare.html?infoCode=NW202203082300310099"
_ARTICLE_COUNTS = """
SELECT source, count(*) AS articles, count(DISTINCT content_hash) AS contents,
       min(published_at) AS oldest, max(published_at) AS newest
FROM articles GROUP BY source ORDER BY source"""
_ARTICLES = """
SELECT article_id, title, publisher, published_at, published_precision AS precision, revision_count
FROM articles ORDER BY published_at DESC NULLS LAST, article_id LIMIT 8"""
_QUARANTINE = """
SELECT source, channel, reason, expected, found FROM quarantine ORDER BY ALL"""
_QUERY = "select title from articles limit 5"
# Variables that would send the articles of the demo to another warehouse.
_PLACES = ("COPYDESK_WAREHOUSE__", "COPYDESK_ARCHIVE__", "COPYDESK_SOURCES__")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The result of the demo.

    Attributes:
        text: Sample queries with their results, and where the files are.
        site: The front page of the static site; ``None`` if it was not kept.
        exit_code: 0 when quarantine holds exactly what the site breaks on purpose; else that
            of the report.
    """

    report: RunReport
    text: str
    site: Path | None
    exit_code: int


def run_demo(
    output: Path | None, *, notify: Notify, on_progress: OnProgress, verbosity: int = 0
) -> DemoResult:
    """Sync every source of the demo site once, into a new warehouse.

    Args:
        output: The folder to keep everything in; ``None`` for a temporary one.
        notify: Writes one message.
        on_progress: Receives the progress of each source.
        verbosity: Of Prefect's log.

    Raises:
        ConfigurationError: The folder already holds a demo, or a variable names another warehouse.
        RunFailed: Prefect ended the run.
    """
    _refuse_other_places(os.environ)
    port = free_port()
    with _folder(output) as folder, demo_site.serve(port) as url:
        notify(f"demo site: {url} serves the pages of every source")
        config = write_config(folder, port=port, article_url=ARTICLE_URL)
        chosen = settings.load(config)
        report = run_sync(
            chosen,
            (),
            config=config,
            notify=notify,
            progress=on_progress,
            verbosity=verbosity,
            start_server=True,
        )
        parts = [_query_text(chosen, sql, notify) for sql in (_ARTICLE_COUNTS, _ARTICLES)]
        broken = demo_site.BROKEN_ENTRIES
        quarantined, failed = (report.totals()[name] for name in ("quarantined", "failed"))
        is_expected = (report.exit_code, quarantined, failed) == (3, broken, 0)
        if is_expected:
            parts.append(f"{broken} entries are broken on purpose, to show the quarantine:")
            parts.append(_query_text(chosen, _QUARANTINE, notify))
        site = None
        if output:
            write_report(chosen, folder / REPORT)
            write_site(chosen, folder / SITE, SiteOptions(title="copydesk demo"))
            site = folder / SITE / "index.html"
            parts.append(_places(chosen, config, port))
        else:
            parts.append("(deleted; keep: --output DIR)")
        return DemoResult(
            report=report,
            text="\n\n".join(parts) + "\n",
            site=site,
            exit_code=0 if is_expected else report.exit_code,
        )


def serve_demo_site(port: int | None, port_file: Path | None, *, notify: Notify) -> None:
    """Serve the demo site until Ctrl-C.

    Args:
        port: The port; 0 or ``None`` takes a free one.
        port_file: Receives the port as text once the site answers.
        notify: Writes one message.

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


def write_config(folder: Path, *, port: int, article_url: str) -> Path:
    """Write a ``copydesk.toml`` whose sources are all on the demo site."""
    file = folder / "copydesk.toml"
    url = f"http://127.0.0.1:{port}"
    template = resources.files(demo_site).joinpath("copydesk.toml").read_text(encoding="utf-8")
    text = template.format(port=port, url=url, file=file, article_url=article_url)
    file.write_text(text, encoding="utf-8")
    return file


def free_port(preferred: int = DEMO_SITE_PORT) -> int:
    """The preferred port on loopback if it is free, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise OSError("no free port on 127.0.0.1")


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    if output is None:
        with tempfile.TemporaryDirectory(prefix="copydesk-demo-") as scratch:
            yield Path(scratch)
        return
    if any((output / name).exists() for name in ("copydesk.duckdb", "copydesk.toml")):
        raise ConfigurationError(
            f"{output} already holds a demo, and the demo needs a new warehouse: name another "
            "folder, or delete that one"
        )
    output.mkdir(parents=True, exist_ok=True)
    yield output


def _query_text(chosen: settings.Settings, sql: str, notify: Notify) -> str:
    result = query(chosen, sql, live=False, notify=notify)
    return f"{sql.strip()}\n\n{table(result.as_json(), result.columns)}"


def _places(chosen: settings.Settings, config: Path, port: int) -> str:
    copydesk = f"copydesk --config {quote(str(config))}"
    lines = (
        ("warehouse", chosen.warehouse.location),
        ("snapshot", chosen.warehouse.snapshot),
        ("archive", chosen.archive.path),
        ("report", config.with_name(REPORT)),
        ("query", f"{copydesk} query '{_QUERY}'"),
        ("next sync", f"copydesk demo-site --port {port} &"),
        ("", f"{copydesk} sync"),
    )
    return "\n".join(f"{name:<10}  {value}" for name, value in lines)


def _refuse_other_places(environ: Mapping[str, str]) -> None:
    names = sorted(name for name in environ if name.startswith(_PLACES))
    if names:
        without = " ".join(f"-u {name}" for name in names)
        raise ConfigurationError(
            f"{', '.join(names)} would send the demo to another warehouse: run "
            f"`env {without} copydesk demo`"
        )
