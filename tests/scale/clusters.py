"""Two workers of Dask and of Ray, started once for the tests that use them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKERS = 2


@contextmanager
def dask_cluster() -> Iterator[str]:
    """The address of a scheduler on this machine."""
    from distributed import LocalCluster

    with (
        _importable(),
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster.scheduler_address


@contextmanager
def ray_cluster() -> Iterator[str]:
    """The address of a Ray on this machine, to which this process is connected."""
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with _importable():
        context = ray.init(
            num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, configure_logging=False
        )
    try:
        yield str(context.address_info["address"])
    finally:
        ray.shutdown()


@contextmanager
def _importable() -> Iterator[None]:
    """Workers find the packages of this tree, wherever the tests were started."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
