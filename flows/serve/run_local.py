"""A flow in the process of a command, with Prefect's record of it.

The run uses, in this order: the server of PREFECT_API_URL, the server of a running
``copydesk serve`` of this warehouse, or a server of its own that ends with the command. A sync
starts none of its own: that would cost three times the CPU of a run that finds nothing new.
Prefect is imported only here, after its settings were prepared: it takes a second.
"""

from __future__ import annotations

import atexit
import os
import socket
import threading
from collections.abc import Sequence
from datetime import date, datetime
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import prefect_api
from flows.callbacks import Notify, OnProgress
from flows.errors import RunFailed, ServerNotStarted
from flows.pipeline.date_range import parse_request
from flows.pipeline.signals import graceful_shutdown
from flows.pipeline.stats import RunReport
from flows.secrets.redact import redact_url
from flows.serve.lost_runs import label_process
from flows.settings import resolve_config_file

if TYPE_CHECKING:
    from flows.pipeline.run import RunEnvironment, Trigger
    from flows.prefect_api import RunServer
    from flows.settings import Settings

_CONSOLE_LEVEL = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
_CONSOLE_LEVELS = {-1: "CRITICAL", 0: "CRITICAL", 1: "INFO"}


def run_sync(
    settings: Settings,
    sources: tuple[str, ...],
    *,
    config: Path | None,
    limit: int | None = None,
    dry_run: bool = False,
    notify: Notify,
    progress: OnProgress,
    verbosity: int = 0,
    start_server: bool = False,
) -> RunReport:
    """Run one sync; without Prefect if there is no server, or it cannot be used.

    Args:
        settings: The configuration.
        sources: Slugs of sources; all of them when empty.
        config: The configuration file.
        limit: At most this many entries of each source.
        dry_run: List what would be fetched; store nothing.
        notify: Called with messages.
        progress: Called after each batch.
        verbosity: 1 shows Prefect's log on the terminal.
        start_server: Start a Prefect server for this run if none is there.

    Raises:
        ConfigurationError: A source is unknown.
        RunFailed: Prefect ended the run.
        WarehouseError: The warehouse could not be written.
    """
    slugs = [source.slug for source in settings.selected_sources(sources)]
    parameters = {
        "sources": list(sources) or None,
        "limit": limit,
        "dry_run": dry_run,
        "config": _path(resolve_config_file(config)),
    }
    options: dict[str, Any] = {"settings": settings, "notify": notify, "progress": progress}
    server = prefect_api.find_run_server(os.environ, settings)
    try:
        if start_server or server or settings.run.task_runner != "threads":
            options |= {"server": server, "verbosity": verbosity}
            return run_flow("flows.sync.sync", parameters, **options)
    except ServerNotStarted as error:
        notify(f"{error}\nThis run continues without Prefect; `copydesk doctor` checks the server")
    environment, signals = _environment(notify, progress)
    with environment, signals:
        return sync_without_prefect(settings, slugs, limit=limit, dry_run=dry_run)


def sync_without_prefect(
    settings: Settings,
    slugs: list[str],
    *,
    trigger: Trigger = "person",
    limit: int | None = None,
    dry_run: bool = False,
) -> RunReport:
    """Run the steps of the flow ``sync`` where there is no Prefect server.

    Raises:
        WarehouseError: The warehouse could not be written.
    """
    from flows.alerts.deliver import send_alerts
    from flows.pipeline.first_error import raising_first
    from flows.pipeline.run import RunContext
    from flows.pipeline.sync_source import sync_sources

    run = RunContext("sync", settings, slugs, trigger=trigger, limit=limit, is_dry=dry_run)
    with run, raising_first(sync_sources(run, slugs)):
        report = run.finish()
        if not dry_run:
            run.publish()
            if not settings.publish:
                send_alerts(run, {})
                return report
            from flows.publication.failures import publication_errors
            from flows.publication.publish_all import publish_after_sync

            try:
                report = publish_after_sync(run, report)
            finally:
                send_alerts(run, publication_errors(settings, report))
    return report


