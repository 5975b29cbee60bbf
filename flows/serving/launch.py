"""From a command to a run: prepares Prefect's surroundings, catches Ctrl-C, waits.

Prefect is imported here and only when a run begins; it costs a second.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.callbacks import Notify, OnProgress
from flows.errors import ConfigurationError, RunFailed, ServerNotStarted
from flows.pipeline.signals import graceful_shutdown
from flows.pipeline.stats import RunReport
from flows.settings import resolve_config_file

if TYPE_CHECKING:
    from flows.pipeline.run import RunEnvironment
    from flows.settings import Settings


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
) -> RunReport:
    """One sync through Prefect, in this process.

    Raises:
        ConfigurationError: A source is unknown.
        RunFailed: Prefect could not run it.
        WarehouseError: The warehouse could not be written.
    """
    slugs = [source.slug for source in settings.selected_sources(sources)]
    if (why := _why_not_the_server(settings)) is not None:
        notify(f"the Prefect server {why}: this run goes on without it")
        return _without_prefect(settings, slugs, limit, dry_run, notify=notify, progress=progress)
    parameters = {
        "sources": list(sources) or None,
        "limit": limit,
        "dry_run": dry_run,
        "config": str(file) if (file := resolve_config_file(config)) else None,
    }
    try:
        return run_flow(
            "flows.sync:sync",
            parameters,
            settings=settings,
            notify=notify,
            progress=progress,
            verbosity=verbosity,
        )
    except ServerNotStarted as error:
        notify(f"{error}\nthis run goes on without it; `copydesk doctor` looks what is wrong")
        return _without_prefect(settings, slugs, limit, dry_run, notify=notify, progress=progress)


def _why_not_the_server(settings: Settings) -> str | None:
    """Which server there is and why it cannot be used; ``None`` when it can, or there is none."""
    from flows.serving.neighbours import why_unusable
    from flows.serving.place import find_served, know_own_password, named_server, prefect_home

    url = named_server(os.environ)
    if url is None and (served := find_served(prefect_home(settings))):
        url = served.api_url
        if served.is_own:
            know_own_password(os.environ, served.api_url)
    why = why_unusable(url) if url else None
    return why and f"{url} {why}"


def _without_prefect(
    settings: Settings,
    slugs: list[str],
    limit: int | None,
    dry_run: bool,
    *,
    notify: Notify,
    progress: OnProgress,
) -> RunReport:
    from flows.pipeline.run import RunEnvironment, use_environment
    from flows.sync import sync_without_prefect

    stop = threading.Event()
    environment = RunEnvironment(stop=stop, on_progress=progress, notify=notify)
    with use_environment(environment), graceful_shutdown(stop, notify):
        return sync_without_prefect(settings, slugs, limit=limit, dry_run=dry_run)


def run_import(
    settings: Settings,
    paths: Sequence[Path],
    *,
    source: str | None,
    notify: Notify,
    progress: OnProgress,
) -> RunReport:
    """One import, in this process; it needs no Prefect.

    Raises:
        WarehouseError: The warehouse could not be written.
    """
    from flows.pipeline.run import RunEnvironment, use_environment
    from flows.publishing.import_files import import_posts

    stop = threading.Event()
    environment = RunEnvironment(stop=stop, on_progress=progress, notify=notify)
    with use_environment(environment), graceful_shutdown(stop, notify):
        return import_posts(settings, paths, source=source)


def run_flow(
    entrypoint: str,
    parameters: dict[str, Any],
    *,
    settings: Settings,
    notify: Notify,
    progress: OnProgress,
    verbosity: int = 0,
) -> RunReport:
    """Call a flow in this process and give back its report, whatever its state.

    Ctrl-C (or SIGTERM) asks it to end after what it is doing; a second one ends it at once.

    Args:
        entrypoint: ``module:flow``, imported here: Prefect must not be imported before
            its settings stand.
        parameters: Of the flow.
        settings: Where Prefect's home goes.
        notify: Told about waits.
        progress: Told how far it is.
        verbosity: Of Prefect's own words.

    Raises:
        RunFailed: Prefect cannot run it here; the message says why.
    """
    from flows.pipeline.run import RunEnvironment, use_environment
    from flows.serving.ephemeral_server import prefect_ready

    stop = threading.Event()
    environment = RunEnvironment(
        stop=stop,
        on_progress=progress,
        notify=notify,
        signals=lambda: graceful_shutdown(stop, notify),
    )
    with (
        graceful_shutdown(stop, notify),
        prefect_ready(settings, stop=stop, notify=notify, verbosity=verbosity),
        use_environment(environment),
    ):
        module, _, name = entrypoint.partition(":")
        flow = getattr(import_module(module), name)
        return _called(flow, parameters, environment, tags=_tags(settings, notify))


def _called(
    flow: Any, parameters: dict[str, Any], environment: RunEnvironment, *, tags: tuple[str, ...]
) -> RunReport:
    import httpx
    import prefect

    try:
        sources = parameters.get("sources") or [parameters.get("source")]
        with prefect.tags("copydesk", flow.name, *tags, *filter(None, sources)):
            state = flow(**parameters, return_state=True)
        found = state.result(raise_on_failure=False)
    except httpx.TransportError as error:
        if not environment.reports:
            raise _in_words(error) from error
        environment.notify(
            "the Prefect server went away during the run; everything is stored all the same"
        )
        return environment.reports[-1]
    except Exception as error:
        raise _in_words(error) from error
    if isinstance(found, RunReport):
        return found
    if isinstance(found, Exception):
        raise _in_words(found)
    raise RunFailed(f"Prefect ended the run as {state.type.value}: {state.message}")


def _tags(settings: Settings, notify: Notify) -> tuple[str, ...]:
    """The installation's tag; a run goes without it where it cannot be had."""
    from flows.serving.installation import tag

    try:
        return (tag(settings),)
    except (ConfigurationError, OSError) as error:
        notify(f"{error}; this run goes on without the tag of its installation")
        return ()


def _in_words(error: Exception) -> Exception:
    """What of Prefect went wrong, for the person at the keyboard; other errors as they are."""
    whose = type(error).__module__.partition(".")[0]
    is_unreachable = isinstance(error, RuntimeError) and "API" in str(error)
    if whose not in ("prefect", "httpx", "httpcore") and not is_unreachable:
        return error
    server = os.environ.get("PREFECT_API_URL", "of its own")
    if _is_refusal(error):
        from flows.serving.neighbours import REFUSED

        return RunFailed(f"Prefect could not run this: its server {server} {REFUSED}")
    words = " ".join(str(error).split())[:300]
    return RunFailed(
        f"Prefect could not run this ({type(error).__name__}: {words}). What was stored stays "
        f"stored. Its server is {server}: see that it answers and that its folder "
        f"{os.environ.get('PREFECT_HOME', '')} has room and may be written; `copydesk doctor` looks"
    )


def _is_refusal(error: Exception) -> bool:
    """Whether a server wants a password that it was not told."""
    answer = getattr(error, "response", None)
    return getattr(answer, "status_code", None) in (401, 403)
