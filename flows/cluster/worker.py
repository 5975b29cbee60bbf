"""What runs on a worker: the check of its release, then the function of an order."""

from __future__ import annotations

import pickle
import platform
import socket
from collections.abc import Mapping
from importlib.metadata import version

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.pipeline.cluster import WorkerMismatch
from parsers import registry

PACKAGES = ("copydesk", "ada-url", "beautifulsoup4", "lxml", "nh3", "protego")
"""Packages whose version changes what a page gives."""


def release(parsers: Mapping[str, str]) -> dict[str, str]:
    """What the processes of a run must have in common.

    Args:
        parsers: The name and the version of the parsers of the sources.
    """
    python = {"Python": ".".join(platform.python_version_tuple()[:2])}
    return python | {name: version(name) for name in PACKAGES} | dict(parsers)


def check_release(expected: Mapping[str, str], machine: str) -> None:
    """Refuse an order of another release.

    Args:
        expected: The release of the process of the run.
        machine: Its machine.

    Raises:
        WorkerMismatch: This process has another one.
    """
    known = {f"parser {name}": one.version for name, one in registry.PARSERS.items()}
    own = release({name: known.get(name, "none") for name in expected if name[:7] == "parser "})
    if own != dict(expected):
        different = [name for name in expected if own.get(name) != expected[name]]
        here, there = (
            ", ".join(f"{name} {one.get(name, 'none')}" for name in different)
            for one in (own, expected)
        )
        raise WorkerMismatch(
            f"the worker on {socket.gethostname()} has {here}, and the run on {machine} has "
            f"{there}: install the same packages on both"
        )


@task(name="chunk", cache_policy=NO_CACHE, persist_result=False, retries=0)
def run_order(expected: dict[str, str], machine: str, order: bytes) -> bytes:
    """Run an order; pickled, because Prefect would look through each of its values.

    Raises:
        WorkerMismatch: This worker has another release than the run.
    """
    check_release(expected, machine)
    function, given = pickle.loads(order)  # noqa: S301 - the process of the run wrote it
    return pickle.dumps(function(given), protocol=pickle.HIGHEST_PROTOCOL)
