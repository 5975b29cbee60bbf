"""The task runner of Prefect that ``[run] task_runner`` names."""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from prefect.settings import PREFECT_API_URL
from prefect.task_runners import TaskRunner

from flows.errors import ConfigurationError
from flows.prefect_api import API_URL, LOOPBACK
from flows.settings import Settings


def check_cluster(settings: Settings) -> None:
    """Refuse a task runner that cannot be used, before a run begins.

    Raises:
        ConfigurationError: Its package is not installed, or its workers cannot reach the
            server of Prefect.
    """
    if settings.run.task_runner != "threads":
        _module(settings.run.task_runner)
        check_server(settings.run.cluster, PREFECT_API_URL.value())


def _module(kind: str) -> Any:
    try:
        return import_module(f"prefect_{kind}")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"run.task_runner: {kind!r} needs a package that is not installed ({error.name}): "
            f'pip install "copydesk[{kind}]"'
        ) from None


def make_task_runner(settings: Settings) -> TaskRunner[Any]:
    """Make the task runner; it starts its workers, or connects to them, when it is entered.

    Raises:
        ConfigurationError: Its package is not installed.
    """
    kind, address = settings.run.task_runner, settings.run.cluster
    module = _module(kind)
    count = worker_count(settings)
    runner: TaskRunner[Any]
    if kind == "dask":
        local = {
            "n_workers": count,
            "threads_per_worker": 1,
            "dashboard_address": None,
            "silence_logs": logging.CRITICAL,  # each stopped worker would print a traceback
        }
        options = {"address": address} if address else {"cluster_kwargs": local}
        # Dask's own profiler looks at each thread of its workers 100 times a second.
        os.environ.setdefault("DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED", "False")
        runner = module.DaskTaskRunner(**options)
    else:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet = {"log_to_driver": False, "configure_logging": False}
        local = {"num_cpus": count, "include_dashboard": False}
        runner = module.RayTaskRunner(
            address=address or None, init_kwargs=quiet if address else quiet | local
        )
    return runner


def worker_count(settings: Settings) -> int:
    """How many workers a cluster has that a run starts for itself."""
    return settings.run.workers or len(os.sched_getaffinity(0))


def check_server(cluster: str, api_url: str | None) -> None:
    """Refuse workers elsewhere that would look for the Prefect server on their own machine.

    Args:
        cluster: The address of the cluster; empty for one on this machine.
        api_url: The address of the Prefect server.

    Raises:
        ConfigurationError: The workers cannot reach it.
    """
    if not api_url:
        raise ConfigurationError(
            f"run.task_runner: workers report to a Prefect server, and {API_URL} is not set: set "
            "it to the address of a server, such as http://prefect.example.org:4200/api"
        )
    if cluster and not is_loopback(cluster) and is_loopback(api_url):
        raise ConfigurationError(
            f"run.cluster: the workers of {cluster} cannot reach the Prefect server at {api_url}, "
            f"which is on this machine only: set {API_URL} to an address that they reach, such as "
            "http://prefect.example.org:4200/api, and serve.host to 0.0.0.0 where `copydesk "
            "serve` runs the server"
        )


def is_loopback(address: str) -> bool:
    """Whether an address means the machine that uses it."""
    host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    return host in LOOPBACK or host.startswith("127.")