def run_backfill(
    settings: Settings,
    source: str,
    *,
    config: Path | None,
    first: date | None = None,
    last: date | None = None,
    urls: Sequence[str] = (),
    archive: str | Path | None = None,
    dry_run: bool = False,
    restart: bool = False,
    **options: Any,
) -> RunReport:
    """Run one backfill.

    Raises:
        ConfigurationError: The request is invalid; nothing ran.
        SourceLocked: Another backfill of the source is running.
        RunFailed: Prefect ended the run, or its server cannot be used.
        WarehouseError: The warehouse could not be written.
    """
    asked = parse_request(settings, source, first=first, last=last, urls=urls, archive=archive)
    parameters = {
        "source": source,
        "from_date": first,
        "to_date": last,
        "urls_file": _path(_urls_file(settings, asked.urls) if asked.urls else None),
        "archive": str(asked.archive or "\n".join(asked.warc_files)) or None,
        "dry_run": dry_run,
        "restart": restart,
        "config": _path(resolve_config_file(config)),
    }
    server = prefect_api.find_run_server(os.environ, settings)
    options |= {"settings": settings, "server": server}
    return run_flow("flows.backfill.backfill", parameters, **options)


def run_reparse(
    settings: Settings,
    sources: Sequence[str],
    *,
    config: Path | None,
    since: datetime | None = None,
    diff: bool = False,
    **options: Any,
) -> RunReport:
    """Run one reparse.

    Raises:
        ConfigurationError: A source is unknown.
        RunFailed: Prefect ended the run, or its server cannot be used.
        WarehouseError: There is no warehouse, or it could not be written.
    """
    from flows.pipeline.reparse_steps import require_pages

    settings.selected_sources(tuple(sources))
    require_pages(settings)  # before a server is started for nothing
    parameters = {
        "sources": list(sources) or None,
        "since": since,
        "diff": diff,
        "config": _path(resolve_config_file(config)),
    }
    server = prefect_api.find_run_server(os.environ, settings)
    options |= {"settings": settings, "server": server}
    return run_flow("flows.reparse.reparse", parameters, **options)


def run_import(
    settings: Settings,
    paths: Sequence[Path],
    *,
    source: str | None,
    language: str | None = None,
    time_zone: str | None = None,
    notify: Notify,
    progress: OnProgress,
) -> RunReport:
    """Import posts; this needs no Prefect.

    Raises:
        WarehouseError: The warehouse could not be written.
    """
    from flows.import_export.import_files import import_posts

    environment, signals = _environment(notify, progress)
    with environment, signals:
        return import_posts(settings, paths, source=source, language=language, time_zone=time_zone)


def run_flow(
    entrypoint: str,
    parameters: dict[str, Any],
    *,
    settings: Settings,
    server: RunServer | None,
    notify: Notify,
    progress: OnProgress,
    verbosity: int = 0,
) -> RunReport:
    """Call a flow in this process and return its report.

    SIGINT and SIGTERM let it end after its batch; the second one ends it at once.

    Args:
        entrypoint: ``package.module.flow``.
        parameters: Of the flow.
        settings: The configuration.
        server: Records the run; ``None`` starts one that ends with this process.
        notify: Called with messages.
        progress: Called after each batch.
        verbosity: 1 shows Prefect's log on the terminal.

    Raises:
        ServerNotStarted: The server cannot be used.
        RunFailed: Prefect ended the run; the message is the reason.
    """
    from flows.pipeline.run import RunEnvironment, use_environment

    stop = threading.Event()
    environment = RunEnvironment(
        stop=stop,
        on_progress=progress,
        notify=notify,
        signals=lambda: graceful_shutdown(stop, notify),
    )
    with graceful_shutdown(stop, notify):
        use_server(settings, server, stop=stop, notify=notify, verbosity=verbosity)
        module, _, name = entrypoint.rpartition(".")
        flow = getattr(import_module(module), name).with_options(on_running=[label_process])
        with use_environment(environment):
            return _call(flow, parameters, environment)


def use_server(
    settings: Settings,
    server: RunServer | None,
    *,
    stop: threading.Event,
    notify: Notify,
    verbosity: int = 0,
) -> None:
    """Prepare Prefect for a server, or start one that ends with this process.

    Raises:
        ServerNotStarted: It cannot be used, or does not start.
    """
    _prepare_logging(verbosity)
    if server is None:
        prefect_api.prepare_client(os.environ, settings, None, is_own=True)
        _start_server(settings, stop=stop, notify=notify)
        return
    shown = redact_url(server.api_url)
    if server.serve:
        notify(f"using the Prefect server of `copydesk serve` at {shown}")
    prefect_api.prepare_client(os.environ, settings, server.api_url, is_own=server.is_own)
    if problem := prefect_api.server_problem(server.api_url):
        error = ServerNotStarted(f"the Prefect server {shown} {problem}")
        if server.serve:
            error.add_note(
                "`copydesk serve` may still be starting: run the command again, or see "
                "`copydesk doctor`"
            )
        raise error


def _start_server(settings: Settings, *, stop: threading.Event, notify: Notify) -> None:
    """Start a server on a free port.

    Prefect's own ephemeral server shares our process group: Ctrl-C would end it before the run.
    """
    from flows.serve.prefect_server import PrefectServer, server_environment

    home = prefect_api.prefect_home(settings)
    is_new = not (home / "prefect.db").exists()
    takes = "the first time takes up to half a minute" if is_new else "a few seconds"
    notify(f"starting Prefect for this run ({takes}; set {prefect_api.API_URL} to use a server)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = PrefectServer(
        home, host="127.0.0.1", port=port, api_url=f"http://127.0.0.1:{port}/api"
    )
    # Registered before Prefect is imported, so that it runs after Prefect sent its last events.
    atexit.register(server.stop)
    environ = server_environment(settings) | {"PREFECT_SERVER_UI_ENABLED": "false"}
    if not server.start(environ, stop=stop):
        raise KeyboardInterrupt
    os.environ[prefect_api.API_URL] = server.api_url


def _prepare_logging(verbosity: int) -> None:
    """Show Prefect's log on the terminal with ``--verbose`` only; the run's page has it."""
    level = _CONSOLE_LEVELS.get(verbosity, "DEBUG")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", level)
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "2")
    if "PREFECT_LOGGING_LEVEL" not in os.environ:
        os.environ["PREFECT_LOGGING_LEVEL"] = "DEBUG" if verbosity > 1 else "INFO"
        os.environ.setdefault(_CONSOLE_LEVEL, level)


def _call(flow: Any, parameters: dict[str, Any], environment: RunEnvironment) -> RunReport:
    import httpx
    import prefect

    sources = parameters.get("sources") or [parameters.get("source")]
    try:
        with prefect.tags("copydesk", flow.name, *filter(None, sources)):
            state = flow(**parameters, return_state=True)
        result = state.result(raise_on_failure=False)
    except Exception as error:
        if isinstance(error, httpx.TransportError) and environment.reports:
            environment.notify("the Prefect server ended during the run; everything is stored")
            return environment.reports[-1]
        raise _explained(error) from error
    if isinstance(result, RunReport):
        return result
    if isinstance(result, Exception):
        raise _explained(result)
    raise RunFailed(f"Prefect ended the run as {state.type.value}: {state.message}")


def _explained(error: Exception) -> Exception:
    """Return an error of Prefect as a message for the terminal; other errors as they are."""
    package = type(error).__module__.partition(".")[0]
    is_unreachable = isinstance(error, RuntimeError) and "API" in str(error)
    if package not in ("prefect", "httpx", "httpcore") and not is_unreachable:
        return error
    text = " ".join(str(error).split())[:300]
    return RunFailed(
        f"Prefect could not run this ({type(error).__name__}: {text}). What was stored is kept. "
        f"`copydesk doctor` checks its server"
    )


def _environment(notify: Notify, progress: OnProgress) -> tuple[Any, Any]:
    """Return the context managers of a run without Prefect: its environment and its signals."""
    from flows.pipeline.run import RunEnvironment, use_environment

    stop = threading.Event()
    environment = RunEnvironment(stop=stop, on_progress=progress, notify=notify)
    return use_environment(environment), graceful_shutdown(stop, notify)


def _urls_file(settings: Settings, urls: Sequence[str]) -> Path:
    """Write addresses to a file: they are too many for a parameter."""
    text = "\n".join(urls) + "\n"
    folder = settings.warehouse.folder / "backfills"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{sha256(text.encode()).hexdigest()[:16]}.urls"
    file.write_text(text, encoding="utf-8")
    return file


def _path(file: Path | None) -> str | None:
    return str(file) if file else None
